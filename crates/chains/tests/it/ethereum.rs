//! Ethereum, against vectors, a second decoder, and k256 as verifier.

mod calls;
mod differential;
mod hostile;
mod permits;
pub mod second;
mod typed;
mod vectors;

use keymoot_chains::ethereum::{Call, Meaning, TransactionFacts};
use keymoot_chains::{Detail, Facts, Inspection, Key, Kind, Payload, Unreadable, inspect};
use keymoot_types::Scheme;
use sha3::{Digest, Keccak256};

use crate::local::Local;

pub fn keccak(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

pub fn unhex(digits: &str) -> Vec<u8> {
    hex::decode(digits.trim_start_matches("0x")).unwrap()
}

pub fn local() -> Local {
    Local::new(Scheme::Dkls23, [0x46; 32])
}

pub fn payload(kind: Kind, bytes: &[u8]) -> Payload {
    Payload::new(kind, bytes.to_vec()).unwrap()
}

pub fn read(bytes: &[u8]) -> Result<Inspection, Unreadable> {
    inspect(&payload(Kind::EvmTx, bytes), &local().key())
}

pub fn transaction(facts: &Facts) -> &TransactionFacts {
    match &facts.detail {
        Detail::EvmTx(facts) => facts,
        other => panic!("{other:?}"),
    }
}

/// An EIP-1559 transaction with this calldata.
pub fn calling(to: [u8; 20], value: u64, calldata: &[u8]) -> Facts {
    let bytes = second::Transaction { to: Some(to), value, calldata: calldata.to_vec(), ..second::plain(2) };
    read(&bytes.signing()).unwrap().facts
}

/// The top call of a transaction.
pub fn top(facts: &Facts) -> &Call {
    transaction(facts).call.as_ref().unwrap()
}

pub fn inside(call: &Call) -> Vec<&Call> {
    match &call.meaning {
        Meaning::SafeTransaction { call, .. } => vec![call],
        Meaning::Batch { calls } => calls.iter().collect(),
        _ => Vec::new(),
    }
}

/// The address of a public key, computed here.
pub fn address_of(public: &[u8]) -> [u8; 20] {
    use k256::elliptic_curve::sec1::ToEncodedPoint;
    let point = k256::PublicKey::from_sec1_bytes(public).unwrap();
    keccak(&point.to_encoded_point(false).as_bytes()[1..])[12..].try_into().unwrap()
}

/// ERC-55, computed here.
pub fn checksummed(address: &[u8; 20]) -> String {
    let digits = hex::encode(address);
    let hash = hex::encode(keccak(digits.as_bytes()));
    let mixed = digits
        .chars()
        .zip(hash.chars())
        .map(|(digit, hash)| if hash >= '8' { digit.to_ascii_uppercase() } else { digit });
    format!("0x{}", mixed.collect::<String>())
}

pub fn key_of(public: &[u8]) -> Key {
    Key::new(Scheme::Dkls23, public, [0; 32]).unwrap()
}
