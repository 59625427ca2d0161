//! Three nodes and a coordinator in one process, that know each other by [`Crypto`] alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use keymoot_engine::crypto::{Crypto, End, Job, Mail, Next, Note, Order, Product, Progress, Task};
use keymoot_engine::real::{Key, Real, Share};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Committee;
use keymoot_protocol::dkls23::Bans;
use keymoot_protocol::envelope::Envelope;
use keymoot_protocol::gg20::{Hunt, Natural, SafePrime, Suite};
use keymoot_protocol::identity::IdentityKey;
use keymoot_types::{GroupId, KeyId, Party, Scheme, SessionId, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

/// The parameters of GG20 that these tests run with.
pub fn suite() -> Suite {
    *Suite::ALL.last().expect("a suite")
}

/// A safe prime that no other number has.
pub fn prime(number: usize) -> SafePrime {
    static FOUND: Mutex<BTreeMap<usize, Zeroizing<Vec<u8>>>> = Mutex::new(BTreeMap::new());
    let known = FOUND.lock().expect("nobody panics there").get(&number).cloned();
    let sealed = known.unwrap_or_else(|| {
        let sealed = find(number).seal();
        FOUND.lock().expect("nobody panics there").insert(number, sealed.clone());
        sealed
    });
    SafePrime::unseal(&sealed, suite(), &mut ChaCha20Rng::seed_from_u64(0)).expect("a safe prime")
}

fn find(number: usize) -> SafePrime {
    let text = include_str!("../../../protocol/vectors/gg20_primes.json");
    let all: serde_json::Value = serde_json::from_str(text).expect("vectors");
    let list = if suite() == Suite::Full { "full" } else { "small" };
    let mut rng = ChaCha20Rng::seed_from_u64(number as u64);
    let Some(digits) = all[list][number].as_str() else {
        let hunt = Hunt::new(suite());
        return std::iter::repeat_with(|| hunt.step(&mut rng))
            .flatten()
            .next()
            .expect("it goes on until then");
    };
    let sealed = Natural::from_be(&hex::decode(digits).expect("hexadecimal")).encode();
    SafePrime::unseal(&sealed, suite(), &mut rng).expect("a safe prime")
}

pub fn party(index: u16) -> Party {
    Party::new(index).expect("a party of a test")
}

/// Everybody, with a source of names and seeds.
pub struct Room {
    pub committee: Arc<Committee>,
    pub identities: BTreeMap<Party, Arc<IdentityKey>>,
    next: u8,
    seed: u8,
}

/// One piece of mail on its way to one recipient; the coordinator has no index.
#[derive(Clone)]
pub struct Post {
    pub from: Party,
    pub to: Option<Party>,
    pub bytes: Vec<u8>,
}

impl Post {
    pub fn envelope(&self) -> Envelope {
        Envelope::decode(&self.bytes).expect("mail is an envelope")
    }

    /// The same with another body, signed again by its sender.
    pub fn forged(&self, identity: &IdentityKey, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let envelope = self.envelope();
        let mut body = envelope.body().to_vec();
        change(&mut body);
        let bytes = Envelope::sign(identity, envelope.header, body.into()).encode().to_vec();
        Self { bytes, ..*self }
    }
}

/// What one step told and said.
pub struct Said {
    pub notes: Vec<Note>,
    pub mail: Vec<Mail>,
}

/// One run, and what has become of it.
#[derive(Default)]
pub struct Seat {
    pub run: Option<<Real as Crypto>::Run>,
    pub said: Vec<Said>,
    pub product: Option<Product<Real>>,
    pub end: Option<End>,
    pub refused: Vec<&'static str>,
}

impl Seat {
    fn take(&mut self, progress: Progress<Real>) -> Vec<Mail> {
        let Progress { notes, mail, refused, next } = progress;
        self.said.push(Said { notes, mail: mail.clone() });
        self.refused.extend(refused);
        match next {
            Next::Wait(run) => self.run = Some(run),
            Next::Done(product) => self.product = Some(product),
            Next::Dead(end) => self.end = Some(end),
        }
        mail
    }

    pub fn notes(&self) -> impl Iterator<Item = &Note> {
        self.said.iter().flat_map(|said| &said.notes)
    }

    pub fn share(self) -> Share {
        let Some(Product::Share(share)) = self.product else { panic!("no share: {:?}", self.end) };
        share
    }

    pub fn signature(self) -> Vec<u8> {
        let Some(Product::Signature(bytes)) = self.product else { panic!("no signature: {:?}", self.end) };
        bytes
    }
}

pub type Seats = BTreeMap<Option<Party>, Seat>;

/// An adversary that does nothing.
pub fn honest(post: Post) -> Vec<Post> {
    vec![post]
}

impl Room {
    pub fn new(seed: u8) -> Self {
        let threshold = Threshold::new(2, 3).unwrap();
        let identity = |party: Party| {
            let bytes = [seed, party.index() as u8].repeat(16).try_into().unwrap();
            (party, Arc::new(IdentityKey::from_seed(bytes)))
        };
        let identities: BTreeMap<_, _> = threshold.parties().map(identity).collect();
        let members = identities.iter().map(|(party, key)| (*party, key.public())).collect();
        let committee = Committee::new(GroupId::new([seed; 16]), threshold, members).unwrap();
        Self { committee: Arc::new(committee), identities, next: 0, seed }
    }

    pub fn node(&self, address: Option<Party>) -> Real {
        let observer = || Arc::new(IdentityKey::from_seed([0xcc; 32]));
        Real::new(address.map_or_else(observer, |party| Arc::clone(&self.identities[&party]))).with(suite())
    }

    fn fresh(&mut self) -> u8 {
        self.next += 1;
        self.next
    }

    pub fn session(&mut self) -> SessionId {
        SessionId::new([self.fresh(); 16])
    }

    fn seed(&mut self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new([self.seed, self.fresh()].repeat(16).try_into().unwrap())
    }

    /// Runs the tasks together until no mail is left. The adversary turns each piece of mail into what arrives.
    pub fn run(
        &mut self,
        tasks: impl IntoIterator<Item = (Option<Party>, Task<Real>)>,
        mut adversary: impl FnMut(Post) -> Vec<Post>,
    ) -> Seats {
        let (mut seats, mut sent) = (Seats::new(), Vec::new());
        for (address, task) in tasks {
            let job = Job::Begin { task: Box::new(task), seed: self.seed() };
            let mut seat = Seat::default();
            let progress = job.run(&self.node(address)).unwrap_or_else(|unfit| panic!("{unfit}"));
            sent.push((address, seat.take(progress)));
            seats.insert(address, seat);
        }
        let addresses: Vec<_> = seats.keys().copied().collect();
        let mut queue = VecDeque::new();
        let mut spread = |queue: &mut VecDeque<Post>, from: Option<Party>, mail: Vec<Mail>| {
            let Some(from) = from else { return assert!(mail.is_empty(), "the coordinator only listens") };
            for Mail { to, bytes } in mail {
                let hears = |one: &&Option<Party>| **one != Some(from) && (to.is_none() || to == **one);
                for address in addresses.iter().filter(hears) {
                    queue.extend(adversary(Post { from, to: *address, bytes: bytes.clone() }));
                }
            }
        };
        sent.into_iter().for_each(|(from, mail)| spread(&mut queue, from, mail));
        while let Some(post) = queue.pop_front() {
            let seat = seats.get_mut(&post.to).expect("an address of the room");
            let Some(run) = seat.run.take() else { continue };
            let job = Job::Deliver { run, mail: vec![post.bytes] };
            let mail = seat.take(job.run(&self.node(post.to)).expect("mail always fits"));
            spread(&mut queue, post.to, mail);
        }
        seats
    }

    pub fn keygen_tasks(&mut self, scheme: Scheme) -> Vec<(Option<Party>, Task<Real>)> {
        let (session, key) = (self.session(), KeyId::new([self.fresh(); 16]));
        let task = |me| {
            let committee = Arc::clone(&self.committee);
            (Some(me), Task::Keygen { session, committee, key, scheme, me })
        };
        self.committee.threshold().parties().map(task).collect()
    }

    /// A key of which everybody has a share.
    pub fn keygen(&mut self, scheme: Scheme) -> BTreeMap<Party, Arc<Share>> {
        let tasks = self.keygen_tasks(scheme);
        let seats = self.run(tasks, honest);
        seats.into_iter().map(|(me, seat)| (me.unwrap(), Arc::new(seat.share()))).collect()
    }

    /// A pair setup among those who are not banned.
    pub fn setup(&mut self, bans: &Bans) -> BTreeMap<Party, <Real as Crypto>::Setup> {
        let session = self.session();
        let free = |me: &Party| !bans.contains(&self.identities[me].public());
        let members: Vec<Party> = self.committee.threshold().parties().filter(free).collect();
        let task = |me: &Party| {
            let (committee, members, bans) = (Arc::clone(&self.committee), members.clone(), bans.clone());
            (Some(*me), Task::Setup { session, committee, members, me: *me, bans })
        };
        let tasks: Vec<_> = members.iter().map(task).collect();
        let seats = self.run(tasks, honest);
        let setup = |(me, seat): (Option<Party>, Seat)| {
            let Some(Product::Setup(setup)) = seat.product else { panic!("no setup: {:?}", seat.end) };
            (me.unwrap(), setup)
        };
        seats.into_iter().map(setup).collect()
    }

    pub fn moduli_tasks(&mut self) -> Vec<(Option<Party>, Task<Real>)> {
        let session = self.session();
        let task = |me: Party| {
            let first = 4 * (usize::from(me.index()) - 1);
            let primes = (first..first + 4).map(prime).collect();
            (Some(me), Task::Moduli { session, committee: Arc::clone(&self.committee), me, primes })
        };
        self.committee.threshold().parties().map(task).collect()
    }

    /// A table of moduli, and everybody's side of it as it was sealed.
    pub fn moduli(&mut self) -> (<Real as Crypto>::Table, BTreeMap<Party, Vec<u8>>) {
        let tasks = self.moduli_tasks();
        let mut seats = self.run(tasks, honest);
        let sealed = seats.iter().map(|(me, seat)| {
            let noted: Vec<_> = seat.notes().collect();
            let [Note::Pending { share, .. }] = noted.as_slice() else { panic!("told exactly once") };
            (me.unwrap(), share.to_vec())
        });
        let sealed = sealed.collect();
        let Some(Product::Moduli(table)) = seats.remove(&Some(party(1))).and_then(|seat| seat.product) else {
            panic!("no table")
        };
        (table, sealed)
    }

    /// A signing by the order's signers, with an aggregator.
    pub fn sign(
        &mut self,
        shares: &BTreeMap<Party, Arc<Share>>,
        order: &Order<Real>,
        mut burnt: BTreeMap<Party, <Real as Crypto>::Burnt>,
        adversary: impl FnMut(Post) -> Vec<Post>,
    ) -> Seats {
        let session = self.session();
        let task = |me: &Party| {
            let (share, order, burnt) = (Arc::clone(&shares[me]), order.clone(), burnt.remove(me));
            (Some(*me), Task::Sign { session, share, order, burnt, bans: Bans::default() })
        };
        let mut tasks: Vec<_> = order.signers.iter().map(task).collect();
        tasks.push((None, Task::Aggregate { session, order: order.clone() }));
        self.run(tasks, adversary)
    }
}

/// The key that all of these are shares of.
pub fn key_of(shares: &BTreeMap<Party, Arc<Share>>) -> Key {
    let mut keys = shares.values().map(|share| Real::key_of(share));
    let key = keys.next().expect("somebody has a share");
    assert!(keys.all(|other| other == key), "everybody has the same key");
    key
}
