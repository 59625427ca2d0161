//! Committees, key generations and signings to attack.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_protocol::context::{Committee, Context};
use keymoot_protocol::curve::{Curve, Ed25519, Secp256k1};
use keymoot_protocol::dkg::{self, Dkg};
use keymoot_protocol::frost::{
    Aggregator, Nonces, Order as SignOrder, Signer, SigningKey, Suite, VerifyingKey,
};
use keymoot_protocol::identity::IdentityKey;
use keymoot_protocol::key::{GroupKey, KeyShare};
use keymoot_protocol::machine::{Machine, Outgoing};
use keymoot_protocol::session::Session;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{GroupId, KeyId, Millis, Party, Path, SessionId, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::net::{Mail, Node, Order, Rogue, Seated, honest, run};

pub fn party(index: u16) -> Party {
    Party::new(index).expect("a party of a test")
}

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// When sessions of tests give up.
pub const DEADLINE: Millis = Millis(60_000);

/// A committee and everybody's identity.
pub struct World {
    pub committee: Arc<Committee>,
    pub identities: BTreeMap<Party, Arc<IdentityKey>>,
    pub rng: ChaCha20Rng,
    pub session: SessionId,
}

impl World {
    pub fn new(needed: u16, total: u16, seed: u64) -> Self {
        let mut rng = rng(seed);
        let threshold = Threshold::new(needed, total).expect("a threshold of a test");
        let mut identity = |party: Party| {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            (party, Arc::new(IdentityKey::from_seed(bytes)))
        };
        let identities: BTreeMap<_, _> = threshold.parties().map(&mut identity).collect();
        let members = identities.iter().map(|(party, key)| (*party, key.public())).collect();
        let committee =
            Arc::new(Committee::new(GroupId::new([1; 16]), threshold, members).expect("a committee"));
        Self { committee, identities, rng, session: SessionId::new([3; 16]) }
    }

    pub fn identity(&self, party: Party) -> &IdentityKey {
        &self.identities[&party]
    }

    pub fn dkg_context<S: Suite>(&self) -> Arc<Context> {
        let (committee, key) = (Arc::clone(&self.committee), KeyId::new([2; 16]));
        Arc::new(dkg::context(committee, S::SCHEME, key, self.session))
    }

    /// Everybody's seat at a key generation.
    pub fn dkg<S: Suite>(&mut self, context: &Arc<Context>) -> BTreeMap<Party, Seated<Dkg<S>>> {
        let identities = self.identities.clone();
        let seat = |(member, identity): (Party, Arc<IdentityKey>)| {
            let opening = Dkg::<S>::start(Arc::clone(context), member, identity, &mut self.rng);
            let opening = opening.expect("a legal key generation");
            (member, Seated::new(Some(member), Session::open(opening, DEADLINE)))
        };
        identities.into_iter().map(seat).collect()
    }

    /// A key generation in which everybody is honest.
    pub fn generate<S: Suite>(&mut self) -> Vec<KeyShare<S>> {
        let context = self.dkg_context::<S>();
        let mut seats = self.dkg::<S>(&context);
        run_all(&mut seats, Order::First, honest);
        seats.into_values().map(|seat| seat.output.expect("an honest key generation succeeds")).collect()
    }

    /// The seats of a signing: the signers' and an aggregator's.
    pub fn signing<S: Suite>(&mut self, order: &SignOrder<S>, keys: &[Arc<SigningKey<S>>]) -> Signing<S> {
        let mut name = [0; 16];
        self.rng.fill_bytes(&mut name);
        let session = SessionId::new(name);
        let mut signers = BTreeMap::new();
        for member in order.quorum().signers() {
            let key = keys.iter().find(|key| key.party() == *member).expect("the signer has a key");
            let nonces = Nonces::draw(key, &mut self.rng).burn().1;
            let identity = Arc::clone(&self.identities[member]);
            let opening = Signer::start(Arc::clone(key), order.clone(), session, identity, nonces);
            let session = Session::open(opening.expect("a legal signer"), DEADLINE);
            signers.insert(*member, Seated::new(Some(*member), session));
        }
        let aggregator = Session::open(Aggregator::start(order.clone(), session), DEADLINE);
        Signing { session, order: order.clone(), signers, aggregator: Seated::new(None, aggregator) }
    }

    /// A seat at a key generation for a member that lies.
    pub fn rogue<S: Suite, F: FnMut(Hash, &mut Vec<Outgoing>)>(
        &mut self,
        context: &Arc<Context>,
        member: Party,
        lie: F,
    ) -> Seated<Rogue<Dkg<S>, F>> {
        let identity = Arc::clone(&self.identities[&member]);
        let opening =
            Dkg::<S>::start(Arc::clone(context), member, identity, &mut self.rng).expect("a legal start");
        Seated::new(Some(member), Session::open(Rogue::opening(opening, lie), DEADLINE))
    }
}

/// A signing in progress.
pub struct Signing<S: Suite> {
    pub session: SessionId,
    pub order: SignOrder<S>,
    pub signers: BTreeMap<Party, Seated<Signer<S>>>,
    pub aggregator: Seated<Aggregator<S>>,
}

impl<S: Suite> Signing<S> {
    pub fn run(&mut self, order: Order<'_>, adversary: impl FnMut(Mail) -> Vec<Mail>) {
        let mut nodes: Vec<&mut dyn Node> =
            self.signers.values_mut().map(|seat| seat as &mut dyn Node).collect();
        nodes.push(&mut self.aggregator);
        run(&mut nodes, order, adversary);
    }

    /// Everybody who is blamed by anybody, with evidence that holds.
    pub fn blamed(&self) -> std::collections::BTreeSet<Party> {
        let convicts = |blame: &keymoot_protocol::abort::Blame| {
            keymoot_protocol::frost::aggregate::convict(&self.order, self.session, blame).is_ok()
        };
        let mut all = crate::net::blamed(self.signers.values(), convicts);
        all.extend(crate::net::blamed([&self.aggregator], convicts));
        all
    }
}

/// Runs honest seats beside one rogue, who is not in the map.
pub fn run_with<S: Suite>(
    seats: &mut BTreeMap<Party, Seated<Dkg<S>>>,
    rogue: &mut dyn Node,
    order: Order<'_>,
    adversary: impl FnMut(Mail) -> Vec<Mail>,
) {
    let mut nodes: Vec<&mut dyn Node> = seats.values_mut().map(|seat| seat as &mut dyn Node).collect();
    nodes.push(rogue);
    run(&mut nodes, order, adversary);
}

pub fn run_all<M: Machine>(
    seats: &mut BTreeMap<Party, Seated<M>>,
    order: Order<'_>,
    adversary: impl FnMut(Mail) -> Vec<Mail>,
) {
    let mut nodes: Vec<&mut dyn Node> = seats.values_mut().map(|seat| seat as &mut dyn Node).collect();
    run(&mut nodes, order, adversary);
}

/// Everybody's signing key at a path.
pub fn signing_keys<S: Suite>(shares: &[KeyShare<S>], path: &Path) -> Vec<Arc<SigningKey<S>>> {
    let public = VerifyingKey::new(Arc::clone(shares[0].group()), &shares[0].group().committee, path.clone())
        .expect("a certified key");
    let public = Arc::new(public);
    let key = |share| Arc::new(SigningKey::new(share, Arc::clone(&public)).expect("a share of this key"));
    shares.iter().map(key).collect()
}

/// A signature suite with an independent verifier.
pub trait Checked: Suite {
    const MESSAGE: &'static [u8];
    fn verifies(output_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool;
}

impl Checked for Ed25519 {
    const MESSAGE: &'static [u8] = b"a message for two of three";
    fn verifies(output_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        let key = ed25519_dalek::VerifyingKey::from_bytes(output_key).expect("an output key is a key");
        key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }
}

impl Checked for Secp256k1 {
    const MESSAGE: &'static [u8] = &[0x42; 32];
    fn verifies(output_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        let key = secp256k1::XOnlyPublicKey::from_byte_array(*output_key).expect("an output key is a key");
        let signature = secp256k1::schnorr::Signature::from_byte_array(*signature);
        secp256k1::SECP256K1.verify_schnorr(&signature, message, &key).is_ok()
    }
}

/// The public side that all shares agree on.
pub fn group<C: Curve>(shares: &[KeyShare<C>]) -> Arc<GroupKey<C>> {
    assert!(shares.iter().all(|share| share.group() == shares[0].group()), "everybody has the same key");
    Arc::clone(shares[0].group())
}
