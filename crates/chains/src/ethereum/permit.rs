//! Typed data whose type is known: a Safe's transaction, and permits to take tokens.
//!
//! A type is known by its whole `encodeType` string, so a struct of the same name with other members is not.

use alloy_dyn_abi::DynSolValue;
use alloy_primitives::{Address, U256};
use alloy_sol_types::{Eip712Domain, SolStruct, SolType};

use super::abi::{self, dai};
use super::batch::{self, Asked};
use super::call::{Gathered, Meaning};

/// `None`: not known, or without the contract that makes sense of it.
pub(super) fn read(
    gathered: &mut Gathered,
    domain: &Eip712Domain,
    signer: Option<Address>,
    encoded_type: &str,
    value: &DynSolValue,
) -> Option<Meaning> {
    let (contract, signer) = (domain.verifying_contract?, signer?);
    let known = Known { encoded_type, value };
    if let Some(asked) = known.as_struct::<abi::SafeTx>() {
        return safe(gathered, contract, &asked);
    }
    token(gathered, contract, &known).or_else(|| permit2(gathered, signer, &known))
}

struct Known<'a> {
    encoded_type: &'a str,
    value: &'a DynSolValue,
}

impl Known<'_> {
    /// The value as this struct, if it has exactly its type.
    fn as_struct<S: SolStruct>(&self) -> Option<S> {
        if S::eip712_encode_type() != self.encoded_type {
            return None;
        }
        <S as SolType>::abi_decode(&self.value.abi_encode()).ok()
    }
}

fn safe(gathered: &mut Gathered, safe: Address, asked: &abi::SafeTx) -> Option<Meaning> {
    let asked = Asked {
        safe,
        to: asked.to,
        value: asked.value,
        calldata: &asked.data,
        operation: asked.operation,
        gas_price: asked.gasPrice,
        refund_receiver: asked.refundReceiver,
    };
    batch::safe(gathered, &asked, 0)
}

/// ERC-2612 and DAI: the token is who checks the signature.
fn token(gathered: &mut Gathered, token: Address, known: &Known<'_>) -> Option<Meaning> {
    if let Some(permit) = known.as_struct::<abi::Permit>() {
        return Some(gathered.allows(permit.owner, permit.spender, token, Some(permit.value)));
    }
    let permit = known.as_struct::<dai::Permit>()?;
    let amount = if permit.allowed { None } else { Some(U256::ZERO) };
    Some(gathered.allows(permit.holder, permit.spender, token, amount))
}

/// Permit2: the signer's tokens, any of them.
fn permit2(gathered: &mut Gathered, signer: Address, known: &Known<'_>) -> Option<Meaning> {
    let (spender, tokens) = if let Some(permit) = known.as_struct::<abi::PermitSingle>() {
        (permit.spender, vec![(permit.details.token, permit.details.amount.to())])
    } else if let Some(permit) = known.as_struct::<abi::PermitBatch>() {
        let each = permit.details.iter().map(|one| (one.token, one.amount.to()));
        (permit.spender, each.collect())
    } else if let Some(permit) = known.as_struct::<abi::PermitTransferFrom>() {
        (permit.spender, vec![(permit.permitted.token, permit.permitted.amount)])
    } else {
        let permit = known.as_struct::<abi::PermitBatchTransferFrom>()?;
        (permit.spender, permit.permitted.iter().map(|one| (one.token, one.amount)).collect())
    };
    for (token, amount) in tokens {
        gathered.allows(signer, spender, token, Some(amount));
    }
    Some(Meaning::TokenAllowance)
}
