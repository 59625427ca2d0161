//! Who somebody is, by its certificate: a SPIFFE URI that names cluster, role and name.

use std::fmt;
use std::str::FromStr;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// What a process of the cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerRole {
    /// Holds shares.
    Node,
    /// Orders.
    Coordinator,
    /// Faces the clients.
    Gateway,
    /// Asks.
    Client,
}

impl PeerRole {
    /// As in a SPIFFE URI.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Coordinator => "coordinator",
            Self::Gateway => "gateway",
            Self::Client => "client",
        }
    }
}

impl fmt::Display for PeerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PeerRole {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        [Self::Node, Self::Coordinator, Self::Gateway, Self::Client]
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or(IdentityError::NotSpiffe)
    }
}

/// Who somebody is: `spiffe://<cluster>/<role>/<name>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId {
    cluster: String,
    role: PeerRole,
    name: String,
}

/// Why a certificate, or a text, is nobody's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not `spiffe://<cluster>/<role>/<name>` with a known role and proper names.
    #[error("not an identity of the form spiffe://<cluster>/<role>/<name>")]
    NotSpiffe,
    /// Not a certificate in PEM or DER.
    #[error("not an X.509 certificate")]
    NotCertificate,
    /// A certificate that names nobody, or several.
    #[error("the certificate has not exactly one URI among its names")]
    NotOneUri,
    /// Not for use as a client; all of our certificates are.
    #[error("the certificate may not be used to authenticate a client")]
    Usage,
    /// An authority where a process was expected, or the other way round.
    #[error("an authority's certificate in the place of a process's, or the other way round")]
    WrongKind,
    /// Only ECDSA on P-256 is used, which browsers can do too.
    #[error("the certificate's key is not on P-256")]
    NotP256,
}

impl PeerId {
    /// An identity.
    ///
    /// # Errors
    /// A name is not `[a-z0-9-]{1,63}`.
    pub fn new(cluster: &str, role: PeerRole, name: &str) -> Result<Self, IdentityError> {
        if is_name(cluster) && is_name(name) {
            Ok(Self { cluster: cluster.to_owned(), role, name: name.to_owned() })
        } else {
            Err(IdentityError::NotSpiffe)
        }
    }

    /// The cluster's name.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// What it is.
    #[must_use]
    pub const fn role(&self) -> PeerRole {
        self.role
    }

    /// Its own name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As a SPIFFE URI.
    #[must_use]
    pub fn to_uri(&self) -> String {
        self.to_string()
    }

    /// The identity that a certificate names. Says nothing about who issued it.
    ///
    /// # Errors
    /// Not the certificate of a process.
    pub fn of_certificate(der: &[u8]) -> Result<Self, IdentityError> {
        let certificate = parse(der)?;
        if certificate.is_ca() {
            return Err(IdentityError::WrongKind);
        }
        let usage = certificate.extended_key_usage().map_err(|_| IdentityError::NotCertificate)?;
        if !usage.is_some_and(|usage| usage.value.client_auth) {
            return Err(IdentityError::Usage);
        }
        only_uri(&certificate)?.parse()
    }
}

impl FromStr for PeerId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let path = text.strip_prefix("spiffe://").ok_or(IdentityError::NotSpiffe)?;
        let mut parts = path.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(cluster), Some(role), Some(name), None) => Self::new(cluster, role.parse()?, name),
            _ => Err(IdentityError::NotSpiffe),
        }
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}/{}", self.cluster, self.role, self.name)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether this is a name of a process or a cluster: 1 to 63 of a-z, 0-9 and -.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(is_letter)
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo: what the cluster document pins. Stays the same when the certificate
/// is renewed for the same key.
///
/// # Errors
/// Not a certificate.
pub fn spki_sha256(der: &[u8]) -> Result<[u8; 32], IdentityError> {
    Ok(Sha256::digest(parse(der)?.public_key().raw).into())
}

/// SHA-256 of a whole certificate: `x5t#S256` in a token that is bound to it (RFC 8705).
#[must_use]
pub fn certificate_sha256(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
}

/// The public key of a certificate: a point on P-256 as in SEC 1.
///
/// # Errors
/// Not a certificate, or of another kind of key.
pub fn p256_key(der: &[u8]) -> Result<Vec<u8>, IdentityError> {
    p256_point(&parse(der)?)
}

/// The public key of an authority, from its certificate in PEM.
///
/// # Errors
/// Not exactly one certificate, not an authority's, not on P-256.
pub(crate) fn authority_key(pem: &str) -> Result<Vec<u8>, IdentityError> {
    let der = only_certificate(pem)?;
    let certificate = parse(&der)?;
    if certificate.is_ca() { p256_point(&certificate) } else { Err(IdentityError::WrongKind) }
}

/// The name of the cluster that an authority is for: its only URI is `spiffe://<cluster>`.
pub(crate) fn authority_cluster(pem: &str) -> Result<String, IdentityError> {
    let der = only_certificate(pem)?;
    let certificate = parse(&der)?;
    let cluster = only_uri(&certificate)?.strip_prefix("spiffe://").filter(|name| is_name(name));
    cluster.map(ToOwned::to_owned).ok_or(IdentityError::NotSpiffe)
}

/// The only certificate in a PEM text.
pub(crate) fn only_certificate(pem: &str) -> Result<CertificateDer<'static>, IdentityError> {
    let mut all = CertificateDer::pem_slice_iter(pem.as_bytes());
    match (all.next(), all.next()) {
        (Some(Ok(certificate)), None) => Ok(certificate),
        _ => Err(IdentityError::NotCertificate),
    }
}

/// Whether two PEM texts hold the same one certificate.
pub(crate) fn same_certificate(one: &str, other: &str) -> bool {
    matches!((only_certificate(one), only_certificate(other)), (Ok(one), Ok(other)) if one == other)
}

/// The one URI among a certificate's names.
pub(crate) fn only_uri<'a>(certificate: &'a X509Certificate<'a>) -> Result<&'a str, IdentityError> {
    let names = certificate.subject_alternative_name().map_err(|_| IdentityError::NotCertificate)?;
    let names = names.ok_or(IdentityError::NotOneUri)?;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    match (uris.next(), uris.next()) {
        (Some(uri), None) => Ok(uri),
        _ => Err(IdentityError::NotOneUri),
    }
}

/// A certificate in DER, with nothing after it.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, IdentityError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(IdentityError::NotCertificate),
    }
}

fn p256_point(certificate: &X509Certificate<'_>) -> Result<Vec<u8>, IdentityError> {
    let point = &certificate.public_key().subject_public_key.data;
    match p256::PublicKey::from_sec1_bytes(point) {
        Ok(_) => Ok(point.to_vec()),
        Err(_) => Err(IdentityError::NotP256),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_has_one_text() {
        let id = PeerId::new("prod-1", PeerRole::Node, "node-1").expect("proper names");
        assert_eq!(id.to_uri(), "spiffe://prod-1/node/node-1");
        assert_eq!(id.to_uri().parse(), Ok(id));
        for other in [
            "spiffe://prod-1/node/node-1/",
            "spiffe://prod-1/node/Node-1",
            "spiffe://prod-1/king/node-1",
            "spiffe://prod-1/node",
            "spiffe:///node/node-1",
            "https://prod-1/node/node-1",
            "spiffe://prod-1/node/node-1?x",
            "SPIFFE://prod-1/node/node-1",
        ] {
            assert_eq!(other.parse::<PeerId>(), Err(IdentityError::NotSpiffe), "{other}");
        }
    }

    #[test]
    fn a_name_fits_into_a_label() {
        assert!(is_name(&"a".repeat(63)) && is_name("0-z"));
        assert!(!is_name("") && !is_name(&"a".repeat(64)) && !is_name("a_b") && !is_name("é"));
    }

    #[test]
    fn what_is_no_certificate_has_no_identity() {
        assert_eq!(PeerId::of_certificate(b""), Err(IdentityError::NotCertificate));
        assert_eq!(PeerId::of_certificate(&[0x30; 400]), Err(IdentityError::NotCertificate));
        assert_eq!(authority_key("nothing"), Err(IdentityError::NotCertificate));
    }
}
