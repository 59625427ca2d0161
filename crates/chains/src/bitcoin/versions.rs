//! The two versions of a PSBT. Version 2 is version 0 with the transaction's fields spread over the lists, so it is put
//! back together, and one library reads both.

use bitcoin::absolute::{Height, LockTime, Time};
use bitcoin::consensus::encode::{deserialize, serialize};
use bitcoin::hashes::Hash;
use bitcoin::{
    Amount, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, VarInt, Witness, transaction,
};

use super::Fault;
use super::lists::{self, List, Lists};

/// BIP-174 and BIP-370: the types of fields. Global ones,
const UNSIGNED_TX: u8 = 0x00;
const TX_VERSION: u8 = 0x02;
const FALLBACK_LOCKTIME: u8 = 0x03;
const INPUT_COUNT: u8 = 0x04;
const OUTPUT_COUNT: u8 = 0x05;
const TX_MODIFIABLE: u8 = 0x06;
const VERSION: u8 = 0xfb;
/// of inputs,
const PREVIOUS_TXID: u8 = 0x0e;
const OUTPUT_INDEX: u8 = 0x0f;
const SEQUENCE: u8 = 0x10;
const REQUIRED_TIME: u8 = 0x11;
const REQUIRED_HEIGHT: u8 = 0x12;
/// and of outputs.
const AMOUNT: u8 = 0x03;
const SCRIPT: u8 = 0x04;

const GLOBAL_OF_2: [u8; 5] = [TX_VERSION, FALLBACK_LOCKTIME, INPUT_COUNT, OUTPUT_COUNT, TX_MODIFIABLE];
const INPUT_OF_2: [u8; 5] = [PREVIOUS_TXID, OUTPUT_INDEX, SEQUENCE, REQUIRED_TIME, REQUIRED_HEIGHT];
const OUTPUT_OF_2: [u8; 2] = [AMOUNT, SCRIPT];

/// A PSBT of either version.
pub(super) struct Read {
    /// 0 or 2.
    pub version: u32,
    /// As it came.
    pub lists: Lists,
    /// As version 0 has it.
    pub psbt: Psbt,
}

/// Reads a PSBT.
pub(super) fn read(bytes: &[u8]) -> Result<Read, Fault> {
    let (global, others) = lists::parse(bytes)?;
    let version = number(&global, VERSION)?.map_or(0, u32::from_le_bytes);
    let (lists, plain) = match version {
        0 => {
            let lists = version_0(global, others)?;
            let plain = lists.clone();
            (lists, plain)
        }
        2 => version_2(global, others)?,
        other => return Err(Fault::Version(other)),
    };
    let psbt = Psbt::deserialize(&plain.encode()).map_err(|_| Fault::NotAPsbt)?;
    // The library takes its own word for how many there are.
    if psbt.inputs.len() != lists.inputs.len() || psbt.outputs.len() != lists.outputs.len() {
        return Err(Fault::NotAPsbt);
    }
    Ok(Read { version, lists, psbt })
}

fn version_0(global: List, others: Vec<List>) -> Result<Lists, Fault> {
    let unsigned = global.get([UNSIGNED_TX].as_slice()).ok_or(Fault::Fields)?;
    let unsigned: Transaction = deserialize(unsigned).map_err(|_| Fault::NotAPsbt)?;
    let (inputs, outputs) = (unsigned.input.len(), unsigned.output.len());
    let lists = Lists::divide(global, others, inputs as u64, outputs as u64)?;
    let has = |list: &List, types: &[u8]| types.iter().any(|of| list.contains_key([*of].as_slice()));
    let is_mixed = has(&lists.global, &GLOBAL_OF_2)
        || lists.inputs.iter().any(|list| has(list, &INPUT_OF_2))
        || lists.outputs.iter().any(|list| has(list, &OUTPUT_OF_2));
    if is_mixed { Err(Fault::Fields) } else { Ok(lists) }
}

/// The lists as they came, and as version 0 has them.
fn version_2(global: List, others: Vec<List>) -> Result<(Lists, Lists), Fault> {
    if global.contains_key([UNSIGNED_TX].as_slice()) {
        return Err(Fault::Fields);
    }
    let (inputs, outputs) = (count(&global, INPUT_COUNT)?, count(&global, OUTPUT_COUNT)?);
    let lists = Lists::divide(global, others, inputs, outputs)?;
    let transaction = Transaction {
        version: transaction::Version(i32::from_le_bytes(needed(&lists.global, TX_VERSION)?)),
        lock_time: lock_time(&lists)?,
        input: lists.inputs.iter().map(input).collect::<Result<_, _>>()?,
        output: lists.outputs.iter().map(output).collect::<Result<_, _>>()?,
    };
    let mut plain = lists.clone();
    let drop = |list: &mut List, types: &[u8]| {
        list.retain(|key, _| !matches!(key.as_slice(), [only] if types.contains(only)));
    };
    drop(&mut plain.global, &GLOBAL_OF_2);
    drop(&mut plain.global, &[VERSION]);
    plain.inputs.iter_mut().for_each(|list| drop(list, &INPUT_OF_2));
    plain.outputs.iter_mut().for_each(|list| drop(list, &OUTPUT_OF_2));
    plain.global.insert(vec![UNSIGNED_TX], serialize(&transaction));
    Ok((lists, plain))
}

fn input(list: &List) -> Result<TxIn, Fault> {
    let txid = Txid::from_byte_array(needed(list, PREVIOUS_TXID)?);
    let vout = u32::from_le_bytes(needed(list, OUTPUT_INDEX)?);
    let sequence = number(list, SEQUENCE)?.map_or(Sequence::MAX, |bytes| Sequence(u32::from_le_bytes(bytes)));
    let previous_output = OutPoint { txid, vout };
    Ok(TxIn { previous_output, script_sig: ScriptBuf::new(), sequence, witness: Witness::new() })
}

fn output(list: &List) -> Result<TxOut, Fault> {
    let value = Amount::from_sat(u64::from_le_bytes(needed(list, AMOUNT)?));
    let script = list.get([SCRIPT].as_slice()).ok_or(Fault::Fields)?;
    Ok(TxOut { value, script_pubkey: ScriptBuf::from_bytes(script.clone()) })
}

/// BIP-370, "Determining Lock Time": the largest that inputs ask for, in the unit that all of these can take; blocks if
/// both can be taken; the fallback if none asks.
fn lock_time(lists: &Lists) -> Result<LockTime, Fault> {
    let (mut height, mut time) = (Some(0), Some(0));
    let mut is_asked = false;
    for list in &lists.inputs {
        let ask = |of| Ok::<_, Fault>(number(list, of)?.map(u32::from_le_bytes));
        let (of_height, of_time) = (ask(REQUIRED_HEIGHT)?, ask(REQUIRED_TIME)?);
        if of_height.is_some_and(|at| Height::from_consensus(at).is_err())
            || of_time.is_some_and(|at| Time::from_consensus(at).is_err())
        {
            return Err(Fault::Fields);
        }
        if of_height.is_some() || of_time.is_some() {
            is_asked = true;
            height = height.zip(of_height).map(|(one, other)| one.max(other));
            time = time.zip(of_time).map(|(one, other)| one.max(other));
        }
    }
    let chosen = match (is_asked, height, time) {
        (false, ..) => number(&lists.global, FALLBACK_LOCKTIME)?.map_or(0, u32::from_le_bytes),
        (true, Some(height), _) => height,
        (true, None, Some(time)) => time,
        (true, None, None) => return Err(Fault::LockTime),
    };
    Ok(LockTime::from_consensus(chosen))
}

/// A field of a fixed size; `None`: it is not there.
fn number<const N: usize>(list: &List, of: u8) -> Result<Option<[u8; N]>, Fault> {
    let value = list.get([of].as_slice());
    value.map(|value| value.as_slice().try_into().map_err(|_| Fault::Fields)).transpose()
}

fn needed<const N: usize>(list: &List, of: u8) -> Result<[u8; N], Fault> {
    number(list, of)?.ok_or(Fault::Fields)
}

fn count(global: &List, of: u8) -> Result<u64, Fault> {
    let value = global.get([of].as_slice()).ok_or(Fault::Fields)?;
    deserialize::<VarInt>(value).map(|count| count.0).map_err(|_| Fault::Fields)
}

impl Read {
    /// BIP-370, "Signer": after a signature over all inputs and outputs, nobody may add any.
    pub fn close(&mut self) {
        if let Some([flags]) = self.lists.global.get_mut([TX_MODIFIABLE].as_slice()).map(Vec::as_mut_slice) {
            *flags &= !0b11;
        }
    }
}

#[cfg(test)]
mod tests;
