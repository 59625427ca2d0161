//! A PSBT as it is on the wire: lists of keys and values. Fields that nobody here knows stay as they are.

use std::collections::BTreeMap;

use bitcoin::VarInt;
use bitcoin::consensus::encode::{deserialize_partial, serialize};

use super::{Fault, INPUTS_MAX, OUTPUTS_MAX};

/// Keys with their values. A key is a type, one byte for all types that are known, and what comes after it.
pub(super) type List = BTreeMap<Vec<u8>, Vec<u8>>;

/// All lists of a PSBT, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lists {
    pub global: List,
    pub inputs: Vec<List>,
    pub outputs: Vec<List>,
}

const MAGIC: &[u8] = b"psbt\xff";

/// The lists in these bytes, before anybody says which of them are inputs: the global one and the others.
pub(super) fn parse(bytes: &[u8]) -> Result<(List, Vec<List>), Fault> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or(Fault::NotAPsbt)?;
    let global = list(&mut rest)?;
    let mut others = Vec::new();
    while !rest.is_empty() {
        if others.len() == INPUTS_MAX.saturating_add(OUTPUTS_MAX) {
            return Err(Fault::Size);
        }
        others.push(list(&mut rest)?);
    }
    Ok((global, others))
}

fn list(rest: &mut &[u8]) -> Result<List, Fault> {
    let mut list = List::new();
    loop {
        let key = chunk(rest)?;
        if key.is_empty() {
            return Ok(list);
        }
        // A key that comes twice has two meanings.
        if list.insert(key.to_vec(), chunk(rest)?.to_vec()).is_some() {
            return Err(Fault::NotAPsbt);
        }
    }
}

/// A length and so many bytes.
fn chunk<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    let (length, taken) = deserialize_partial::<VarInt>(rest).map_err(|_| Fault::NotAPsbt)?;
    let length = usize::try_from(length.0).map_err(|_| Fault::NotAPsbt)?;
    let after = rest.get(taken..).ok_or(Fault::NotAPsbt)?;
    let (chunk, after) = after.split_at_checked(length).ok_or(Fault::NotAPsbt)?;
    *rest = after;
    Ok(chunk)
}

impl Lists {
    /// The first lists are inputs, the others outputs, and all are there.
    pub fn divide(global: List, mut others: Vec<List>, inputs: u64, outputs: u64) -> Result<Self, Fault> {
        let count = |wanted: u64, most: usize| {
            usize::try_from(wanted).ok().filter(|count| (1..=most).contains(count)).ok_or(Fault::Size)
        };
        let (inputs, outputs) = (count(inputs, INPUTS_MAX)?, count(outputs, OUTPUTS_MAX)?);
        if others.len() != inputs.saturating_add(outputs) {
            return Err(Fault::NotAPsbt);
        }
        let outputs = others.split_off(inputs);
        Ok(Self { global, inputs: others, outputs })
    }

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for list in std::iter::once(&self.global).chain(&self.inputs).chain(&self.outputs) {
            for (key, value) in list {
                bytes.extend(serialize(key));
                bytes.extend(serialize(value));
            }
            bytes.push(0);
        }
        bytes
    }
}
