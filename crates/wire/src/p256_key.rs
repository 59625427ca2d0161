//! Private keys on P-256 out of PKCS #8, as TLS keys and clients' keys are stored.

use p256::SecretKey;
use pkcs8::{ObjectIdentifier, PrivateKeyInfo};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const PRIME256V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// The key in a PEM text, in DER. `None` if there is no unencrypted PKCS #8 in it.
pub(crate) fn der_of_pem(pem: &str) -> Option<Zeroizing<Vec<u8>>> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
    Some(Zeroizing::new(der.secret_pkcs8_der().to_vec()))
}

/// The key in DER. `None` if it is not PKCS #8, or of another curve.
pub(crate) fn of_der(der: &[u8]) -> Option<SecretKey> {
    let info = PrivateKeyInfo::try_from(der).ok()?;
    let is_p256 = info.algorithm.oid == EC_PUBLIC_KEY && info.algorithm.parameters_oid() == Ok(PRIME256V1);
    if is_p256 { SecretKey::from_sec1_der(info.private_key).ok() } else { None }
}
