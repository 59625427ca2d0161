//! Pair setups, presigning and ECDSA signing to attack.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_protocol::abort::Blame;
use keymoot_protocol::context::Context;
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::dkls23::sign::convict;
use keymoot_protocol::dkls23::{
    Aggregator, Bans, Freshness, Ledger, Order as SignOrder, PairSetup, Payload, PayloadHash, Presignature,
    Presigned, Presigner, Setup, Signer, VerifyingKey, setup,
};
use keymoot_protocol::ecdsa::EcdsaSignature;
use keymoot_protocol::key::KeyShare;
use keymoot_protocol::session::Session;
use keymoot_types::{KeyId, Party, Path, Scheme, SessionId};
use rand_chacha::rand_core::RngCore;

use crate::net::{Mail, Node, Order, Seated, blamed, honest, run};
use crate::parties::{DEADLINE, World, run_all};

/// One node's DKLs23 state: its share of a key, its side of the pair setup and the ledger of its uses.
pub struct Member {
    pub share: Arc<KeyShare<Secp256k1>>,
    pub setup: Arc<PairSetup>,
    pub ledger: Ledger,
}

impl World {
    pub fn new_session(&mut self) -> SessionId {
        let mut name = [0; 16];
        self.rng.fill_bytes(&mut name);
        SessionId::new(name)
    }

    pub fn ecdsa_context(&mut self, scheme: Scheme, key: u8) -> Arc<Context> {
        let context = (*self.dkg_context::<Secp256k1>()).clone();
        Arc::new(Context { session: self.new_session(), scheme, key: Some(KeyId::new([key; 16])), ..context })
    }

    /// A DKLs23 key.
    pub fn generate_ecdsa(&mut self, key: u8) -> Vec<Arc<KeyShare<Secp256k1>>> {
        self.generate_for(Scheme::Dkls23, key)
    }

    /// An ECDSA key of a scheme.
    pub fn generate_for(&mut self, scheme: Scheme, key: u8) -> Vec<Arc<KeyShare<Secp256k1>>> {
        let context = self.ecdsa_context(scheme, key);
        let mut seats = self.dkg::<Secp256k1>(&context);
        run_all(&mut seats, Order::First, honest);
        seats.into_values().map(|seat| Arc::new(seat.output.expect("an honest key generation"))).collect()
    }

    pub fn setup_context(&mut self) -> Arc<Context> {
        Arc::new(setup::context(Arc::clone(&self.committee), self.new_session()))
    }

    /// Everybody's seat at a pair setup.
    pub fn setup_seats(&mut self, context: &Arc<Context>) -> BTreeMap<Party, Seated<Setup>> {
        let identities = self.identities.clone();
        let participants = context.participants();
        let seat = |(member, identity)| {
            let opening =
                Setup::start(Arc::clone(context), member, identity, &Bans::default(), &mut self.rng);
            (member, Seated::new(Some(member), Session::open(opening.expect("a legal setup"), DEADLINE)))
        };
        identities.into_iter().filter(|(party, _)| participants.contains(party)).map(seat).collect()
    }

    /// A pair setup in which everybody is honest.
    pub fn set_up(&mut self) -> BTreeMap<Party, PairSetup> {
        let context = self.setup_context();
        let mut seats = self.setup_seats(&context);
        run_all(&mut seats, Order::First, honest);
        seats.into_iter().map(|(party, seat)| (party, seat.output.expect("an honest setup"))).collect()
    }

    /// A committee that is ready to presign.
    pub fn ecdsa_members(&mut self) -> BTreeMap<Party, Member> {
        let shares = self.generate_ecdsa(2);
        let setups = self.set_up();
        let members = shares.into_iter().zip(setups).map(|(share, (party, setup))| {
            let ledger = Ledger::new(&setup);
            (party, Member { share, setup: Arc::new(setup), ledger })
        });
        members.collect()
    }

    /// The seats of a batch.
    pub fn presign_seats(
        &mut self,
        members: &mut BTreeMap<Party, Member>,
        signers: &[Party],
        size: u16,
    ) -> BTreeMap<Party, Seated<Presigner>> {
        let session = self.new_session();
        let mut seats = BTreeMap::new();
        for party in signers {
            let member = members.get_mut(party).expect("a signer is a member");
            let opening = self.presigner(member, signers, (session, size));
            seats.insert(*party, Seated::new(Some(*party), Session::open(opening, DEADLINE)));
        }
        seats
    }

    pub fn presigner(
        &mut self,
        member: &mut Member,
        signers: &[Party],
        session: (SessionId, u16),
    ) -> keymoot_protocol::machine::Opening<Presigner> {
        let ticket = member
            .ledger
            .reserve(&member.setup, signers, Freshness::Shared, &Bans::default())
            .expect("a use");
        let identity = Arc::clone(&self.identities[&member.share.party()]);
        let (share, setup, bans) = (Arc::clone(&member.share), Arc::clone(&member.setup), Bans::default());
        Presigner::start(share, setup, ticket, session, identity, &bans, &mut self.rng)
            .expect("a legal batch")
    }

    /// A batch in which everybody is honest.
    pub fn presign(
        &mut self,
        members: &mut BTreeMap<Party, Member>,
        signers: &[Party],
        size: u16,
    ) -> BTreeMap<Party, Presigned> {
        let mut seats = self.presign_seats(members, signers, size);
        run_all(&mut seats, Order::First, honest);
        let done = seats.into_iter().map(|(party, seat)| (party, seat.output.expect("an honest batch")));
        let done: BTreeMap<_, _> = done.collect();
        for (party, presigned) in &done {
            members.get_mut(party).expect("a signer").ledger.observe(&presigned.counts).expect("new counts");
        }
        done
    }
}

/// The key at a path, as one node makes it ready.
pub fn verifying_key(member: &Member, path: &Path) -> Arc<VerifyingKey> {
    let group = member.share.group();
    Arc::new(VerifyingKey::new(Arc::clone(group), &group.committee, path.clone()).expect("a certified key"))
}

pub fn payload(bytes: &[u8]) -> Arc<Payload> {
    Arc::new(Payload::new(PayloadHash::Keccak256, bytes.to_vec()))
}

/// The n-th presignature of every signer.
pub fn take_first(done: &mut BTreeMap<Party, Presigned>) -> BTreeMap<Party, Presignature> {
    done.iter_mut().map(|(party, presigned)| (*party, presigned.presignatures.remove(0))).collect()
}

/// A signing in progress.
pub struct EcdsaSigning {
    pub session: SessionId,
    pub order: SignOrder,
    pub signers: BTreeMap<Party, Seated<Signer>>,
    pub aggregator: Seated<Aggregator>,
}

impl World {
    /// The seats of a signing: the signers' and an aggregator's.
    pub fn ecdsa_signing(
        &mut self,
        order: &SignOrder,
        presignatures: BTreeMap<Party, Presignature>,
    ) -> EcdsaSigning {
        let session = self.new_session();
        let mut signers = BTreeMap::new();
        for (party, presignature) in presignatures {
            let identity = Arc::clone(&self.identities[&party]);
            let (_, burnt) = presignature.burn(order.intent());
            let opening = Signer::start(order.clone(), session, identity, burnt, &Bans::default())
                .expect("a legal signer");
            signers.insert(party, Seated::new(Some(party), Session::open(opening, DEADLINE)));
        }
        let aggregator = Session::open(Aggregator::start(order.clone(), session), DEADLINE);
        EcdsaSigning { session, order: order.clone(), signers, aggregator: Seated::new(None, aggregator) }
    }

    /// An honest signature with one presignature.
    pub fn ecdsa_sign(
        &mut self,
        key: &Arc<VerifyingKey>,
        payload: &Arc<Payload>,
        presignatures: BTreeMap<Party, Presignature>,
    ) -> EcdsaSignature {
        let public = presignatures.values().next().expect("a signer").public().clone();
        let order = SignOrder::new(Arc::clone(key), Arc::clone(payload), Arc::new(public)).expect("an order");
        let mut signing = self.ecdsa_signing(&order, presignatures);
        signing.run(Order::First, honest);
        signing.aggregator.output.expect("an honest signing succeeds")
    }
}

impl EcdsaSigning {
    pub fn run(&mut self, order: Order<'_>, adversary: impl FnMut(Mail) -> Vec<Mail>) {
        let mut nodes: Vec<&mut dyn Node> =
            self.signers.values_mut().map(|seat| seat as &mut dyn Node).collect();
        nodes.push(&mut self.aggregator);
        run(&mut nodes, order, adversary);
    }

    /// Everybody who is blamed by anybody, with evidence that holds.
    pub fn blamed(&self) -> BTreeSet<Party> {
        let convicts = |blame: &Blame| convict(&self.order, self.session, blame).is_ok();
        let mut all = blamed(self.signers.values(), convicts);
        all.extend(blamed([&self.aggregator], convicts));
        all
    }
}

/// Whether libsecp256k1 accepts the signature under this key.
pub fn verifies_elsewhere(key: &VerifyingKey, payload: &Payload, signature: &EcdsaSignature) -> bool {
    let public = secp256k1::PublicKey::from_slice(&Secp256k1::encode_point(key.public())).expect("a key");
    let message = secp256k1::Message::from_digest(*payload.digest().as_bytes());
    let signature = secp256k1::ecdsa::Signature::from_compact(&signature.to_compact()).expect("canonical");
    secp256k1::global::SECP256K1.verify_ecdsa(message, &signature, &public).is_ok()
}
