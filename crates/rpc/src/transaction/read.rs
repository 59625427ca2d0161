//! From JSON. A field that is not known, is there twice, has two spellings or stands against another is refused.

use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, Bytes, U256};
use serde_json::value::RawValue;

use super::Draft;
use crate::codes;
use crate::fields::{self, Fields};
use crate::refusal::{INVALID_PARAMS, Refusal};

/// The name of the object itself in a refusal.
const WHOLE: &str = "transaction";

impl Draft {
    /// Reads what an application sends, for this chain.
    pub fn read(raw: &RawValue, chain_id: u64) -> Result<Self, Refusal> {
        let mut fields = Fields::of(WHOLE, raw)?;
        check_chain("chainId", fields.read("chainId", fields::quantity)?, chain_id)?;
        let mut draft = Self {
            from: fields.must_have("from", fields::account)?,
            to: fields.read("to", fields::account)?,
            value: fields.read("value", fields::quantity)?.unwrap_or_default(),
            input: input(&mut fields)?,
            nonce: fields.read("nonce", fields::word)?,
            gas: fields.read("gas", fields::word)?,
            gas_price: fields.read("gasPrice", fields::price)?,
            max_fee: fields.read("maxFeePerGas", fields::price)?,
            tip: fields.read("maxPriorityFeePerGas", fields::price)?,
            blob_fee: fields.read("maxFeePerBlobGas", fields::price)?,
            access_list: fields.read("accessList", access_list)?,
            blobs: fields
                .read("blobVersionedHashes", |name, raw| each(name, raw, fields::digest))?
                .unwrap_or_default(),
            authorisations: fields
                .read("authorizationList", |name, raw| each(name, raw, authorisation))?
                .unwrap_or_default(),
            kind: None,
        };
        let said = fields.read("type", fields::quantity)?;
        fields.done()?;
        draft.kind = draft.check_kind(said)?;
        draft.check()?;
        Ok(draft)
    }

    /// The type that the fields stand for, which must be the one that was said.
    fn check_kind(&self, said: Option<U256>) -> Result<Option<u8>, Refusal> {
        let said = match said {
            None => None,
            Some(number) => match u8::try_from(number) {
                Ok(kind @ 0..=4) => Some(kind),
                _ => return Err(Refusal::field("type", "is no type of transactions that is known here")),
            },
        };
        let is_market = self.max_fee.is_some() || self.tip.is_some();
        if self.gas_price.is_some() && is_market {
            return Err(Refusal::field("gasPrice", "stands against the fees of EIP-1559 beside it"));
        }
        let found = if !self.authorisations.is_empty() {
            Some(4)
        } else if !self.blobs.is_empty() || self.blob_fee.is_some() {
            Some(3)
        } else if is_market {
            Some(2)
        } else if self.gas_price.is_some() {
            Some(u8::from(self.access_list.is_some()))
        } else {
            self.access_list.as_ref().map(|_| 2)
        };
        let fits = match (said, found) {
            (None, _) | (_, None) => true,
            // A price fits both types before EIP-1559, and an access list alone all but the first.
            (Some(1), Some(0)) => true,
            (Some(1), Some(2)) => !is_market,
            // Fields that all later types have do not say which of them it is.
            (Some(3 | 4), Some(2)) => true,
            (Some(said), Some(found)) => said == found,
        };
        if fits { Ok(said.or(found)) } else { Err(Refusal::field("type", "stands against the other fields")) }
    }

    fn check(&self) -> Result<(), Refusal> {
        let kind = self.kind;
        if matches!(kind, Some(3 | 4)) && self.to.is_none() {
            return Err(Refusal::field(
                "to",
                "is missing, and a transaction of this type creates no contract",
            ));
        }
        if kind == Some(3) && self.blobs.is_empty() {
            return Err(Refusal::field(
                "blobVersionedHashes",
                "is missing or empty in a transaction for blobs",
            ));
        }
        if kind == Some(4) && self.authorisations.is_empty() {
            return Err(Refusal::field(
                "authorizationList",
                "is missing or empty in a transaction of type 4",
            ));
        }
        if self.to.is_none() && self.input.is_empty() {
            return Err(Refusal::field(
                "to",
                "is missing, and there is no code that would create a contract",
            ));
        }
        if let (Some(max), Some(tip)) = (self.max_fee, self.tip)
            && tip > max
        {
            return Err(Refusal::field("maxPriorityFeePerGas", "is more than `maxFeePerGas`"));
        }
        // EIP-2681.
        if self.nonce == Some(u64::MAX) {
            return Err(Refusal::field("nonce", "is one more than an account may have"));
        }
        Ok(())
    }
}

/// That something is for our chain, if it says for which.
pub fn check_chain(name: &str, given: Option<U256>, ours: u64) -> Result<(), Refusal> {
    match given {
        Some(id) if id != U256::from(ours) => {
            let what = format!("`{name}` is {id}, and this signer is for chain {ours}");
            Err(Refusal::new(INVALID_PARAMS, codes::WRONG_CHAIN, what).with("field", name))
        }
        _ => Ok(()),
    }
}

/// `input`, or `data` as it was called before.
fn input(fields: &mut Fields) -> Result<Bytes, Refusal> {
    let input = fields.read("input", fields::bytes)?;
    let old = fields.read("data", fields::bytes)?;
    match (input, old) {
        (Some(input), Some(old)) if input != old => {
            Err(Refusal::field("data", "is something else than `input`"))
        }
        (Some(bytes), _) | (None, Some(bytes)) => Ok(bytes),
        (None, None) => Ok(Bytes::new()),
    }
}

fn each<T>(
    name: &str,
    raw: &RawValue,
    read: impl Fn(&str, &RawValue) -> Result<T, Refusal>,
) -> Result<Vec<T>, Refusal> {
    let items = fields::list(name, raw)?;
    items.iter().enumerate().map(|(place, item)| read(&format!("{name}[{place}]"), item)).collect()
}

fn access_list(name: &str, raw: &RawValue) -> Result<AccessList, Refusal> {
    each(name, raw, |place, raw| {
        let mut fields = Fields::within(place, raw)?;
        let address = fields.must_have("address", fields::account)?;
        let storage_keys = fields.must_have("storageKeys", |name, raw| each(name, raw, fields::digest))?;
        fields.done()?;
        Ok(AccessListItem { address, storage_keys })
    })
    .map(AccessList)
}

fn authorisation(place: &str, raw: &RawValue) -> Result<SignedAuthorization, Refusal> {
    let mut fields = Fields::within(place, raw)?;
    let chain_id = fields.must_have("chainId", fields::quantity)?;
    let address: Address = fields.must_have("address", fields::account)?;
    let nonce = fields.must_have("nonce", fields::word)?;
    let (r, s) = (fields.must_have("r", fields::quantity)?, fields.must_have("s", fields::quantity)?);
    let parity = fields.read("yParity", fields::word)?;
    // Some libraries write both, in the way of older signatures.
    let older = fields.read("v", fields::word)?.map(|v| if v >= 27 { v - 27 } else { v });
    let name = fields.name("yParity");
    fields.done()?;
    let parity = match (parity, older) {
        (Some(parity), Some(older)) if parity != older => {
            return Err(Refusal::field(&name, "is something else than `v`"));
        }
        (Some(parity), _) | (None, Some(parity)) => parity,
        (None, None) => return Err(Refusal::field(&name, "is missing")),
    };
    if parity > 1 {
        return Err(Refusal::field(&name, "is neither 0 nor 1"));
    }
    let inner = Authorization { chain_id, address, nonce };
    Ok(SignedAuthorization::new_unchecked(inner, u8::from(parity == 1), r, s))
}
