//! Who is let in, and how many: connections, and the calls and streams of one client. Whoever has a certificate is
//! known, and takes no more than its part all the same.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use keymoot_wire::identity::{PeerId, PeerRole};
use keymoot_wire::tls::{Incoming, Peer, PeerStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// How many of something there are, in all and of each peer.
pub(crate) struct Places {
    /// In all. Clients take three quarters of them at most, so that nodes and gateways find one.
    total: usize,
    /// Of one client.
    client: usize,
    /// Of one other process.
    process: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    clients: usize,
    by: BTreeMap<PeerId, usize>,
}

/// A place that is taken; it is free again when this is dropped.
pub(crate) struct Place {
    of: Arc<Places>,
    peer: PeerId,
}

impl Places {
    /// So many in all, of one client, and of one other process.
    pub(crate) fn new(total: usize, (client, process): (usize, usize)) -> Arc<Self> {
        Arc::new(Self { total, client, process, taken: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if there is one for this peer.
    pub(crate) fn take(self: &Arc<Self>, peer: &PeerId) -> Option<Place> {
        let mut taken = self.lock();
        let is_client = peer.role() == PeerRole::Client;
        let its = taken.by.get(peer).copied().unwrap_or_default();
        let is_full = taken.all >= self.total || its >= if is_client { self.client } else { self.process };
        if is_full || (is_client && taken.clients >= self.total.saturating_sub(self.total / 4)) {
            return None;
        }
        taken.all = taken.all.saturating_add(1);
        taken.clients = taken.clients.saturating_add(usize::from(is_client));
        taken.by.insert(peer.clone(), its.saturating_add(1));
        Some(Place { of: Arc::clone(self), peer: peer.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.lock();
        taken.all = taken.all.saturating_sub(1);
        if self.peer.role() == PeerRole::Client {
            taken.clients = taken.clients.saturating_sub(1);
        }
        if let Some(its) = taken.by.get_mut(&self.peer) {
            *its = its.saturating_sub(1);
            if *its == 0 {
                taken.by.remove(&self.peer);
            }
        }
    }
}

/// Those who come in and find a place. Others are hung up on.
pub(crate) struct Entrance {
    incoming: Incoming,
    places: Arc<Places>,
}

impl Entrance {
    pub(crate) const fn new(incoming: Incoming, places: Arc<Places>) -> Self {
        Self { incoming, places }
    }
}

impl Stream for Entrance {
    type Item = io::Result<Guest>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let stream = match ready!(Pin::new(&mut self.incoming).poll_next(context)) {
                Some(Ok(stream)) => stream,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            let peer = Arc::new(stream.peer().clone());
            if let Some(place) = self.places.take(&peer.id) {
                return Poll::Ready(Some(Ok(Guest { stream, peer, _place: place })));
            }
            metrics::counter!("keymoot_control_connections_refused_total").increment(1);
            tracing::warn!(peer = peer.id.to_uri(), "too many connections: one is hung up on");
        }
    }
}

/// A connection with somebody known. Each request over it has the peer in its extensions.
pub(crate) struct Guest {
    stream: PeerStream,
    peer: Arc<Peer>,
    _place: Place,
}

impl Connected for Guest {
    type ConnectInfo = Arc<Peer>;

    fn connect_info(&self) -> Arc<Peer> {
        Arc::clone(&self.peer)
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
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
        drop(node);
        let taken = places.lock();
        assert_eq!((taken.all, taken.by.len()), (0, 0), "and nobody is remembered");
    }
}
