//! Why somebody is refused at the door: one name for each reason.

use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, OtherError, PeerIncompatible};

/// Why a peer was refused in its TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TlsRefusal {
    /// It does not speak TLS.
    #[error("it does not speak TLS")]
    NotTls,
    /// It does not speak TLS 1.3.
    #[error("it does not speak TLS 1.3")]
    OldTls,
    /// It came without a certificate.
    #[error("it has no certificate")]
    NoCertificate,
    /// Its certificate is not of the cluster's authority.
    #[error("its certificate is not of the cluster's authority")]
    ForeignAuthority,
    /// Its certificate is not valid any more.
    #[error("its certificate has expired")]
    Expired,
    /// Its certificate is not valid yet.
    #[error("its certificate is not valid yet")]
    NotYetValid,
    /// Its key is listed as revoked.
    #[error("its key is revoked")]
    Revoked,
    /// The cluster document does not pin its key for its name.
    #[error("its key is not pinned for its name in the cluster document")]
    NotPinned,
    /// Its role has no business here.
    #[error("its role has no business here")]
    WrongRole,
    /// Another process than the one that was expected, or one that nobody knows.
    #[error("it is not who was expected, or its name is not in the cluster document")]
    WrongName,
    /// It belongs to another cluster.
    #[error("it belongs to another cluster")]
    WrongCluster,
    /// Its certificate cannot be read, or is no certificate of a process.
    #[error("its certificate is no certificate of a process")]
    BadCertificate,
    /// It took too long.
    #[error("it took too long")]
    TooSlow,
    /// It broke off, broke the protocol, or refused us.
    #[error("its handshake failed")]
    Failed,
}

impl TlsRefusal {
    /// The reason in one word, for logs and counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotTls => "not-tls",
            Self::OldTls => "old-tls",
            Self::NoCertificate => "no-certificate",
            Self::ForeignAuthority => "foreign-authority",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::Revoked => "revoked",
            Self::NotPinned => "not-pinned",
            Self::WrongRole => "wrong-role",
            Self::WrongName => "wrong-name",
            Self::WrongCluster => "wrong-cluster",
            Self::BadCertificate => "bad-certificate",
            Self::TooSlow => "too-slow",
            Self::Failed => "failed",
        }
    }
}

/// As the library's error, so that the peer gets the alert that fits best.
pub(super) fn to_error(refusal: TlsRefusal) -> rustls::Error {
    let error = match refusal {
        TlsRefusal::ForeignAuthority => CertificateError::UnknownIssuer,
        TlsRefusal::Expired => CertificateError::Expired,
        TlsRefusal::NotYetValid => CertificateError::NotValidYet,
        TlsRefusal::Revoked => CertificateError::Revoked,
        TlsRefusal::BadCertificate => CertificateError::BadEncoding,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    };
    error.into()
}

/// The reason that is in an error of the library.
#[must_use]
pub fn refusal_of(error: &rustls::Error) -> TlsRefusal {
    match error {
        rustls::Error::InvalidCertificate(error) => of_certificate(error),
        rustls::Error::NoCertificatesPresented => TlsRefusal::NoCertificate,
        rustls::Error::InvalidMessage(_) => TlsRefusal::NotTls,
        rustls::Error::PeerIncompatible(
            PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        )
        | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => TlsRefusal::OldTls,
        _ => TlsRefusal::Failed,
    }
}

fn of_certificate(error: &CertificateError) -> TlsRefusal {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsRefusal::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsRefusal::NotYetValid
        }
        CertificateError::Revoked => TlsRefusal::Revoked,
        // A signature that does not verify: of an authority with the same name but another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsRefusal::ForeignAuthority,
        CertificateError::Other(OtherError(other)) => {
            other.downcast_ref().copied().unwrap_or(TlsRefusal::BadCertificate)
        }
        _ => TlsRefusal::BadCertificate,
    }
}

/// The reason that is in an error of a stream: of its handshake, or of the first read after it, where a peer's own
/// refusal arrives as an alert.
#[must_use]
pub fn refusal_of_io(error: &io::Error) -> TlsRefusal {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match (inner, error.kind()) {
        (Some(error), _) => refusal_of(error),
        (None, io::ErrorKind::TimedOut) => TlsRefusal::TooSlow,
        (None, _) => TlsRefusal::Failed,
    }
}
