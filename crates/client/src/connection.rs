//! One connection to the gateway, made when it is first needed and again when it broke: HTTP/2 over TLS 1.3.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::uri::Authority;
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
use crate::last::{LastWord, Noted, is_revocation};

/// For how long to try to connect, with TLS.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How often to ask whether the gateway is still there, and how long to wait for its answer.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Bytes that may be on their way; the least that does not slow lists down.
const WINDOW: u32 = 1 << 20;

type Sender = SendRequest<Full<Bytes>>;

pub(crate) struct Connection {
    /// As configured.
    place: Place,
    /// Whether the document says where the gateway is, and not the configuration.
    moves: bool,
    roots: Arc<RootCertStore>,
    identity: Option<Arc<Identity>>,
    pins: Option<DocumentHandle>,
    live: Mutex<Option<Live>>,
    /// Where the next attempt begins: behind whoever has failed last.
    turn: AtomicUsize,
}

/// Where a gateway is.
#[derive(Clone)]
struct Place {
    gateway: String,
    authority: Authority,
    host: String,
    port: u16,
}

impl Place {
    fn of(gateway: &str) -> Result<Self, ClientError> {
        let refused = || ClientError::Address(gateway.to_owned());
        let uri: Uri = gateway.parse().map_err(|_| refused())?;
        let (Some("https"), Some(authority), Some(port)) =
            (uri.scheme_str(), uri.authority(), uri.port_u16())
        else {
            return Err(refused());
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(refused());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { gateway: gateway.to_owned(), authority: authority.clone(), host, port })
    }
}

/// A connection that is open.
struct Live {
    sender: Sender,
    peer: Peer,
    authority: Authority,
    last: LastWord,
}

/// Why there is no answer: by what the connection has ended with, if it has.
fn broken(error: hyper::Error, last: &LastWord) -> ClientError {
    match last.get() {
        Some(cause) if is_revocation(&cause) => ClientError::Revoked(cause),
        Some(cause) => ClientError::Ended(cause),
        None => ClientError::Broken(error),
    }
}

impl Connection {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let place = Place::of(&config.gateway)?;
        let certificate = CertificateDer::from_pem_slice(config.authority_pem.as_bytes())
            .map_err(|_| ClientError::Credentials(keymoot_wire::tls::TlsError::Pem { what: "authority" }))?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).map_err(ClientError::Tls)?;
        let (roots, identity) = (Arc::new(roots), config.identity.clone());
        Ok(Self {
            place,
            moves: false,
            roots,
            identity,
            pins: None,
            live: Mutex::default(),
            turn: AtomicUsize::new(0),
        })
    }

    /// From the next request on, the gateway's key has to be in the document that is there then.
    pub(crate) fn pin(&mut self, document: DocumentHandle) {
        self.pins = Some(document);
    }

    /// From the next connection on, the gateways are where that document says.
    pub(crate) fn move_along(&mut self) {
        self.moves = true;
    }

    /// For the addresses of requests.
    pub(crate) fn authority(&self) -> &str {
        self.place.authority.as_str()
    }

    /// Where gateways are, in the order in which they are tried.
    fn places(&self) -> Vec<Place> {
        let document = self.pins.as_ref().filter(|_| self.moves).map(|document| document.load());
        let gateways = document.iter().flat_map(|document| &document.gateways);
        let mut places: Vec<_> = gateways.filter_map(|entry| Place::of(&entry.address).ok()).collect();
        if places.is_empty() {
            places.push(self.place.clone());
        }
        places
    }

    /// Whether we have a certificate to show.
    pub(crate) const fn has_certificate(&self) -> bool {
        self.identity.is_some()
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        let (mut sender, authority, last) = self.sender().await?;
        let mut address = request.uri().clone().into_parts();
        address.authority = Some(authority);
        *request.uri_mut() =
            Uri::from_parts(address).map_err(|error| ClientError::Unwritable(error.into()))?;
        sender.ready().await.map_err(|error| broken(error, &last))?;
        sender.send_request(request).await.map_err(|error| broken(error, &last))
    }

    async fn sender(&self) -> Result<(Sender, Authority, LastWord), ClientError> {
        // Held while connecting, so that callers who come at once share one connection.
        let mut live = self.live.lock().await;
        let is_good = |live: &&Live| !live.sender.is_closed() && self.admit(&live.peer).is_ok();
        if let Some(Live { sender, authority, last, .. }) = live.as_ref().filter(is_good) {
            return Ok((sender.clone(), authority.clone(), last.clone()));
        }
        // One whose key was revoked meanwhile ends with those who use it now.
        *live = None;
        let mut failed = None;
        let mut places = self.places();
        let turn = self.turn.load(Ordering::Relaxed).checked_rem(places.len()).unwrap_or_default();
        places.rotate_left(turn);
        for place in places {
            match self.open(&place).await {
                Ok((sender, peer, last)) => {
                    let authority = place.authority;
                    let known = (sender.clone(), authority.clone(), last.clone());
                    *live = Some(Live { sender, peer, authority, last });
                    return Ok(known);
                }
                Err(error) => failed = Some(error),
            }
            // The caller may give up before the last one's turn: the next begins there.
            self.turn.fetch_add(1, Ordering::Relaxed);
        }
        Err(failed.unwrap_or_else(|| ClientError::Address(self.place.gateway.clone())))
    }

    /// The gateway gives no answers: if there are others, the next request goes to one of them.
    pub(crate) async fn leave(&self) {
        if self.places().len() > 1 {
            *self.live.lock().await = None;
            self.turn.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn open(&self, place: &Place) -> Result<(Sender, Peer, LastWord), ClientError> {
        let slow = || io::Error::new(io::ErrorKind::TimedOut, "it took too long");
        let failed = |cause| ClientError::Connect { gateway: place.gateway.clone(), cause };
        let connecting = timeout(CONNECT_TIME, self.connect(place));
        let (stream, peer) = connecting.await.map_err(|_| failed(slow()))??;
        let (stream, last) = Noted::new(stream);
        let handshake = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(|error| broken(error, &last))?;
        // It ends with the last sender or when it breaks, which the senders then notice.
        tokio::spawn(connection);
        Ok((sender, peer, last))
    }

    async fn connect(&self, place: &Place) -> Result<(TlsStream<TcpStream>, Peer), ClientError> {
        let failed = |cause| ClientError::Connect { gateway: place.gateway.clone(), cause };
        let config = self.tls().map_err(ClientError::Tls)?;
        let stream = TcpStream::connect((place.host.as_str(), place.port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let name = ServerName::try_from(place.host.clone())
            .map_err(|_| ClientError::Address(place.gateway.clone()))?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(failed)?;
        // The authority certifies nodes and coordinators too, and none of them may pass for a gateway.
        let certificates = stream.get_ref().1.peer_certificates();
        let peer = certificates
            .and_then(<[_]>::first)
            .ok_or(TlsRefusal::NoCertificate)
            .and_then(Peer::of_certificate);
        let peer = peer.and_then(|peer| self.admit(&peer).map(|()| peer));
        let refused = |cause| ClientError::NotAGateway { gateway: place.gateway.clone(), cause };
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
