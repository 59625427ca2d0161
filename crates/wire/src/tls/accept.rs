//! The door: accepts connections and shakes hands with many at a time, so that a slow one keeps nobody waiting.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::Stream;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;
use tracing::{Instrument, info_span, warn};

use super::{Peer, TlsRefusal, refusal_of_io};

/// The most handshakes at a time. Whoever comes then waits in the backlog of the system.
const HANDSHAKES_MAX: usize = 256;
/// For how long one handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long to leave the door alone when the system cannot accept, which is when it has no file handles left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    pause: Option<Pin<Box<Sleep>>>,
}

impl Acceptor {
    /// At this listener, with a configuration of [`server_config`](super::server_config).
    #[must_use]
    pub fn new(listener: TcpListener, config: ServerConfig) -> Self {
        let tls = TlsAcceptor::from(Arc::new(config));
        Self { listener, tls, handshakes: JoinSet::new(), pause: None }
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
    pub const fn incoming(self) -> Incoming {
        Incoming(self)
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Accepted> {
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
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(context).is_pending() {
                return;
            }
            self.pause = None;
        }
        while self.handshakes.len() < HANDSHAKES_MAX {
            match self.listener.poll_accept(context) {
                Poll::Ready(Ok((stream, address))) => {
                    let handshake = shake_hands(self.tls.clone(), stream, address);
                    self.handshakes.spawn(handshake.instrument(info_span!("accept", %address)));
                }
                Poll::Ready(Err(error)) => {
                    warn!(%error, "cannot accept a connection");
                    let mut pause = Box::pin(sleep(ACCEPT_PAUSE));
                    // Polled once, so that it wakes us.
                    if pause.as_mut().poll(context).is_pending() {
                        self.pause = Some(pause);
                        return;
                    }
                }
                Poll::Pending => return,
            }
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

/// Those who come in with a certificate, as a stream that never ends.
pub struct Incoming(Acceptor);

impl Stream for Incoming {
    type Item = io::Result<PeerStream>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let accepted = ready!(self.0.poll_accept(context));
            if let Some(peer) = accepted.peer {
                let stream = PeerStream { stream: accepted.stream, peer };
                return Poll::Ready(Some(Ok(stream)));
            }
            warn!(reason = TlsRefusal::NoCertificate.name(), address = %accepted.address, "refused a connection");
        }
    }
}

/// A connection with somebody known. Each request over it has the [`Peer`] in its extensions.
#[derive(Debug)]
pub struct PeerStream {
    stream: TlsStream<TcpStream>,
    peer: Peer,
}

impl PeerStream {
    /// Who is at the other end.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The connection in TLS.
    #[must_use]
    pub const fn tls(&self) -> &TlsStream<TcpStream> {
        &self.stream
    }
}

impl Connected for PeerStream {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PeerStream {
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
