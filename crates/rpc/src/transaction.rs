//! A transaction as an application asks for it: read strictly, and with gaps that are filled later.

mod read;
mod shown;

use alloy_consensus::{EthereumTypedTransaction, SignableTransaction, TxEip1559, TxEip2930, TxEip4844};
use alloy_consensus::{TxEip7702, TxLegacy};
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};

pub use read::check_chain;
pub use shown::{digits, quantity, shown, shown_authorisations, shown_list};

/// Gas of one blob, EIP-4844.
const GAS_PER_BLOB: u64 = 1 << 17;

/// What an application wants to be sent or signed. A value that exists does not contradict itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Whose.
    pub from: Address,
    /// To whom; `None`: a contract is created.
    pub to: Option<Address>,
    /// Wei that go along.
    pub value: U256,
    /// Calldata, or the code that creates a contract.
    pub input: Bytes,
    /// Its place; `None`: the next one.
    pub nonce: Option<u64>,
    /// The most gas; `None`: as estimated.
    pub gas: Option<u64>,
    /// The price before EIP-1559.
    pub gas_price: Option<u128>,
    /// The most for each unit of gas.
    pub max_fee: Option<u128>,
    /// The most of it for the proposer.
    pub tip: Option<u128>,
    /// The most for each unit of gas of blobs.
    pub blob_fee: Option<u128>,
    /// EIP-2930.
    pub access_list: Option<AccessList>,
    /// EIP-4844.
    pub blobs: Vec<B256>,
    /// EIP-7702.
    pub authorisations: Vec<SignedAuthorization>,
    /// The type of EIP-2718, if the fields or the application say one; `None`: 2 where the chain has EIP-1559, else 0.
    pub kind: Option<u8>,
}

/// What is paid for each unit of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fees {
    /// One price, before EIP-1559.
    Price(u128),
    /// EIP-1559, and for blobs EIP-4844.
    Market {
        /// The most.
        max: u128,
        /// The most of it for the proposer.
        tip: u128,
        /// The most for each unit of gas of blobs; 0 without blobs.
        blob: u128,
    },
}

/// A transaction that lacks nothing but its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// The rest of it.
    pub draft: Draft,
    /// The type of EIP-2718.
    pub kind: u8,
    /// The most gas.
    pub gas: u64,
    /// The price.
    pub fees: Fees,
}

impl Priced {
    /// The most that it can cost beside its value.
    pub fn fee_max(&self) -> U256 {
        let product = |units: u64, price: u128| U256::from(units).saturating_mul(U256::from(price));
        match self.fees {
            Fees::Price(price) => product(self.gas, price),
            Fees::Market { max, blob, .. } => {
                let blobs = u64::try_from(self.draft.blobs.len()).unwrap_or(u64::MAX);
                product(self.gas, max).saturating_add(product(blobs.saturating_mul(GAS_PER_BLOB), blob))
            }
        }
    }

    /// The bytes whose hash is signed.
    pub fn unsigned(&self, chain_id: u64, nonce: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.typed(chain_id, nonce).encode_for_signing(&mut bytes);
        bytes
    }

    fn typed(&self, chain_id: u64, nonce: u64) -> EthereumTypedTransaction<TxEip4844> {
        let Draft { value, input, .. } = self.draft.clone();
        let gas_limit = self.gas;
        let called = self.draft.to.unwrap_or_default();
        let to = self.draft.to.map_or(TxKind::Create, TxKind::Call);
        let access_list = self.draft.access_list.clone().unwrap_or_default();
        let (max_fee_per_gas, max_priority_fee_per_gas, max_fee_per_blob_gas) = match self.fees {
            Fees::Price(price) => (price, price, 0),
            Fees::Market { max, tip, blob } => (max, tip, blob),
        };
        let gas_price = max_fee_per_gas;
        match self.kind {
            0 => TxLegacy { chain_id: Some(chain_id), nonce, gas_price, gas_limit, to, value, input }.into(),
            1 => TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input }.into(),
            3 => TxEip4844 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to: called,
                value,
                access_list,
                blob_versioned_hashes: self.draft.blobs.clone(),
                max_fee_per_blob_gas,
                input,
            }
            .into(),
            4 => TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to: called,
                value,
                access_list,
                authorization_list: self.draft.authorisations.clone(),
                input,
            }
            .into(),
            _ => TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to,
                value,
                access_list,
                input,
            }
            .into(),
        }
    }
}

#[cfg(test)]
mod tests;
