//! What all services share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keymoot_engine::coordinator::View;
use keymoot_engine::words::Committee;
use keymoot_ports::{Registry, Sessions};
use keymoot_types::{KeyId, Millis, Party};
use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::mpc::ModuliState;
use keymoot_wire::problem::Code;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tonic::Status;

use crate::book::Book;
use crate::config::Limits;
use crate::inlet::Inlet;
use crate::moduli;
use crate::names::Names;
use crate::nodes::Nodes;
use crate::task::Input;
use crate::waiting::Waiting;
use crate::watch::Observer;

/// How long the engine may take to take something in.
const TAKE: Duration = Duration::from_secs(5);

/// It.
pub(crate) struct Room {
    pub(crate) name: String,
    pub(crate) document: DocumentHandle,
    pub(crate) names: Arc<Names>,
    pub(crate) committee: Arc<Committee>,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) book: Arc<Book>,
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) observer: Arc<Observer>,
    pub(crate) inputs: Inlet,
    pub(crate) limits: Limits,
    /// Whether the store answered when it was looked at last.
    pub(crate) has_store: AtomicBool,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Room {
    /// Hands something to the engine that takes up next to nothing.
    pub(crate) async fn hear(&self, input: Input) -> Result<(), Status> {
        self.hear_of(input, 0).await
    }

    /// Hands something of so many bytes to the engine. When it does not keep up, whoever brings it waits.
    pub(crate) async fn hear_of(&self, input: Input, bytes: usize) -> Result<(), Status> {
        match timeout(TAKE, self.inputs.bring(input, bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.stopping()),
            Err(_) => Err(Code::Busy.to_status("the coordinator does not keep up")),
        }
    }

    /// Hands news to the engine that nobody else will bring it, however long it takes. Nobody is to be told when the
    /// coordinator stops.
    pub(crate) async fn tell(&self, input: Input) {
        let _ = self.inputs.bring(input, 0).await;
    }

    /// What the engine has.
    pub(crate) async fn look(&self) -> Result<(View, Millis), Status> {
        let (eye, seen) = oneshot::channel();
        self.hear(Input::Look(eye)).await?;
        let seen = timeout(TAKE, seen).await.map_err(|_| Code::TookTooLong.to_status("no answer in time"))?;
        seen.map_err(|_| self.stopping())
    }

    /// How many presignatures of these keys are in stock, one number for each.
    pub(crate) async fn count(&self, keys: Vec<KeyId>) -> Result<Vec<u32>, Status> {
        let (eye, seen) = oneshot::channel();
        self.hear(Input::Count(keys, eye)).await?;
        let seen = timeout(TAKE, seen).await.map_err(|_| Code::TookTooLong.to_status("no answer in time"))?;
        seen.map_err(|_| self.stopping())
    }

    /// Notes whether the store answers; whether this coordinator can serve.
    pub(crate) fn note_store(&self, has_store: bool) -> bool {
        self.has_store.store(has_store, Ordering::Relaxed);
        metrics::gauge!("keymoot_control_store_up").set(if has_store { 1.0 } else { 0.0 });
        self.reasons().is_empty()
    }

    /// Why this coordinator cannot serve, in words; nothing if it can.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let store = "the store does not answer".to_owned();
        let store = Some(store).filter(|_| !self.has_store.load(Ordering::Relaxed));
        store.into_iter().chain(self.shortage(self.committee.threshold().needed())).collect()
    }

    fn stopping(&self) -> Status {
        Code::ShuttingDown.to_status(format!("{} is stopping", self.name))
    }

    /// The processes of a role in the cluster document, with their addresses there.
    pub(crate) fn listed(&self, role: PeerRole) -> Vec<(String, String)> {
        let document = self.document.load();
        match role {
            PeerRole::Node => {
                document.nodes.iter().map(|node| (node.name.clone(), "none".to_owned())).collect()
            }
            PeerRole::Coordinator => {
                document.coordinators.iter().map(|one| (one.name.clone(), one.address.clone())).collect()
            }
            PeerRole::Gateway => {
                document.gateways.iter().map(|one| (one.name.clone(), one.address.clone())).collect()
            }
            PeerRole::Client => Vec::new(),
        }
    }

    /// How far each node is with its moduli that says so.
    pub(crate) fn moduli(&self) -> BTreeMap<Party, ModuliState> {
        self.observer.moduli.states(self.observer.makes_moduli())
    }

    /// Why there are not enough nodes with moduli for something that needs so many, in words; `None` if there are.
    pub(crate) fn missing_moduli(&self, needed: u16) -> Option<String> {
        let (states, connected) = (self.moduli(), self.nodes.connected());
        if states.values().filter(|state| state.made).count() >= usize::from(needed) {
            return None;
        }
        let one = |party: Party| {
            let words = moduli::words(states.get(&party), connected.contains(&party));
            format!("{} {words}", self.names.of(party))
        };
        let each: Vec<String> = self.names.parties().into_iter().map(one).collect();
        Some(format!("the moduli are not made yet: {}", each.join(", ")))
    }

    /// Why there are not enough nodes for something that needs so many, in words; `None` if there are.
    pub(crate) fn shortage(&self, needed: u16) -> Option<String> {
        let connected = self.nodes.connected();
        if connected.len() >= usize::from(needed) {
            return None;
        }
        let total = self.committee.threshold().total();
        let list = |parties: &[Party]| {
            parties.iter().map(|party| self.names.of(*party)).collect::<Vec<_>>().join(", ")
        };
        let missing: Vec<Party> =
            self.names.parties().into_iter().filter(|party| !connected.contains(party)).collect();
        let there = match connected.as_slice() {
            [] => "no node is reachable".to_owned(),
            some => format!("{} of {total} nodes are reachable ({})", some.len(), list(some)),
        };
        Some(format!("{there}, {needed} are needed; not reachable: {}", list(&missing)))
    }
}
