//! No share and no nonce is left behind in freed memory. One test, because the allocator sees the whole process.

use std::collections::VecDeque;
use std::sync::Arc;

use keymoot_canary::{Scanner, freed_with};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::Ed25519;
use keymoot_protocol::dkg::Dkg;
use keymoot_protocol::frost::{NoncePool, Order, Signer, SigningKey, VerifyingKey};
use keymoot_protocol::key::KeyShare;
use keymoot_protocol::session::{Advance, Session};
use keymoot_types::{Millis, Path, Scheme, SessionId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use pair::{generation, identity, parties};

#[path = "pair/parties.rs"]
mod pair;

#[global_allocator]
static ALLOCATOR: Scanner = Scanner;

const END: Millis = Millis(u64::MAX);

/// A key of 2-of-2, the same one at every call; the shares of both parties.
fn generate() -> Vec<KeyShare<Ed25519>> {
    let context = generation(Scheme::FrostEd25519);
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let mut mail = VecDeque::new();
    let mut waiting = Vec::new();
    for party in parties() {
        let opening = Dkg::<Ed25519>::start(Arc::clone(&context), party, identity(party), &mut rng).unwrap();
        let Advance::Waiting { session, outbox, .. } = Session::open(opening, END) else {
            panic!("it waits")
        };
        mail.extend(outbox);
        waiting.push((party, Some(session)));
    }
    let mut shares = Vec::new();
    while let Some(envelope) = mail.pop_front() {
        let (_, slot) = waiting.iter_mut().find(|(party, _)| *party != envelope.header.from).unwrap();
        match slot.take().unwrap().deliver(&envelope.encode()) {
            Advance::Waiting { session, outbox, .. } => {
                *slot = Some(session);
                mail.extend(outbox);
            }
            Advance::Done { output, outbox } => {
                shares.push(output);
                mail.extend(outbox);
            }
            Advance::Dead { abort, .. } => panic!("{abort}"),
        }
    }
    shares.sort_by_key(KeyShare::party);
    shares
}

fn keys(shares: &[KeyShare<Ed25519>]) -> Vec<Arc<SigningKey<Ed25519>>> {
    let group = Arc::clone(shares[0].group());
    let committee = Arc::clone(&group.committee);
    let public = Arc::new(VerifyingKey::new(group, &committee, Path::root()).unwrap());
    shares.iter().map(|share| Arc::new(SigningKey::new(share, Arc::clone(&public)).unwrap())).collect()
}

/// Draws three pairs, signs with one, and drops the others with the pool.
fn draw_and_sign(keys: &[Arc<SigningKey<Ed25519>>]) {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let mut pool = NoncePool::default();
    let published = pool.refill(&keys[0], 3, &mut rng);
    let signers = keys.iter().map(|key| key.party()).collect();
    let order = Order::new(Arc::clone(keys[0].public()), signers, b"canary".to_vec()).unwrap();
    let other = NoncePool::default().refill(&keys[1], 1, &mut ChaCha20Rng::seed_from_u64(6));
    let list = [(keys[0].party(), published[0].1), (keys[1].party(), other[0].1)];
    let nonces = pool.burn(published[0].0).unwrap();
    let identity = identity(keys[0].party());
    let session = SessionId::new([7; 16]);
    let signer = Signer::prepared(Arc::clone(&keys[0]), order, session, identity, nonces, &list).unwrap();
    assert!(matches!(Session::open(signer, END), Advance::Done { .. }), "a prepared signer answers");
}

/// The six nonces that [`draw_and_sign`] draws, computed by the library.
fn nonces_of(share: &[u8; 32]) -> Vec<[u8; 32]> {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let share = frost_ed25519::keys::SigningShare::deserialize(share).unwrap();
    let mut nonces = Vec::new();
    for _ in 0..3 {
        let (drawn, _) = frost_core::round1::commit(&share, &mut rng);
        nonces.push(drawn.hiding().serialize().try_into().unwrap());
        nonces.push(drawn.binding().serialize().try_into().unwrap());
    }
    nonces
}

#[test]
fn no_share_and_no_nonce_is_left_behind_in_freed_memory() {
    let secrets: Vec<[u8; 32]> = generate().iter().map(|share| share.expose().to_bytes()).collect();
    let seen = freed_with(&secrets, || drop(secrets.clone()));
    assert_eq!(seen, [1, 1], "the allocator sees what is not wiped");
    let seen = freed_with(&secrets, || drop(generate()));
    assert_eq!(seen, [0, 0], "key generation leaves no share behind");
    let shares = generate();
    let seen = freed_with(&secrets, || drop(keys(&shares)));
    assert_eq!(seen, [0, 0], "making a key ready to sign leaves no share behind");

    let keys = keys(&shares);
    let mut sought = nonces_of(&secrets[0]);
    sought.extend(&secrets);
    let seen = freed_with(&sought, || draw_and_sign(&keys));
    assert_eq!(seen, [0; 8], "neither nonces, burnt or not, nor shares are left behind by signing");
}
