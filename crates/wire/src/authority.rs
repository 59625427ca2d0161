//! The cluster's own certificate authority, and the TLS keys that it certifies. All on P-256.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use p256::elliptic_curve::rand_core::{OsRng, RngCore};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
    SigningKey, SubjectPublicKeyInfo,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use zeroize::{Zeroize, Zeroizing};

use crate::identity::{
    IdentityError, PeerId, PeerRole, authority_cluster, authority_key, only_certificate, parse,
};

/// A certificate is valid from a little before it is made, because clocks differ.
const BACKDATED: Duration = Duration::from_secs(5 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// An authority lives for about ten years; its successor is a new cluster document.
const AUTHORITY_DAYS: u32 = 3650;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The names or keys that came in are not proper.
    #[error("not a proper identity")]
    Identity(#[source] IdentityError),
    /// The library refused.
    #[error("the certificate cannot be made")]
    Certificate(#[source] rcgen::Error),
    /// A name that is neither a DNS name nor an address.
    #[error("`{0}` is neither a DNS name nor an IP address")]
    Name(String),
    /// The key is not the one in the authority's certificate.
    #[error("the key is not the one in the authority's certificate")]
    KeyMismatch,
    /// Only ECDSA on P-256.
    #[error("the key is not on P-256")]
    NotP256,
    /// The identity is of another cluster.
    #[error("the authority is for the cluster `{0}`, and certifies nobody of another")]
    OtherCluster(String),
    /// The document names another authority.
    #[error("the document names another authority")]
    OtherAuthority,
    /// Valid never, or beyond what a certificate can say.
    #[error("a certificate cannot be valid for that time")]
    Validity,
}

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    from: SystemTime,
    until: SystemTime,
}

impl Validity {
    /// From now (and a few minutes before, because clocks differ) for so many days.
    #[must_use]
    pub fn days(days: u32) -> Self {
        let now = SystemTime::now();
        Self { from: now - BACKDATED, until: now + DAY * days }
    }

    /// Exactly this, to the second.
    #[must_use]
    pub const fn between(from: SystemTime, until: SystemTime) -> Self {
        Self { from, until }
    }
}

/// A TLS key and the request to certify it. The key is wiped when dropped.
pub struct TlsKey {
    key_pem: Zeroizing<String>,
    csr_pem: String,
    spki: [u8; 32],
}

impl TlsKey {
    /// A new key on P-256.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn create() -> Result<Self, AuthorityError> {
        let pair = Pair::create()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named("keymoot");
        let csr = params.serialize_request(&pair.0).map_err(AuthorityError::Certificate)?;
        let csr_pem = csr.pem().map_err(AuthorityError::Certificate)?;
        Ok(Self { key_pem: Zeroizing::new(pair.0.serialize_pem()), csr_pem, spki: pair.spki() })
    }

    /// The private key: PKCS #8 in PEM.
    #[must_use]
    pub const fn key_pem(&self) -> &Zeroizing<String> {
        &self.key_pem
    }

    /// The certificate signing request, in PEM. It proves that the key is there and asks for nothing else: the authority
    /// decides who it is.
    #[must_use]
    pub fn csr_pem(&self) -> &str {
        &self.csr_pem
    }

    /// The pin for the cluster document: SHA-256 of the SPKI.
    #[must_use]
    pub const fn spki_sha256(&self) -> &[u8; 32] {
        &self.spki
    }
}

/// The cluster's authority. Its key certifies processes and signs cluster documents.
pub struct Authority {
    issuer: Issuer<'static, Pair>,
    certificate_pem: String,
    cluster: String,
}

impl Authority {
    /// A new authority for a cluster.
    ///
    /// # Errors
    /// The name is not `[a-z0-9-]{1,63}`; the system has no randomness.
    pub fn create(cluster: &str) -> Result<Self, AuthorityError> {
        // Checked by the same rule as in every identity.
        PeerId::new(cluster, PeerRole::Node, "x").map_err(AuthorityError::Identity)?;
        let pair = Pair::create()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&format!("keymoot authority of {cluster}"));
        params.subject_alt_names = vec![uri(&format!("spiffe://{cluster}"))?];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.serial_number = Some(serial());
        set_validity(&mut params, Validity::days(AUTHORITY_DAYS))?;
        let certificate = params.self_signed(&pair).map_err(AuthorityError::Certificate)?;
        let certificate_pem = certificate.pem();
        Ok(Self { issuer: Issuer::new(params, pair), certificate_pem, cluster: cluster.to_owned() })
    }

    /// The authority with this certificate and this key (PKCS #8), both in PEM.
    ///
    /// # Errors
    /// They do not belong together; not an authority of a cluster; not on P-256.
    pub fn load(certificate_pem: &str, key_pem: &str) -> Result<Self, AuthorityError> {
        let cluster = authority_cluster(certificate_pem).map_err(AuthorityError::Identity)?;
        let point = authority_key(certificate_pem).map_err(AuthorityError::Identity)?;
        let pair = Pair::load(key_pem)?;
        if pair.0.public_key_raw() != point {
            return Err(AuthorityError::KeyMismatch);
        }
        let issuer = Issuer::from_ca_cert_pem(certificate_pem, pair).map_err(AuthorityError::Certificate)?;
        Ok(Self { issuer, certificate_pem: certificate_pem.to_owned(), cluster })
    }

    /// The name of its cluster.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Its certificate, in PEM: what everybody trusts.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its private key: PKCS #8 in PEM.
    #[must_use]
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().0.serialize_pem())
    }

    /// Certifies the key of a signing request as this process's. Of the request only the key counts. `names` are DNS names
    /// and IP addresses under which it can be reached, beside the loopback interface.
    ///
    /// # Errors
    /// The request does not prove its key, or has one that is not on P-256; names that are none; another cluster.
    pub fn issue(
        &self,
        csr_pem: &str,
        id: &PeerId,
        names: &[String],
        validity: Validity,
    ) -> Result<String, AuthorityError> {
        let request =
            CertificateSigningRequestParams::from_pem(csr_pem).map_err(AuthorityError::Certificate)?;
        let mut all = vec![SanType::IpAddress([127, 0, 0, 1].into()), SanType::IpAddress(LOOPBACK_6)];
        all.push(name("localhost")?);
        for one in names {
            let one = name(one)?;
            if !all.contains(&one) {
                all.push(one);
            }
        }
        self.certify(&request.public_key, id, all, validity)
    }

    /// Certifies the same key for the same process again, for another time. The pin in the cluster document stays good.
    ///
    /// # Errors
    /// Not a certificate of a process in this cluster, or not one that this authority has issued.
    pub fn renew(&self, certificate_pem: &str, validity: Validity) -> Result<String, AuthorityError> {
        let der = only_certificate(certificate_pem).map_err(AuthorityError::Identity)?;
        let id = PeerId::of_certificate(&der).map_err(AuthorityError::Identity)?;
        let certificate = parse(&der).map_err(AuthorityError::Identity)?;
        let own = only_certificate(&self.certificate_pem).map_err(AuthorityError::Identity)?;
        let own = parse(&own).map_err(AuthorityError::Identity)?;
        if certificate.verify_signature(Some(own.public_key())).is_err() {
            return Err(AuthorityError::OtherAuthority);
        }
        let key = SubjectPublicKeyInfo::from_der(certificate.public_key().raw)
            .map_err(AuthorityError::Certificate)?;
        let mut names = Vec::new();
        let listed = certificate.subject_alternative_name().ok().flatten();
        for listed in listed.iter().flat_map(|names| &names.value.general_names) {
            match listed {
                GeneralName::DNSName(dns) => names.push(name(dns)?),
                GeneralName::IPAddress(bytes) => names.extend(address(bytes).map(SanType::IpAddress)),
                _ => {}
            }
        }
        self.certify(&key, &id, names, validity)
    }

    fn certify(
        &self,
        key: &impl PublicKeyData,
        id: &PeerId,
        mut names: Vec<SanType>,
        validity: Validity,
    ) -> Result<String, AuthorityError> {
        if id.cluster() != self.cluster {
            return Err(AuthorityError::OtherCluster(self.cluster.clone()));
        }
        if key.algorithm() != &rcgen::PKCS_ECDSA_P256_SHA256 {
            return Err(AuthorityError::NotP256);
        }
        names.insert(0, uri(&id.to_uri())?);
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&format!("{} {}", id.role(), id.name()));
        params.subject_alt_names = names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        // A client serves nobody, so its certificate is no good for it.
        if id.role() != PeerRole::Client {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        params.use_authority_key_identifier_extension = true;
        params.is_ca = IsCa::ExplicitNoCa;
        params.serial_number = Some(serial());
        set_validity(&mut params, validity)?;
        let certificate = params.signed_by(key, &self.issuer).map_err(AuthorityError::Certificate)?;
        Ok(certificate.pem())
    }

    /// ECDSA with SHA-256, in ASN.1.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        self.issuer.key().sign(message).map_err(AuthorityError::Certificate)
    }
}

/// A key pair on P-256 that is wiped when dropped; the library's is not.
struct Pair(KeyPair);

impl Pair {
    fn create() -> Result<Self, AuthorityError> {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256);
        pair.map(Self).map_err(AuthorityError::Certificate)
    }

    fn load(pem: &str) -> Result<Self, AuthorityError> {
        let pair = KeyPair::from_pem(pem).map(Self).map_err(AuthorityError::Certificate)?;
        if pair.0.is_compatible(&rcgen::PKCS_ECDSA_P256_SHA256) {
            Ok(pair)
        } else {
            Err(AuthorityError::NotP256)
        }
    }

    fn spki(&self) -> [u8; 32] {
        Sha256::digest(self.0.subject_public_key_info()).into()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PublicKeyData for Pair {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        PublicKeyData::algorithm(&self.0)
    }
}

impl SigningKey for Pair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message)
    }
}

const LOOPBACK_6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

fn named(common: &str) -> rcgen::DistinguishedName {
    let mut all = rcgen::DistinguishedName::new();
    all.push(DnType::CommonName, DnValue::Utf8String(common.to_owned()));
    all
}

fn uri(text: &str) -> Result<SanType, AuthorityError> {
    text.try_into().map(SanType::URI).map_err(AuthorityError::Certificate)
}

/// A DNS name or an IP address.
fn name(text: &str) -> Result<SanType, AuthorityError> {
    if let Ok(address) = text.parse() {
        return Ok(SanType::IpAddress(address));
    }
    let refused = || AuthorityError::Name(text.to_owned());
    let is_label = |label: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(is_letter)
    };
    if text.len() > 253 || !text.split('.').all(is_label) {
        return Err(refused());
    }
    text.try_into().map(SanType::DnsName).map_err(|_| refused())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Random, so that no two certificates are confused, not even of one key; positive, as X.509 demands.
fn serial() -> SerialNumber {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn set_validity(params: &mut CertificateParams, validity: Validity) -> Result<(), AuthorityError> {
    let moment = |time: SystemTime| {
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| AuthorityError::Validity)?;
        let seconds = i64::try_from(seconds.as_secs()).map_err(|_| AuthorityError::Validity)?;
        OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| AuthorityError::Validity)
    };
    (params.not_before, params.not_after) = (moment(validity.from)?, moment(validity.until)?);
    if params.not_before < params.not_after { Ok(()) } else { Err(AuthorityError::Validity) }
}
