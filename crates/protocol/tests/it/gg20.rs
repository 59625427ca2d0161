//! Moduli, presigning and signing of GG20 to attack, with the small parameters of tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_protocol::abort::Blame;
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Context;
use keymoot_protocol::curve::Secp256k1;
use keymoot_protocol::dkls23::{Bans, Payload, VerifyingKey};
use keymoot_protocol::gg20::{
    Aggregator, Auxiliary, Generation, Hunt, Natural, Order as SignOrder, Presignature, Presigner, SafePrime,
    Signer, Suite, Table, auxiliary, sign,
};
use keymoot_protocol::key::KeyShare;
use keymoot_protocol::machine::{Opening, Outgoing};
use keymoot_protocol::session::Session;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, Path, Scheme, SessionId};

use crate::net::{Mail, Node, Order, Rogue, Seated, blamed, honest, run};
use crate::parties::{DEADLINE, World, rng, run_all};

/// The parameters that these tests run with: the small ones, except in an optimised build, which has none but the full.
pub fn suite() -> Suite {
    *Suite::ALL.last().expect("a suite")
}

fn hex_prime(number: usize) -> Option<Vec<u8>> {
    let text = include_str!("../../vectors/gg20_primes.json");
    let all: serde_json::Value = serde_json::from_str(text).expect("vectors");
    let list = if suite() == Suite::Full { "full" } else { "small" };
    all[list].get(number).map(|prime| hex::decode(prime.as_str().expect("a prime")).expect("hexadecimal"))
}

pub fn prime(number: usize) -> Natural {
    Natural::from_be(&hex_prime(number).expect("as many primes"))
}

/// Four primes which are not used by anybody else: of the vectors, or looked for where these have no more.
pub fn primes(member: usize) -> [SafePrime; 4] {
    let hunt = |number: usize| {
        let (hunt, mut rng) = (Hunt::new(suite()), rng(number as u64));
        std::iter::repeat_with(|| hunt.step(&mut rng)).flatten().next().expect("there are enough")
    };
    let one = |at: usize| {
        let number = 4 * member + at;
        let known = hex_prime(number).map(|prime| Natural::from_be(&prime).encode());
        known.map_or_else(
            || hunt(number),
            |prime| SafePrime::unseal(&prime, suite(), &mut rng(at as u64)).expect("a safe prime"),
        )
    };
    [one(0), one(1), one(2), one(3)]
}

/// One generation: what it is about, what it replaces, and from which member's primes on it takes its own.
pub struct Place {
    pub context: Arc<Context>,
    pub previous: Option<Arc<Table>>,
    first: usize,
}

impl World {
    pub fn gg20_context(&mut self, previous: Option<&Table>) -> Arc<Context> {
        let session = self.new_session();
        Arc::new(auxiliary::context(Arc::clone(&self.committee), suite(), previous, session))
    }

    fn generation(&mut self, place: &Place, member: Party) -> Opening<Generation> {
        let identity = Arc::clone(&self.identities[&member]);
        let primes = primes(place.first + usize::from(member.index()) - 1);
        let previous = place.previous.clone();
        Generation::start(Arc::clone(&place.context), member, identity, primes, previous, &mut self.rng)
            .expect("a legal start")
    }

    /// Where a generation takes place that replaces this table, if any.
    pub fn place(&mut self, previous: Option<Arc<Table>>) -> Place {
        let first = if previous.is_some() { self.identities.len() } else { 0 };
        Place { context: self.gg20_context(previous.as_deref()), previous, first }
    }

    /// How everybody begins a generation.
    pub fn generation_openings(&mut self, place: &Place) -> BTreeMap<Party, Opening<Generation>> {
        let members: Vec<_> = self.identities.keys().copied().collect();
        members.into_iter().map(|member| (member, self.generation(place, member))).collect()
    }

    /// Everybody's seat at a generation.
    pub fn generation_seats(&mut self, place: &Place) -> BTreeMap<Party, Seated<Generation>> {
        let seat = |(member, opening)| (member, Seated::new(Some(member), Session::open(opening, DEADLINE)));
        self.generation_openings(place).into_iter().map(seat).collect()
    }

    /// A seat for a member that lies.
    pub fn generation_rogue<F: FnMut(Hash, &mut Vec<Outgoing>)>(
        &mut self,
        place: &Place,
        member: Party,
        lie: F,
    ) -> Seated<Rogue<Generation, F>> {
        let opening = self.generation(place, member);
        Seated::new(Some(member), Session::open(Rogue::opening(opening, lie), DEADLINE))
    }

    /// A generation in which everybody is honest.
    pub fn generate_moduli(&mut self) -> BTreeMap<Party, Arc<Auxiliary>> {
        self.replace_moduli(None)
    }

    /// The same, of moduli that replace others.
    pub fn replace_moduli(&mut self, previous: Option<Arc<Table>>) -> BTreeMap<Party, Arc<Auxiliary>> {
        let place = self.place(previous);
        let mut seats = self.generation_seats(&place);
        run_all(&mut seats, Order::First, honest);
        let done = |(party, seat): (Party, Seated<Generation>)| {
            (party, Arc::new(seat.output.expect("an honest generation succeeds")))
        };
        seats.into_iter().map(done).collect()
    }
}

/// One node's GG20 state: its share of a key and its side of the moduli.
pub struct Member {
    pub share: Arc<KeyShare<Secp256k1>>,
    pub auxiliary: Arc<Auxiliary>,
}

/// Everybody's share beside its moduli.
pub fn members_of(
    shares: Vec<Arc<KeyShare<Secp256k1>>>,
    moduli: BTreeMap<Party, Arc<Auxiliary>>,
) -> BTreeMap<Party, Member> {
    let members = shares.into_iter().zip(moduli);
    members.map(|(share, (party, auxiliary))| (party, Member { share, auxiliary })).collect()
}

impl World {
    /// A committee that is ready to presign.
    pub fn gg20_members(&mut self) -> BTreeMap<Party, Member> {
        let shares = self.generate_for(Scheme::Gg20, 2);
        members_of(shares, self.generate_moduli())
    }

    pub fn gg20_presigner(
        &mut self,
        member: &Member,
        signers: &[Party],
        session: (SessionId, u16),
    ) -> Opening<Presigner> {
        let identity = Arc::clone(&self.identities[&member.share.party()]);
        let (share, auxiliary) = (Arc::clone(&member.share), Arc::clone(&member.auxiliary));
        Presigner::start(share, auxiliary, signers, session, identity, &Bans::default(), &mut self.rng)
            .expect("a legal batch")
    }

    /// The seats of a batch.
    pub fn gg20_presign_seats(
        &mut self,
        members: &BTreeMap<Party, Member>,
        signers: &[Party],
        (session, size): (SessionId, u16),
    ) -> BTreeMap<Party, Seated<Presigner>> {
        let seat = |party: &Party| {
            let opening = self.gg20_presigner(&members[party], signers, (session, size));
            (*party, Seated::new(Some(*party), Session::open(opening, DEADLINE)))
        };
        signers.iter().map(seat).collect()
    }

    /// A batch in which everybody is honest.
    pub fn gg20_presign(
        &mut self,
        members: &BTreeMap<Party, Member>,
        signers: &[Party],
        size: u16,
    ) -> BTreeMap<Party, Vec<Presignature>> {
        let session = self.new_session();
        let mut seats = self.gg20_presign_seats(members, signers, (session, size));
        run_all(&mut seats, Order::First, honest);
        let done = |(party, seat): (Party, Seated<Presigner>)| {
            if let Some(abort) = &seat.abort {
                panic!("an honest batch ended: {abort}");
            }
            (party, seat.output.expect("an honest batch"))
        };
        seats.into_iter().map(done).collect()
    }

    /// The seats of a signing: the signers' and an aggregator's.
    pub fn gg20_signing(
        &mut self,
        order: &SignOrder,
        presignatures: BTreeMap<Party, Presignature>,
    ) -> Gg20Signing {
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
        Gg20Signing { session, order: order.clone(), signers, aggregator: Seated::new(None, aggregator) }
    }
}

/// An order for one payload with the presignature that these parts make.
pub fn order_for(
    member: &Member,
    path: &Path,
    payload: &Arc<Payload>,
    presignatures: &BTreeMap<Party, Presignature>,
) -> SignOrder {
    let group = member.share.group();
    let key = VerifyingKey::new(Arc::clone(group), &group.committee, path.clone()).expect("a certified key");
    let public = presignatures.values().next().expect("a signer").public().clone();
    SignOrder::new(Arc::new(key), Arc::clone(payload), Arc::new(public)).expect("an order")
}

/// The first presignature of every signer.
pub fn take_first(done: &mut BTreeMap<Party, Vec<Presignature>>) -> BTreeMap<Party, Presignature> {
    done.iter_mut().map(|(party, all)| (*party, all.remove(0))).collect()
}

/// A signing in progress.
pub struct Gg20Signing {
    pub session: SessionId,
    pub order: SignOrder,
    pub signers: BTreeMap<Party, Seated<Signer>>,
    pub aggregator: Seated<Aggregator>,
}

impl Gg20Signing {
    pub fn run(&mut self, order: Order<'_>, adversary: impl FnMut(Mail) -> Vec<Mail>) {
        let mut nodes: Vec<&mut dyn Node> =
            self.signers.values_mut().map(|seat| seat as &mut dyn Node).collect();
        nodes.push(&mut self.aggregator);
        run(&mut nodes, order, adversary);
    }

    /// Everybody who is blamed by anybody, with evidence that holds.
    pub fn blamed(&self) -> BTreeSet<Party> {
        let convicts = |blame: &Blame| sign::convict(&self.order, self.session, blame).is_ok();
        let mut all = blamed(self.signers.values(), convicts);
        all.extend(blamed([&self.aggregator], convicts));
        all
    }
}
