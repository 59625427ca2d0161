//! The wires: messages get lost, come twice, overtake each other, take long, or find the line cut.

use keymoot_engine::message::{Address, Message, Words};
use keymoot_types::Party;

use super::{Happening, World};
use crate::backend::{Backend, place};
use crate::coverage::Kind;
use crate::frame::{Weather, fair};
use crate::planted::Bug;
use crate::watch::Violation;

impl<B: Backend> World<B> {
    fn weather(&self) -> Weather {
        if self.is_healed { fair() } else { self.frame.net }
    }

    /// Puts a message on the wire.
    pub(super) fn send(&mut self, from: Address, to: Address, message: Message) {
        // A journal that lacks something is not the log that its node has signed. Its witnesses would find that out each time,
        // and the bug would not be found.
        let of_honest = |author: &Party| !self.nodes.get(place(*author)).is_some_and(|slot| slot.is_liar);
        let is_of_logs = match &message {
            Message::Witness { from, words: Words::Checkpoint(_) | Words::Cosigned(_), .. }
                if self.is(Bug::ForgetWitnessed) =>
            {
                of_honest(from)
            }
            Message::Witness { .. } => true,
            _ => false,
        };
        if is_of_logs && self.bug.is_some_and(Bug::touches_the_log) {
            return;
        }
        let weather = self.weather();
        if self.cuts.contains(&(from, to)) {
            return;
        }
        if self.chance.happens(weather.loss) {
            self.saw(Kind::MessageLost);
            return;
        }
        let mut time = self.chance.between(weather.near, weather.far);
        if self.chance.happens(weather.slow) {
            self.saw(Kind::MessageSlow);
            time *= 10;
        }
        if self.chance.happens(weather.twice) {
            self.saw(Kind::MessageTwice);
            let late = time + self.chance.between(0, 4 * weather.far);
            self.push(late, Happening::Arrives { from, to, message: message.clone() });
        }
        self.push(time, Happening::Arrives { from, to, message });
    }

    pub(super) fn arrives(&mut self, from: Address, to: Address, message: Message) -> Result<(), Violation> {
        if self.cuts.contains(&(from, to)) {
            return Ok(());
        }
        let until = self.paused_until(to);
        if until > self.now {
            self.push(until - self.now, Happening::Arrives { from, to, message });
            return Ok(());
        }
        match to {
            Address::Node(party) => self.node_hears(place(party), from, message),
            Address::Coordinator(replica) => self.replica_hears(replica, from, message),
            Address::Client(_) => self.client_hears(from, message),
        }
    }

    pub(super) fn wakes(&mut self, who: Address, life: u32) -> Result<(), Violation> {
        let until = self.paused_until(who);
        if until > self.now {
            self.push(until - self.now, Happening::Wakes(who, life));
            return Ok(());
        }
        match who {
            Address::Node(party) if self.nodes[place(party)].life == life => self.node_wakes(place(party)),
            Address::Coordinator(replica) if self.replicas[usize::from(replica)].life == life => {
                self.replica_wakes(replica)
            }
            Address::Node(_) | Address::Coordinator(_) | Address::Client(_) => Ok(()),
        }
    }

    pub(super) fn starts(&mut self, who: Address) -> Result<(), Violation> {
        match who {
            Address::Node(party) => self.start_node(place(party)),
            Address::Coordinator(replica) => self.start_replica(replica),
            Address::Client(_) => Ok(()),
        }
    }

    fn paused_until(&self, who: Address) -> u64 {
        match who {
            Address::Node(party) => self.nodes[place(party)].paused_until,
            Address::Coordinator(replica) => self.replicas[usize::from(replica)].paused_until,
            Address::Client(_) => 0,
        }
    }

    /// Everybody who is on the network.
    pub(super) fn everybody(&self) -> Vec<Address> {
        let nodes = self.nodes.iter().map(|slot| Address::Node(slot.me));
        nodes.chain((0..self.frame.coordinators).map(Address::Coordinator)).collect()
    }
}
