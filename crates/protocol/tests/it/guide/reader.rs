//! Somebody who follows the page, among others of the usual kind.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::sync::Arc;

use keymoot_protocol::abort::Abort;
use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::Secp256k1;
use keymoot_protocol::dkg::Dkg;
use keymoot_protocol::envelope::Envelope;
use keymoot_protocol::frost::{Aggregator, NoncePool, Order};
use keymoot_protocol::key::{GroupKey, KeyShare};
use keymoot_protocol::session::{Advance, Session};
use keymoot_types::{GroupId, KeyId, Millis, Path, SessionId};

use super::page;
use crate::net::{Mail, Node, Seated};
use crate::parties::{DEADLINE, World, party};

/// What came of a key generation in which party 1 follows the page.
pub struct Ceremony {
    pub ours: Result<KeyShare<Secp256k1>, Box<dyn Error>>,
    /// What party 1 made durable, in order.
    pub kept: Vec<(GroupKey<Secp256k1>, page::Scalar)>,
    /// The seats of parties 2 and 3.
    pub others: [Seated<Dkg<Secp256k1>>; 2],
}

/// Runs until no mail is left, then the clock strikes. `disk` says whether party 1 can store anything.
pub fn ceremony(
    world: &mut World,
    disk: fn() -> io::Result<()>,
    mut adversary: impl FnMut(Mail) -> Vec<Mail>,
) -> Ceremony {
    let pinned: Vec<_> =
        world.identities.iter().map(|(party, identity)| (*party, identity.public())).collect();
    let committee = page::committee(GroupId::new([1; 16]), world.committee.threshold(), &pinned).unwrap();
    let mut start = |member| {
        let member = (member, Arc::clone(&world.identities[&member]));
        let names = (world.session, KeyId::new([2; 16]));
        page::start_dkg(Arc::clone(&committee), names, member, DEADLINE, &mut world.rng).unwrap()
    };
    let ours = start(party(1));
    let mut others = [2, 3].map(|index| Seated::new(Some(party(index)), start(party(index))));
    let queue = RefCell::new(VecDeque::new());
    let mut post = |envelope: &Envelope| {
        let (from, only) = (envelope.header.from, envelope.header.to);
        let all = world.identities.keys().copied();
        for to in all.filter(|to| *to != from && only.is_none_or(|only| only == *to)) {
            let mail = Mail { from, to: Some(to), bytes: envelope.encode().to_vec() };
            queue.borrow_mut().extend(adversary(mail));
        }
    };
    let post = RefCell::new(&mut post);
    let mut receive = || loop {
        for envelope in others.iter_mut().flat_map(Seated::take_outbox) {
            post.borrow_mut()(&envelope);
        }
        let Some(mail) = queue.borrow_mut().pop_front() else { return (vec![], DEADLINE) };
        match others.iter_mut().find(|seat| seat.address() == mail.to) {
            Some(seat) => seat.deliver(&mail.bytes),
            None => return (mail.bytes, Millis(0)),
        }
    };
    let mut kept = Vec::new();
    let keep = |advance: &Advance<_>| {
        let make_durable = |key: &GroupKey<_>, share: &_| {
            disk()?;
            kept.push((key.clone(), *share));
            Ok(())
        };
        Ok(page::keep_share(advance, make_durable)?)
    };
    let ours = page::drive(ours, keep, |envelope| post.borrow_mut()(envelope), &mut receive);
    while receive().1 != DEADLINE {} // what is on its way to the others still arrives
    Ceremony { ours, kept, others }
}

/// Signs a digest as the page says, prepared, at a path, and returns key and signature.
pub fn sign(world: &mut World, shares: &[&KeyShare<Secp256k1>], digest: [u8; 32]) -> ([u8; 32], [u8; 64]) {
    let path: Path = "m/0/7".parse().unwrap();
    let keys: Vec<_> = shares.iter().map(|share| page::signing_key(share, path.clone()).unwrap()).collect();
    let mut pools: Vec<NoncePool<Secp256k1>> = keys.iter().map(|_| NoncePool::default()).collect();
    let published: Vec<_> =
        pools.iter_mut().zip(&keys).map(|(pool, key)| pool.refill(key, 1, &mut world.rng)[0]).collect();
    let listed: Vec<_> =
        keys.iter().zip(&published).map(|(key, (_, public))| (key.party(), *public)).collect();
    let session = SessionId::new([4; 16]);
    let mut mail = VecDeque::new();
    for ((key, pool), (ours, _)) in keys.iter().zip(&mut pools).zip(&published) {
        let mut burnt = None;
        let make_durable = |id| {
            burnt = Some(id);
            Ok(())
        };
        let identity = Arc::clone(&world.identities[&key.party()]);
        let request = (session, digest, listed.as_slice());
        let said =
            page::sign(Arc::clone(key), identity, request, (pool, *ours), make_durable, DEADLINE).unwrap();
        assert_eq!((said.len(), burnt), (1, Some(*ours)), "one message, and its nonce is on record");
        mail.extend(said.iter().map(|envelope| envelope.encode().to_vec()));
    }
    let signers = listed.iter().map(|(party, _)| *party).collect();
    let order = Order::new(Arc::clone(keys[0].public()), signers, digest.to_vec()).unwrap();
    let opening = Session::open(Aggregator::prepared(order, session, &listed).unwrap(), DEADLINE);
    let receive = || (mail.pop_front().unwrap_or_default(), Millis(0));
    let signature = page::drive(opening, |_| Ok::<_, Abort>(()), |_| {}, receive).unwrap();
    (*keys[0].public().output_key(), signature)
}
