//! What is in a token.

use serde::{Deserialize, Serialize};

/// The claims that count. Others are allowed, and mean nothing here.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) aud: Audience,
    pub(super) exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<u64>,
    pub(super) iat: u64,
    /// Foreign issuers need not number their tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) jti: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cnf: Option<Confirmation>,
}

/// One audience, or a list.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn includes(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Several(all) => all.iter().any(|one| one == name),
        }
    }
}

/// What the token is bound to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Confirmation {
    /// SHA-256 of the certificate, base64url without padding.
    #[serde(rename = "x5t#S256", default, skip_serializing_if = "Option::is_none")]
    pub(super) x5t: Option<String>,
}

/// Of claims that nobody has verified: whose key to verify them with.
#[derive(Deserialize)]
pub(super) struct Claimed {
    pub(super) iss: String,
}
