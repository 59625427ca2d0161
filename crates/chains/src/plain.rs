//! Payloads of no chain: messages, and bare digests.
//!
//! A message is signed behind a prefix. Without one, the "message" could be the inside of a transaction: ECDSA over
//! SHA-256 of 32 chosen bytes is a Bitcoin signature, and Ed25519 over chosen bytes a Solana one. The prefix begins with
//! 0xff, which begins no transaction of any chain here, and ends with the length.

use bitcoin::key::{TapTweak, XOnlyPublicKey};
use bitcoin::secp256k1::PublicKey;
use bitcoin::taproot::TapTweakHash;
use serde::Serialize;

use crate::Signature;
use crate::chain::{Detail, Reader};
use crate::facts::{Danger, Facts};
use crate::inspection::{Algorithm, Inspection, Prehash, Signing, Unreadable, hex};
use crate::key::{Key, verifier};
use crate::payload::{Kind, Payload};

/// A message, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MessageFacts {
    /// As text, if it is UTF-8 that shows as what it is: no invisible characters but line ends and tabs.
    pub text: Option<String>,
    /// As hexadecimal digits.
    pub hex: String,
    /// Who signs: an address where the chain has addresses, else the public key in hexadecimal digits.
    pub signer: String,
}

/// All that is known of a bare digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlindFacts {
    /// As hexadecimal digits.
    pub digest: String,
}

/// Signatures of messages and digests are handed out as they are, 64 bytes.
pub(crate) const READER: Reader = Reader { inspect, assemble };

/// What stands before every message that is no chain's; its length in bytes follows, 8 bytes, big-endian.
const PREFIX: &[u8] = b"\xffkeymoot signed message v1\n";

fn inspect(payload: &Payload, key: &Key) -> Result<Inspection, Unreadable> {
    match payload.kind() {
        Kind::RawDigest => digest(payload, key),
        _ => message(payload, key),
    }
}

fn message(payload: &Payload, key: &Key) -> Result<Inspection, Unreadable> {
    let length = u64::try_from(payload.bytes().len()).unwrap_or(u64::MAX);
    let bytes = [PREFIX, &length.to_be_bytes(), payload.bytes()].concat();
    let prehash = match Algorithm::of(key.scheme()) {
        Algorithm::Ecdsa | Algorithm::TaprootKeyPath => Prehash::Sha256,
        Algorithm::Ed25519 => Prehash::None,
    };
    let signing = signing(key, payload.kind(), prehash, bytes)?;
    let detail = Detail::Message(MessageFacts::of(payload.bytes(), hex(&signing.verifies_under)));
    let facts = Facts::quiet(detail);
    Ok(Inspection { kind: payload.kind(), signings: vec![signing], facts })
}

fn digest(payload: &Payload, key: &Key) -> Result<Inspection, Unreadable> {
    if !cfg!(feature = "blind") {
        return Err(Unreadable::Blind);
    }
    if payload.bytes().len() != 32 {
        return Err(Unreadable::NotADigest(payload.bytes().len()));
    }
    let signing = signing(key, payload.kind(), Prehash::None, payload.bytes().to_vec())?;
    let mut facts = Facts::quiet(Detail::RawDigest(BlindFacts { digest: hex(payload.bytes()) }));
    facts.dangers.insert(Danger::Blind);
    Ok(Inspection { kind: payload.kind(), signings: vec![signing], facts })
}

fn assemble(_: &Payload, _: &Key, _: &Inspection, signatures: &[Signature]) -> Result<Vec<u8>, Unreadable> {
    Ok(signatures.iter().flat_map(|signature| signature.0).collect())
}

/// What the key signs at the request's path.
pub(crate) fn signing(
    key: &Key,
    kind: Kind,
    prehash: Prehash,
    bytes: Vec<u8>,
) -> Result<Signing, Unreadable> {
    let wrong = Unreadable::WrongScheme { scheme: key.scheme(), kind: kind.name() };
    let algorithm = Algorithm::of(key.scheme());
    let (verifies_under, tweak) = match (key.point(), key.edwards()) {
        (Some(point), None) => under(algorithm, &point),
        (None, Some(edwards)) => (edwards.to_vec(), None),
        _ => return Err(wrong),
    };
    Ok(Signing { path: key.path().clone(), algorithm, tweak, verifies_under, prehash, bytes })
}

/// The key under which a signature of the key at `point` verifies, and what is added to get there.
pub(crate) fn under(algorithm: Algorithm, point: &PublicKey) -> (Vec<u8>, Option<[u8; 32]>) {
    match algorithm {
        Algorithm::TaprootKeyPath => {
            use bitcoin::hashes::Hash;
            let internal = XOnlyPublicKey::from(*point);
            let (output, _) = internal.tap_tweak(&verifier(), None);
            let tweak = TapTweakHash::from_key_and_tweak(internal, None).to_byte_array();
            (output.serialize().to_vec(), Some(tweak))
        }
        Algorithm::Ecdsa | Algorithm::Ed25519 => (point.serialize().to_vec(), None),
    }
}

impl MessageFacts {
    /// A message that this signer signs.
    pub(crate) fn of(bytes: &[u8], signer: String) -> Self {
        let is_plain = |text: &&str| text.chars().all(is_plain);
        let text = std::str::from_utf8(bytes).ok().filter(is_plain).map(str::to_owned);
        Self { text, hex: hex(bytes), signer }
    }
}

/// Shows as what it is: no control character, and none that is invisible or turns the direction of others.
fn is_plain(c: char) -> bool {
    let is_format = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    matches!(c, '\n' | '\t') || !(c.is_control() || is_format)
}

impl Facts {
    /// Nothing moves.
    pub(crate) fn quiet(detail: Detail) -> Self {
        Self {
            outflows: Vec::new(),
            allowances: Vec::new(),
            fee_max: None,
            dangers: std::collections::BTreeSet::new(),
            detail,
        }
    }
}
