//! Bitcoin transactions in words: who gets what, what comes back, what the fee is, and in which proportion.

use keymoot_chains::bitcoin::{Form, InputFacts, OutputFacts, TransactionFacts, address};
use keymoot_chains::{Algorithm, Amount, Key};

use super::units::{btc, number, tenths};
use super::{Told, row};
use crate::proof::Read;

/// As many inputs are shown.
const INPUTS_SHOWN: usize = 8;
/// Lock times below are blocks, above moments in seconds of Unix time.
const LOCK_TIME_THRESHOLD: u32 = 500_000_000;
/// Satoshi for a virtual byte: a rate above is worth a word.
const RATE_MAX: u128 = 1_000;
/// Thousandths of what is sent: a fee above is worth a word.
const SHARE_MAX: u128 = 100;

pub(super) fn lines(read: &Read, facts: &TransactionFacts) -> Told {
    let mut lines = Vec::new();
    for output in facts.outputs.iter().filter(|output| output.path.is_none()) {
        let to = match &output.address {
            Some(address) => address.clone(),
            None => format!("the script {}, which has no address", output.script),
        };
        lines.push(row("sends", &format!("{} to {to}", btc(&output.amount))));
    }
    for output in &facts.outputs {
        if let (Some(path), Some(address)) = (&output.path, &output.address) {
            let line = format!("{} to {address}, proven to be ours at {path}", btc(&output.amount));
            lines.push(row("returns", &line));
        }
    }
    let fee = read.inspection.facts.fee_max.clone().unwrap_or_else(|| Amount::from(0u64));
    let (line, warnings) = fee_line(&fee, facts, rate(&fee, facts, &read.key));
    lines.push(row("fee", &line));
    lines.extend(inputs(facts));
    lines.push(row("psbt", &format!("version {}{}", facts.psbt_version, times(facts))));
    // An input with a script in it gets its script when it is final, and the transaction another name.
    let is_bare = |input| matches!(form(&read.key, input), Some(Form::P2wpkh | Form::P2tr));
    if facts.inputs.iter().all(is_bare) {
        lines.push(row("txid", &facts.txid));
    }
    Told { lines, warnings }
}

fn times(facts: &TransactionFacts) -> String {
    let lock = match facts.lock_time {
        0 => String::new(),
        block if block < LOCK_TIME_THRESHOLD => format!(", good after block {block}"),
        moment => format!(
            ", good after {}",
            keymoot_wire::rest::rfc3339(u64::from(moment) * 1000).unwrap_or_default()
        ),
    };
    let replaceable = if facts.replaceable { ", may be replaced by one with a higher fee" } else { "" };
    format!("{lock}{replaceable}")
}

fn inputs(facts: &TransactionFacts) -> Vec<String> {
    let (ours, others): (Vec<_>, Vec<_>) = facts.inputs.iter().partition(|input| input.path.is_some());
    let mut lines =
        vec![row("spends", &format!("{} of ours, in {}", btc(&facts.ours_in), counted(ours.len())))];
    for (i, input) in ours.iter().chain(&others).enumerate() {
        if i == INPUTS_SHOWN {
            let more = facts.inputs.len() - INPUTS_SHOWN;
            lines.push(row("", &format!("and {more} more; --json shows all")));
            break;
        }
        let whose = input.path.as_ref().map_or("of somebody else".to_owned(), |path| format!("at {path}"));
        lines.push(row("", &format!("{} {whose} from {}", btc(&input.amount), input.coin)));
    }
    lines
}

fn counted(inputs: usize) -> String {
    if inputs == 1 { "1 input".to_owned() } else { format!("{inputs} inputs") }
}

/// The fee beside its rate and what is sent, and what is odd about it.
fn fee_line(fee: &Amount, facts: &TransactionFacts, rate: Option<u128>) -> (String, Vec<String>) {
    let mut warnings = Vec::new();
    let sent = facts.outputs.iter().filter(|output| output.path.is_none());
    let sent = sent.fold(0u128, |sum, output| sum.saturating_add(number(&output.amount)));
    let (base, of) = if sent > 0 {
        (sent, "what is sent")
    } else {
        (
            facts.inputs.iter().fold(0, |sum: u128, input| sum.saturating_add(number(&input.amount))),
            "what is spent",
        )
    };
    let mut line = btc(fee);
    match rate {
        Some(rate) => {
            line.push_str(&format!(", about {} sat/vB", tenths(rate)));
            if rate > 10 * RATE_MAX {
                warnings.push(format!("the fee rate is about {} sat/vB", tenths(rate)));
            }
        }
        None => line.push_str(", at a rate that depends on the inputs of others"),
    }
    if let Some(share) = number(fee).saturating_mul(1000).checked_div(base) {
        line.push_str(&format!(", {} % of {of}", tenths(share)));
        if share > SHARE_MAX {
            warnings.push(format!("the fee is {} % of {of}", tenths(share)));
        }
    }
    (line, warnings)
}

/// The form of an input of ours.
fn form(key: &Key, input: &InputFacts) -> Option<Form> {
    let path = input.path.as_ref()?.parse().ok()?;
    let there = key.clone().at(path).ok()?;
    let forms = Form::of(Algorithm::of(key.scheme()));
    forms.iter().copied().find(|form| address(&there, *form) == input.address)
}

/// Tenths of satoshi for a virtual byte, once it is signed. `None`: it depends on the witnesses of others.
fn rate(fee: &Amount, facts: &TransactionFacts, key: &Key) -> Option<u128> {
    // BIP-141: version, lock time and both counts, each byte four times; marker and flag once.
    let mut weight = 4 * (4 + 4 + compact(facts.inputs.len()) + compact(facts.outputs.len())) + 2;
    for input in &facts.inputs {
        // Outpoint, length of the script, sequence; then the script, and the witness with its count and lengths.
        weight += 4 * (36 + 1 + 4);
        weight += match form(key, input)? {
            Form::P2wpkh => 1 + 1 + 72 + 1 + 33,
            Form::P2shP2wpkh => 4 * 23 + 1 + 1 + 72 + 1 + 33,
            Form::P2tr => 1 + 1 + 64,
        };
    }
    weight += facts.outputs.iter().map(output).sum::<usize>();
    number(fee).checked_mul(40)?.checked_div(u128::try_from(weight).ok()?)
}

fn output(output: &OutputFacts) -> usize {
    let script = output.script.len() / 2;
    4 * (8 + compact(script) + script)
}

/// How many bytes a count takes.
const fn compact(count: usize) -> usize {
    if count < 0xfd { 1 } else { 3 }
}
