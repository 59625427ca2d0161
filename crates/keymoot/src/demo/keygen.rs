//! Key generation, round by round, and what of its result is public.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keymoot_protocol::codec::Wire;
use keymoot_protocol::dkg::Dkg;
use keymoot_protocol::envelope::Kind;
use keymoot_protocol::frost::{SigningKey, VerifyingKey};
use keymoot_protocol::key::{GroupKey, KeyShare};
use keymoot_protocol::machine::Machine;
use keymoot_protocol::session::Session;
use keymoot_types::Path;
use rand::rngs::OsRng;

use super::link::{DEADLINE, End, Running, Slot, finish_all, run};
use super::party::{Assembly, new_key_id, new_session_id};
use super::scene::{Audience, KeyFacts, Scene};
use super::schemes::Shown;
use super::sign::{Held, Holder};
use crate::failure::Failure;

const WHAT: &str = "key generation";

/// How many rounds there are to count.
pub const ROUNDS: usize = <Dkg<keymoot_protocol::curve::Ed25519> as Machine>::ROUNDS.len();

const NAMES: [&str; ROUNDS] = ["hello", "commit", "open", "shares", "proofs", "certify"];

/// What people call a slot of key generation.
pub fn stage_name((round, kind): Slot) -> &'static str {
    match kind {
        Kind::Body => NAMES.get(usize::from(round)).copied().unwrap_or("unknown"),
        Kind::Echo => "echo",
    }
}

/// Generates a key among all parties.
pub fn generate<S: Shown>(assembly: &Assembly, audience: &mut dyn Audience) -> Result<Held<S>, Failure> {
    audience.see(Scene::KeyBegins(S::SCHEME, assembly.threshold))?;
    let started = Instant::now();
    let (session, key) = (new_session_id(), new_key_id());
    let mut running: Vec<Running<Dkg<S>>> = Vec::new();
    for member in &assembly.members {
        let context = assembly.invite(session, S::SCHEME, key)?;
        let identity = Arc::clone(&member.identity);
        let opening = Dkg::start(context, member.party, identity, &mut OsRng)
            .map_err(Failure::bug("a party cannot take part in key generation"))?;
        running.push(Running::new(Some(member.party), Session::open(opening, DEADLINE)));
    }
    let mut ends: Vec<&mut dyn End> = running.iter_mut().map(|end| end as &mut dyn End).collect();
    let mut elapsed = Duration::ZERO;
    run(&mut ends, started, |stage| {
        elapsed += stage.elapsed;
        audience.see(Scene::Stage(stage))
    })?;
    let shares = finish_all(running, WHAT)?;
    let public = publish(&shares, assembly)?;
    audience.see(Scene::KeyReady(&facts(&public, elapsed)?))?;
    let mut holders = BTreeMap::new();
    for (member, share) in assembly.members.iter().zip(shares) {
        holders.insert(member.party, Holder::new(&member.identity, ready(&share)?));
    }
    Ok(Held { public: ready_public(public)?, holders })
}

/// The public key, from bytes that any party could have handed out: it is certified by the committee we know.
fn publish<S: Shown>(shares: &[KeyShare<S>], assembly: &Assembly) -> Result<Arc<GroupKey<S>>, Failure> {
    let first = shares.first().ok_or(Failure::Broken("key generation had no parties"))?.group();
    if shares.iter().any(|share| share.group() != first) {
        return Err(Failure::Broken("the parties hold different keys"));
    }
    let public =
        GroupKey::<S>::decode(&first.encode()).map_err(Failure::bug("the public key does not decode"))?;
    public.verify(&assembly.committee()?).map_err(Failure::bug("the key's certificate does not hold"))?;
    Ok(Arc::new(public))
}

/// A party's share, ready to sign at the root of the key.
fn ready<S: Shown>(share: &KeyShare<S>) -> Result<Arc<SigningKey<S>>, Failure> {
    let public = ready_public(Arc::clone(share.group()))?;
    SigningKey::new(share, public).map(Arc::new).map_err(Failure::bug("a share does not fit its key"))
}

fn ready_public<S: Shown>(group: Arc<GroupKey<S>>) -> Result<Arc<VerifyingKey<S>>, Failure> {
    let pinned = Arc::clone(&group.committee);
    VerifyingKey::new(group, &pinned, Path::root())
        .map(Arc::new)
        .map_err(Failure::bug("a new key cannot be used"))
}

fn facts<S: Shown>(public: &GroupKey<S>, elapsed: Duration) -> Result<KeyFacts, Failure> {
    Ok(KeyFacts {
        scheme: public.scheme,
        key: public.key,
        output_key: public.output_key,
        taproot: S::taproot(public)?,
        certificate: public.certificate.len(),
        transcript: public.view,
        elapsed,
    })
}
