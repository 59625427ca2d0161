//! Runs models and machines from the same seeds, each on their own, and compares what they have said.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_protocol::context::{Batch, Context, Protocol};
use keymoot_protocol::dkls23::{Bans, Ledger, Order as SignOrder, Presigned, Setup as SetupMachine};
use keymoot_protocol::envelope::{Header, Kind};
use keymoot_protocol::machine::Machine;
use keymoot_protocol::session::Session as MachineSession;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Epoch, KeyId, Party, Path, Quorum, Scheme, SessionId};
use rand_chacha::ChaCha20Rng;

use super::encode::Bytes32;
use super::presign::{self, Key, Presign};
use super::session::{ALL, Bodies, Session, context_id, package};
use super::setup::{self, Setup};
use super::sign::{self, Request, Sign};
use crate::dkls::{Member, payload, verifying_key};
use crate::net::{Mail, Order, Seated};
use crate::parties::{DEADLINE, World, rng, run_all};

/// What went over the wire, echoes aside.
#[derive(Default)]
pub struct Heard {
    pub bodies: Bodies,
    pub headers: BTreeMap<(u8, u16, u16), Header>,
}

impl Heard {
    pub fn listen(&mut self, mail: Mail) -> Vec<Mail> {
        let envelope = mail.envelope();
        let header = envelope.header;
        if header.kind == Kind::Body {
            let slot = (header.round, header.from.index(), header.to.map_or(ALL, Party::index));
            self.bodies.insert(slot, envelope.body().to_vec());
            self.headers.insert(slot, header);
        }
        vec![mail]
    }

    pub fn run<M: Machine>(seats: &mut BTreeMap<Party, Seated<M>>) -> Self {
        let mut heard = Self::default();
        run_all(seats, Order::First, |mail| heard.listen(mail));
        heard
    }
}

/// One session, by models and by machines.
pub struct Both {
    pub id: SessionId,
    pub model: Session,
    pub heard: Heard,
    /// The round that each round's messages are sent after.
    after: Vec<Option<u8>>,
}

impl Both {
    fn new(context: &Context, model: Session, heard: Heard, after: Vec<Option<u8>>) -> Self {
        Self { id: context.session, model, heard, after }
    }

    /// The machines have said what the model says, to the byte, and have seen the session as it does.
    pub fn must_agree(&self) {
        for (slot, body) in &self.model.bodies {
            let heard = self.heard.bodies.get(slot).unwrap_or_else(|| panic!("nobody has said {slot:?}"));
            let at = body.iter().zip(heard).take_while(|(model, heard)| model == heard).count();
            assert!(body == heard, "{slot:?} differs at byte {at} of {} and {}", body.len(), heard.len());
        }
        assert!(self.heard.bodies.keys().eq(self.model.bodies.keys()), "the machines have said more");
        for ((round, from, to), header) in &self.heard.headers {
            let session = if *round == 0 { [0; 32] } else { self.model.ssid() };
            let found = [header.context, header.session, header.view].map(|hash| *hash.as_bytes());
            let view = self.model.view(self.after[usize::from(*round)]);
            let expected = [self.model.context, session, view];
            assert!(found == expected, "the header of round {round} from {from} to {to} is another");
        }
    }
}

/// Every round is sent after the one before it.
fn one_by_one(rounds: u8) -> Vec<Option<u8>> {
    (0..rounds).map(|round| round.checked_sub(1)).collect()
}

/// In presigning, replies are two rounds ahead; the last round, the confirmation, waits for all of them.
fn ahead(rounds: u8) -> Vec<Option<u8>> {
    let mut after = vec![None, Some(0), Some(0), Some(2)];
    // Replies 0 and 1 follow round 2, replies c those of c − 2.
    after.extend((4..rounds - 1).map(|round| Some(if round < 6 { 2 } else { round - 2 })));
    after.push(Some(rounds - 2));
    after
}

/// A generator of each participant's own.
pub fn rng_of(seed: u64, party: Party) -> ChaCha20Rng {
    rng(1_000 * seed + u64::from(party.index()))
}

/// A committee with a key and a pair setup, which machines and models have made each for themselves.
pub struct Committee {
    pub world: World,
    pub seed: u64,
    pub members: BTreeMap<Party, Member>,
    /// The signatures that hedged the setup.
    pub hedges: BTreeMap<Party, [u8; 64]>,
    pub models: BTreeMap<u16, Setup>,
    pub setup: Both,
    /// Of the setup, by the model.
    pub name: Bytes32,
    /// Batches so far.
    pub uses: u64,
}

impl Committee {
    pub fn set_up(needed: u16, total: u16, seed: u64) -> Self {
        let mut world = World::new(needed, total, seed);
        let shares = world.generate_ecdsa(2);
        let context = world.setup_context();
        let parties = context.participants();
        let indices: Vec<u16> = parties.iter().map(|party| party.index()).collect();
        let id = context_id(&context);
        let hedge = |party: &Party| {
            let signed = world.identities[party].sign(&Hash::from_bytes(setup::hedged(&id)));
            (*party, signed.0)
        };
        let hedges: BTreeMap<_, _> = parties.iter().map(hedge).collect();
        let model = |party: &Party| {
            let (index, hedge) = (party.index(), &hedges[party]);
            (index, Setup::draw((index, &indices), &id, hedge, &mut rng_of(seed, *party)))
        };
        let mut models = parties.iter().map(model).collect();
        let session = Session::run(&context, &mut models, setup::ROUNDS);
        let seat = |party: &Party| {
            let (identity, bans) = (Arc::clone(&world.identities[party]), Bans::default());
            let opening =
                SetupMachine::start(Arc::clone(&context), *party, identity, &bans, &mut rng_of(seed, *party));
            (*party, Seated::new(Some(*party), MachineSession::open(opening.expect("legal"), DEADLINE)))
        };
        let mut seats = parties.iter().map(seat).collect();
        let heard = Heard::run(&mut seats);
        let member = |((party, seat), share): ((Party, Seated<SetupMachine>), _)| {
            let setup = Arc::new(seat.output.expect("an honest setup"));
            let ledger = Ledger::new(&setup);
            (party, Member { share, setup, ledger })
        };
        let members: BTreeMap<_, _> = seats.into_iter().zip(shares).map(member).collect();
        let name = setup::name(&session);
        let setup = Both::new(&context, session, heard, one_by_one(setup::ROUNDS));
        Self { world, seed, members, hedges, models, setup, name, uses: 0 }
    }

    fn key(&self, signer: Party) -> Key {
        let share = &self.members[&signer].share;
        Key {
            secret: *share.expose(),
            public: share.group().public,
            package: package(share.group()),
            epoch: share.group().epoch.0,
            uses: self.uses,
            setup: self.name,
            pairs: self.models[&signer.index()].pairs.clone(),
        }
    }

    fn context(&mut self, signers: &[Party], protocol: Protocol) -> Context {
        let member = &self.members[&signers[0]];
        let group_key = Hash::from_bytes(package(member.share.group()));
        let signers = Quorum::new(self.world.committee.threshold(), signers.to_vec()).expect("a quorum");
        Context {
            session: self.world.new_session(),
            scheme: Scheme::Dkls23,
            protocol,
            committee: Arc::clone(&self.world.committee),
            key: Some(KeyId::new([2; 16])),
            epoch: Epoch::FIRST,
            signers: Some(signers),
            group_key: Some(group_key),
            merkle_root: None,
            intent: None,
            batch: None,
        }
    }

    pub fn presign(&mut self, signers: &[Party], size: u16) -> Batched {
        self.uses += 1;
        let context = Context {
            batch: Some(Batch { size, setup: Hash::from_bytes(self.name) }),
            ..self.context(signers, Protocol::DklsPresign)
        };
        let seed = 10 * self.seed + self.uses;
        let indices: Vec<u16> = signers.iter().map(|party| party.index()).collect();
        let model = |party: &Party| {
            let mut rng = rng_of(seed, *party);
            let index = party.index();
            (index, Presign::draw(index, &indices, self.key(*party), usize::from(size), &mut rng))
        };
        let mut models = signers.iter().map(model).collect();
        let rounds = presign::rounds_of(usize::from(size));
        let session = Session::run(&context, &mut models, rounds);
        let mut seats = BTreeMap::new();
        for party in signers {
            self.world.rng = rng_of(seed, *party);
            let member = self.members.get_mut(party).expect("a signer is a member");
            let opening = self.world.presigner(member, signers, (context.session, size));
            seats.insert(*party, Seated::new(Some(*party), MachineSession::open(opening, DEADLINE)));
        }
        let heard = Heard::run(&mut seats);
        let machines = seats.into_iter().map(|(party, seat)| (party, seat.output.expect("an honest batch")));
        let machines: BTreeMap<_, _> = machines.collect();
        let models: BTreeMap<u16, Vec<presign::Presigned>> =
            models.iter().map(|(party, model)| (*party, model.finish(&session))).collect();
        let names = |all: &Vec<presign::Presigned>| all.iter().map(|one| one.name).collect();
        let by_models = models.iter().map(|(party, all)| (*party, names(all))).collect();
        let mut by_machines = Names::new();
        for (party, presigned) in &machines {
            let member = self.members.get_mut(party).expect("a signer");
            member.ledger.observe(&presigned.counts).expect("new counts");
            let names = presigned.presignatures.iter().map(|one| *one.id().as_bytes());
            by_machines.insert(party.index(), names.collect());
        }
        let both = Both::new(&context, session, heard, ahead(rounds));
        Batched { both, by_machines, by_models, machines, models }
    }

    /// With the batch's next presignature.
    pub fn sign(&mut self, batch: &mut Batched, path: &str, message: &[u8]) -> Signed {
        let signers: Vec<Party> = batch.machines.keys().copied().collect();
        let (path, member) = (path.parse::<Path>().expect("a path"), &self.members[&signers[0]]);
        let group = Arc::clone(member.share.group());
        let request = Request {
            public: group.public,
            chain_code: group.chain_code,
            epoch: group.epoch.0,
            path: path.steps().to_vec(),
            payload: message.to_vec(),
        };
        let key = verifying_key(member, &path);
        let presignatures: BTreeMap<_, _> = batch
            .machines
            .iter_mut()
            .map(|(party, presigned)| (*party, presigned.presignatures.remove(0)))
            .collect();
        let public = Arc::new(presignatures[&signers[0]].public().clone());
        let order = SignOrder::new(key, payload(message), public).expect("an order");
        let mut signing = self.world.ecdsa_signing(&order, presignatures);
        let mut heard = Heard::default();
        signing.run(Order::First, |mail| heard.listen(mail));

        let model = |(party, all): (&u16, &mut Vec<presign::Presigned>)| {
            (*party, Sign { request: &request, presigned: all.remove(0) })
        };
        let mut models: BTreeMap<_, _> = batch.models.iter_mut().map(model).collect();
        let presigned = models[&signers[0].index()].presigned.clone();
        let intent = Hash::from_bytes(request.intent(&presigned.name));
        let context = Context {
            session: signing.session,
            intent: Some(intent),
            ..self.context(&signers, Protocol::DklsSign)
        };
        let session = Session::run(&context, &mut models, sign::ROUNDS);
        let by_models = request.signature(&session, &presigned);
        let by_machines = signing.aggregator.output.expect("an honest signing succeeds");
        let both = Both::new(&context, session, heard, one_by_one(sign::ROUNDS));
        Signed { both, by_machines: by_machines.to_recoverable().to_vec(), by_models }
    }
}

/// Everybody's presignatures.
type Names = BTreeMap<u16, Vec<Bytes32>>;

/// A batch, by machines and by models.
pub struct Batched {
    pub both: Both,
    /// The names of all presignatures, as the machines have them, and as the models do.
    pub by_machines: Names,
    pub by_models: Names,
    /// What is left of them.
    machines: BTreeMap<Party, Presigned>,
    models: BTreeMap<u16, Vec<presign::Presigned>>,
}

/// A signing, by machines and by models.
pub struct Signed {
    pub both: Both,
    pub by_machines: Vec<u8>,
    pub by_models: Vec<u8>,
}
