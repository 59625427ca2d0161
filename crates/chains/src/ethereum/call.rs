//! One call, down to the calls inside it.

use std::collections::BTreeSet;

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use alloy_sol_types::abi::AbiDecoderConfig;
use serde::Serialize;

use super::{account, batch, token};
use crate::facts::{Allowance, Amount, Asset, Danger, Outflow};

/// The most calls that are read in one payload. Whoever nests more is opaque.
pub const CALLS_MAX: usize = 64;

/// The deepest nesting of calls that is read. Deeper ones are opaque.
pub const DEPTH_MAX: usize = 4;

/// The most memory, in bytes, that decoding one call may take.
const MEMORY_MAX: usize = 4 << 20;

/// A call, as its calldata tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Who calls: the account whose rights the call has.
    pub from: String,
    /// Who is called.
    pub to: String,
    /// Whose code and whose account.
    pub how: How,
    /// Wei that go along.
    pub value: Amount,
    /// The first four bytes of the calldata; `None`: there are fewer.
    pub selector: Option<String>,
    /// The length of the calldata, in bytes.
    pub length: usize,
    /// Keccak-256 of the calldata.
    pub calldata_hash: String,
    /// What it says.
    pub meaning: Meaning,
}

/// How a call runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The callee's code on the callee's account.
    Call,
    /// The callee's code on the *caller's* account: it may do there what it likes.
    Delegatecall,
    /// A contract calls itself on behalf of the one who called it.
    Itself,
}

/// What calldata says. Names of methods are those of their standards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Meaning {
    /// No calldata: coins go to an account.
    Send,
    /// Moves of tokens: see the outflows.
    TokenTransfer,
    /// Rights to tokens: see the allowances.
    TokenAllowance,
    /// A Safe's `execTransaction`, or its typed data.
    SafeTransaction {
        /// As it is in the payload: 0 call, 1 delegatecall. Others do not exist.
        operation: u8,
        /// What the Safe pays for each unit of gas; 0: nothing is paid back.
        gas_price: Amount,
        /// Who gets that; the zero address: who sends the transaction.
        refund_receiver: String,
        /// What the Safe does.
        call: Box<Call>,
    },
    /// Several calls in one.
    Batch {
        /// In their order.
        calls: Vec<Call>,
    },
    /// Not understood.
    Opaque,
}

/// What is gathered on the way down.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub outflows: Vec<Outflow>,
    pub allowances: Vec<Allowance>,
    pub dangers: BTreeSet<Danger>,
    calls: usize,
}

/// A call before it is read.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    pub from: Address,
    pub to: Address,
    pub how: How,
    pub value: U256,
    pub calldata: &'a [u8],
    /// How many calls this one is inside of.
    pub depth: usize,
}

impl Gathered {
    /// Reads a call and all that is inside.
    pub(super) fn read(&mut self, raw: Raw<'_>) -> Call {
        self.calls = self.calls.saturating_add(1);
        if raw.how == How::Delegatecall {
            self.dangers.insert(Danger::Delegatecall);
        }
        // A delegatecall moves no coins, and inside of a contract's own calls they have moved already.
        if raw.how == How::Call && !raw.value.is_zero() {
            self.outflows.push(Outflow {
                from: Some(account::text(&raw.from)),
                to: account::text(&raw.to),
                asset: Asset::Native,
                amount: Amount::wide(raw.value),
            });
        }
        let meaning = self.meaning(raw).unwrap_or_else(|| {
            self.dangers.insert(Danger::Opaque);
            Meaning::Opaque
        });
        Call {
            from: account::text(&raw.from),
            to: account::text(&raw.to),
            how: raw.how,
            value: Amount::wide(raw.value),
            selector: raw.calldata.get(..4).map(account::hex),
            length: raw.calldata.len(),
            calldata_hash: account::hash(raw.calldata),
            meaning,
        }
    }

    /// Whether no further call is read.
    pub(super) const fn is_full(&self) -> bool {
        self.calls >= CALLS_MAX
    }

    /// `None`: not understood.
    fn meaning(&mut self, raw: Raw<'_>) -> Option<Meaning> {
        if self.calls > CALLS_MAX || raw.depth > DEPTH_MAX {
            return None;
        }
        match raw.how {
            // Whatever it is called, it runs as the caller. Only a list of calls can be looked into, and only on the word of
            // whoever is called; that it is a delegatecall stays a danger.
            How::Delegatecall => batch::multi_send(self, raw),
            How::Call | How::Itself if raw.calldata.is_empty() => Some(Meaning::Send),
            How::Call | How::Itself => token::read(self, raw).or_else(|| batch::read(self, raw)),
        }
    }
}

/// The arguments, if the calldata is the strict encoding of this call: no gap, overlap, dirty or trailing byte.
pub(super) fn arguments<C: SolCall>(calldata: &[u8]) -> Option<C> {
    let config = AbiDecoderConfig::new().strict(true).memory_limit(MEMORY_MAX).recursion_limit(8);
    C::abi_decode_raw_with_config(calldata.strip_prefix(&C::SELECTOR)?, config).ok()
}

/// Whether an allowance is as good as everything.
pub(super) fn is_unlimited(amount: U256) -> bool {
    let bits = amount.bit_len();
    bits > 128 || (bits >= 96 && amount.count_ones() == bits)
}

#[cfg(test)]
mod tests {
    use super::is_unlimited;
    use alloy_primitives::U256;

    #[test]
    fn all_ones_from_96_bits_and_all_above_128_bits_are_unlimited() {
        let ones = |bits: usize| (U256::ONE << bits) - U256::ONE;
        assert!([96, 112, 128, 160, 255].into_iter().all(|bits| is_unlimited(ones(bits))));
        assert!(is_unlimited(U256::MAX) && is_unlimited(U256::ONE << 128));
        assert!(!is_unlimited(ones(95)) && !is_unlimited(U256::ONE << 127) && !is_unlimited(U256::ZERO));
    }
}
