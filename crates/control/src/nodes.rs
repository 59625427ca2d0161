//! The nodes that are connected: one stream each, the latest counts. What is sent to a node waits here, bounded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use keymoot_types::Party;
use keymoot_wire::mpc::SessionMessage;
use keymoot_wire::outbox::{Bounds, Outbox, Weight};
use keymoot_wire::tls::Peer;

/// What is known of one node.
#[derive(Clone, Debug)]
pub(crate) struct NodeState {
    /// Whether a stream is open, and which one.
    pub(crate) stream: Option<u64>,
    /// With which certificate it was opened.
    pub(crate) peer: Option<Arc<Peer>>,
    /// When it said something last.
    pub(crate) heard: Option<Instant>,
    pub(crate) version: String,
    pub(crate) skew_ms: Option<i64>,
    pub(crate) same_document: bool,
}

impl NodeState {
    const fn unheard() -> Self {
        Self {
            stream: None,
            peer: None,
            heard: None,
            version: String::new(),
            skew_ms: None,
            same_document: false,
        }
    }
}

/// A message on its way to a node, without its number.
pub(crate) struct Outgoing(pub(crate) SessionMessage);

/// All nodes of the cluster.
pub(crate) struct Nodes {
    outboxes: BTreeMap<Party, Arc<Outbox<Outgoing>>>,
    states: Mutex<BTreeMap<Party, NodeState>>,
}

impl Nodes {
    pub(crate) fn new(parties: impl Iterator<Item = Party>) -> Self {
        let parties: Vec<Party> = parties.collect();
        let outboxes = parties.iter().map(|party| (*party, Arc::new(Outbox::new(Bounds::default()))));
        let states = parties.iter().map(|party| (*party, NodeState::unheard())).collect();
        Self { outboxes: outboxes.collect(), states: Mutex::new(states) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Party, NodeState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node has opened a stream. One that it had before ends.
    pub(crate) fn connect(
        &self,
        party: Party,
        peer: Option<Arc<Peer>>,
        (version, same_document): (&str, bool),
    ) -> Option<Stream> {
        let outbox = Arc::clone(self.outboxes.get(&party)?);
        let mut states = self.lock();
        let state = states.get_mut(&party)?;
        // With the list in hand: of two streams that come at once, the one that has the outbox is the one on the list.
        let turn = outbox.take_turn();
        (state.stream, state.peer, state.heard) = (Some(turn), peer, Some(Instant::now()));
        (state.version, state.same_document) = (version.to_owned(), same_document);
        drop(states);
        self.gauge();
        Some(Stream { outbox, turn })
    }

    /// A stream has ended. Whether the node has none now: if it was not the latest, nothing changes.
    pub(crate) fn disconnect(&self, party: Party, turn: u64) -> bool {
        if let Some(outbox) = self.outboxes.get(&party) {
            outbox.end_turn(turn);
        }
        let mut states = self.lock();
        let latest = states.get_mut(&party).filter(|state| state.stream == Some(turn));
        let is_gone = latest.map(|state| state.stream = None).is_some();
        drop(states);
        self.gauge();
        is_gone
    }

    /// Ends the streams of all of whose certificates this does not hold, and tells who that was.
    pub(crate) fn keep(&self, holds: impl Fn(&Peer) -> bool) -> Vec<Party> {
        let is_out = |state: &&NodeState| state.peer.as_ref().is_some_and(|peer| !holds(peer));
        let states = self.lock();
        let out = states.iter().filter(|(_, state)| is_out(state));
        let out: Vec<(Party, u64)> = out.filter_map(|(party, state)| Some((*party, state.stream?))).collect();
        drop(states);
        out.into_iter()
            .filter(|(party, turn)| self.disconnect(*party, *turn))
            .map(|(party, _)| party)
            .collect()
    }

    /// A node has said something.
    pub(crate) fn heard(&self, party: Party) {
        if let Some(state) = self.lock().get_mut(&party) {
            state.heard = Some(Instant::now());
        }
    }

    /// What a heartbeat tells.
    pub(crate) fn beat(&self, party: Party, version: &str, skew_ms: i64, same_document: bool) {
        if let Some(state) = self.lock().get_mut(&party) {
            state.heard = Some(Instant::now());
            (state.version, state.skew_ms) = (version.to_owned(), Some(skew_ms));
            state.same_document = same_document;
        }
    }

    /// Sends something, when its turn has come.
    pub(crate) fn send(&self, party: Party, message: SessionMessage, bytes: usize, weight: Weight) {
        let Some(outbox) = self.outboxes.get(&party) else { return };
        let lost = outbox.push(Outgoing(message), bytes, weight);
        if lost > 0 {
            metrics::counter!("keymoot_control_outbox_lost_total", "party" => party.index().to_string())
                .increment(lost);
        }
    }

    /// Whether this is the stream of the node that counts.
    pub(crate) fn is_current(&self, party: Party, turn: u64) -> bool {
        self.lock().get(&party).is_some_and(|state| state.stream == Some(turn))
    }

    /// Whether this node has a stream.
    pub(crate) fn is_connected(&self, party: Party) -> bool {
        self.lock().get(&party).is_some_and(|state| state.stream.is_some())
    }

    /// What is known of a node.
    pub(crate) fn state(&self, party: Party) -> Option<NodeState> {
        self.lock().get(&party).cloned()
    }

    /// Those with an open stream.
    pub(crate) fn connected(&self) -> Vec<Party> {
        let states = self.lock();
        states.iter().filter(|(_, state)| state.stream.is_some()).map(|(party, _)| *party).collect()
    }

    fn gauge(&self) {
        metrics::gauge!("keymoot_control_nodes_connected").set(self.connected().len() as f64);
    }
}

/// Takes a node that has opened a stream off the list again, unless somebody listens to it.
pub(crate) struct Arrival<'a> {
    nodes: &'a Nodes,
    party: Party,
    turn: Option<u64>,
}

impl<'a> Arrival<'a> {
    pub(crate) const fn new(nodes: &'a Nodes, party: Party, turn: u64) -> Self {
        Self { nodes, party, turn: Some(turn) }
    }

    /// Somebody listens from now on, and sees the end of the stream.
    pub(crate) fn settle(mut self) {
        self.turn = None;
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        if let Some(turn) = self.turn {
            self.nodes.disconnect(self.party, turn);
        }
    }
}

/// One stream to a node: whoever holds it takes out what is for the node, until a newer one is opened.
pub(crate) struct Stream {
    pub(crate) outbox: Arc<Outbox<Outgoing>>,
    pub(crate) turn: u64,
}

#[cfg(test)]
mod tests {
    use super::{Arrival, Nodes};
    use futures_util::FutureExt as _;
    use keymoot_types::Party;
    use keymoot_wire::mpc::SessionMessage;
    use keymoot_wire::outbox::Weight;

    #[tokio::test]
    async fn a_newer_stream_of_a_node_takes_the_place_of_the_older() {
        let party = Party::new(1).unwrap();
        let nodes = Nodes::new([party].into_iter());
        let old = nodes.connect(party, None, ("1", true)).unwrap();
        let new = nodes.connect(party, None, ("1", true)).unwrap();
        assert!(old.outbox.next(old.turn).await.is_none(), "the older one ends");
        nodes.disconnect(party, old.turn);
        assert_eq!(nodes.connected(), [party], "and its end changes nothing");
        nodes.send(party, SessionMessage::default(), 1, Weight::Session);
        assert!(new.outbox.next(new.turn).await.is_some());
        nodes.disconnect(party, new.turn);
        assert!(nodes.connected().is_empty());
        assert!(!nodes.is_current(party, new.turn));
        assert!(
            nodes.connect(Party::new(2).unwrap(), None, ("1", true)).is_none(),
            "a stranger has no place"
        );
    }

    #[test]
    fn a_node_whose_arrival_is_broken_off_is_not_there() {
        let party = Party::new(1).unwrap();
        let nodes = Nodes::new([party].into_iter());
        let stream = nodes.connect(party, None, ("1", true)).unwrap();
        assert!(nodes.is_current(party, stream.turn));
        drop(Arrival::new(&nodes, party, stream.turn));
        assert!(nodes.connected().is_empty() && !nodes.is_current(party, stream.turn));
        let stream = nodes.connect(party, None, ("1", true)).unwrap();
        Arrival::new(&nodes, party, stream.turn).settle();
        assert_eq!(nodes.connected(), [party]);
    }

    #[test]
    fn of_two_streams_that_are_opened_at_once_the_one_on_the_list_is_served() {
        let party = Party::new(1).unwrap();
        let nodes = Nodes::new([party].into_iter());
        for _ in 0..500 {
            let streams: Vec<_> = std::thread::scope(|scope| {
                let open = || nodes.connect(party, None, ("1", true)).unwrap();
                let opened = [(); 3].map(|()| scope.spawn(open));
                opened.into_iter().map(|one| one.join().unwrap()).collect()
            });
            nodes.send(party, SessionMessage::default(), 1, Weight::Session);
            let listed = streams.iter().find(|stream| nodes.is_current(party, stream.turn)).unwrap();
            assert!(listed.outbox.next(listed.turn).now_or_never().unwrap().is_some());
        }
    }
}
