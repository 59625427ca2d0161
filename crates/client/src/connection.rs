//! One connection to the gateway, made when it is first needed and again when it broke: HTTP/2 over TLS 1.3.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::tls::{Identity, Peer, TlsRefusal};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig as TlsConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::ClientConfig;
use crate::error::ClientError;

/// For how long to try to connect, with TLS.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How often to ask whether the gateway is still there, and how long to wait for its answer.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Bytes that may be on their way; the least that does not slow lists down.
const WINDOW: u32 = 1 << 20;

type Sender = SendRequest<Full<Bytes>>;

pub(crate) struct Connection {
    gateway: String,
    authority: String,
    host: String,
    port: u16,
    roots: Arc<RootCertStore>,
    identity: Option<Arc<Identity>>,
    pins: Option<DocumentHandle>,
    live: Mutex<Option<(Sender, Peer)>>,
}

impl Connection {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let refused = || ClientError::Address(config.gateway.clone());
        let uri: Uri = config.gateway.parse().map_err(|_| refused())?;
        let (Some("https"), Some(host), Some(port)) = (uri.scheme_str(), uri.host(), uri.port_u16()) else {
            return Err(refused());
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(refused());
        }
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let certificate = CertificateDer::from_pem_slice(config.authority_pem.as_bytes())
            .map_err(|_| ClientError::Credentials(keymoot_wire::tls::TlsError::Pem { what: "authority" }))?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).map_err(ClientError::Tls)?;
        let (gateway, identity) = (config.gateway.clone(), config.identity.clone());
        let (roots, pins, live) = (Arc::new(roots), None, Mutex::default());
        Ok(Self { gateway, authority, host, port, roots, identity, pins, live })
    }

    /// From the next request on, the gateway's key has to be in the document that is there then.
    pub(crate) fn pin(&mut self, document: DocumentHandle) {
        self.pins = Some(document);
    }

    /// For the addresses of requests.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether we have a certificate to show.
    pub(crate) const fn has_certificate(&self) -> bool {
        self.identity.is_some()
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut sender = self.sender().await?;
        sender.ready().await.map_err(ClientError::Broken)?;
        sender.send_request(request).await.map_err(ClientError::Broken)
    }

    async fn sender(&self) -> Result<Sender, ClientError> {
        // Held while connecting, so that callers who come at once share one connection.
        let mut live = self.live.lock().await;
        let is_good = |(sender, peer): &&(Sender, Peer)| !sender.is_closed() && self.admit(peer).is_ok();
        if let Some((sender, _)) = live.as_ref().filter(is_good) {
            return Ok(sender.clone());
        }
        // One whose key was revoked meanwhile ends with those who use it now.
        *live = None;
        let slow = || io::Error::new(io::ErrorKind::TimedOut, "it took too long");
        let failed = |cause| ClientError::Connect { gateway: self.gateway.clone(), cause };
        let (stream, peer) = timeout(CONNECT_TIME, self.connect()).await.map_err(|_| failed(slow()))??;
        let handshake = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(ClientError::Broken)?;
        // It ends with the last sender or when it breaks, which the senders then notice.
        tokio::spawn(connection);
        *live = Some((sender.clone(), peer));
        Ok(sender)
    }

    async fn connect(&self) -> Result<(TlsStream<TcpStream>, Peer), ClientError> {
        let failed = |cause| ClientError::Connect { gateway: self.gateway.clone(), cause };
        let config = self.tls().map_err(ClientError::Tls)?;
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| ClientError::Address(self.gateway.clone()))?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(failed)?;
        // The authority certifies nodes and coordinators too, and none of them may pass for a gateway.
        let certificates = stream.get_ref().1.peer_certificates();
        let peer = certificates
            .and_then(<[_]>::first)
            .ok_or(TlsRefusal::NoCertificate)
            .and_then(Peer::of_certificate);
        let peer = peer.and_then(|peer| self.admit(&peer).map(|()| peer));
        let refused = |cause| ClientError::NotAGateway { gateway: self.gateway.clone(), cause };
        let peer = peer.map_err(refused)?;
        Ok((stream, peer))
    }

    fn admit(&self, peer: &Peer) -> Result<(), TlsRefusal> {
        match peer.id.role() {
            PeerRole::Gateway => {
                self.pins.as_ref().map_or(Ok(()), |document| peer.is_known_to(&document.load()))
            }
            _ => Err(TlsRefusal::WrongRole),
        }
    }

    /// TLS 1.3, our certificate of the moment, nothing resumed.
    fn tls(&self) -> Result<TlsConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = TlsConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let credentials = identity.current();
                let certificate = credentials.as_peer().certificate.clone();
                let key = PrivatePkcs8KeyDer::from(credentials.key_der().to_vec());
                builder.with_client_auth_cert(vec![certificate], PrivateKeyDer::Pkcs8(key))?
            }
        };
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}
