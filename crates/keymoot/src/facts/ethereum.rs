//! Ethereum transactions and typed data in words.

use keymoot_chains::Facts;
use keymoot_chains::ethereum::{Authorisation, Call, How, Meaning, TransactionFacts, TypedDataFacts};

use super::units::{gwei, wei};
use super::{block, moves, row, visible};

pub(super) fn title(detail: &TransactionFacts) -> String {
    let chain = detail.chain_id.map_or("every chain".to_owned(), |chain| format!("chain {chain}"));
    format!("Ethereum transaction of type {} on {chain}", detail.transaction_type)
}

pub(super) fn transaction(facts: &Facts, detail: &TransactionFacts) -> Vec<String> {
    let coin = |amount: &keymoot_chains::Amount| wei(amount, detail.chain_id);
    let mut lines = moves(facts, coin);
    match (&detail.call, &detail.creation_hash) {
        (Some(call), _) => lines.extend(calls(call, 0)),
        (None, Some(hash)) => {
            lines.push(row("creates", &format!("a contract from code with the hash {hash}")))
        }
        (None, None) => {}
    }
    lines.extend(detail.authorisations.iter().map(authorisation));
    let fee = facts.fee_max.as_ref().map_or("not known".to_owned(), |fee| format!("at most {}", coin(fee)));
    let tip = detail.max_priority_fee_per_gas.as_ref();
    let tip = tip.map_or(String::new(), |tip| format!(", of which {} to the proposer", gwei(tip)));
    let price = gwei(&detail.max_fee_per_gas);
    lines.push(row("fee", &format!("{fee}: {} gas at {price} at most{tip}", detail.gas_limit)));
    if detail.blobs > 0 {
        lines.push(row("blobs", &detail.blobs.to_string()));
    }
    lines.push(row("from", &format!("{}, nonce {}", detail.from, detail.nonce)));
    lines
}

fn authorisation(one: &Authorisation) -> String {
    let account = one.authority.as_deref().unwrap_or("an account whose signature is nobody's");
    let chain =
        if one.chain_id.digits() == "0" { "every chain".into() } else { format!("chain {}", one.chain_id) };
    row("gives", &format!("{account} the code of {} on {chain}, nonce {}", one.delegate, one.nonce))
}

/// A call and those inside of it. How deep and how many is bounded by whoever has read them.
fn calls(call: &Call, depth: usize) -> Vec<String> {
    let inner: &[Call] = match &call.meaning {
        Meaning::Batch { calls } => calls,
        Meaning::SafeTransaction { call, .. } => std::slice::from_ref(call),
        // The outflow has said it.
        Meaning::Send => return Vec::new(),
        Meaning::TokenTransfer | Meaning::TokenAllowance | Meaning::Opaque => &[],
    };
    let what = match &call.meaning {
        Meaning::Send | Meaning::TokenTransfer => "which moves tokens".to_owned(),
        Meaning::TokenAllowance => "which lets others take tokens".to_owned(),
        Meaning::SafeTransaction { .. } => "a Safe, which then does this:".to_owned(),
        Meaning::Batch { calls } => format!("with {} calls in it:", calls.len()),
        Meaning::Opaque => {
            let selector = call.selector.as_deref().unwrap_or("none");
            format!("with {} bytes that are not understood, selector {selector}", call.length)
        }
    };
    let how = match call.how {
        How::Call => "",
        How::Delegatecall => "by delegatecall ",
        How::Itself => "itself as ",
    };
    let mut lines = vec![row("calls", &format!("{:indent$}{how}{} {what}", "", call.to, indent = 2 * depth))];
    lines.extend(inner.iter().flat_map(|call| calls(call, depth.saturating_add(1))));
    lines
}

pub(super) fn typed_data(facts: &Facts, detail: &TypedDataFacts) -> Vec<String> {
    let domain = &detail.domain;
    let name = domain.name.as_deref().map_or("an application without a name".to_owned(), |name| {
        let version = domain.version.as_deref().map_or(String::new(), |version| format!(" {version}"));
        format!("\"{}\"", visible(&format!("{name}{version}")))
    });
    let chain = domain.chain_id.as_ref().map_or("every chain".to_owned(), |chain| format!("chain {chain}"));
    let contract = domain.verifying_contract.as_ref();
    let contract = contract.map_or(String::new(), |contract| format!(", checked by {contract}"));
    let mut lines = vec![row("for", &format!("{name}, as it calls itself, on {chain}{contract}"))];
    let coins = domain.chain_id.as_ref().and_then(|chain| chain.digits().parse().ok());
    lines.extend(moves(facts, |amount| wei(amount, coins)));
    if let Some(Meaning::SafeTransaction { call, .. }) = &detail.meaning {
        lines.extend(calls(call, 0));
    }
    lines.push(row("signer", &detail.signer));
    lines.push(row("message", &visible(&detail.primary_type)));
    lines.extend(block(&serde_json::to_string_pretty(&detail.message).unwrap_or_default()));
    lines
}
