//! Output descriptors, BIP-380 and its sisters: those that a wallet watches, and the one address that it asks about.

use bitcoin::PublicKey;
use bitcoin::key::XOnlyPublicKey;
use keymoot_chains::bitcoin::{Form, checksum, descriptor};
use keymoot_types::Path;

use super::refusal::{BAD_ARGUMENT, Refusal};
use super::signer::Signer;
use crate::explain::WRONG_NETWORK;

/// Receiving and change addresses: a wallet keeps them apart, so the two paths of one descriptor become two of it.
pub fn pair(signer: &Signer, form: Form) -> Option<[String; 2]> {
    let both = descriptor(&signer.key, form)?;
    let (text, _) = both.split_once('#')?;
    let one = |branch: &str| {
        let text = text.replace("<0;1>", branch);
        checksum(&text).map(|sum| format!("{text}#{sum}"))
    };
    Some([one("0")?, one("1")?])
}

/// The address that a descriptor is of, if it is of our key in every letter: what is not understood could be something else.
pub fn shown(signer: &Signer, descriptor: &str) -> Result<(Form, Path), Refusal> {
    let refused = |why: &str| Refusal::new(BAD_ARGUMENT, why);
    let text = match descriptor.split_once('#') {
        None => descriptor,
        Some((text, sum)) if checksum(text).as_deref() == Some(sum) => text,
        Some(_) => return Err(refused("the checksum of the descriptor is wrong")),
    };
    let (form, keys) =
        form(text).ok_or_else(|| refused("the descriptor is not of a form that keys here sign for"))?;
    if !signer.forms().contains(&form) {
        return Err(refused("the key does not sign for addresses of this form"));
    }
    let (origin, rest) = match keys.strip_prefix('[') {
        Some(inner) => {
            inner.split_once(']').ok_or_else(|| refused("the descriptor's key origin does not end"))?
        }
        None => ("", keys),
    };
    let (fingerprint, above) = origin.split_once('/').unwrap_or((origin, ""));
    if !origin.is_empty() && !fingerprint.eq_ignore_ascii_case(&signer.fingerprint()) {
        return Err(refused("the descriptor has the fingerprint of another signer"));
    }
    let (key, below) = rest.split_once('/').unwrap_or((rest, ""));
    let (above, below) = (steps(above)?, steps(below)?);
    let path = Path::new([above.clone(), below.clone()].concat())
        .map_err(|_| refused("there is no key at the path of the descriptor"))?;
    let above = Path::new(above).map_err(|_| refused("there is no key at the path of the descriptor"))?;
    let there = signer.xpub_at(&path)?;
    let is_ours = if below.is_empty() && key.bytes().all(|c| c.is_ascii_hexdigit()) {
        let full = PublicKey::new(there.public_key).to_string();
        let is_short = form == Form::P2tr && key == XOnlyPublicKey::from(there.public_key).to_string();
        is_short || key == full
    } else {
        check_network(signer, key)?;
        key == signer.xpub_at(&above)?.to_string()
    };
    if is_ours { Ok((form, path)) } else { Err(refused("the descriptor has another key at this path")) }
}

fn form(text: &str) -> Option<(Form, &str)> {
    let inside = |start: &str, end: &str| text.strip_prefix(start)?.strip_suffix(end);
    inside("wpkh(", ")")
        .map(|keys| (Form::P2wpkh, keys))
        .or_else(|| inside("sh(wpkh(", "))").map(|keys| (Form::P2shP2wpkh, keys)))
        .or_else(|| inside("tr(", ")").map(|keys| (Form::P2tr, keys)))
}

fn steps(text: &str) -> Result<Vec<u32>, Refusal> {
    let step = |step: &str| {
        let is_number = !step.is_empty() && step.bytes().all(|c| c.is_ascii_digit());
        step.parse().ok().filter(|_| is_number)
    };
    let steps: Option<Vec<u32>> =
        if text.is_empty() { Some(Vec::new()) } else { text.split('/').map(step).collect() };
    steps.ok_or_else(|| {
        Refusal::new(
            BAD_ARGUMENT,
            "the path of the descriptor has steps other than numbers: keys here have no hardened ones",
        )
    })
}

/// Our key, but written for another network.
fn check_network(signer: &Signer, key: &str) -> Result<(), Refusal> {
    let is_main = signer.xpub.network == bitcoin::NetworkKind::Main;
    if key.starts_with(if is_main { "tpub" } else { "xpub" }) {
        let ours = signer.key.network();
        let why =
            format!("{}: the descriptor is not for {ours}, which the cluster is for", WRONG_NETWORK.code);
        return Err(Refusal::new(BAD_ARGUMENT, why));
    }
    Ok(())
}
