//! Calls that are made of calls: a Safe's transaction, and the usual multicalls.

use alloy_primitives::{Address, U256};

use super::abi::{self, Batches, Deadlines};
use super::account::text;
use super::call::{Call, Gathered, How, Meaning, Raw, arguments};
use crate::facts::{Amount, Danger};

/// `None`: no such call.
pub(super) fn read(gathered: &mut Gathered, raw: Raw<'_>) -> Option<Meaning> {
    if let Some(call) = arguments::<abi::execTransactionCall>(raw.calldata) {
        let asked = Asked {
            safe: raw.to,
            to: call.to,
            value: call.value,
            calldata: &call.data,
            operation: call.operation,
            gas_price: call.gasPrice,
            refund_receiver: call.refundReceiver,
        };
        return safe(gathered, &asked, raw.depth);
    }
    itself(gathered, raw).or_else(|| aggregate(gathered, raw))
}

/// What a Safe is asked to do.
pub(super) struct Asked<'a> {
    pub safe: Address,
    pub to: Address,
    pub value: U256,
    pub calldata: &'a [u8],
    pub operation: u8,
    pub gas_price: U256,
    pub refund_receiver: Address,
}

/// `None`: an operation that does not exist.
pub(super) fn safe(gathered: &mut Gathered, asked: &Asked<'_>, depth: usize) -> Option<Meaning> {
    let how = operation(asked.operation)?;
    if !asked.gas_price.is_zero() {
        gathered.dangers.insert(Danger::GasRefund);
    }
    let call = gathered.read(Raw {
        from: asked.safe,
        to: asked.to,
        how,
        value: asked.value,
        calldata: asked.calldata,
        depth: depth.saturating_add(1),
    });
    Some(Meaning::SafeTransaction {
        operation: asked.operation,
        gas_price: Amount::wide(asked.gas_price),
        refund_receiver: text(&asked.refund_receiver),
        call: Box::new(call),
    })
}

const fn operation(number: u8) -> Option<How> {
    match number {
        0 => Some(How::Call),
        1 => Some(How::Delegatecall),
        _ => None,
    }
}

/// `multicall`: the contract calls itself, with the caller's rights.
fn itself(gathered: &mut Gathered, raw: Raw<'_>) -> Option<Meaning> {
    let calls = match arguments::<Batches::multicallCall>(raw.calldata) {
        Some(call) => call.calls,
        None => arguments::<Deadlines::multicallCall>(raw.calldata)?.calls,
    };
    let inner = calls.iter().map(|calldata| Raw { how: How::Itself, value: U256::ZERO, calldata, ..raw });
    gathered.batch(inner, raw.depth)
}

/// Multicall3 and its ancestors: the contract calls others, with rights of its own.
fn aggregate(gathered: &mut Gathered, raw: Raw<'_>) -> Option<Meaning> {
    let each =
        |to, value, calldata| Raw { from: raw.to, to, how: How::Call, value, calldata, depth: raw.depth };
    if let Some(call) = arguments::<abi::aggregate3Call>(raw.calldata) {
        let inner = call.calls.iter().map(|one| each(one.target, U256::ZERO, &one.callData));
        return gathered.batch(inner, raw.depth);
    }
    if let Some(call) = arguments::<abi::aggregate3ValueCall>(raw.calldata) {
        let inner = call.calls.iter().map(|one| each(one.target, one.value, &one.callData));
        return gathered.batch(inner, raw.depth);
    }
    let calls = match arguments::<Batches::aggregateCall>(raw.calldata) {
        Some(call) => call.calls,
        None => arguments::<Batches::tryAggregateCall>(raw.calldata)?.calls,
    };
    gathered.batch(calls.iter().map(|one| each(one.target, U256::ZERO, &one.callData)), raw.depth)
}

/// Safe's `multiSend(bytes)`: operation (1 byte) ‖ to (20) ‖ value (32) ‖ length (32) ‖ calldata, again and again. The
/// calls are the caller's own, because MultiSend is delegated to.
pub(super) fn multi_send(gathered: &mut Gathered, raw: Raw<'_>) -> Option<Meaning> {
    let packed = arguments::<abi::multiSendCall>(raw.calldata)?.transactions;
    let mut rest: &[u8] = &packed;
    let mut inner = Vec::new();
    while !rest.is_empty() {
        let (one, after) = packed_call(rest)?;
        inner.push(Raw { from: raw.from, depth: raw.depth, ..one });
        rest = after;
    }
    gathered.batch(inner.into_iter(), raw.depth)
}

fn packed_call(bytes: &[u8]) -> Option<(Raw<'_>, &[u8])> {
    let (number, bytes) = bytes.split_first()?;
    let (to, bytes) = bytes.split_first_chunk::<20>()?;
    let (value, bytes) = bytes.split_first_chunk::<32>()?;
    let (length, bytes) = bytes.split_first_chunk::<32>()?;
    let length = usize::try_from(U256::from_be_bytes(*length)).ok()?;
    let (calldata, rest) = bytes.split_at_checked(length)?;
    let (to, value) = (Address::from(*to), U256::from_be_bytes(*value));
    Some((Raw { from: to, to, how: operation(*number)?, value, calldata, depth: 0 }, rest))
}

impl Gathered {
    fn batch<'a>(&mut self, calls: impl Iterator<Item = Raw<'a>>, depth: usize) -> Option<Meaning> {
        let mut read: Vec<Call> = Vec::new();
        for raw in calls {
            if self.is_full() {
                return None;
            }
            read.push(self.read(Raw { depth: depth.saturating_add(1), ..raw }));
        }
        Some(Meaning::Batch { calls: read })
    }
}
