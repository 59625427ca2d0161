//! ECDSA by DKLs23: pairs and presignatures ahead of any request, then one approval and one share from each signer.
//!
//! The lab shows no liar here. Of a wrong share nobody can tell whose it is: the request would end without a
//! signature and without a culprit, and its presignature would be spent.

mod prepare;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::derive::extended;
use keymoot_protocol::dkls23::{
    Aggregator, Bans, Ledger, Order, PairSetup, Payload, PayloadHash, PresignatureId, PresignaturePool,
    Public, SignRefused, Signer, VerifyingKey,
};
use keymoot_protocol::ecdsa::EcdsaSignature;
use keymoot_protocol::key::{GroupKey, KeyShare};
use keymoot_protocol::session::Session;
use keymoot_types::{Millis, Party, Path, Quorum, QuorumError, Scheme, SessionId};

use super::keygen::agree;
use super::link::{DEADLINE, Running};
use super::names::names;
use super::party::{Assembly, Member, new_session_id};
use super::scene::{Answer, Audience, Digested, Ecdsa, EcdsaFacts, Extras, Refusal, Scene, Signed};
use super::sign::{Key, aggregate};
use crate::failure::Failure;

const SCHEME: Scheme = Scheme::Dkls23;
const VERIFIER: &str = "libsecp256k1";
/// The clock of the lab stands still while there is mail, so presignatures do not expire.
const NOW: Millis = Millis(0);

/// A key: its public side with whoever asks, its shares with the parties that can be reached.
pub struct Held {
    public: Arc<VerifyingKey>,
    nodes: BTreeMap<Party, Node>,
}

/// One party, with all that it keeps for ECDSA.
struct Node {
    member: Member,
    share: Arc<KeyShare<Secp256k1>>,
    key: Arc<VerifyingKey>,
    pairs: Option<Pairs>,
    bans: Bans,
    pool: PresignaturePool,
    /// Presignatures burnt for requests.
    used: u64,
}

/// One party's side of a pair setup, and its count of uses.
struct Pairs {
    setup: Arc<PairSetup>,
    ledger: Ledger,
}

/// What each signer is asked: the text itself, never its digest, with one presignature that it has.
struct Request<'a> {
    session: SessionId,
    presignature: PresignatureId,
    text: &'a str,
}

/// What a text stands for.
fn payload(text: &str) -> Arc<Payload> {
    Arc::new(Payload::new(PayloadHash::Keccak256, text.as_bytes().to_vec()))
}

/// Generates a key for ECDSA.
pub fn generate(assembly: &Assembly, audience: &mut dyn Audience) -> Result<Held, Failure> {
    let agreed = agree::<Secp256k1>(SCHEME, assembly, audience)?;
    audience.see(Scene::KeyReady(&agreed.facts(extras(&agreed.public)?)))?;
    let mut nodes = BTreeMap::new();
    for (member, share) in assembly.members.iter().zip(agreed.shares) {
        nodes.insert(member.party, Node::new(member, share)?);
    }
    Ok(Held { public: ready(agreed.public)?, nodes })
}

fn extras(key: &GroupKey<Secp256k1>) -> Result<Extras, Failure> {
    let public_key = Secp256k1::encode_point(&key.public);
    let xpub = extended(key).map_err(Failure::bug("the key has no extended form"))?.to_xpub();
    Ok(Extras::Ecdsa(Ecdsa { public_key, xpub }))
}

/// The root of the key.
fn ready(group: Arc<GroupKey<Secp256k1>>) -> Result<Arc<VerifyingKey>, Failure> {
    let pinned = Arc::clone(&group.committee);
    VerifyingKey::new(group, &pinned, Path::root())
        .map(Arc::new)
        .map_err(Failure::bug("a new key cannot be used"))
}

impl Node {
    fn new(member: &Member, share: KeyShare<Secp256k1>) -> Result<Self, Failure> {
        let key = ready(Arc::clone(share.group()))?;
        Ok(Self {
            member: Member { party: member.party, identity: Arc::clone(&member.identity) },
            share: Arc::new(share),
            key,
            pairs: None,
            bans: Bans::default(),
            pool: PresignaturePool::default(),
            used: 0,
        })
    }

    /// Takes up a request: the party looks the presignature up and hashes the text by itself.
    fn take_up(&mut self, request: &Request<'_>) -> Result<Running<Signer>, Failure> {
        let refused = || Failure::bug::<SignRefused>("a party refused a sound request");
        let Request { session, presignature, text } = *request;
        let public = self.pool.public().find(|one| one.id() == presignature).cloned();
        let public = public.ok_or(Failure::Broken("a signer does not have the presignature"))?;
        let order = Order::new(Arc::clone(&self.key), payload(text), Arc::new(public)).map_err(refused())?;
        // Nothing outlives this process, so there is nowhere to keep the tombstone but in the pool.
        let (_, burnt) = self
            .pool
            .burn(presignature, order.intent(), NOW)
            .map_err(Failure::bug("a presignature is not to be had"))?;
        self.used += 1;
        let identity = Arc::clone(&self.member.identity);
        let opening = Signer::start(order, session, identity, burnt, &self.bans).map_err(refused())?;
        Ok(Running::new(Some(self.member.party), Session::open(opening, DEADLINE)))
    }
}

impl Held {
    fn used(&self) -> u64 {
        self.nodes.values().map(|node| node.used).sum()
    }

    fn node(&mut self, party: Party) -> Result<&mut Node, Failure> {
        self.nodes.get_mut(&party).ok_or(Failure::Broken("a signer is not there"))
    }

    /// How many presignatures of exactly these signers there are.
    fn left(&self, signers: &[Party]) -> usize {
        let node = signers.first().and_then(|party| self.nodes.get(party));
        node.map_or(0, |node| node.pool.left(self.public.group().digest(), signers))
    }

    /// What the first signer says of a presignature of exactly these signers.
    fn offer(&mut self, signers: &[Party]) -> Result<Public, Failure> {
        let none = || Failure::Broken("there is no presignature of these signers");
        let node = self.node(*signers.first().ok_or_else(none)?)?;
        let said = node.pool.public().find(|one| one.signers == signers).ok_or_else(none)?.encode();
        Public::decode(&said).map_err(Failure::bug("a presignature does not decode"))
    }

    /// Has the signers take the request up, each by itself, and adds their shares up.
    fn sign(&mut self, order: Order, text: &str, started: Instant) -> Result<EcdsaSignature, Failure> {
        let presignature = order.presignature().id();
        let request = Request { session: new_session_id(), presignature, text };
        let mut running = Vec::with_capacity(order.quorum().signers().len());
        for party in order.quorum().signers() {
            running.push(self.node(*party)?.take_up(&request)?);
        }
        aggregate(running, Aggregator::start(order, request.session), started)
    }

    fn refusal(&self, needed: u16, reachable: &[Party], nonces_used: u64) -> Refusal {
        let everybody = self.public.group().committee.threshold().parties();
        let absent = everybody.filter(|party| !self.nodes.contains_key(party)).collect();
        Refusal { scheme: SCHEME, needed, reachable: reachable.to_vec(), absent, nonces_used }
    }
}

/// Has the independent library verify, and find the key by the recovery id.
fn judge(
    key: &VerifyingKey,
    digest: &[u8; 32],
    signature: &EcdsaSignature,
    signers: &[Party],
) -> Result<(), Failure> {
    let public = secp256k1::PublicKey::from_byte_array_compressed(Secp256k1::encode_point(key.public()));
    let verifies = public.is_ok_and(|public| {
        let message = secp256k1::Message::from_digest(*digest);
        secp256k1::ecdsa::Signature::from_der(&signature.to_der())
            .is_ok_and(|signature| secp256k1::SECP256K1.verify_ecdsa(message, &signature, &public).is_ok())
    });
    if verifies && signature.recover(digest) == Some(*key.public()) {
        return Ok(());
    }
    Err(Failure::Unverified { verifier: VERIFIER, signers: names(signers) })
}

impl Key for Held {
    fn prepare(&mut self, signers: &[Party], audience: &mut dyn Audience) -> Result<(), Failure> {
        if self.left(signers) > 0 {
            return Ok(());
        }
        self.set_up(signers, audience)?;
        self.presign(signers, audience)
    }

    fn ask(&mut self, signers: &[Party], text: &str) -> Result<Answer, Failure> {
        let started = Instant::now();
        let used_before = self.used();
        match Quorum::new(self.public.group().committee.threshold(), signers.to_vec()) {
            Ok(_) => {}
            Err(QuorumError::NotEnough { needed, .. }) => {
                let used = self.used() - used_before;
                return Ok(Answer::Refused(self.refusal(needed, signers, used)));
            }
            Err(refused) => return Err(Failure::bug("a sound request was refused")(refused)),
        }
        let (public, payload) = (self.offer(signers)?, payload(text));
        let presignature = public.id();
        let order = Order::new(Arc::clone(&self.public), Arc::clone(&payload), Arc::new(public))
            .map_err(Failure::bug("a sound request was refused"))?;
        let signature = self.sign(order, text, started)?;
        let elapsed = started.elapsed();
        let digest = *payload.digest().as_bytes();
        judge(&self.public, &digest, &signature, signers)?;
        Ok(Answer::Signed(Box::new(Signed {
            scheme: SCHEME,
            signers: signers.to_vec(),
            message: text.to_owned(),
            digest: Some(Digested { digest, rule: "Keccak-256 of the text" }),
            signature: signature.to_compact(),
            ecdsa: Some(EcdsaFacts {
                recovery_id: signature.recovery_id(),
                der: signature.to_der(),
                presignature,
                left: self.left(signers),
            }),
            verifier: VERIFIER,
            elapsed,
        })))
    }

    fn take_away(&mut self, party: Party, audience: &mut dyn Audience) -> Result<(), Failure> {
        self.nodes.remove(&party);
        let committee = Arc::clone(&self.public.group().committee);
        let identity = committee.identity(party).ok_or(Failure::Broken("a party has no identity"))?;
        let gone = self.nodes.values_mut().flat_map(|node| node.pool.drop_signer(identity));
        let gone: BTreeSet<_> = gone.map(|tombstone| tombstone.presignature).collect();
        if gone.is_empty() {
            return Ok(());
        }
        audience.see(Scene::Discarded { scheme: SCHEME, party, count: gone.len() })
    }
}

#[cfg(test)]
mod tests {
    use keymoot_types::Threshold;

    use super::super::sign::tests::Nobody;
    use super::*;

    fn held(needed: u16, total: u16) -> (Held, Vec<Party>) {
        let assembly = Assembly::gather(Threshold::new(needed, total).unwrap()).unwrap();
        (generate(&assembly, &mut Nobody).unwrap(), assembly.threshold.parties().collect())
    }

    #[test]
    fn a_wrong_signature_is_our_defect_dkls23() {
        let (mut key, signers) = held(2, 2);
        key.prepare(&signers, &mut Nobody).unwrap();
        let Answer::Signed(signed) = key.ask(&signers, "text").unwrap() else { panic!("a quorum signs") };
        let id = signed.ecdsa.unwrap().recovery_id;
        let as_signature =
            |compact: &[u8], id: u8| EcdsaSignature::from_recoverable(&[compact, &[id]].concat());
        let (digest, signature) =
            (signed.digest.unwrap().digest, as_signature(&signed.signature, id).unwrap());
        judge(&key.public, &digest, &signature, &signers).unwrap();
        let mut wrong = signed.signature;
        wrong[60] ^= 1;
        let others = *payload("another text").digest().as_bytes();
        for (digest, signature) in [
            (&digest, as_signature(&wrong, id).unwrap()),
            (&digest, as_signature(&signed.signature, id ^ 1).unwrap()),
            (&others, signature),
        ] {
            let failure = judge(&key.public, digest, &signature, &signers).unwrap_err();
            assert_eq!((failure.code(), failure.exit_code()), ("E7002", 70));
        }
    }

    #[test]
    fn a_signature_spends_one_presignature_of_each_signer_and_a_refusal_none() {
        let (mut key, all) = held(2, 3);
        key.prepare(&all[..2], &mut Nobody).unwrap();
        key.ask(&all[..2], "text").unwrap();
        key.prepare(&all[..2], &mut Nobody).unwrap();
        assert_eq!((key.used(), key.left(&all[..2])), (2, 3));
        key.take_away(all[1], &mut Nobody).unwrap();
        assert_eq!((key.left(&all[..2]), key.nodes[&all[0]].pool.public().count()), (0, 0));
        let Answer::Refused(refusal) = key.ask(&all[..1], "text").unwrap() else { panic!("one is too few") };
        assert_eq!((key.used(), refusal.nonces_used, refusal.needed), (1, 0, 2));
        assert_eq!((refusal.reachable.as_slice(), refusal.absent.as_slice()), (&all[..1], &all[1..2]));
        assert!(key.ask(&[all[0], all[2]], "text").is_err(), "no presignature of these two");
    }

    #[test]
    fn a_large_committee_sets_up_the_pairs_of_each_batch_only() {
        let (mut key, all) = held(2, 9);
        for signers in [&all[..2], &[all[0], all[2]][..]] {
            key.prepare(signers, &mut Nobody).unwrap();
            assert!(key.nodes.values().all(|node| node.pairs.is_none()), "its pairs serve one batch only");
            assert!(matches!(key.ask(signers, "text").unwrap(), Answer::Signed(_)));
        }
    }
}
