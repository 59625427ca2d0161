//! Who is at the other end, and whether the cluster document still says so.

use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;

use super::TlsRefusal;
use crate::cluster::ClusterDocument;
use crate::identity::{PeerId, certificate_sha256, parse, spki_sha256};

/// Who is at the other end of a connection, by its certificate. Servers find it in the extensions of each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its identity.
    pub id: PeerId,
    /// SHA-256 of its certificate: tokens that it brings must be bound to it (`cnf.x5t#S256`).
    pub x5t: [u8; 32],
    /// SHA-256 of its SPKI: what the cluster document pins.
    pub spki: [u8; 32],
    /// Its certificate, in DER. Tokens that a process mints itself verify under its key.
    pub certificate: CertificateDer<'static>,
    /// The last second in which its certificate is valid, in Unix time.
    pub expires: u64,
}

impl Peer {
    /// The peer with this certificate.
    ///
    /// # Errors
    /// Not a certificate of a process.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, TlsRefusal> {
        let id = PeerId::of_certificate(certificate).map_err(|_| TlsRefusal::BadCertificate)?;
        let spki = spki_sha256(certificate).map_err(|_| TlsRefusal::BadCertificate)?;
        let x5t = certificate_sha256(certificate);
        let parsed = parse(certificate).map_err(|_| TlsRefusal::BadCertificate)?;
        // One that ended before 1970 is as good as one that ended then.
        let expires = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
        Ok(Self { id, x5t, spki, certificate: certificate.clone().into_owned(), expires })
    }

    /// For how long its certificate is valid from now on. Handshakes look at that; connections may last for longer.
    #[must_use]
    pub fn time_left(&self, now: SystemTime) -> Duration {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Duration::from_secs(self.expires.saturating_add(1)).saturating_sub(since)
    }

    /// Whether a document, maybe newer than the connection, still knows this peer.
    ///
    /// # Errors
    /// Why not.
    pub fn is_known_to(&self, document: &ClusterDocument) -> Result<(), TlsRefusal> {
        admit(document, &self.id, &self.spki)
    }
}

/// Whether the document pins this key for this process.
///
/// # Errors
/// Another cluster, a name that nobody has in that role, a revoked key, or somebody else's.
pub fn admit(document: &ClusterDocument, id: &PeerId, spki: &[u8; 32]) -> Result<(), TlsRefusal> {
    if id.cluster() != document.cluster {
        return Err(TlsRefusal::WrongCluster);
    }
    if document.is_revoked(spki) {
        return Err(TlsRefusal::Revoked);
    }
    let pins = document.pins(id.role(), id.name()).ok_or(TlsRefusal::WrongName)?;
    if pins.iter().any(|pin| pin.0 == *spki) { Ok(()) } else { Err(TlsRefusal::NotPinned) }
}
