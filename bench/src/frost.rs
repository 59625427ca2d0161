//! Signing through our machines, beside direct calls of the library they are built on.
//!
//! `full` is commit, sign and aggregate of t signers and one aggregator, with the messages as bytes between them and
//! every message decoded by whoever receives it. The peer does the same with the library alone. Envelope signatures
//! are no part of it; `session` adds them.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::frost::{Aggregator, Nonces, Order, Signer, SigningKey, Suite, VerifyingKey};
use keymoot_protocol::machine::{Machine, Next, Round};
use keymoot_protocol::session::{Advance, Session};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party, Path, SessionId};

use crate::measure::{Bench, timed};
use crate::peer::Zf;
use crate::world::World;

const MESSAGE: [u8; 32] = [0x42; 32];
const NAME: SessionId = SessionId::new([4; 16]);

pub fn run<S: Suite>(bench: &Bench, needed: u16, total: u16) -> Result<()> {
    let size = format!("{needed}of{total}");
    let [full, memory, session] =
        ["full", "full-in-memory", "session"].map(|kind| format!("{}/{kind}/{size}", S::SCHEME));
    if ![&full, &memory, &session].iter().any(|case| bench.wants(case)) {
        return Ok(());
    }
    let mut world = World::new(needed, total)?;
    let keys = signing_keys::<S>(&mut world)?;
    let signers = keys.iter().take(usize::from(needed)).map(|key| key.party()).collect();
    let order = Order::new(Arc::clone(keys[0].public()), signers, MESSAGE.to_vec())?;
    let mut zf = Zf::<S>::new(needed, total)?;
    let name =
        format!("{} 3.0.0", if S::LABEL == "ed25519" { "frost-ed25519" } else { "frost-secp256k1-tr" });
    bench.case(
        &full,
        &mut || machines(&mut world, &keys, &order),
        Some((&name, &mut || timed(|| zf.sign_as_bytes().map(|()| 0)))),
    )?;
    let in_memory = format!("{name} without any encoding");
    bench.case(
        &memory,
        &mut || machines(&mut world, &keys, &order),
        Some((&in_memory, &mut || timed(|| zf.sign_in_memory().map(|()| 0)))),
    )?;
    bench.case(&session, &mut || sessions(&mut world, &keys, &order), None)
}

fn signing_keys<S: Suite>(world: &mut World) -> Result<Vec<Arc<SigningKey<S>>>> {
    let (shares, _) = world.generate::<S>()?;
    let group = Arc::clone(shares.first().context("a key has shares")?.group());
    let public = Arc::new(VerifyingKey::new(group, &world.committee, Path::root())?);
    shares.iter().map(|share| Ok(Arc::new(SigningKey::new(share, Arc::clone(&public))?))).collect()
}

fn round<'a>(number: u8, bodies: &'a BTreeMap<Party, Vec<u8>>) -> Round<'a> {
    let zero = Hash::from_bytes([0; 32]);
    let bodies = bodies.iter().map(|(party, body)| (*party, body.as_slice())).collect();
    Round { ssid: zero, number, view: zero, bodies }
}

/// One signing by the machines alone.
fn machines<S: Suite>(world: &mut World, keys: &[Arc<SigningKey<S>>], order: &Order<S>) -> Result<usize> {
    let mut signers = Vec::new();
    let mut commitments = BTreeMap::new();
    for key in keys.iter().filter(|key| order.quorum().contains(key.party())) {
        let (_, nonces) = Nonces::draw(key, &mut world.rng).burn();
        let identity = Arc::clone(&world.identities[&key.party()]);
        let (signer, hello) =
            Signer::start(Arc::clone(key), order.clone(), NAME, identity, nonces)?.into_parts();
        commitments.insert(key.party(), hello.context("a signer says its commitments")?.to_vec());
        signers.push((key.party(), signer));
    }
    let mut shares = BTreeMap::new();
    for (party, signer) in signers {
        let step = signer.receive(round(0, &commitments))?;
        let [share] = step.outbox.as_slice() else { bail!("a signer sends one share") };
        shares.insert(party, share.body.to_vec());
    }
    let Next::Wait(aggregator) =
        Aggregator::start(order.clone(), NAME).into_parts().0.receive(round(0, &commitments))?.next
    else {
        bail!("the aggregator awaits shares")
    };
    let Next::Done(_signature) = aggregator.receive(round(1, &shares))?.next else {
        bail!("there is no signature")
    };
    Ok(commitments.values().chain(shares.values()).map(Vec::len).sum())
}

/// One signing through sessions: signed envelopes, checked by every recipient.
fn sessions<S: Suite>(world: &mut World, keys: &[Arc<SigningKey<S>>], order: &Order<S>) -> Result<usize> {
    let mut open = Vec::new();
    let mut hellos = Vec::new();
    for key in keys.iter().filter(|key| order.quorum().contains(key.party())) {
        let (_, nonces) = Nonces::draw(key, &mut world.rng).burn();
        let identity = Arc::clone(&world.identities[&key.party()]);
        let opening = Signer::start(Arc::clone(key), order.clone(), NAME, identity, nonces)?;
        let Advance::Waiting { session, outbox, .. } = Session::open(opening, Millis(u64::MAX)) else {
            bail!("a signer awaits the others")
        };
        open.push((key.party(), session));
        hellos.extend(outbox.into_iter().map(|envelope| (key.party(), envelope.encode())));
    }
    let mut total = 0;
    let mut shares = Vec::new();
    for (party, mut session) in open {
        for (from, hello) in hellos.iter().filter(|(from, _)| *from != party) {
            total += hello.len();
            session = match session.deliver(hello) {
                Advance::Waiting { session, .. } => session,
                Advance::Done { outbox, .. } => {
                    shares.extend(outbox);
                    break;
                }
                Advance::Dead { abort, .. } => bail!("the word of {from} killed an honest signing: {abort}"),
            };
        }
    }
    let mut aggregator = Session::open(Aggregator::start(order.clone(), NAME), Millis(u64::MAX));
    for bytes in hellos.iter().map(|(_, hello)| hello.clone()).chain(shares.iter().map(Wire::encode)) {
        total += bytes.len();
        let Advance::Waiting { session, .. } = aggregator else { bail!("the aggregator ended early") };
        aggregator = session.deliver(&bytes);
    }
    let Advance::Done { .. } = aggregator else { bail!("there is no signature") };
    Ok(total)
}
