//! Makes our own tokens.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::elliptic_curve::rand_core::{OsRng, RngCore};

use super::LIFETIME_MAX;
use super::claims::{Audience, Claims, Confirmation};
use super::issuer::{kid, local_issuer};
use crate::identity::PeerId;
use crate::p256_key;
use crate::tls::Credentials;

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// Not an unencrypted PKCS #8 key on P-256.
    #[error("the key is not an unencrypted PKCS #8 key on P-256")]
    Key,
    /// Everybody would refuse it.
    #[error("a token lives for 1 second to 15 minutes, not {0} seconds")]
    Lifetime(u64),
    /// The library cannot sign.
    #[error("the token cannot be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// Mints tokens with one key, for one issuer and one audience. The key is wiped when dropped.
pub struct Minter {
    key: EncodingKey,
    kid: String,
    issuer: String,
    audience: String,
}

impl Minter {
    /// A minter with this key: unencrypted PKCS #8 in PEM.
    ///
    /// # Errors
    /// The key is something else.
    pub fn new(key_pem: &str, issuer: &str, audience: &str) -> Result<Self, MintError> {
        let der = p256_key::der_of_pem(key_pem).ok_or(MintError::Key)?;
        Self::from_der(&der, issuer, audience)
    }

    /// A minter with this key: unencrypted PKCS #8 in DER.
    ///
    /// # Errors
    /// The key is something else.
    pub fn from_der(key_der: &[u8], issuer: &str, audience: &str) -> Result<Self, MintError> {
        let public = p256_key::of_der(key_der).ok_or(MintError::Key)?.public_key();
        let key = EncodingKey::from_ec_der(key_der);
        Ok(Self { key, kid: kid(&public), issuer: issuer.to_owned(), audience: audience.to_owned() })
    }

    /// A process's minter for itself: mint with [`PeerId::to_uri`] as the subject.
    ///
    /// # Errors
    /// The key is of another kind.
    pub fn service(credentials: &Credentials) -> Result<Self, MintError> {
        let id: &PeerId = credentials.id();
        Self::from_der(credentials.key_der(), &id.to_uri(), id.cluster())
    }

    /// A gateway's minter for clients: mint with the client's name as the subject.
    ///
    /// # Errors
    /// The key is of another kind.
    pub fn local(gateway: &Credentials) -> Result<Self, MintError> {
        let cluster = gateway.id().cluster();
        Self::from_der(gateway.key_der(), &local_issuer(cluster), cluster)
    }

    /// A token about `subject`, bound to the certificate with this SHA-256, good for `lifetime` seconds from `now`
    /// (seconds of Unix time).
    ///
    /// # Errors
    /// A lifetime that everybody would refuse; the key does not sign.
    pub fn mint(&self, subject: &str, x5t: &[u8; 32], lifetime: u64, now: u64) -> Result<String, MintError> {
        if !(1..=LIFETIME_MAX).contains(&lifetime) {
            return Err(MintError::Lifetime(lifetime));
        }
        let mut number = [0; 16];
        OsRng.fill_bytes(&mut number);
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: subject.to_owned(),
            aud: Audience::One(self.audience.clone()),
            exp: now.saturating_add(lifetime),
            nbf: Some(now),
            iat: now,
            jti: Some(hex::encode(number)),
            cnf: Some(Confirmation { x5t: Some(Base64UrlUnpadded::encode_string(x5t)) }),
        };
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(MintError::Sign)
    }
}
