//! Those who come in, as servers of gRPC want them: each connection with who it is, with what it holds of us, and with an
//! end. It ends when the certificate expires that it was made with: whoever has a new one dials again.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;
use tracing::{info, warn};

use super::{Acceptor, Peer, TlsRefusal};

/// How often to look at the clock at least: it may be set, and the machine may sleep.
const LOOK: Duration = Duration::from_secs(60);

type Admit<G> = Box<dyn FnMut(&Peer) -> Option<G> + Send>;

/// Those who come in with a certificate and are admitted, as a stream that never ends.
pub struct Incoming<G> {
    acceptor: Acceptor,
    admit: Admit<G>,
}

impl<G> Incoming<G> {
    pub(super) const fn new(acceptor: Acceptor, admit: Admit<G>) -> Self {
        Self { acceptor, admit }
    }
}

impl<G> Stream for Incoming<G> {
    type Item = io::Result<PeerStream<G>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let accepted = ready!(this.acceptor.poll_accept(context));
            let Some(peer) = accepted.peer else {
                let reason = TlsRefusal::NoCertificate.name();
                warn!(reason, address = %accepted.address, "refused a connection");
                continue;
            };
            if let Some(guard) = (this.admit)(&peer) {
                return Poll::Ready(Some(Ok(PeerStream::new(accepted.stream, peer, guard))));
            }
        }
    }
}

/// A connection with somebody known. Each request over it has the [`Peer`] in its extensions.
pub struct PeerStream<G> {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    look: Pin<Box<Sleep>>,
    _guard: G,
}

impl<G> PeerStream<G> {
    fn new(stream: TlsStream<TcpStream>, peer: Peer, guard: G) -> Self {
        let look = Box::pin(sleep(peer.time_left(SystemTime::now()).min(LOOK)));
        Self { stream, peer, look, _guard: guard }
    }

    /// Looks at the clock when it is time to.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while self.look.as_mut().poll(context).is_ready() {
            let left = self.peer.time_left(SystemTime::now());
            if left.is_zero() {
                info!(peer = self.peer.id.to_uri(), "a connection ends with its certificate");
                return Err(io::Error::new(io::ErrorKind::TimedOut, TlsRefusal::Expired));
            }
            self.look.as_mut().reset(Instant::now() + left.min(LOOK));
        }
        Ok(())
    }
}

// What is in it is moved freely; nothing in it is pinned to its place.
impl<G> Unpin for PeerStream<G> {}

impl<G> Connected for PeerStream<G> {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl<G> AsyncRead for PeerStream<G> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<G> AsyncWrite for PeerStream<G> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
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
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
