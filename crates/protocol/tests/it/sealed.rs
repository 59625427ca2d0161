//! Shares in a sealed store, and signatures as those who rely on them check them.

use std::sync::Arc;

use keymoot_protocol::curve::{Ed25519, Secp256k1};
use keymoot_protocol::frost::{Order as SignOrder, Suite, VerifyingKey};
use keymoot_protocol::key::{ForeignShare, KeyShare};
use keymoot_types::Path;

use crate::net::{Order, honest};
use crate::parties::{Checked, World, group, party, run_all, signing_keys};

fn assert_seals<S: Suite>(seed: u64) {
    let (shares, other) =
        (World::new(2, 3, seed).generate::<S>(), World::new(2, 3, seed + 1).generate::<S>());
    let sealed = shares[1].seal();
    let back = KeyShare::unseal(&sealed, group(&shares)).unwrap();
    assert_eq!((back.party(), back.expose()), (party(2), shares[1].expose()));
    assert_eq!(back.seal(), sealed);
    assert_eq!(KeyShare::unseal(&sealed, group(&other)).err(), Some(ForeignShare), "another key's");
    let mut bare = (*group(&shares)).clone();
    bare.certificate.pop();
    assert_eq!(KeyShare::unseal(&sealed, Arc::new(bare)).err(), Some(ForeignShare), "no certificate");
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        assert!(KeyShare::unseal(&changed, group(&shares)).is_err(), "byte {place}");
    }
    for wrong in [&sealed[1..], &sealed[..sealed.len() - 1], &[&sealed[..], &[0]].concat(), &[]] {
        assert!(KeyShare::unseal(wrong, group(&shares)).is_err());
    }
}

#[test]
fn a_sealed_share_comes_back_beside_its_own_key_only() {
    assert_seals::<Secp256k1>(410);
    assert_seals::<Ed25519>(412);
}

#[test]
fn a_share_is_sealed_before_its_certificate_as_it_is_after() {
    let mut world = World::new(2, 3, 414);
    let context = world.dkg_context::<Ed25519>();
    let mut seats = world.dkg::<Ed25519>(&context);
    run_all(&mut seats, Order::First, |mail| {
        let withheld = mail.header().round == 5 && mail.to == Some(party(1));
        if withheld { vec![] } else { vec![mail] }
    });
    let session = seats.remove(&party(1)).unwrap().take_session().expect("party 1 waits");
    assert_eq!(session.missing(), [party(2), party(3)]);
    let (package, sealed) = session.machine().seal_pending().expect("only the certificate is missing");
    drop(session);
    let certified = Arc::clone(seats[&party(2)].output.as_ref().unwrap().group());
    let share = KeyShare::unseal(&sealed, certified).unwrap();
    assert_eq!((share.party(), share.group().digest()), (party(1), package));
    assert_eq!(share.seal(), sealed);
}

fn assert_verifies<S: Checked>(seed: u64) {
    let mut world = World::new(2, 3, seed);
    let shares = world.generate::<S>();
    let keys = signing_keys(&shares, &Path::root());
    let public: &Arc<VerifyingKey<S>> = keys[0].public();
    let order = SignOrder::new(Arc::clone(public), vec![party(1), party(2)], S::MESSAGE.to_vec()).unwrap();
    let mut signing = world.signing(&order, &keys);
    signing.run(Order::First, honest);
    let signature = signing.aggregator.output.unwrap();
    assert!(public.is_signature(S::MESSAGE, &signature));
    assert!(!public.is_signature(&[0x43; 32], &signature));
    assert!(!public.is_signature(S::MESSAGE, &signature[..63]));
    for place in [0, 31, 32, 63] {
        let mut changed = signature;
        changed[place] ^= 1;
        assert!(!public.is_signature(S::MESSAGE, &changed), "byte {place}");
    }
}

#[test]
fn a_signature_is_one_of_its_message_only() {
    assert_verifies::<Secp256k1>(415);
    assert_verifies::<Ed25519>(416);
}
