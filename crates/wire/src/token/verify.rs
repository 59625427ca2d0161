//! Believes a token, or says why not.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use subtle::ConstantTimeEq;

use super::claims::Claims;
use super::header::{self, Unproved};
use super::issuer::{foreign_key, local_issuer, local_key, service_key};
use super::{IssuerKind, KEYS_AGE_MAX, LEEWAY, LIFETIME_MAX, Subject, TokenError, Verified};
use crate::cluster::{ClusterDocument, DocumentHandle};
use crate::identity::PeerRole;
use crate::tls::Peer;

/// Whether a client may come without a certificate, with a token that is bound to none. Only for a REST server whose
/// configuration says so, and only with tokens of foreign issuers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbound {
    /// Never.
    Refused,
    /// From somebody without a certificate.
    Allowed,
}

/// Verifies tokens against the cluster document as it is now.
pub struct Verifier {
    document: DocumentHandle,
    unbound: Unbound,
    fetched: ArcSwap<BTreeMap<(String, String), Fetched>>,
}

/// Keys of a foreign issuer that were fetched.
#[derive(Clone)]
struct Fetched {
    keys: Arc<JwkSet>,
    /// When, in seconds of Unix time.
    at: u64,
}

impl Verifier {
    /// A verifier that goes by this document.
    #[must_use]
    pub fn new(document: DocumentHandle, unbound: Unbound) -> Self {
        Self { document, unbound, fetched: ArcSwap::default() }
    }

    /// Sets the keys of a foreign issuer, as they were fetched from this address at this time, in seconds of Unix time. They
    /// replace the old ones at once, and count for as long as the document names this issuer with this address, and for
    /// [`KEYS_AGE_MAX`] seconds. Keys that the document itself lists come first.
    pub fn replace_keys(&self, issuer: &str, url: &str, keys: JwkSet, now: u64) {
        let document = self.document.load();
        let is_named = |issuer: &str, url: &str| {
            let mut entries = document.issuers.iter();
            entries.any(|entry| entry.issuer == issuer && entry.jwks_url.as_deref() == Some(url))
        };
        let fetched = Fetched { keys: Arc::new(keys), at: now };
        self.fetched.rcu(|old| {
            let mut all = BTreeMap::clone(old);
            all.insert((issuer.to_owned(), url.to_owned()), fetched.clone());
            all.retain(|(issuer, url), _| is_named(issuer, url));
            all
        });
    }

    /// Verifies a token. `peer` is who brought it, by its certificate; `now` is in seconds of Unix time.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn verify(&self, token: &str, peer: Option<&Peer>, now: u64) -> Result<Verified, TokenError> {
        let unproved = header::read(token)?;
        let document = self.document.load();
        let (issuer, key) = self.key(&unproved, peer, &document, now)?;
        let claims = prove(token, &unproved, &key)?;
        if !claims.aud.includes(&document.cluster) {
            return Err(TokenError::Audience);
        }
        is_of_its_time(&claims, now)?;
        self.is_bound(&claims, issuer, peer)?;
        let subject = subject(&claims, issuer, peer, &document)?;
        Ok(Verified { subject, issuer, expires: claims.exp })
    }

    fn key(
        &self,
        token: &Unproved,
        peer: Option<&Peer>,
        document: &ClusterDocument,
        now: u64,
    ) -> Result<(IssuerKind, DecodingKey), TokenError> {
        if token.iss == local_issuer(&document.cluster) {
            return Ok((IssuerKind::Local, local_key(token, document)?));
        }
        if token.iss.starts_with("spiffe:") {
            // A process is an issuer for itself only, so it must be there, and not be a client.
            let is_itself =
                |peer: &&Peer| peer.id.role() != PeerRole::Client && peer.id.to_uri() == token.iss;
            // The document may be newer than the connection.
            let is_known = |peer: &&Peer| peer.is_known_to(document).is_ok();
            let peer = peer.filter(is_itself).filter(is_known).ok_or(TokenError::UnknownIssuer)?;
            return Ok((IssuerKind::Service, service_key(token, peer)?));
        }
        let entry = document.issuers.iter().find(|entry| entry.issuer == token.iss);
        let entry = entry.ok_or(TokenError::UnknownIssuer)?;
        let fetched = self.fetched.load();
        let keys = entry.keys.as_ref().or_else(|| {
            let named = (token.iss.clone(), entry.jwks_url.clone()?);
            let fetched = fetched.get(&named)?;
            (now.saturating_sub(fetched.at) <= KEYS_AGE_MAX).then_some(fetched.keys.as_ref())
        });
        Ok((IssuerKind::Foreign, foreign_key(token, keys.ok_or(TokenError::UnknownKey)?)?))
    }

    fn is_bound(&self, claims: &Claims, issuer: IssuerKind, peer: Option<&Peer>) -> Result<(), TokenError> {
        let bound = claims.cnf.as_ref().and_then(|cnf| cnf.x5t.as_ref());
        match (bound, peer) {
            (Some(bound), Some(peer)) => {
                let mut x5t = [0; 32];
                let decoded =
                    Base64UrlUnpadded::decode(bound, &mut x5t).map_err(|_| TokenError::Malformed)?;
                let is_same = bool::from(decoded.ct_eq(peer.x5t.as_slice()));
                if is_same { Ok(()) } else { Err(TokenError::BoundToAnother) }
            }
            (Some(_), None) => Err(TokenError::BoundToAnother),
            (None, Some(_)) => Err(TokenError::NotBound),
            (None, None) if issuer == IssuerKind::Foreign && self.unbound == Unbound::Allowed => Ok(()),
            (None, None) => Err(TokenError::NotBound),
        }
    }
}

/// The claims, once the signature over them verifies. Times and audience are checked by us: the library would ask the
/// system for the time.
fn prove(token: &str, unproved: &Unproved, key: &DecodingKey) -> Result<Claims, TokenError> {
    let mut how = Validation::new(unproved.algorithm);
    how.required_spec_claims.clear();
    (how.validate_exp, how.validate_nbf, how.validate_aud) = (false, false, false);
    let decoded = jsonwebtoken::decode::<Claims>(token, key, &how);
    let decoded = decoded.map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => TokenError::Algorithm,
        ErrorKind::InvalidEcdsaKey
        | ErrorKind::InvalidEddsaKey
        | ErrorKind::InvalidRsaKey(_)
        | ErrorKind::InvalidKeyFormat => TokenError::UnknownKey,
        _ => TokenError::Malformed,
    })?;
    Ok(decoded.claims)
}

fn is_of_its_time(claims: &Claims, now: u64) -> Result<(), TokenError> {
    let soon = now.saturating_add(LEEWAY);
    if claims.iat > soon || claims.nbf.is_some_and(|from| from > soon) {
        return Err(TokenError::NotYet);
    }
    if claims.exp.saturating_add(LEEWAY) <= now || claims.exp <= claims.iat {
        return Err(TokenError::Expired);
    }
    if claims.exp - claims.iat > LIFETIME_MAX { Err(TokenError::TooLong) } else { Ok(()) }
}

/// The one who brings a token is the one it is about, and a foreign issuer speaks for that client.
fn subject(
    claims: &Claims,
    issuer: IssuerKind,
    peer: Option<&Peer>,
    document: &ClusterDocument,
) -> Result<Subject, TokenError> {
    if issuer == IssuerKind::Service {
        let peer = peer.filter(|peer| peer.id.to_uri() == claims.sub).ok_or(TokenError::Subject)?;
        return Ok(Subject::Process(peer.id.clone()));
    }
    let is_theirs = |peer: &Peer| peer.id.role() == PeerRole::Client && peer.id.name() == claims.sub;
    if !peer.is_none_or(|peer| is_theirs(peer) && peer.is_known_to(document).is_ok()) {
        return Err(TokenError::Subject);
    }
    let client = document.client(&claims.sub).ok_or(TokenError::Subject)?;
    let entry = document.issuers.iter().find(|entry| entry.issuer == claims.iss);
    if issuer == IssuerKind::Foreign && !entry.is_some_and(|entry| entry.speaks_for(&client.name)) {
        return Err(TokenError::Subject);
    }
    Ok(Subject::Client { name: client.name.clone(), role: client.role })
}
