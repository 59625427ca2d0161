//! The text of signed requests: a narrow profile of RFC 9421, HTTP Message Signatures. No cryptography here.
//!
//! Covered are exactly the method, the path and the digest of the body; the parameters stand in one order, each in
//! one spelling. So every value has one text, and what does not read back as itself is refused: nothing is left
//! for two readers to understand differently.

mod reader;

use std::fmt;

use base64ct::{Base64, Encoding as _};

use crate::GroupId;
use reader::Reader;

/// The label of our signature in the headers `Signature-Input` and `Signature`.
pub const LABEL: &str = "keymoot";

/// For how long a signed request may be good: expires − created, in seconds.
pub const LIFETIME_MAX: u64 = 15 * 60;

/// The longest payload that is signed, of any kind, in bytes.
pub const PAYLOAD_MAX: usize = 1 << 20;

/// The longest body of a request, in bytes: a payload in hexadecimal digits, and what stands around it.
pub const BODY_MAX: usize = 2 * PAYLOAD_MAX + 4096;

/// The longest text of parameters that is read.
const TEXT_MAX: usize = 512;

/// The longest path that is covered.
const PATH_MAX: usize = 512;

/// RFC 8941 integers have at most 15 digits.
const INTEGER_MAX: u64 = 999_999_999_999_999;

const COMPONENTS: &str = r#"("@method" "@path" "content-digest")"#;

/// What signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Ed25519, RFC 8032.
    Ed25519,
    /// ECDSA on P-256 over SHA-256; the signature is r and s, 32 bytes each.
    EcdsaP256Sha256,
}

impl Algorithm {
    /// Its name in the registry of RFC 9421.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Ed25519, Self::EcdsaP256Sha256].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// Everything a signature says about itself. Printed, it is what follows `keymoot=` in `Signature-Input`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parameters {
    /// When it was signed, in seconds of Unix time.
    pub created: u64,
    /// From when on it is worthless, in seconds of Unix time; at most [`LIFETIME_MAX`] after `created`.
    pub expires: u64,
    /// Drawn at random for each request; also its idempotency key.
    pub nonce: [u8; 16],
    /// The identifier of the client: of its key.
    pub keyid: [u8; 32],
    /// How it was signed.
    pub algorithm: Algorithm,
    /// Whom it is meant for, as [`tag`] makes it.
    pub tag: String,
}

/// Why a text is no signed request of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignedTextError {
    /// Longer than any that are valid.
    #[error("longer than {TEXT_MAX} characters")]
    TooLong,
    /// Another set of covered components, or in another order.
    #[error("the covered components are not exactly (\"@method\" \"@path\" \"content-digest\")")]
    Components,
    /// A parameter is absent, out of order, or not in its one spelling.
    #[error(
        "the parameter `{0}` is missing, out of order or not in its one form; the order is created, expires, nonce, keyid, alg, tag"
    )]
    Parameter(&'static str),
    /// Something follows the last parameter.
    #[error("something follows the parameter `tag`")]
    Trailing,
    /// It expires before it begins, or lives too long.
    #[error("`expires` is not within 15 minutes after `created`")]
    Lifetime,
    /// The method has other characters than capital letters.
    #[error("the method is not a word of capital letters")]
    Method,
    /// The path has a query, characters that are not visible ASCII, or no slash in front.
    #[error("the path is not an absolute path of at most 512 visible characters without a query")]
    Path,
    /// The digest of the body is missing, of another algorithm, or one of several.
    #[error("the content digest is not exactly one SHA-256, as `sha-256=:...:`")]
    ContentDigest,
}

impl Parameters {
    /// Reads what [`Display`](fmt::Display) prints, and nothing else.
    ///
    /// # Errors
    /// What is not in its place, or not in its one form; a lifetime of more than [`LIFETIME_MAX`].
    pub fn parse(text: &str) -> Result<Self, SignedTextError> {
        if text.len() > TEXT_MAX {
            return Err(SignedTextError::TooLong);
        }
        let mut reader = Reader::new(text.strip_prefix(COMPONENTS).ok_or(SignedTextError::Components)?);
        let created = reader.number("created")?;
        let expires = reader.number("expires")?;
        let nonce = reader.digits("nonce")?;
        let keyid = reader.digits("keyid")?;
        let algorithm =
            Algorithm::from_name(reader.quoted("alg")?).ok_or(SignedTextError::Parameter("alg"))?;
        let tag = reader.quoted("tag")?.to_owned();
        reader.end()?;
        let parameters = Self { created, expires, nonce, keyid, algorithm, tag };
        parameters.check()?;
        Ok(parameters)
    }

    /// What the fields of a value alone can be wrong about.
    ///
    /// # Errors
    /// A lifetime that is not 1 to [`LIFETIME_MAX`] seconds; a tag that names no group.
    pub fn check(&self) -> Result<(), SignedTextError> {
        match self.expires.checked_sub(self.created) {
            _ if self.expires > INTEGER_MAX => return Err(SignedTextError::Parameter("expires")),
            Some(1..=LIFETIME_MAX) => {}
            _ => return Err(SignedTextError::Lifetime),
        }
        self.group().map(drop).ok_or(SignedTextError::Parameter("tag"))
    }

    /// The group that the tag names.
    #[must_use]
    pub fn group(&self) -> Option<GroupId> {
        self.tag.strip_prefix("keymoot/")?.parse().ok()
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{COMPONENTS};created={};expires={};nonce=\"", self.created, self.expires)?;
        self.nonce.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("\";keyid=\"")?;
        self.keyid.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "\";alg=\"{}\";tag=\"{}\"", self.algorithm.name(), self.tag)
    }
}

/// The tag of requests to the nodes of this group. It keeps a request to one cluster out of another, where the
/// same client may be enrolled.
#[must_use]
pub fn tag(group: GroupId) -> String {
    format!("keymoot/{group}")
}

/// The value of the header `Content-Digest` (RFC 9530) for a body with this SHA-256.
#[must_use]
pub fn content_digest(sha256: &[u8; 32]) -> String {
    format!("sha-256=:{}:", Base64::encode_string(sha256))
}

/// Reads what [`content_digest`] prints, and nothing else.
///
/// # Errors
/// Another algorithm, several digests, or another spelling.
pub fn parse_content_digest(text: &str) -> Result<[u8; 32], SignedTextError> {
    let encoded = text.strip_prefix("sha-256=:").and_then(|rest| rest.strip_suffix(':'));
    let mut digest = [0; 32];
    let length = Base64::decode(encoded.ok_or(SignedTextError::ContentDigest)?, &mut digest).map(<[u8]>::len);
    if length == Ok(digest.len()) { Ok(digest) } else { Err(SignedTextError::ContentDigest) }
}

/// The signature base of RFC 9421, 2.5: the bytes that are signed.
///
/// A line break in a component would let one base stand for two requests. So each is checked here, not by whoever
/// calls.
///
/// # Errors
/// A method, a path or a digest that has more in it than it should.
pub fn base(
    method: &str,
    path: &str,
    content_digest: &str,
    parameters: &Parameters,
) -> Result<String, SignedTextError> {
    if !(1..=16).contains(&method.len()) || !method.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return Err(SignedTextError::Method);
    }
    let is_covered = |letter: u8| letter.is_ascii_graphic() && letter != b'?' && letter != b'#';
    if path.len() > PATH_MAX || !path.starts_with('/') || !path.bytes().all(is_covered) {
        return Err(SignedTextError::Path);
    }
    parse_content_digest(content_digest)?;
    parameters.check()?;
    Ok(format!(
        "\"@method\": {method}\n\"@path\": {path}\n\"content-digest\": {content_digest}\n\"@signature-params\": {parameters}"
    ))
}

#[cfg(test)]
mod tests;
