//! Who is let in, and how many: connections, and the calls, lists and streams of one client. Whoever has a certificate is
//! known, and takes no more than its part all the same.

use std::sync::{Arc, Mutex};

use keymoot_wire::identity::{PeerId, PeerRole};
use keymoot_wire::metered::Meter;
use keymoot_wire::places::{self, Bound};
use keymoot_wire::tls::{Acceptor, Incoming, Peer};

/// A place that is taken; it is free again when this is dropped.
pub(crate) type Place = places::Place<PeerId>;

/// How many of something there are, in all and of each peer.
pub(crate) struct Places {
    /// In all. Clients find none in the last quarter, so that nodes and gateways do.
    total: usize,
    /// Of one client.
    client: usize,
    /// Of one other process.
    process: usize,
    taken: Arc<places::Places<PeerId>>,
}

impl Places {
    /// So many in all, of one client, and of one other process.
    pub(crate) fn new(total: usize, (client, process): (usize, usize)) -> Arc<Self> {
        Arc::new(Self { total, client, process, taken: places::Places::new() })
    }

    fn bound(&self, peer: &PeerId) -> Bound {
        match peer.role() {
            PeerRole::Client => Bound { each: self.client, all: self.total - self.total / 4 },
            PeerRole::Node | PeerRole::Coordinator | PeerRole::Gateway => {
                Bound { each: self.process, all: self.total }
            }
        }
    }

    /// A place, if there is one for this peer.
    pub(crate) fn take(&self, peer: &PeerId) -> Option<Place> {
        self.taken.take(peer, 1, self.bound(peer)).ok()
    }

    /// A place that grows with a body of this peer's, up to this bound.
    pub(crate) fn meter(&self, peer: &PeerId) -> Option<(Meter<PeerId>, Bound)> {
        let bound = self.bound(peer);
        let place = self.taken.take(peer, 0, bound).ok()?;
        Some((Arc::new(Mutex::new(place)), bound))
    }
}

/// Those who come in and find a place. Others are hung up on.
pub(crate) fn entrance(acceptor: Acceptor, places: Arc<Places>) -> Incoming<Place> {
    acceptor.admitting(move |peer: &Peer| {
        let place = places.take(&peer.id);
        if place.is_none() {
            metrics::counter!("keymoot_control_connections_refused_total").increment(1);
            tracing::warn!(peer = peer.id.to_uri(), "too many connections: one is hung up on");
        }
        place
    })
}

#[cfg(test)]
mod tests {
    use keymoot_wire::identity::{PeerId, PeerRole};

    use super::Places;

    fn peer(role: PeerRole, number: usize) -> PeerId {
        PeerId::new("test", role, &format!("one-{number}")).unwrap()
    }

    #[test]
    fn nobody_takes_more_than_its_part() {
        let places = Places::new(8, (2, 1));
        let of = |role, number| places.take(&peer(role, number));
        let clients: Vec<_> =
            (0..4).flat_map(|number| [(); 3].map(|()| of(PeerRole::Client, number))).collect();
        let taken: Vec<bool> = clients.iter().map(Option::is_some).collect();
        let (yes, no) = (true, false);
        assert_eq!(
            taken,
            [yes, yes, no, yes, yes, no, yes, yes, no, no, no, no],
            "two each, six of eight in all"
        );
        let node = of(PeerRole::Node, 1);
        assert!(node.is_some(), "a node finds a place whatever clients do");
        assert!(of(PeerRole::Node, 1).is_none(), "and one only");
        drop(clients);
        assert!(of(PeerRole::Client, 0).is_some(), "a place that was left is free again");
    }
}
