//! Moduli, presigning and signing of GG20 to attack, with the small parameters of tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Context;
use keymoot_protocol::gg20::{Auxiliary, Generation, Natural, SafePrime, Suite, Table, auxiliary};
use keymoot_protocol::machine::{Opening, Outgoing};
use keymoot_protocol::session::Session;
use keymoot_protocol::transcript::Hash;
use keymoot_types::Party;

use crate::net::{Order, Rogue, Seated, honest};
use crate::parties::{DEADLINE, World, rng, run_all};

/// The parameters that these tests run with.
pub fn suite() -> Suite {
    *Suite::ALL.last().expect("a suite")
}

fn hex_prime(number: usize) -> Vec<u8> {
    let text = include_str!("../../vectors/gg20_primes.json");
    let all: serde_json::Value = serde_json::from_str(text).expect("vectors");
    let list = if suite() == Suite::Full { "full" } else { "small" };
    hex::decode(all[list][number].as_str().expect("a prime")).expect("hexadecimal")
}

pub fn prime(number: usize) -> Natural {
    Natural::from_be(&hex_prime(number))
}

/// Four primes of the vectors, which are not used by anybody else.
pub fn primes(member: usize) -> [SafePrime; 4] {
    let one = |at: usize| {
        SafePrime::unseal(&prime(4 * member + at).encode(), suite(), &mut rng(at as u64)).expect("a safe prime")
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

    /// Everybody's seat at a generation.
    pub fn generation_seats(&mut self, place: &Place) -> BTreeMap<Party, Seated<Generation>> {
        let members: Vec<_> = self.identities.keys().copied().collect();
        let seat = |member| {
            let opening = self.generation(place, member);
            (member, Seated::new(Some(member), Session::open(opening, DEADLINE)))
        };
        members.into_iter().map(seat).collect()
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
        let place = self.place(None);
        let mut seats = self.generation_seats(&place);
        run_all(&mut seats, Order::First, honest);
        let done = |(party, seat): (Party, Seated<Generation>)| {
            (party, Arc::new(seat.output.expect("an honest generation succeeds")))
        };
        seats.into_iter().map(done).collect()
    }
}
