//! The document that says which clients may ask. It changes while everything runs, and nobody hears of it at the same time.

use std::collections::BTreeMap;

use keymoot_engine::message::Address;
use keymoot_engine::plan::{Effect, Plan};
use keymoot_engine::record::Entry;
use keymoot_engine::request::{ClientId, ClientKey};
use keymoot_types::Party;

use super::World;
use crate::backend::{Backend, place};
use crate::planted::Bug;
use crate::watch::Violation;

impl<B: Backend> World<B> {
    /// The clients that a process goes by. What it has heard last outlives it.
    pub(super) fn clients_of(&self, who: Address) -> BTreeMap<ClientId, ClientKey> {
        let absent = self.absent.get(&who);
        let there = self.clients.iter().enumerate().filter(|(number, _)| Some(number) != absent);
        there.map(|(_, client)| (ClientId::of(&client.identity()), client.identity().into())).collect()
    }

    /// A process hears of a document without this client, or of one with all.
    pub(super) fn hears_of(&mut self, who: Address, absent: Option<usize>) -> Result<(), Violation> {
        match absent {
            Some(client) => drop(self.absent.insert(who, client)),
            None => drop(self.absent.remove(&who)),
        }
        let clients = self.clients_of(who);
        match who {
            Address::Node(party) if !self.is(Bug::OldDocument) => self.node_goes_by(place(party), clients),
            Address::Coordinator(replica) => {
                let coordinator = self.replicas[usize::from(replica)].coordinator.as_mut();
                let deeds = coordinator.map(|coordinator| coordinator.go_by(clients));
                self.carry_out(replica, deeds.unwrap_or_default())
            }
            Address::Node(_) | Address::Client(_) => Ok(()),
        }
    }

    /// I2: whoever is not in a node's document is not served by it.
    pub(super) fn invariant_i02_served_by_the_document(
        &self,
        party: Party,
        plan: &Plan<Effect<B>>,
    ) -> Result<(), Violation> {
        let Some(absent) = self.absent.get(&Address::Node(party)) else { return Ok(()) };
        let absent = ClientId::of(&self.clients[*absent].identity());
        for record in &plan.persist {
            let Entry::Allowed { request, .. } = &record.entry else { continue };
            if self.watch.client_of(*request) == Some(absent) {
                let what = format!("{party} serves {request:?} of a client that its document does not have");
                return Err(Violation { invariant: "I2", what });
            }
        }
        Ok(())
    }
}
