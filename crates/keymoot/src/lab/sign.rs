//! Asking a key for a signature: granted by enough parties, refused before anything happens by fewer. And how FROST
//! does it; ECDSA is in [`super::ecdsa`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use keymoot_protocol::frost::{Aggregator, Nonces, Order, Refused, Signer, SigningKey, VerifyingKey};
use keymoot_protocol::identity::IdentityKey;
use keymoot_protocol::machine::{Machine, Opening};
use keymoot_protocol::session::Session;
use keymoot_types::{Party, QuorumError, SessionId};
use rand::rngs::OsRng;

use super::link::{DEADLINE, End, Running, finish_all, run};
use super::names::names;
use super::party::{Member, new_session_id};
use super::scene::{Answer, Audience, Refusal, Signed};
use super::schemes::Shown;
use crate::failure::Failure;

const WHAT: &str = "signing";

/// A key that can be asked, whatever its scheme.
pub trait Key {
    /// Has these parties do ahead of any request what the scheme lets them do without knowing it.
    fn prepare(&mut self, signers: &[Party], audience: &mut dyn Audience) -> Result<(), Failure>;

    /// Asks these parties to sign a text together.
    fn ask(&mut self, signers: &[Party], text: &str) -> Result<Answer, Failure>;

    /// Makes a party unreachable, with its share.
    fn take_away(&mut self, party: Party, audience: &mut dyn Audience) -> Result<(), Failure>;
}

/// A key: its public side with whoever asks, its shares with the parties that can be reached.
pub struct Held<S: Shown> {
    pub public: Arc<VerifyingKey<S>>,
    pub holders: BTreeMap<Party, Holder<S>>,
}

/// One party's hold on one key.
pub struct Holder<S: Shown> {
    member: Member,
    key: Arc<SigningKey<S>>,
    nonces_used: u64,
}

/// What each signer is asked: the text itself, never its digest.
struct Request<'a> {
    session: SessionId,
    signers: &'a [Party],
    text: &'a str,
}

/// The bytes that a text stands for.
fn bytes_of<S: Shown>(text: &str) -> Vec<u8> {
    S::digest(text).map_or_else(|| text.as_bytes().to_vec(), |digested| digested.digest.to_vec())
}

impl<S: Shown> Holder<S> {
    pub fn new(identity: &Arc<IdentityKey>, key: Arc<SigningKey<S>>) -> Self {
        Self { member: Member { party: key.party(), identity: Arc::clone(identity) }, key, nonces_used: 0 }
    }

    /// Takes up a request. The party works out by itself what the text stands for, under the key that it holds.
    fn take_up(&mut self, request: &Request<'_>) -> Result<Running<Signer<S>>, Failure> {
        let refused = || Failure::bug::<Refused>("a party refused a sound request");
        let Request { session, signers, text } = *request;
        let order = Order::new(Arc::clone(self.key.public()), signers.to_vec(), bytes_of::<S>(text));
        let order = order.map_err(refused())?;
        // Nothing outlives this process, so there is nowhere to record the burning but here.
        let (_, burnt) = Nonces::draw(&self.key, &mut OsRng).burn();
        self.nonces_used += 1;
        let identity = Arc::clone(&self.member.identity);
        let opening =
            Signer::start(Arc::clone(&self.key), order, session, identity, burnt).map_err(refused())?;
        Ok(Running::new(Some(self.member.party), Session::open(opening, DEADLINE)))
    }
}

impl<S: Shown> Held<S> {
    fn nonces_used(&self) -> u64 {
        self.holders.values().map(|holder| holder.nonces_used).sum()
    }

    /// Has the signers take the request up, each by itself, and adds their shares up.
    fn sign(&mut self, order: Order<S>, text: &str, started: Instant) -> Result<[u8; 64], Failure> {
        let signers = order.quorum().signers().to_vec();
        let request = Request { session: new_session_id(), signers: &signers, text };
        let mut running = Vec::with_capacity(signers.len());
        for party in &signers {
            let holder = self.holders.get_mut(party).ok_or(Failure::Broken("a signer is not there"))?;
            running.push(holder.take_up(&request)?);
        }
        aggregate(running, Aggregator::start(order, request.session), started)
    }

    fn refusal(&self, needed: u16, reachable: &[Party], nonces_used: u64) -> Refusal {
        let everybody = self.public.group().committee.threshold().parties();
        let absent = everybody.filter(|party| !self.holders.contains_key(party)).collect();
        Refusal { scheme: S::SCHEME, needed, reachable: reachable.to_vec(), absent, nonces_used }
    }
}

/// Runs the signers and an aggregator, which holds no secret.
pub fn aggregate<S: Machine, A: Machine>(
    mut signers: Vec<Running<S>>,
    aggregator: Opening<A>,
    started: Instant,
) -> Result<A::Output, Failure> {
    let mut aggregator = Running::new(None, Session::open(aggregator, DEADLINE));
    let mut ends: Vec<&mut dyn End> = signers.iter_mut().map(|end| end as &mut dyn End).collect();
    ends.push(&mut aggregator);
    run(&mut ends, started, |_| Ok(()))?;
    finish_all(signers, WHAT)?;
    aggregator.finish(WHAT)
}

/// Has the independent library verify.
fn judge<S: Shown>(
    output_key: &[u8; 32],
    bytes: &[u8],
    signature: &[u8; 64],
    signers: &[Party],
) -> Result<(), Failure> {
    if S::verifies(output_key, bytes, signature) {
        return Ok(());
    }
    Err(Failure::Unverified { verifier: S::VERIFIER, signers: names(signers) })
}

impl<S: Shown> Key for Held<S> {
    fn prepare(&mut self, _: &[Party], _: &mut dyn Audience) -> Result<(), Failure> {
        Ok(())
    }

    fn ask(&mut self, signers: &[Party], text: &str) -> Result<Answer, Failure> {
        let started = Instant::now();
        let nonces_before = self.nonces_used();
        let bytes = bytes_of::<S>(text);
        let order = match Order::new(Arc::clone(&self.public), signers.to_vec(), bytes.clone()) {
            Ok(order) => order,
            Err(Refused::Quorum(QuorumError::NotEnough { needed, .. })) => {
                let nonces_used = self.nonces_used() - nonces_before;
                return Ok(Answer::Refused(self.refusal(needed, signers, nonces_used)));
            }
            Err(refused) => return Err(Failure::bug("a sound request was refused")(refused)),
        };
        let signature = self.sign(order, text, started)?;
        let elapsed = started.elapsed();
        judge::<S>(self.public.output_key(), &bytes, &signature, signers)?;
        Ok(Answer::Signed(Box::new(Signed {
            scheme: S::SCHEME,
            signers: signers.to_vec(),
            message: text.to_owned(),
            digest: S::digest(text),
            signature,
            ecdsa: None,
            verifier: S::VERIFIER,
            elapsed,
        })))
    }

    fn take_away(&mut self, party: Party, _: &mut dyn Audience) -> Result<(), Failure> {
        self.holders.remove(&party);
        Ok(())
    }
}

#[cfg(test)]
pub mod tests {
    use keymoot_protocol::curve::{Ed25519, Secp256k1};
    use keymoot_types::Threshold;

    use super::super::keygen::generate;
    use super::super::party::Assembly;
    use super::super::scene::Scene;
    use super::*;

    pub struct Nobody;

    impl Audience for Nobody {
        fn see(&mut self, _: Scene<'_>) -> Result<(), Failure> {
            Ok(())
        }
    }

    fn a_wrong_signature_is_our_defect<S: Shown>() {
        let assembly = Assembly::gather(Threshold::new(2, 2).unwrap()).unwrap();
        let mut key = generate::<S>(&assembly, &mut Nobody).unwrap();
        let signers: Vec<Party> = assembly.threshold.parties().collect();
        let Answer::Signed(signed) = key.ask(&signers, "text").unwrap() else { panic!("a quorum signs") };
        let output_key = *key.public.output_key();
        let bytes = bytes_of::<S>("text");
        judge::<S>(&output_key, &bytes, &signed.signature, &signers).unwrap();
        let mut wrong = signed.signature;
        wrong[40] ^= 1;
        let others = bytes_of::<S>("another text");
        for (bytes, signature) in [(&bytes, &wrong), (&others, &signed.signature)] {
            let failure = judge::<S>(&output_key, bytes, signature, &signers).unwrap_err();
            assert_eq!((failure.code(), failure.exit_code()), ("E7002", 70));
            assert!(failure.to_string().contains("party 1, party 2"), "{failure}");
        }
    }

    #[test]
    fn a_wrong_signature_is_our_defect_ed25519() {
        a_wrong_signature_is_our_defect::<Ed25519>();
    }

    #[test]
    fn a_wrong_signature_is_our_defect_taproot() {
        a_wrong_signature_is_our_defect::<Secp256k1>();
    }

    #[test]
    fn a_refused_request_uses_no_nonce_and_a_granted_one_uses_one_of_each_signer() {
        let assembly = Assembly::gather(Threshold::new(2, 3).unwrap()).unwrap();
        let mut key = generate::<Ed25519>(&assembly, &mut Nobody).unwrap();
        let all: Vec<Party> = assembly.threshold.parties().collect();
        key.ask(&all[..2], "text").unwrap();
        assert_eq!(key.nonces_used(), 2);
        key.take_away(all[2], &mut Nobody).unwrap();
        let Answer::Refused(refusal) = key.ask(&all[..1], "text").unwrap() else { panic!("one is too few") };
        assert_eq!((key.nonces_used(), refusal.nonces_used), (2, 0));
        assert_eq!(
            (refusal.needed, refusal.reachable.as_slice(), refusal.absent.as_slice()),
            (2, &all[..1], &all[2..])
        );
    }
}
