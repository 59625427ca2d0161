//! The header of a token, read before anything is believed.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::claims::Claimed;
use super::{TOKEN_MAX, TokenError};

/// The longest name of a key.
const KID_MAX: usize = 256;

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    // A token that brings a key along, or says where one is, or demands what we do not know.
    #[serde(default)]
    jku: Option<IgnoredAny>,
    #[serde(default)]
    jwk: Option<IgnoredAny>,
    #[serde(default)]
    x5u: Option<IgnoredAny>,
    #[serde(default)]
    x5c: Option<IgnoredAny>,
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

/// What a token says about itself, unproved.
pub(super) struct Unproved {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    pub(super) iss: String,
}

/// Reads header and issuer.
pub(super) fn read(token: &str) -> Result<Unproved, TokenError> {
    if token.is_empty() {
        return Err(TokenError::Missing);
    }
    if token.len() > TOKEN_MAX {
        return Err(TokenError::Malformed);
    }
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Malformed);
    };
    let header: Header = json(header)?;
    // By name, before any key is looked at: a list of what is good, so that nothing else can be.
    let algorithm = match header.alg.as_str() {
        "ES256" => Algorithm::ES256,
        "EdDSA" => Algorithm::EdDSA,
        "RS256" => Algorithm::RS256,
        "PS256" => Algorithm::PS256,
        _ => return Err(TokenError::Algorithm),
    };
    let foreign = [header.jku, header.jwk, header.x5u, header.x5c, header.crit];
    if foreign.iter().any(Option::is_some) || !header.typ.as_deref().is_none_or(is_known_type) {
        return Err(TokenError::Malformed);
    }
    if header.kid.as_ref().is_some_and(|kid| kid.len() > KID_MAX) {
        return Err(TokenError::UnknownKey);
    }
    let Claimed { iss } = json(claims)?;
    Ok(Unproved { algorithm, kid: header.kid, iss })
}

fn is_known_type(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("jwt") || typ.eq_ignore_ascii_case("at+jwt")
}

fn json<T: DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    let bytes = Base64UrlUnpadded::decode_vec(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}
