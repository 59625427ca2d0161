//! What a payload would do, as plain data: it becomes JSON, audit records, and the input of a policy.
//!
//! Names of fields and values never change meaning. Amounts are exact integers in the smallest unit.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::chain::Detail;

/// What can be said about a payload of any chain, and in `detail` what only its own chain can say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Facts {
    /// What leaves whom, for whom. Change that is proven to come back is not in here.
    pub outflows: Vec<Outflow>,
    /// What others may take later.
    pub allowances: Vec<Allowance>,
    /// The most that the chain can charge for it, in its own coin. `None`: nothing is charged, or it is not known.
    pub fee_max: Option<Amount>,
    /// What a policy should refuse unless a rule names it.
    pub dangers: BTreeSet<Danger>,
    /// The chain's own words.
    pub detail: Detail,
}

/// Something that leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outflow {
    /// Whose it is, as an address. `None`: this key's coins.
    pub from: Option<String>,
    /// Who gets it: an address, or where there is none the script in hexadecimal digits.
    pub to: String,
    /// What it is.
    pub asset: Asset,
    /// How much, in the smallest unit; for `Erc20OrErc721` it may be the number of one token.
    pub amount: Amount,
}

/// What something is counted in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Asset {
    /// The chain's own coin: wei, satoshi, lamport.
    Native,
    /// Units of an ERC-20 token.
    Erc20 {
        /// Its contract.
        token: String,
    },
    /// The call looks the same for ERC-20, which counts units, and ERC-721, which numbers tokens.
    Erc20OrErc721 {
        /// The contract.
        token: String,
    },
    /// One token of ERC-721.
    Erc721 {
        /// Its contract.
        token: String,
        /// Which one.
        id: Amount,
    },
    /// Units of one token of ERC-1155.
    Erc1155 {
        /// Its contract.
        token: String,
        /// Which one.
        id: Amount,
    },
}

/// Something that somebody may take later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Allowance {
    /// Whose it is.
    pub owner: String,
    /// Who may take it.
    pub spender: String,
    /// The contract that keeps it.
    pub token: String,
    /// How much, or the number of one ERC-721 token; `None`: all of it, now and later. Zero takes an allowance back.
    pub amount: Option<Amount>,
    /// Whether that is as good as everything: see [`crate::ethereum`].
    pub unlimited: bool,
}

/// What should not happen unless somebody wrote down that it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Danger {
    /// Calldata, an instruction or a script that is not understood.
    Opaque,
    /// Foreign code runs as the account itself: it can replace the wallet.
    Delegatecall,
    /// Somebody may take everything, or as good as.
    UnlimitedAllowance,
    /// EIP-7702: an account gets code.
    Authorisation,
    /// EIP-7702 for every chain at once.
    AuthorisationOnAnyChain,
    /// A contract is created.
    Creation,
    /// The signature is good on every chain.
    AnyChain,
    /// Typed data of a shape that this program does not know.
    UnknownTypedData,
    /// A message that could itself be a digest.
    DigestAsMessage,
    /// A Safe pays the caller for gas, as much as the caller says.
    GasRefund,
    /// Somebody else's coins are spent in the same transaction.
    ForeignInputs,
    /// A bare digest.
    Blind,
}

/// A whole number that may be larger than any machine word. Serialises as a decimal string.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Amount(String);

impl Amount {
    /// Decimal digits, without leading zeros.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// From a 256-bit number of a library.
    #[cfg(feature = "ethereum")]
    pub(crate) fn wide(number: alloy_primitives::U256) -> Self {
        Self(number.to_string())
    }
}

impl From<u128> for Amount {
    fn from(number: u128) -> Self {
        Self(number.to_string())
    }
}

impl From<u64> for Amount {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Amount;

    proptest::proptest! {
        #[test]
        fn amounts_are_ordered_as_numbers(one: u128, shift in 0u32..128, other: u128) {
            let (one, other) = (one >> shift, other >> (127 - shift));
            proptest::prop_assert_eq!(Amount::from(one).cmp(&Amount::from(other)), one.cmp(&other));
        }
    }
}
