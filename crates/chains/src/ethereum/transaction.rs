//! Transactions: the unsigned bytes, what they say, and the signed bytes.

use alloy_consensus::{EthereumTypedTransaction, SignableTransaction, Transaction, TxEip4844};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, TxKind, U256};
use serde::Serialize;

use super::call::{Call, Gathered, How, Raw};
use super::{Fault, account};
use crate::chain::Detail;
use crate::facts::{Amount, Asset, Danger, Facts, Outflow};
use crate::inspection::{Inspection, Prehash, Unreadable};
use crate::key::Key;
use crate::payload::Payload;
use crate::plain::signing;

/// The most authorisations of EIP-7702 in one transaction: each costs a recovery.
pub const AUTHORISATIONS_MAX: usize = 16;

type Unsigned = EthereumTypedTransaction<TxEip4844>;

/// What a transaction says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransactionFacts {
    /// The type of EIP-2718: 0 to 4.
    pub transaction_type: u8,
    /// The chain; `None`: a legacy transaction for every chain.
    pub chain_id: Option<u64>,
    /// Whose.
    pub from: String,
    /// To whom; `None`: a contract is created.
    pub to: Option<String>,
    /// Its place in the order of this account's transactions.
    pub nonce: u64,
    /// Wei that go along.
    pub value: Amount,
    /// The most gas it may use.
    pub gas_limit: u64,
    /// The most wei for each unit of gas.
    pub max_fee_per_gas: Amount,
    /// The most wei for each unit of gas that go to the proposer; `None` before EIP-1559.
    pub max_priority_fee_per_gas: Option<Amount>,
    /// The number of entries in the access list.
    pub access_list: usize,
    /// The number of blobs.
    pub blobs: usize,
    /// What is called; `None`: a contract is created.
    pub call: Option<Call>,
    /// Keccak-256 of the code that creates a contract.
    pub creation_hash: Option<String>,
    /// Accounts that get code.
    pub authorisations: Vec<Authorisation>,
}

/// An authorisation of EIP-7702 inside a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Authorisation {
    /// The chain it is for; 0: all.
    pub chain_id: Amount,
    /// The code the account gets; the zero address takes it away again.
    pub delegate: String,
    /// The nonce at which it is good.
    pub nonce: u64,
    /// The account; `None`: the signature is nobody's, and the chain passes over it.
    pub authority: Option<String>,
}

/// The transaction in these bytes, if they are exactly what would be signed.
fn read(bytes: &[u8]) -> Result<Unsigned, Fault> {
    let transaction = Unsigned::decode_unsigned(&mut &*bytes).map_err(|_| Fault::NotATransaction)?;
    let mut again = Vec::with_capacity(bytes.len());
    transaction.encode_for_signing(&mut again);
    if again == bytes { Ok(transaction) } else { Err(Fault::NotCanonical) }
}

pub(super) fn inspect(payload: &Payload, key: &Key) -> Result<Inspection, Unreadable> {
    let transaction = read(payload.bytes())?;
    if transaction.chain_id() == Some(0) {
        return Err(Fault::NoChain.into());
    }
    let signing = signing(key, payload.kind(), Prehash::Keccak256, payload.bytes().to_vec())?;
    let from = account::of_key(key)
        .ok_or(Unreadable::WrongScheme { scheme: key.scheme(), kind: payload.kind().name() })?;
    let mut gathered = Gathered::default();
    let (call, creation_hash) = body(&transaction, from, &mut gathered);
    let authorisations = authorisations(&transaction, &mut gathered)?;
    if transaction.chain_id().is_none() {
        gathered.dangers.insert(Danger::AnyChain);
    }
    let blobs = transaction.blob_versioned_hashes();
    if blobs.is_some_and(<[_]>::is_empty) {
        return Err(Fault::NoBlobs.into());
    }
    let facts = TransactionFacts {
        transaction_type: transaction.tx_type() as u8,
        chain_id: transaction.chain_id(),
        from: account::text(&from),
        to: transaction.to().as_ref().map(account::text),
        nonce: transaction.nonce(),
        value: Amount::wide(transaction.value()),
        gas_limit: transaction.gas_limit(),
        max_fee_per_gas: transaction.max_fee_per_gas().into(),
        max_priority_fee_per_gas: transaction.max_priority_fee_per_gas().map(Amount::from),
        access_list: transaction.access_list().map_or(0, |list| list.len()),
        blobs: blobs.map_or(0, <[_]>::len),
        call,
        creation_hash,
        authorisations,
    };
    let facts = Facts {
        outflows: gathered.outflows,
        allowances: gathered.allowances,
        fee_max: Some(fee_max(&transaction).ok_or(Fault::Fees)?),
        dangers: gathered.dangers,
        detail: Detail::EvmTx(Box::new(facts)),
    };
    Ok(Inspection { kind: payload.kind(), signings: vec![signing], facts })
}

/// The call in it, or the hash of the code that makes a contract.
fn body(transaction: &Unsigned, from: Address, gathered: &mut Gathered) -> (Option<Call>, Option<String>) {
    let (value, calldata) = (transaction.value(), transaction.input().as_ref());
    match transaction.kind() {
        TxKind::Call(to) => {
            let raw = Raw { from, to, how: How::Call, value, calldata, depth: 0 };
            (Some(gathered.read(raw)), None)
        }
        TxKind::Create => {
            gathered.dangers.insert(Danger::Creation);
            if !value.is_zero() {
                gathered.outflows.push(Outflow {
                    from: Some(account::text(&from)),
                    to: account::text(&from.create(transaction.nonce())),
                    asset: Asset::Native,
                    amount: Amount::wide(value),
                });
            }
            (None, Some(account::hash(calldata)))
        }
    }
}

fn authorisations(transaction: &Unsigned, gathered: &mut Gathered) -> Result<Vec<Authorisation>, Fault> {
    let Some(list) = transaction.authorization_list() else { return Ok(Vec::new()) };
    if list.is_empty() || list.len() > AUTHORISATIONS_MAX {
        return Err(Fault::Authorisations(list.len()));
    }
    gathered.dangers.insert(Danger::Authorisation);
    if list.iter().any(|one| one.chain_id().is_zero()) {
        gathered.dangers.insert(Danger::AuthorisationOnAnyChain);
    }
    Ok(list.iter().map(authorisation).collect())
}

fn authorisation(signed: &SignedAuthorization) -> Authorisation {
    let authority = signed
        .signature()
        .ok()
        .and_then(|signature| account::signer(&signed.inner().signature_hash(), &signature));
    Authorisation {
        chain_id: Amount::wide(*signed.chain_id()),
        delegate: account::text(signed.address()),
        nonce: signed.nonce(),
        authority: authority.as_ref().map(account::text),
    }
}

/// All gas, and all blobs, at the highest price that is offered.
fn fee_max(transaction: &Unsigned) -> Option<Amount> {
    let product = |units: u64, price: u128| U256::from(units).checked_mul(U256::from(price));
    let gas = product(transaction.gas_limit(), transaction.max_fee_per_gas())?;
    let blobs = product(
        transaction.blob_gas_used().unwrap_or_default(),
        transaction.max_fee_per_blob_gas().unwrap_or_default(),
    )?;
    gas.checked_add(blobs).map(Amount::wide)
}

/// The signed transaction: EIP-155's v in legacy ones, the parity alone in typed ones.
pub(super) fn signed(payload: &Payload, signature: alloy_primitives::Signature) -> Result<Vec<u8>, Fault> {
    Ok(read(payload.bytes())?.into_envelope(signature).encoded_2718())
}
