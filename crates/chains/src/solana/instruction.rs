//! What instructions say.

use serde::Serialize;

use super::message::{Instruction, Message};
use super::text;
use crate::facts::{Amount, Asset, Danger, Facts, Outflow};
use crate::inspection::hex;

/// The system program: 32 zeros.
const SYSTEM: [u8; 32] = [0; 32];

/// `ComputeBudget111111111111111111111111111111`.
const COMPUTE_BUDGET: [u8; 32] = [
    0x03, 0x06, 0x46, 0x6f, 0xe5, 0x21, 0x17, 0x32, 0xff, 0xec, 0xad, 0xba, 0x72, 0xc3, 0x9b, 0xe7, 0xbc,
    0x8c, 0xe5, 0xbb, 0xc5, 0xf7, 0x12, 0x6b, 0x2c, 0x43, 0x9b, 0x3a, 0x40, 0x00, 0x00, 0x00,
];

/// Lamports for each signature, and the most units of work in a transaction. The cluster's, as of 2026.
const LAMPORTS_PER_SIGNATURE: u64 = 5_000;
const UNITS_MAX: u32 = 1_400_000;

/// One instruction. Accounts are in base58.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstructionFacts {
    /// The program.
    pub program: String,
    /// The accounts that it gets.
    pub accounts: Vec<String>,
    /// Its input, in hexadecimal digits.
    pub input: String,
    /// What it says.
    pub meaning: Meaning,
}

/// What an instruction says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Meaning {
    /// Lamports move: see the outflows.
    Transfer,
    /// The most units of work that the transaction may take.
    ComputeUnitLimit {
        /// That many.
        units: u32,
    },
    /// What is paid for each unit, beyond the fee.
    ComputeUnitPrice {
        /// In millionths of a lamport.
        micro_lamports: u64,
    },
    /// Not understood.
    Opaque,
}

/// Reads all instructions into the facts that `start` begins with them.
pub(super) fn read(message: &Message<'_>, start: impl FnOnce(Vec<InstructionFacts>) -> Facts) -> Facts {
    let mut outflows = Vec::new();
    let (mut limit, mut price) = (None, None);
    let mut instructions = Vec::new();
    for one in &message.instructions {
        let meaning = match meaning(message, one, &mut outflows) {
            // The chain refuses a second one of a kind, so nobody knows what it is for.
            Some(Meaning::ComputeUnitLimit { .. }) if limit.is_some() => Meaning::Opaque,
            Some(Meaning::ComputeUnitPrice { .. }) if price.is_some() => Meaning::Opaque,
            known => known.unwrap_or(Meaning::Opaque),
        };
        match meaning {
            Meaning::ComputeUnitLimit { units } => limit = Some(units),
            Meaning::ComputeUnitPrice { micro_lamports } => price = Some(micro_lamports),
            Meaning::Transfer | Meaning::Opaque => {}
        }
        let name = |place: &u8| message.account(*place).map(text).unwrap_or_default();
        instructions.push(InstructionFacts {
            program: name(&one.program),
            accounts: one.accounts.iter().map(name).collect(),
            input: hex(one.input),
            meaning,
        });
    }
    let is_opaque = instructions.iter().any(|one| one.meaning == Meaning::Opaque);
    let mut facts = start(instructions);
    facts.outflows = outflows;
    if is_opaque {
        facts.dangers.insert(Danger::Opaque);
    } else {
        facts.fee_max = Some(fee(message.signers().len(), limit.unwrap_or(UNITS_MAX), price.unwrap_or(0)));
    }
    facts
}

/// The fee of the signatures, and the price of the units, rounded up. Some programs verify more signatures for more, but
/// those are not understood here.
fn fee(signatures: usize, units: u32, micro_lamports: u64) -> Amount {
    let base = u128::from(LAMPORTS_PER_SIGNATURE) * u128::from(u8::try_from(signatures).unwrap_or(u8::MAX));
    let extra = (u128::from(units.min(UNITS_MAX)) * u128::from(micro_lamports)).div_ceil(1_000_000);
    Amount::from(base + extra)
}

fn meaning(message: &Message<'_>, one: &Instruction<'_>, outflows: &mut Vec<Outflow>) -> Option<Meaning> {
    match *message.account(one.program)? {
        SYSTEM => transfer(message, one, outflows),
        COMPUTE_BUDGET => budget(one),
        _ => None,
    }
}

/// `SystemInstruction::Transfer`: its number, 4 bytes, and lamports, 8 bytes, little-endian.
fn transfer(message: &Message<'_>, one: &Instruction<'_>, outflows: &mut Vec<Outflow>) -> Option<Meaning> {
    let lamports: &[u8; 8] = one.input.strip_prefix(&2u32.to_le_bytes())?.try_into().ok()?;
    let [from, to] = one.accounts else { return None };
    outflows.push(Outflow {
        from: Some(text(message.account(*from)?)),
        to: text(message.account(*to)?),
        asset: Asset::Native,
        amount: u64::from_le_bytes(*lamports).into(),
    });
    Some(Meaning::Transfer)
}

/// `ComputeBudgetInstruction`: its number, 1 byte, and a number, little-endian.
fn budget(one: &Instruction<'_>) -> Option<Meaning> {
    let (kind, number) = one.input.split_first()?;
    match kind {
        2 => Some(Meaning::ComputeUnitLimit { units: u32::from_le_bytes(number.try_into().ok()?) }),
        3 => Some(Meaning::ComputeUnitPrice { micro_lamports: u64::from_le_bytes(number.try_into().ok()?) }),
        _ => None,
    }
}
