//! The configurations of the library: TLS 1.3 only, nothing resumed, certificates on both sides.

use std::sync::Arc;

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig, SignatureScheme};

use super::verify::{ClientVerifier, ServerVerifier};
use super::{Identity, TlsError};
use crate::cluster::DocumentHandle;
use crate::identity::{PeerId, PeerRole};

/// Whether one can come in without a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nobody.
    Required,
    /// Anybody; what it may do is decided later, by its token. A certificate that is there must be good.
    Optional,
}

/// Whom a server serves, and how.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The roles that have business here.
    pub roles: Vec<PeerRole>,
    /// Whether they need a certificate.
    pub certificates: ClientCertificates,
    /// Whether HTTP/1.1 is spoken beside HTTP/2.
    pub http1: bool,
}

/// aws-lc-rs, with the hybrid X25519MLKEM768 first: what is recorded today stays secret from a quantum computer.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The configuration of a server. It goes by the credentials and the document of the moment, in each handshake.
///
/// # Errors
/// The library refuses it.
pub fn server_config(
    identity: &Arc<Identity>,
    document: &DocumentHandle,
    serving: Serving,
) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let verifier = ClientVerifier {
        identity: identity.clone(),
        document: document.clone(),
        roles: serving.roles,
        certificates: serving.certificates,
        hints: identity.current().chain().hints(),
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Configuration)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(Current(identity.clone())));
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.alpn_protocols = vec![b"h2".to_vec()];
    if serving.http1 {
        config.alpn_protocols.push(b"http/1.1".to_vec());
    }
    Ok(config)
}

/// The configuration of a client that expects just this process at the other end, whatever its address.
///
/// # Errors
/// The library refuses it.
pub fn client_config(
    identity: &Arc<Identity>,
    document: &DocumentHandle,
    expected: &PeerId,
) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let verifier = ServerVerifier {
        identity: identity.clone(),
        document: document.clone(),
        expected: expected.clone(),
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Configuration)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(Current(identity.clone())));
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// Shows the certificate of the moment.
#[derive(Debug)]
struct Current(Arc<Identity>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current().certified())
    }
}

impl ResolvesClientCert for Current {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current().certified())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Always shows the same certificate.
#[derive(Debug)]
pub(super) struct Fixed(pub(super) Arc<CertifiedKey>);

impl ResolvesClientCert for Fixed {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
