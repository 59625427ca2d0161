//! DKLs23, all signers and an aggregator.
//!
//! `presign`, `online` and `full` run the machines alone, with every message as bytes, which is the work the peer does: it
//! leaves signatures on messages to its caller. The `session` cases sign, echo and verify every message too.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use keymoot_protocol::curve::Secp256k1;
use keymoot_protocol::dkls23::{
    Aggregator, Bans, Freshness, Ledger, Order, PairSetup, Payload, PayloadHash, Presignature, Presigner,
    Setup, Signer, VerifyingKey, setup,
};
use keymoot_protocol::key::KeyShare;
use keymoot_protocol::machine::{Machine, Next, Opening, Round};
use keymoot_protocol::session::{Advance, Session};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party, Path, Scheme};

use crate::measure::{Bench, timed};
use crate::peer_dkls23::Dkls23;
use crate::world::{Run, World, drive, drive_and, machines, outputs};

/// Threshold, members and batch sizes of the cases.
const SIZES: [(u16, u16, &[u16]); 4] =
    [(2, 3, &[1, 32, 256, 1024]), (3, 5, &[256]), (5, 9, &[64]), (7, 12, &[64])];

const PEER: &str = "dkls23 0.6.2";

/// Committees that the peer is measured with too; its key generation takes seconds beyond.
const PEER_MEMBERS: u16 = 5;

pub fn run(bench: &Bench) -> Result<()> {
    single_key(bench)?;
    let mut per_signer = Vec::new();
    for (needed, total, batches) in SIZES {
        let size = format!("{needed}of{total}");
        let with_peer = total <= PEER_MEMBERS;
        let names = ["dkg", "setup", "keygen"].map(|kind| format!("dkls23/{kind}/{size}"));
        if names.iter().any(|name| bench.wants(name)) {
            keygen(bench, &names, (needed, total), with_peer)?;
        }
        for batch in batches {
            let kinds = ["presign", "online", "full", "online-session", "full-session"];
            let names = kinds.map(|kind| format!("dkls23/{kind}/{size}/batch{batch}"));
            if names.iter().any(|name| bench.wants(name)) {
                let cost = signing(bench, &names, (needed, total), *batch, with_peer)?;
                per_signer.push((needed, *batch, cost));
            }
        }
    }
    print_growth(bench, &per_signer);
    Ok(())
}

/// What one key in one place takes.
fn single_key(bench: &Bench) -> Result<()> {
    let secp = secp256k1::Secp256k1::new();
    let secret = secp256k1::SecretKey::from_byte_array([7; 32])?;
    let (public, message) = (secret.public_key(&secp), secp256k1::Message::from_digest([0x42; 32]));
    let mut both = || {
        let signature = secp.sign_ecdsa(message, &secret);
        secp.verify_ecdsa(message, &signature, &public).map(|()| 64).context("a fresh signature verifies")
    };
    bench.case("dkls23/single-key/libsecp256k1", &mut both, None)?;
    let mut both = || crate::measure::unit().map(|()| 64);
    bench.case("dkls23/single-key/k256", &mut both, None)
}

fn keygen(bench: &Bench, names: &[String; 3], (needed, total): (u16, u16), with_peer: bool) -> Result<()> {
    let [dkg, setup, keygen] = names;
    let mut world = World::new(needed, total)?;
    bench.case(dkg, &mut || world.generate_for::<Secp256k1>(Scheme::Dkls23).map(|(_, bytes)| bytes), None)?;
    bench.case(setup, &mut || set_up(&mut world).map(|(_, bytes)| bytes), None)?;
    let mut ours = || {
        let (_, dkg) = world.generate_for::<Secp256k1>(Scheme::Dkls23)?;
        set_up(&mut world).map(|(_, bytes)| dkg + bytes)
    };
    let mut peer = || timed(|| Dkls23::keygen(needed, total).map(|()| 0));
    bench.case(keygen, &mut ours, with_peer.then_some((PEER, &mut peer)))
}

fn set_up(world: &mut World) -> Result<(Vec<PairSetup>, usize)> {
    let context = Arc::new(setup::context(Arc::clone(&world.committee), world.new_session()));
    let mut runs = BTreeMap::new();
    for (party, identity) in &world.identities {
        let (context, identity) = (Arc::clone(&context), Arc::clone(identity));
        let opening = Setup::start(context, *party, identity, &Bans::default(), &mut world.rng)?;
        runs.insert(*party, Run::new(opening));
    }
    let bytes = drive(&mut runs)?;
    Ok((outputs(runs)?, bytes))
}

/// A committee that is ready to presign.
struct Ready {
    world: World,
    shares: Vec<Arc<KeyShare<Secp256k1>>>,
    setups: Vec<Arc<PairSetup>>,
    ledgers: Vec<Ledger>,
    signers: Vec<Party>,
    key: Arc<VerifyingKey>,
}

impl Ready {
    fn new(needed: u16, total: u16) -> Result<Self> {
        let mut world = World::new(needed, total)?;
        let shares: Vec<_> = world.generate_for(Scheme::Dkls23)?.0.into_iter().map(Arc::new).collect();
        let setups: Vec<_> = set_up(&mut world)?.0.into_iter().map(Arc::new).collect();
        let signers = shares.iter().take(usize::from(needed)).map(|share| share.party()).collect();
        let group = Arc::clone(shares.first().context("a key has shares")?.group());
        let key = Arc::new(VerifyingKey::new(group, &world.committee, Path::root())?);
        let ledgers = setups.iter().map(|setup| Ledger::new(setup)).collect();
        Ok(Self { world, shares, setups, ledgers, signers, key })
    }

    fn presigners(&mut self, size: u16) -> Result<Vec<(Party, Opening<Presigner>)>> {
        let session = self.world.new_session();
        let mut openings = Vec::new();
        let members = self.shares.iter().zip(&self.setups).zip(&mut self.ledgers).take(self.signers.len());
        for ((share, setup), ledger) in members {
            let ticket = ledger.reserve(setup, &self.signers, Freshness::Shared, &Bans::default())?;
            let identity = Arc::clone(&self.world.identities[&share.party()]);
            let (share, setup, rng) = (Arc::clone(share), Arc::clone(setup), &mut self.world.rng);
            let party = share.party();
            let (batch, bans) = ((session, size), Bans::default());
            let opening = Presigner::start(share, setup, ticket, batch, identity, &bans, rng)?;
            openings.push((party, opening));
        }
        Ok(openings)
    }

    /// A batch by all signers: the presignatures, each with all its parts, and the bytes delivered.
    fn presign(&mut self, size: u16, how: How) -> Result<(Vec<Vec<Presignature>>, usize)> {
        let openings = self.presigners(size)?;
        let (presigned, bytes) = match how {
            How::Machines => machines(&mut self.world, openings)?,
            How::Sessions => {
                let mut runs =
                    openings.into_iter().map(|(party, opening)| (party, Run::new(opening))).collect();
                let bytes = drive(&mut runs)?;
                (outputs(runs)?, bytes)
            }
        };
        Ok((in_columns(presigned.into_iter().map(|presigned| presigned.presignatures).collect()), bytes))
    }

    /// A signature with all parts of one presignature; returns the bytes delivered.
    fn sign(&mut self, presignatures: Vec<Presignature>, how: How) -> Result<usize> {
        let session = self.world.new_session();
        let public = presignatures.first().context("there are signers")?.public().clone();
        let payload = Payload::new(PayloadHash::Sha256, b"benchmark".to_vec());
        let order = Order::new(Arc::clone(&self.key), Arc::new(payload), Arc::new(public))?;
        let mut openings = Vec::new();
        for presignature in presignatures {
            let identity = Arc::clone(&self.world.identities[&presignature.party()]);
            let (party, (_, burnt)) = (presignature.party(), presignature.burn(order.intent()));
            openings.push((party, Signer::start(order.clone(), session, identity, burnt, &Bans::default())?));
        }
        let aggregator = Aggregator::start(order, session);
        match how {
            How::Machines => sign_by_machines(openings, aggregator),
            How::Sessions => sign_by_sessions(openings, aggregator),
        }
    }
}

/// Whether the machines' messages are signed, echoed and verified, or only encoded and decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Machines,
    Sessions,
}

fn sign_by_machines(
    signers: Vec<(Party, Opening<Signer>)>,
    aggregator: Opening<Aggregator>,
) -> Result<usize> {
    let ssid = Hash::from_bytes([9; 32]);
    let round = |number, bodies: &BTreeMap<Party, Vec<u8>>, aggregator: Aggregator| {
        let bodies = bodies.iter().map(|(party, body)| (*party, body.as_slice())).collect();
        aggregator.receive(Round { ssid, number, view: ssid, bodies })
    };
    let (mut approvals, mut machines) = (BTreeMap::new(), Vec::new());
    for (party, opening) in signers {
        let (machine, hello) = opening.into_parts();
        approvals.insert(party, hello.context("a signer approves")?.to_vec());
        machines.push((party, machine));
    }
    let mut shares = BTreeMap::new();
    for (party, machine) in machines {
        let bodies = approvals.iter().map(|(party, body)| (*party, body.as_slice())).collect();
        let step = machine.receive(Round { ssid, number: 0, view: ssid, bodies })?;
        let share = step.outbox.first().context("a signer sends one share")?;
        shares.insert(party, share.body.to_vec());
    }
    let Next::Wait(aggregator) = round(0, &approvals, aggregator.into_parts().0)?.next else {
        bail!("the aggregator awaits shares")
    };
    let Next::Done(_signature) = round(1, &shares, aggregator)?.next else { bail!("there is no signature") };
    // To every other signer and to the aggregator.
    Ok(approvals.values().chain(shares.values()).map(|body| body.len() * shares.len()).sum())
}

fn sign_by_sessions(
    signers: Vec<(Party, Opening<Signer>)>,
    aggregator: Opening<Aggregator>,
) -> Result<usize> {
    let mut runs = signers.into_iter().map(|(party, opening)| (party, Run::new(opening))).collect();
    let mut aggregator = Some(Session::open(aggregator, Millis(u64::MAX)));
    let mut heard = 0;
    let delivered = drive_and(&mut runs, |envelope| {
        if let Some(Advance::Waiting { session, .. }) = aggregator.take() {
            heard += envelope.len();
            aggregator = Some(session.deliver(envelope));
        }
    })?;
    ensure!(matches!(aggregator, Some(Advance::Done { .. })), "there is no signature");
    Ok(delivered + heard)
}

fn signing(
    bench: &Bench,
    names: &[String; 5],
    (needed, total): (u16, u16),
    batch: u16,
    with_peer: bool,
) -> Result<Cost> {
    let [presign, online, full, online_session, session] = names;
    let mut ready = Ready::new(needed, total)?;
    let count = usize::from(batch);
    bench.batch(presign, count, &mut || ready.presign(batch, How::Machines).map(|(_, bytes)| bytes), None)?;
    for (name, how) in [(online, How::Machines), (online_session, How::Sessions)] {
        let mut pool = Vec::new();
        let mut one = || {
            if pool.is_empty() {
                pool = ready.presign(batch, How::Machines)?.0;
            }
            let presignatures = pool.pop().context("the pool was filled")?;
            timed(|| ready.sign(presignatures, how))
        };
        bench.timed_case(name, &mut one)?;
    }
    let mut whole = |how| {
        let (presignatures, mut bytes) = ready.presign(batch, how)?;
        for presignatures in presignatures {
            bytes += ready.sign(presignatures, how)?;
        }
        Ok(bytes)
    };
    let (time, bytes) = timed(|| whole(How::Machines))?;
    let mut peer = (with_peer && bench.peers).then(|| Dkls23::new(needed, total)).transpose()?;
    let mut sign = || timed(|| peer.as_mut().context("the peer was made")?.sign());
    bench.batch(full, count, &mut || whole(How::Machines), with_peer.then_some((PEER, &mut sign)))?;
    bench.batch(session, count, &mut || whole(How::Sessions), with_peer.then_some((PEER, &mut sign)))?;
    Ok(Cost { cpu_us: time / f64::from(batch), bytes: bytes / count })
}

/// What one signature takes, all signers together.
struct Cost {
    cpu_us: f64,
    bytes: usize,
}

/// From each signer's presignatures to each presignature's parts.
fn in_columns(signers: Vec<Vec<Presignature>>) -> Vec<Vec<Presignature>> {
    let mut columns: Vec<Vec<Presignature>> = Vec::new();
    for presignatures in signers {
        columns.resize_with(presignatures.len(), Vec::new);
        columns.iter_mut().zip(presignatures).for_each(|(column, one)| column.push(one));
    }
    columns
}

/// How the cost of one signer grows with the number of its peers: a line through all committees, by least squares.
fn print_growth(bench: &Bench, costs: &[(u16, u16, Cost)]) {
    let rows: Vec<_> = costs.iter().filter(|(_, batch, _)| *batch >= 64 && *batch <= 256).collect();
    if rows.len() < 3 {
        return;
    }
    let fit = |value: &dyn Fn(&Cost) -> f64| {
        let points: Vec<_> =
            rows.iter().map(|(t, _, cost)| (f64::from(*t) - 1.0, value(cost) / f64::from(*t))).collect();
        let n = points.len() as f64;
        let (x, y) = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0 / n, sum.1 + point.1 / n));
        let (xx, xy) = points.iter().fold((0.0, 0.0), |sum, point| {
            (sum.0 + (point.0 - x).powi(2), sum.1 + (point.0 - x) * (point.1 - y))
        });
        let worst = points.iter().map(|point| {
            let line = y + xy / xx * (point.0 - x);
            (point.1 / line - 1.0).abs()
        });
        (y - xy / xx * x, xy / xx, worst.fold(0.0, f64::max))
    };
    bench.growth("cpu_us", fit(&|cost| cost.cpu_us));
    bench.growth("bytes", fit(&|cost| cost.bytes as f64));
}
