//! Typed data, EIP-712, as `eth_signTypedData_v4` has it.
//!
//! What is shown is the value after it was read with the declared types: what is not hashed is not shown, and what is
//! shown is hashed.

use alloy_dyn_abi::{DynSolValue, TypedData};
use alloy_primitives::U256;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::call::{Gathered, Meaning};
use super::shape::{self, Types};
use super::{Fault, account, permit};
use crate::chain::Detail;
use crate::facts::{Amount, Danger, Facts};
use crate::inspection::{Inspection, Prehash, Unreadable};
use crate::key::Key;
use crate::payload::Payload;
use crate::plain::signing;

/// What typed data says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TypedDataFacts {
    /// Who signs.
    pub signer: String,
    /// Whom it is for.
    pub domain: Domain,
    /// The name of the message's type.
    pub primary_type: String,
    /// All types that the message uses, as EIP-712's `encodeType` spells them.
    pub encoded_type: String,
    /// The message: structs as objects, integers as decimal strings, bytes as hexadecimal digits behind `0x`.
    pub message: Value,
    /// What the message means, if its type is known; `None`: [`Danger::UnknownTypedData`].
    pub meaning: Option<Meaning>,
    /// Keccak-256 of the domain's encoding.
    pub domain_hash: String,
    /// `hashStruct` of the message.
    pub message_hash: String,
}

/// The domain: who will check the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Domain {
    /// The application's name for itself.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The chain; `None`: every chain.
    pub chain_id: Option<Amount>,
    /// The contract.
    pub verifying_contract: Option<String>,
    /// 32 bytes of its choice.
    pub salt: Option<String>,
}

/// Read once: the same tree of values is checked and hashed.
fn read(bytes: &[u8]) -> Result<TypedData, Fault> {
    let tree: Value = serde_json::from_slice(bytes).map_err(|_| Fault::NotTypedData)?;
    let member = |name: &str| tree.get(name).cloned().ok_or(Fault::NotTypedData);
    let types: Types = serde_json::from_value(member("types")?).map_err(|_| Fault::NotTypedData)?;
    let primary = member("primaryType")?;
    let primary = primary.as_str().ok_or(Fault::NotTypedData)?;
    shape::check(&types, primary)?;
    // Nothing but the domain would be hashed.
    if primary == "EIP712Domain" {
        return Err(Fault::NotTypedData);
    }
    let typed: TypedData = serde_json::from_value(tree).map_err(|_| Fault::NotTypedData)?;
    check_domain(&typed, types.contains_key("EIP712Domain"))?;
    Ok(typed)
}

/// Wallets hash the domain by its declared type; the library by the members that are there. Both must be the same. Where
/// none is declared, the members are what is hashed, as by ethers and viem, and what is shown.
fn check_domain(typed: &TypedData, is_declared: bool) -> Result<(), Fault> {
    let declared = typed.resolver.encode_type("EIP712Domain");
    if !is_declared || declared.is_ok_and(|declared| declared == typed.domain.encode_type()) {
        Ok(())
    } else {
        Err(Fault::Domain)
    }
}

pub(super) fn inspect(payload: &Payload, key: &Key) -> Result<Inspection, Unreadable> {
    let typed = read(payload.bytes())?;
    let value = typed.coerce().map_err(|_| Fault::Mismatch)?;
    let (domain_hash, message_hash) =
        (typed.domain.separator(), typed.hash_struct().map_err(|_| Fault::Mismatch)?);
    let bytes = [b"\x19\x01".as_slice(), domain_hash.as_slice(), message_hash.as_slice()].concat();
    let signing = signing(key, payload.kind(), Prehash::Keccak256, bytes)?;
    let mut gathered = Gathered::default();
    let encoded_type = typed.encode_type().map_err(|_| Fault::Mismatch)?;
    let meaning = permit::read(&mut gathered, &typed.domain, account::of_key(key), &encoded_type, &value);
    if meaning.is_none() {
        gathered.dangers.insert(Danger::UnknownTypedData);
    }
    if typed.domain.chain_id.is_none_or(|id| id.is_zero()) {
        gathered.dangers.insert(Danger::AnyChain);
    }
    let facts = TypedDataFacts {
        signer: account::address(key).unwrap_or_default(),
        domain: domain(&typed),
        primary_type: typed.primary_type.clone(),
        encoded_type,
        message: shown(&value),
        meaning,
        domain_hash: account::hex(domain_hash.as_slice()),
        message_hash: account::hex(message_hash.as_slice()),
    };
    let facts = Facts {
        outflows: gathered.outflows,
        allowances: gathered.allowances,
        fee_max: None,
        dangers: gathered.dangers,
        detail: Detail::EvmTypedData(Box::new(facts)),
    };
    Ok(Inspection { kind: payload.kind(), signings: vec![signing], facts })
}

fn domain(typed: &TypedData) -> Domain {
    let domain = &typed.domain;
    Domain {
        name: domain.name.as_ref().map(ToString::to_string),
        version: domain.version.as_ref().map(ToString::to_string),
        chain_id: domain.chain_id.map(Amount::wide),
        verifying_contract: domain.verifying_contract.as_ref().map(account::text),
        salt: domain.salt.map(|salt| account::hex(salt.as_slice())),
    }
}

fn shown(value: &DynSolValue) -> Value {
    match value {
        DynSolValue::Bool(bit) => json!(bit),
        DynSolValue::Int(number, _) => json!(number.to_string()),
        DynSolValue::Uint(number, _) => json!(U256::to_string(number)),
        DynSolValue::FixedBytes(word, size) => json!(account::hex(word.get(..*size).unwrap_or_default())),
        DynSolValue::Address(address) => json!(account::text(address)),
        DynSolValue::Function(function) => json!(account::hex(function.as_slice())),
        DynSolValue::Bytes(bytes) => json!(account::hex(bytes)),
        DynSolValue::String(text) => json!(text),
        DynSolValue::Array(list) | DynSolValue::FixedArray(list) | DynSolValue::Tuple(list) => {
            list.iter().map(shown).collect()
        }
        DynSolValue::CustomStruct { prop_names, tuple, .. } => {
            prop_names.iter().cloned().zip(tuple.iter().map(shown)).collect::<Map<_, _>>().into()
        }
    }
}
