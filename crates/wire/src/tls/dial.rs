//! Dialling: a gRPC channel to one process of the cluster, which is made when it is first used, and again when it broke.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;
use tracing::{Instrument, info_span};

use super::configs::{Fixed, client_config};
use super::{Credentials, Identity, TlsError, refusal_of_io};
use crate::cluster::DocumentHandle;
use crate::identity::PeerId;

/// For how long to try to connect, with TLS.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// How often to ask whether the other end is still there, also when there is nothing to say.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long to wait for the answer.
const KEEP_ALIVE_TIME: Duration = Duration::from_secs(5);

/// A channel to one process. Clones share the connection.
#[derive(Clone)]
pub struct Link {
    channel: Channel,
    shown: Arc<ArcSwap<Credentials>>,
    expected: PeerId,
}

impl Link {
    /// The channel, for the clients of [`mpc`](crate::mpc).
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The credentials that the connection was made with. Tokens that go over it must be bound to these: after a renewal
    /// they are not the current ones until the connection is made again.
    #[must_use]
    pub fn credentials(&self) -> Arc<Credentials> {
        self.shown.load_full()
    }

    /// Who is at the other end.
    #[must_use]
    pub const fn expected(&self) -> &PeerId {
        &self.expected
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link to {}", self.expected)
    }
}

/// A channel to the process `expected`, at `address` (`https://host:port`). Connects when it is first used.
///
/// # Errors
/// The address is not of that form. That nobody is there shows in the first call.
pub fn dial(
    address: &str,
    identity: &Arc<Identity>,
    document: &DocumentHandle,
    expected: &PeerId,
) -> Result<Link, TlsError> {
    let refused = || TlsError::Address(address.to_owned());
    let uri: Uri = address.parse().map_err(|_| refused())?;
    let (Some("https"), Some(host), Some(port)) = (uri.scheme_str(), uri.host(), uri.port_u16()) else {
        return Err(refused());
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let config = client_config(identity, document, expected)?;
    let shown = Arc::new(ArcSwap::new(identity.current()));
    let dialler = Dialler { host, port, config, identity: identity.clone(), shown: shown.clone() };
    let dialler = Arc::new(dialler);
    // tonic must not look for TLS of its own, so it is told of plain HTTP; the requests say where they go.
    let endpoint = Endpoint::from_shared(format!("http://{}", uri.authority().map_or("", |a| a.as_str())))
        .map_err(|_| refused())?
        .origin(uri)
        .connect_timeout(CONNECT_TIME)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIME)
        .keep_alive_while_idle(true);
    let span = expected.to_uri();
    let channel = endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
        let (dialler, span) = (dialler.clone(), info_span!("dial", peer = span));
        async move { dialler.connect().await.map(TokioIo::new) }.instrument(span)
    }));
    Ok(Link { channel, shown, expected: expected.clone() })
}

struct Dialler {
    host: String,
    port: u16,
    config: ClientConfig,
    identity: Arc<Identity>,
    shown: Arc<ArcSwap<Credentials>>,
}

impl Dialler {
    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        // What is shown and what is remembered as shown are the same, even if a new certificate comes in between.
        let credentials = self.identity.current();
        let mut config = self.config.clone();
        config.client_auth_cert_resolver = Arc::new(Fixed(credentials.certified()));
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let stream = stream.map_err(|error| {
            let kind = error.kind();
            tracing::debug!(reason = refusal_of_io(&error).name(), "the handshake failed");
            io::Error::new(kind, error)
        })?;
        self.shown.store(credentials);
        Ok(stream)
    }
}
