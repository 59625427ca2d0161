//! What a process shows and whom it trusts: its certificate, its key, and the authority.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use zeroize::Zeroizing;

use super::verify::ChainVerifier;
use super::{Peer, TlsError};
use crate::identity::{PeerId, authority_key, only_certificate, parse};

/// Where credentials are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialFiles {
    /// The certificate, in PEM.
    pub certificate: PathBuf,
    /// Its private key: PKCS #8 in PEM.
    pub key: PathBuf,
    /// The certificate of the cluster's authority, in PEM.
    pub authority: PathBuf,
}

/// A certificate, its key, and the authority that others' certificates must be of. All checked: they fit together, and
/// the certificate was valid when they were loaded.
pub struct Credentials {
    peer: Peer,
    serial: String,
    valid_until: i64,
    certified: Arc<CertifiedKey>,
    key: Zeroizing<Vec<u8>>,
    authority_pem: String,
    chain: ChainVerifier,
}

impl Credentials {
    /// From PEM texts.
    ///
    /// # Errors
    /// They do not fit together, or our certificate is not valid now.
    pub fn from_pem(certificate_pem: &str, key_pem: &str, authority_pem: &str) -> Result<Self, TlsError> {
        let certificate =
            only_certificate(certificate_pem).map_err(|_| TlsError::Pem { what: "certificate" })?;
        let authority = only_certificate(authority_pem).map_err(|_| TlsError::Pem { what: "authority" })?;
        authority_key(authority_pem).map_err(TlsError::Identity)?;
        let peer = Peer::of_certificate(&certificate).map_err(TlsError::Own)?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(key_pem.as_bytes());
        let key = key.map_err(|_| TlsError::Pem { what: "key" })?;
        let key = Zeroizing::new(key.secret_pkcs8_der().to_vec());
        let provider = super::configs::provider();
        let chain = ChainVerifier::new(&authority, &provider)?;
        chain.check_client(&certificate, &[], UnixTime::now()).map_err(TlsError::Own)?;
        let certified = certify(certificate.clone(), &key, &provider)?;
        let parsed = parse(&certificate).map_err(TlsError::Identity)?;
        let (serial, valid_until) = (parsed.raw_serial_as_string(), parsed.validity().not_after.timestamp());
        let authority_pem = authority_pem.to_owned();
        Ok(Self { peer, serial, valid_until, certified, key, authority_pem, chain })
    }

    /// From files.
    ///
    /// # Errors
    /// A file cannot be read, and as for [`Credentials::from_pem`].
    pub fn load(files: &CredentialFiles) -> Result<Self, TlsError> {
        let certificate = read(&files.certificate)?;
        let key = read(&files.key)?;
        Self::from_pem(&certificate, &key, &read(&files.authority)?)
    }

    /// Who we are.
    #[must_use]
    pub const fn id(&self) -> &PeerId {
        &self.peer.id
    }

    /// We, as others see us.
    #[must_use]
    pub const fn as_peer(&self) -> &Peer {
        &self.peer
    }

    /// The serial number of our certificate, in hex.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Until when our certificate is valid: seconds since 1970.
    #[must_use]
    pub const fn valid_until(&self) -> i64 {
        self.valid_until
    }

    /// Our private key, PKCS #8 in DER, to sign tokens with.
    #[must_use]
    pub const fn key_der(&self) -> &Zeroizing<Vec<u8>> {
        &self.key
    }

    /// The authority's certificate, in PEM.
    #[must_use]
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }

    pub(super) const fn chain(&self) -> &ChainVerifier {
        &self.chain
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "credentials of {}, serial {}", self.peer.id, self.serial)
    }
}

fn certify(
    certificate: CertificateDer<'static>,
    key: &[u8],
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_vec()));
    let certified = CertifiedKey::from_der(vec![certificate], key, provider).map_err(TlsError::Key)?;
    Ok(Arc::new(certified))
}

fn read(path: &Path) -> Result<Zeroizing<String>, TlsError> {
    let text = fs::read_to_string(path);
    text.map(Zeroizing::new).map_err(|cause| TlsError::Read { path: path.to_owned(), cause })
}
