//! What a payload comes to when a key signs it: its chain's reader is asked here, with the key as the committee certified
//! it, and what it says is held against what this crate derives itself.

use std::sync::Arc;

use keymoot_chains::{Algorithm, Inspection, Kind, Payload, Prehash, Signing, inspect};
use keymoot_protocol::dkls23::{Payload as Signed, PayloadHash};
use keymoot_types::{Network, Path};

use super::{Key, Real, order};
use crate::crypto::{Crypto, Reading, Unreadable};
use crate::refusal::REASON_MAX;
use crate::request::ToSign;

pub(super) fn read(key: &Key, what: &ToSign, network: Network) -> Result<Reading, Unreadable> {
    let ToSign { path, payload, signing } = what;
    let Inspection { signings, facts, .. } = inspection(key, path, payload, network)?;
    let signing = chosen(signings, *signing)?;
    let is_below = signing.path.steps().starts_with(path.steps());
    let is_ours =
        order::verifies_under(key, &signing.path).is_some_and(|ours| ours == signing.verifies_under);
    if !is_below || !is_ours || Algorithm::of(key.describe().scheme) != signing.algorithm {
        return Err(refused("the payload asks for a signature of another key"));
    }
    let hash = hash(&signing)?;
    let facts =
        serde_json::to_vec(&facts).map_err(|_| refused("what the payload does cannot be written down"))?;
    Ok(Reading {
        path: signing.path,
        payload: Arc::new(Signed::new(hash, signing.bytes)),
        facts: Real::digest("keymoot/facts/v1", &facts),
    })
}

/// The one that the client wants. It has to say which where there are several: who does not know that has not read the payload.
fn chosen(signings: Vec<Signing>, which: Option<u16>) -> Result<Signing, Unreadable> {
    let count = signings.len();
    let place = match which {
        Some(place) => usize::from(place),
        None if count == 1 => 0,
        None => {
            return Err(worded(&format!(
                "the payload needs {count} signatures, and the request does not say which"
            )));
        }
    };
    let chosen = signings.into_iter().nth(place);
    chosen.ok_or_else(|| {
        worded(&format!("the payload needs {count} signatures, and number {place} is asked, counted from 0"))
    })
}

/// What the payload would do, signed with this key at this path.
pub(super) fn inspection(
    key: &Key,
    path: &Path,
    payload: &Payload,
    network: Network,
) -> Result<Inspection, Unreadable> {
    if payload.kind() == Kind::RawDigest {
        return Err(refused("a bare digest is not signed: nobody can see what it does"));
    }
    let details = key.details();
    let root = keymoot_chains::Key::new(details.scheme, &details.public_key, details.chain_code);
    let key = root.and_then(|root| root.at(path.clone())).map_err(|error| worded(&error.to_string()))?;
    inspect(payload, &key.on(network)).map_err(|error| worded(&error.to_string()))
}

/// Ed25519 hashes by itself; everything else signs the digest of bytes that are here.
fn hash(signing: &Signing) -> Result<PayloadHash, Unreadable> {
    match (signing.algorithm, signing.prehash) {
        // It is not used, and a payload has to have one.
        (Algorithm::Ed25519, Prehash::None)
        | (Algorithm::Ecdsa | Algorithm::TaprootKeyPath, Prehash::Sha256) => Ok(PayloadHash::Sha256),
        (Algorithm::Ecdsa | Algorithm::TaprootKeyPath, Prehash::Sha256d) => Ok(PayloadHash::Sha256d),
        (Algorithm::Ecdsa | Algorithm::TaprootKeyPath, Prehash::Keccak256) => Ok(PayloadHash::Keccak256),
        (Algorithm::Ecdsa | Algorithm::TaprootKeyPath, Prehash::None) | (Algorithm::Ed25519, _) => {
            Err(refused("the payload is not hashed as the key's scheme wants it"))
        }
    }
}

const fn refused(why: &'static str) -> Unreadable {
    Unreadable(std::borrow::Cow::Borrowed(why))
}

/// A reason of a chain's reader, of bounded length.
fn worded(why: &str) -> Unreadable {
    let end = why.char_indices().map(|(at, letter)| at.saturating_add(letter.len_utf8()));
    let end = end.take_while(|end| *end <= REASON_MAX).last().unwrap_or(0);
    Unreadable(why.get(..end).unwrap_or_default().to_owned().into())
}
