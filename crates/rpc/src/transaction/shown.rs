//! A signed transaction as JSON, as nodes show one.

use alloy_consensus::{Transaction, TxEnvelope, TxType};
use alloy_eips::eip2718::Decodable2718;
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::SignedAuthorization;
use serde_json::{Map, Value, json};

/// A signed transaction, shown. `None` if the bytes are none.
pub fn shown(raw: &[u8]) -> Option<Value> {
    let envelope = TxEnvelope::decode_2718_exact(raw).ok()?;
    let signature = envelope.signature();
    let parity = u64::from(signature.v());
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
    put("type", quantity(envelope.tx_type() as u8));
    put("nonce", quantity(envelope.nonce()));
    put("gas", quantity(envelope.gas_limit()));
    put("to", json!(envelope.to().map(digits)));
    put("value", quantity(envelope.value()));
    put("input", json!(digits(envelope.input())));
    put("hash", json!(digits(envelope.tx_hash())));
    put("r", quantity(signature.r()));
    put("s", quantity(signature.s()));
    if let Some(id) = envelope.chain_id() {
        put("chainId", quantity(id));
    }
    match (envelope.tx_type(), envelope.chain_id()) {
        // EIP-155.
        (TxType::Legacy, Some(id)) => put("v", quantity(u128::from(id) * 2 + 35 + u128::from(parity))),
        (TxType::Legacy, None) => put("v", quantity(27 + parity)),
        _ => {
            put("v", quantity(parity));
            put("yParity", quantity(parity));
        }
    }
    match envelope.gas_price() {
        Some(price) => put("gasPrice", quantity(price)),
        None => {
            put("maxFeePerGas", quantity(envelope.max_fee_per_gas()));
            put("maxPriorityFeePerGas", quantity(envelope.max_priority_fee_per_gas().unwrap_or_default()));
        }
    }
    if let Some(fee) = envelope.max_fee_per_blob_gas() {
        put("maxFeePerBlobGas", quantity(fee));
    }
    if let Some(hashes) = envelope.blob_versioned_hashes() {
        put("blobVersionedHashes", hashes.iter().map(|hash| json!(digits(hash))).collect());
    }
    if let Some(list) = envelope.access_list() {
        put("accessList", shown_list(list));
    }
    if let Some(list) = envelope.authorization_list() {
        put("authorizationList", shown_authorisations(list));
    }
    Some(out.into())
}

/// EIP-2930.
pub fn shown_list(list: &AccessList) -> Value {
    let item = |item: &AccessListItem| {
        let keys: Vec<_> = item.storage_keys.iter().map(digits).collect();
        json!({ "address": digits(item.address), "storageKeys": keys })
    };
    list.iter().map(item).collect()
}

/// EIP-7702.
pub fn shown_authorisations(list: &[SignedAuthorization]) -> Value {
    let item = |signed: &SignedAuthorization| {
        json!({
            "chainId": quantity(signed.chain_id()), "address": digits(signed.address()),
            "nonce": quantity(signed.nonce()), "yParity": quantity(signed.y_parity()),
            "r": quantity(signed.r()), "s": quantity(signed.s()),
        })
    };
    list.iter().map(item).collect()
}

/// A number as Ethereum writes it.
pub fn quantity(number: impl std::fmt::LowerHex) -> Value {
    Value::String(format!("{number:#x}"))
}

/// Bytes as Ethereum writes them.
pub fn digits(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(bytes))
}
