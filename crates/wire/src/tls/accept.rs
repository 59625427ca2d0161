//! The door: accepts connections and shakes hands with many at a time, so that a slow one keeps nobody waiting.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{Instrument, info_span, warn};

use super::incoming::Incoming;
use super::{Peer, TlsRefusal, refusal_of_io};
use crate::door::Door;

/// The most handshakes at a time. Whoever comes then waits in the backlog of the system.
const HANDSHAKES_MAX: usize = 256;
/// For how long one handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Somebody who has come in.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: TlsStream<TcpStream>,
    /// Who it is. `None` only where certificates are optional.
    pub peer: Option<Peer>,
    /// From where.
    pub address: SocketAddr,
}

/// Listens and shakes hands. Refused and slow ones are told to the log and never seen outside. Dropping it closes the
/// door; who is in stays in.
pub struct Acceptor {
    listener: TcpListener,
    tls: TlsAcceptor,
    handshakes: JoinSet<Option<Accepted>>,
    door: Door,
}

impl Acceptor {
    /// At this listener, with a configuration of [`server_config`](super::server_config).
    #[must_use]
    pub fn new(listener: TcpListener, config: ServerConfig) -> Self {
        let tls = TlsAcceptor::from(Arc::new(config));
        Self { listener, tls, handshakes: JoinSet::new(), door: Door::default() }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next one who has come in. May be dropped and called again; nobody is lost by that.
    pub async fn accept(&mut self) -> Accepted {
        std::future::poll_fn(|context| self.poll_accept(context)).await
    }

    /// As a stream of those that have a certificate, for tonic's `serve_with_incoming`.
    #[must_use]
    pub fn incoming(self) -> Incoming<()> {
        self.admitting(|_| Some(()))
    }

    /// The same, of those to whom this gives something: the connection holds it to its end. Others are hung up on.
    #[must_use]
    pub fn admitting<G>(self, admit: impl FnMut(&Peer) -> Option<G> + Send + 'static) -> Incoming<G> {
        Incoming::new(self, Box::new(admit))
    }

    pub(super) fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Accepted> {
        self.poll_listener(context);
        loop {
            match self.handshakes.poll_join_next(context) {
                Poll::Ready(Some(Ok(Some(accepted)))) => return Poll::Ready(accepted),
                // Refused. There is a place again for somebody who waits in the backlog.
                Poll::Ready(Some(Ok(None) | Err(_))) => self.poll_listener(context),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Takes in all who wait, as long as there are places.
    fn poll_listener(&mut self, context: &mut Context<'_>) {
        while self.handshakes.len() < HANDSHAKES_MAX {
            let listener = &self.listener;
            let Poll::Ready((stream, address)) =
                self.door.poll(context, |context| listener.poll_accept(context))
            else {
                return;
            };
            let handshake = shake_hands(self.tls.clone(), stream, address);
            self.handshakes.spawn(handshake.instrument(info_span!("accept", %address)));
        }
    }
}

async fn shake_hands(tls: TlsAcceptor, stream: TcpStream, address: SocketAddr) -> Option<Accepted> {
    let handshake = async {
        // Without it, small messages wait for acknowledgements of earlier ones: some 40 ms each.
        stream.set_nodelay(true)?;
        tls.accept(stream).await
    };
    let refusal = match timeout(HANDSHAKE_TIME, handshake).await {
        Ok(Ok(stream)) => match peer_of(&stream) {
            Ok(peer) => return Some(Accepted { stream, peer, address }),
            Err(refusal) => refusal,
        },
        // A stranger who connects and says nothing, such as a probe of a load balancer.
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return None,
        Ok(Err(error)) => refusal_of_io(&error),
        Err(_) => TlsRefusal::TooSlow,
    };
    // What is wrong with a certificate has been told by its verifier, with the claimed identity.
    if matches!(
        refusal,
        TlsRefusal::NotTls
            | TlsRefusal::OldTls
            | TlsRefusal::NoCertificate
            | TlsRefusal::TooSlow
            | TlsRefusal::Failed
    ) {
        warn!(reason = refusal.name(), "refused a connection: {refusal}");
    }
    None
}

fn peer_of(stream: &TlsStream<TcpStream>) -> Result<Option<Peer>, TlsRefusal> {
    let certificates = stream.get_ref().1.peer_certificates();
    certificates.and_then(<[_]>::first).map(Peer::of_certificate).transpose()
}
