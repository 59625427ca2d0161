//! The verifiers: first the chain of certificates, then the cluster document.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tracing::warn;

use super::refusal::{refusal_of, to_error};
use super::{ClientCertificates, Identity, Peer, TlsError, TlsRefusal, admit};
use crate::cluster::DocumentHandle;
use crate::identity::{PeerId, PeerRole, only_uri, parse};

/// Checks chains against one authority: issued by it, of its time, for the right use.
pub(super) struct ChainVerifier {
    roots: Arc<RootCertStore>,
    clients: Arc<dyn ClientCertVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ChainVerifier {
    pub(super) fn new(
        authority: &CertificateDer<'_>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned()).map_err(TlsError::Configuration)?;
        let roots = Arc::new(roots);
        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build();
        // There is a root and there are no revocation lists, so there is nothing that it could refuse.
        let clients = clients.map_err(|error| TlsError::Configuration(Error::General(error.to_string())))?;
        Ok(Self { roots, clients, algorithms: provider.signature_verification_algorithms })
    }

    /// As a client.
    pub(super) fn check_client(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), TlsRefusal> {
        let verified = self.clients.verify_client_cert(certificate, intermediates, now);
        verified.map(|_| ()).map_err(|error| refusal_of(&error))
    }

    /// As a server. Its names in the DNS do not count.
    pub(super) fn check_server(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), TlsRefusal> {
        let parsed = ParsedCertificate::try_from(certificate).map_err(|_| TlsRefusal::BadCertificate)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)
            .map_err(|error| refusal_of(&error))
    }

    pub(super) fn hints(&self) -> Vec<DistinguishedName> {
        self.clients.root_hint_subjects().to_vec()
    }
}

/// Checks who wants to come in.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    pub(super) identity: Arc<Identity>,
    pub(super) document: DocumentHandle,
    pub(super) roles: Vec<PeerRole>,
    pub(super) certificates: ClientCertificates,
    /// The names of authorities that clients are told about, so that browsers offer the right certificate.
    pub(super) hints: Vec<DistinguishedName>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.certificates == ClientCertificates::Required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let check = || {
            self.identity.current().chain().check_client(certificate, intermediates, now)?;
            let peer = Peer::of_certificate(certificate)?;
            admit(&self.document.load(), &peer.id, &peer.spki)?;
            if self.roles.contains(&peer.id.role()) { Ok(()) } else { Err(TlsRefusal::WrongRole) }
        };
        check().map(|()| ClientCertVerified::assertion()).map_err(|refusal| told(certificate, refusal))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Checks whom we have dialled.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    pub(super) identity: Arc<Identity>,
    pub(super) document: DocumentHandle,
    pub(super) expected: PeerId,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let check = || {
            self.identity.current().chain().check_server(certificate, intermediates, now)?;
            let peer = Peer::of_certificate(certificate)?;
            admit(&self.document.load(), &peer.id, &peer.spki)?;
            match &peer.id {
                id if *id == self.expected => Ok(()),
                id if id.role() != self.expected.role() => Err(TlsRefusal::WrongRole),
                _ => Err(TlsRefusal::WrongName),
            }
        };
        check().map(|()| ServerCertVerified::assertion()).map_err(|refusal| told(certificate, refusal))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Tells the log, and the library. The identity is only claimed: the certificate may be anybody's.
fn told(certificate: &CertificateDer<'_>, refusal: TlsRefusal) -> Error {
    let parsed = parse(certificate).ok();
    let uri = parsed.as_ref().and_then(|certificate| only_uri(certificate).ok());
    // Of what is no identity, nothing is repeated in the log.
    let claimed = uri.and_then(|uri| uri.parse::<PeerId>().ok());
    let claimed = claimed.map_or_else(|| "nobody".to_owned(), |id| id.to_uri());
    warn!(reason = refusal.name(), claimed, "refused a certificate: {refusal}");
    to_error(refusal)
}

/// Whoever shows a certificate must have its key.
fn check_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    verify_tls13_signature(message, certificate, signature, algorithms)
        .map_err(|_| told(certificate, TlsRefusal::BadCertificate))
}

/// Only TLS 1.3 is configured, so the library never asks.
fn no_tls12() -> Error {
    Error::PeerIncompatible(rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig)
}
