//! Key generation, round by round, and what of its result is public.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::Curve;
use keymoot_protocol::dkg::Dkg;
use keymoot_protocol::frost::{SigningKey, VerifyingKey};
use keymoot_protocol::key::{GroupKey, KeyShare};
use keymoot_protocol::session::Session;
use keymoot_types::{Path, Scheme};
use rand::rngs::OsRng;

use super::link::{DEADLINE, End, Running, finish_all};
use super::party::{Assembly, new_key_id, new_session_id};
use super::rounds::Work;
use super::scene::{Audience, Extras, KeyFacts, Scene};
use super::schemes::Shown;
use super::sign::{Held, Holder};
use crate::failure::Failure;

/// A key that all parties have a share of, by all accounts the same.
pub struct Agreed<C: Curve> {
    /// In the order of the parties.
    pub shares: Vec<KeyShare<C>>,
    pub public: Arc<GroupKey<C>>,
    elapsed: Duration,
}

/// Generates a key among all parties.
pub fn agree<C: Curve>(
    scheme: Scheme,
    assembly: &Assembly,
    audience: &mut dyn Audience,
) -> Result<Agreed<C>, Failure> {
    audience.see(Scene::KeyBegins(scheme, assembly.threshold))?;
    let started = Instant::now();
    let (session, key) = (new_session_id(), new_key_id());
    let mut running: Vec<Running<Dkg<C>>> = Vec::new();
    for member in &assembly.members {
        let context = assembly.invite(session, scheme, key)?;
        let identity = Arc::clone(&member.identity);
        let opening = Dkg::start(context, member.party, identity, &mut OsRng)
            .map_err(Failure::bug("a party cannot take part in key generation"))?;
        running.push(Running::new(Some(member.party), Session::open(opening, DEADLINE)));
    }
    let mut ends: Vec<&mut dyn End> = running.iter_mut().map(|end| end as &mut dyn End).collect();
    let elapsed = Work::Keygen.watch(&mut ends, started, audience)?;
    let shares = finish_all(running, Work::Keygen.what())?;
    let public = publish(&shares, assembly)?;
    Ok(Agreed { shares, public, elapsed })
}

/// Generates a key for FROST.
pub fn generate<S: Shown>(assembly: &Assembly, audience: &mut dyn Audience) -> Result<Held<S>, Failure> {
    let agreed = agree::<S>(S::SCHEME, assembly, audience)?;
    audience.see(Scene::KeyReady(&agreed.facts(S::extras(&agreed.public)?)))?;
    let mut holders = BTreeMap::new();
    for (member, share) in assembly.members.iter().zip(agreed.shares) {
        holders.insert(member.party, Holder::new(&member.identity, ready(&share)?));
    }
    Ok(Held { public: ready_public(agreed.public)?, holders })
}

/// The public key, from bytes that any party could have handed out: it is certified by the committee we know.
fn publish<C: Curve>(shares: &[KeyShare<C>], assembly: &Assembly) -> Result<Arc<GroupKey<C>>, Failure> {
    let first = shares.first().ok_or(Failure::Broken("key generation had no parties"))?.group();
    if shares.iter().any(|share| share.group() != first) {
        return Err(Failure::Broken("the parties hold different keys"));
    }
    let public =
        GroupKey::<C>::decode(&first.encode()).map_err(Failure::bug("the public key does not decode"))?;
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

impl<C: Curve> Agreed<C> {
    /// What of it is public.
    pub fn facts(&self, extras: Extras) -> KeyFacts {
        let public = &self.public;
        KeyFacts {
            scheme: public.scheme,
            key: public.key,
            output_key: public.output_key,
            extras,
            certificate: public.certificate.len(),
            transcript: public.view,
            elapsed: self.elapsed,
        }
    }
}
