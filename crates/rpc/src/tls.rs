//! TLS for applications on other hosts, with a certificate that they know: of the operator, and not of the cluster, in which an
//! application is nobody. TLS 1.3 only, and nothing is resumed, as everywhere here.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use keymoot_wire::tls::{TlsRefusal, refusal_of_io};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

/// For how long a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// What the signer shows, and what it asks of callers.
#[derive(Clone)]
pub struct Tls {
    /// Shared by all clones.
    acceptor: Arc<RwLock<TlsAcceptor>>,
    knows_callers: bool,
}

/// Why there is no TLS with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// Not what it should be, or nothing of it.
    #[error("the {0} is not PEM, or there is nothing in it")]
    Pem(&'static str),
    /// A certificate of an authority that is none.
    #[error("no certificate of a caller could be checked by the authority for callers")]
    Authority(#[source] VerifierBuilderError),
    /// The key is not the certificate's, or of a kind that is not used.
    #[error("the key does not fit the certificate")]
    Key(#[source] rustls::Error),
    /// The library refuses it.
    #[error("TLS cannot be configured")]
    Configuration(#[source] rustls::Error),
}

impl Tls {
    /// From PEM: a certificate with those that lead to its authority, its key, and the authority whose certificates callers have to
    /// show, if they have to show one.
    ///
    /// # Errors
    /// They are something else, or do not fit together.
    pub fn from_pem(certificate: &[u8], key: &[u8], callers: Option<&[u8]>) -> Result<Self, TlsFault> {
        let chain = certificates(certificate, "certificate")?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsFault::Pem("key"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsFault::Configuration)?;
        let builder = match callers {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                for one in certificates(authority, "certificate of the authority for callers")? {
                    roots.add(one).map_err(TlsFault::Configuration)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(TlsFault::Authority)?)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(TlsFault::Key)?;
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = Arc::new(RwLock::new(TlsAcceptor::from(Arc::new(config))));
        Ok(Self { acceptor, knows_callers: callers.is_some() })
    }

    /// Whether nobody gets in without a certificate.
    #[must_use]
    pub const fn knows_callers(&self) -> bool {
        self.knows_callers
    }

    /// From now on, this and all its clones show what the other one shows, and ask for what it asks. Connections that are open
    /// stay. `false`: the other one asks nothing of callers where this one does, or the other way round, and nothing was done.
    #[must_use]
    pub fn renew(&self, other: &Self) -> bool {
        if self.knows_callers != other.knows_callers {
            return false;
        }
        let new = other.acceptor();
        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = new;
        true
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `None`: it did not come to an end, and the connection is gone.
    pub(crate) async fn shake_hands(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let refusal = match timeout(HANDSHAKE_TIME, self.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => refusal_of_io(&error),
            Err(_) => TlsRefusal::TooSlow,
        };
        debug!(reason = refusal.name(), "a connection did not come to TLS");
        None
    }
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or(TlsFault::Pem(what))
}
