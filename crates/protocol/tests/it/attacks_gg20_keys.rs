//! Presignatures of GG20 for another key, scheme or request than theirs.

use std::sync::Arc;

use keymoot_protocol::gg20::{PresignRefused, Presigner};
use keymoot_types::{Path, Scheme};

use crate::attacks_gg20_presign::{all, scene};
use crate::dkls::payload;
use crate::gg20::{order_for, take_first};
use crate::parties::{World, party, rng};

#[test]
fn p05_presignatures_of_another_key_or_request_are_refused() {
    use keymoot_protocol::dkls23::{Bans, VerifyingKey};
    use keymoot_protocol::gg20::sign::SignRefused;
    use keymoot_protocol::gg20::{Order as SignOrder, Signer};
    let (mut world, members) = scene(72);
    let presignatures = take_first(&mut world.gg20_presign(&members, &all(), 1));
    let public = Arc::new(presignatures[&party(1)].public().clone());
    let mut others = World::new(3, 3, 970);
    others.rng = rng(73);
    let other = Arc::clone(others.generate_for(Scheme::Gg20, 9)[0].group());
    let key = VerifyingKey::new(Arc::clone(&other), &other.committee, Path::root()).expect("a key");
    let refused = SignOrder::new(Arc::new(key), payload(b"x"), public).err();
    assert_eq!(refused, Some(SignRefused::WrongKey));
    let one = order_for(&members[&party(1)], &Path::root(), &payload(b"one"), &presignatures);
    let two = order_for(&members[&party(1)], &Path::root(), &payload(b"two"), &presignatures);
    let mut presignatures = presignatures;
    let (tombstone, burnt) = presignatures.remove(&party(1)).expect("a part").burn(one.intent());
    assert_eq!(tombstone.request, Some(one.intent()));
    let identity = Arc::clone(&world.identities[&party(1)]);
    let session = world.new_session();
    let refused = Signer::start(two, session, identity, burnt, &Bans::default()).err();
    assert_eq!(refused, Some(SignRefused::WrongRequest));
}

#[test]
fn p05_a_key_of_one_scheme_has_no_presignatures_of_another() {
    use keymoot_protocol::dkls23::{Bans, Order as DklsOrder, VerifyingKey, sign::SignRefused};
    use keymoot_protocol::gg20::Order as SignOrder;
    let (mut world, members) = scene(75);
    let presignatures = take_first(&mut world.gg20_presign(&members, &all(), 1));
    let public = Arc::new(presignatures[&party(1)].public().clone());
    let shares = world.generate_for(Scheme::Dkls23, 2);
    let at_root = |group: &Arc<_>| {
        let key = VerifyingKey::new(Arc::clone(group), &world.committee, Path::root());
        Arc::new(key.expect("an ECDSA key"))
    };
    let [ours, theirs] = [members[&party(1)].share.group(), shares[0].group()].map(at_root);
    assert_eq!(ours.group().key, theirs.group().key, "nothing but the scheme tells them apart");
    assert_ne!(ours.group().digest(), theirs.group().digest());
    let refused = SignOrder::new(Arc::clone(&theirs), payload(b"x"), Arc::clone(&public)).err();
    assert_eq!(refused, Some(SignRefused::WrongScheme));
    let claimed = keymoot_protocol::dkls23::Public {
        ssid: public.ssid,
        view: public.view,
        number: public.number,
        group_key: public.group_key,
        epoch: public.epoch,
        signers: public.signers.clone(),
        nonce: public.nonce,
        entropy: public.entropy.clone(),
    };
    let refused = DklsOrder::new(ours, payload(b"x"), Arc::new(claimed)).err();
    assert_eq!(refused, Some(SignRefused::WrongScheme));
    let (session, identity) = (world.new_session(), Arc::clone(&world.identities[&party(1)]));
    let (share, moduli) = (Arc::clone(&shares[0]), Arc::clone(&members[&party(1)].auxiliary));
    let refused =
        Presigner::start(share, moduli, &all(), (session, 1), identity, &Bans::default(), &mut world.rng);
    assert_eq!(refused.err(), Some(PresignRefused::WrongScheme));
}
