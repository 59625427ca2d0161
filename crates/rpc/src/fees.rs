//! Fills what a transaction lacks, by the node behind: its gas and its price.

use alloy_primitives::U256;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::codes;
use crate::downstream::{Downstream, Unanswered};
use crate::refusal::{INTERNAL, METHOD_NOT_FOUND, Refusal, TRANSACTION_REJECTED};
use crate::transaction::{Draft, Fees, Priced, digits, quantity, shown_authorisations, shown_list};

/// The base fee can double within six blocks; after that the transaction waits.
const BASE_TIMES: u128 = 2;
/// What proposers get where nobody knows what they want: one gwei.
const TIP: u128 = 1_000_000_000;
/// The most wei that a filler may cost: a hundredth of an ether.
const FILLER_MAX: u128 = 10_000_000_000_000_000;
/// All that a filler needs; with no more than that, it runs no code.
pub const FILLER_GAS: u64 = 21_000;

/// The most that a transaction may cost, in wei. `None` is no limit.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// All of it, beside its value.
    pub fee: Option<u128>,
    /// Each unit of gas, where the price comes from the node behind.
    pub price: Option<u128>,
    /// What is paid whole of that, and to whom a lying node may be close: a tip, or a price before EIP-1559. A base fee is no
    /// measure for it, since that is of the node as well. What exceeds the real one of a price comes back.
    pub tip: Option<u128>,
}

impl Bounds {
    /// For transactions that do nothing.
    pub fn of_filler(self) -> Self {
        Self { fee: Some(self.fee.map_or(FILLER_MAX, |most| most.min(FILLER_MAX))), ..self }
    }

    /// A price of the node behind, if it is not too high.
    fn check(self, price: u128) -> Result<u128, Refusal> {
        not_above(price, self.price, "price_max")
    }

    /// A price of the node behind that is paid whole, if it is not too high.
    fn check_whole(self, price: u128) -> Result<u128, Refusal> {
        let refusal = |refusal: Refusal| {
            let help =
                "a price before EIP-1559 is paid whole: leave the type out, say a `gasPrice`, or allow more";
            refusal.with("help", help)
        };
        not_above(self.check(price)?, self.tip, "tip_max").map_err(refusal)
    }
}

fn not_above(price: u128, most: Option<u128>, key: &str) -> Result<u128, Refusal> {
    match most {
        Some(most) if price > most => {
            let what = format!(
                "the node behind asks {price} wei for each unit of gas, and at most {most} are allowed by `{key}`"
            );
            Err(Refusal::new(TRANSACTION_REJECTED, codes::FEE_TOO_HIGH, what))
        }
        _ => Ok(price),
    }
}

/// Only what is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    #[serde(default)]
    base_fee_per_gas: Option<String>,
}

/// The transaction with its gas and price, within bounds.
pub async fn price(node: &Downstream, draft: Draft, bounds: Bounds) -> Result<Priced, Refusal> {
    let (fees, gas) = tokio::join!(fees(node, &draft, bounds), gas(node, &draft));
    let ((kind, fees), gas) = (fees?, gas?);
    let priced = Priced { draft, kind, gas, fees };
    let cost = priced.fee_max();
    match bounds.fee {
        Some(most) if cost > U256::from(most) => {
            let what = format!("the fee may be {cost} wei, and at most {most} are allowed by `fee_max`");
            Err(Refusal::new(TRANSACTION_REJECTED, codes::FEE_TOO_HIGH, what))
        }
        _ if priced.draft.value.checked_add(cost).is_none() => {
            Err(Refusal::field("value", "overflows 256 bits, together with the fee"))
        }
        _ => Ok(priced),
    }
}

async fn gas(node: &Downstream, draft: &Draft) -> Result<u64, Refusal> {
    if let Some(gas) = draft.gas {
        return Ok(gas);
    }
    let estimated = node.number("eth_estimateGas", json!([call(draft)])).await?;
    estimated.try_into().map_err(|_| odd("its estimate of gas is too large"))
}

/// What is to be estimated. The price is left out: with one, nodes look at the balance too, and say less.
fn call(draft: &Draft) -> Value {
    let mut call = Map::new();
    let mut put = |name: &str, value: Value| drop(call.insert(name.to_owned(), value));
    put("from", digits(draft.from).into());
    put("value", quantity(draft.value));
    put("input", digits(&draft.input).into());
    if let Some(to) = draft.to {
        put("to", digits(to).into());
    }
    if let Some(list) = &draft.access_list {
        put("accessList", shown_list(list));
    }
    if !draft.authorisations.is_empty() {
        put("authorizationList", shown_authorisations(&draft.authorisations));
    }
    call.into()
}

/// The type, and the price.
async fn fees(node: &Downstream, draft: &Draft, bounds: Bounds) -> Result<(u8, Fees), Refusal> {
    if let (Some(kind @ (0 | 1)), Some(price)) = (draft.kind, draft.gas_price) {
        return Ok((kind, Fees::Price(price)));
    }
    if let Some(kind @ (0 | 1)) = draft.kind {
        return Ok((kind, Fees::Price(bounds.check_whole(gas_price(node).await?)?)));
    }
    let blob = if draft.kind == Some(3) { draft.blob_fee } else { Some(0) };
    if let (Some(kind), Some(max), Some(tip), Some(blob)) = (draft.kind, draft.max_fee, draft.tip, blob) {
        return Ok((kind, Fees::Market { max, tip, blob }));
    }
    let (base, tip, blob) = tokio::join!(base_fee(node), tip(node, draft), blob_fee(node, draft));
    let Some(base) = base? else {
        return match draft.kind {
            None => Ok((0, Fees::Price(bounds.check_whole(gas_price(node).await?)?))),
            Some(_) => Err(Refusal::field("type", "is of EIP-1559, which this chain does not have")),
        };
    };
    let (tip, blob) = (tip?, blob?);
    // What the application has said holds; what we found bows to it, and to what is usual.
    let blob = if draft.blob_fee.is_some() { blob } else { bounds.check(blob)? };
    let tip = draft.tip.unwrap_or(bounds.tip.map_or(tip, |most| tip.min(most)));
    let max = match draft.max_fee {
        Some(max) => max,
        None => bounds.check(base.saturating_mul(BASE_TIMES).saturating_add(tip))?,
    };
    let tip = draft.tip.unwrap_or(tip.min(max));
    Ok((draft.kind.unwrap_or(2), Fees::Market { max, tip, blob }))
}

async fn gas_price(node: &Downstream) -> Result<u128, Refusal> {
    let price = node.number("eth_gasPrice", json!([])).await?;
    price.try_into().map_err(|_| odd("its price of gas is too large"))
}

/// The base fee of the latest block. `None` before EIP-1559.
async fn base_fee(node: &Downstream) -> Result<Option<u128>, Refusal> {
    let raw = node.ask("eth_getBlockByNumber", json!(["latest", false])).await?;
    let block: Block = serde_json::from_str(raw.get()).map_err(|_| odd("its latest block is none"))?;
    let Some(text) = block.base_fee_per_gas else { return Ok(None) };
    let digits = text.strip_prefix("0x").ok_or_else(|| odd("its base fee is no number"))?;
    u128::from_str_radix(digits, 16).map(Some).map_err(|_| odd("its base fee is no number"))
}

/// What proposers get at present.
async fn tip(node: &Downstream, draft: &Draft) -> Result<u128, Refusal> {
    if let Some(tip) = draft.tip {
        return Ok(tip);
    }
    match node.number("eth_maxPriorityFeePerGas", json!([])).await {
        Ok(tip) => tip.try_into().map_err(|_| odd("its priority fee is too large")),
        // Not every node has the method.
        Err(Unanswered::Refused { number: METHOD_NOT_FOUND, .. }) => Ok(TIP),
        Err(error) => Err(error.into()),
    }
}

async fn blob_fee(node: &Downstream, draft: &Draft) -> Result<u128, Refusal> {
    if draft.kind != Some(3) {
        return Ok(0);
    }
    if let Some(fee) = draft.blob_fee {
        return Ok(fee);
    }
    let base = node.number("eth_blobBaseFee", json!([])).await?;
    let base: u128 = base.try_into().map_err(|_| odd("its base fee of blobs is too large"))?;
    Ok(base.saturating_mul(BASE_TIMES))
}

fn odd(what: &str) -> Refusal {
    Refusal::new(INTERNAL, codes::SILENT, format!("the node behind the signer makes no sense: {what}"))
}
