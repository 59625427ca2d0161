//! Solana transactions in words.

use keymoot_chains::Facts;
use keymoot_chains::solana::{Meaning, TransactionFacts};

use super::units::sol;
use super::{moves, row};

pub(super) fn lines(facts: &Facts, detail: &TransactionFacts) -> Vec<String> {
    let mut lines = moves(facts, sol);
    let fee = facts.fee_max.as_ref().map_or("not known".to_owned(), |fee| format!("at most {}", sol(fee)));
    lines.push(row("fee", &format!("{fee}, paid by {}", detail.fee_payer)));
    for one in &detail.instructions {
        if one.meaning == Meaning::Opaque {
            let what = format!(
                "{} with {} accounts and {} bytes",
                one.program,
                one.accounts.len(),
                one.input.len() / 2
            );
            lines.push(row("calls", &what));
        }
    }
    if detail.signers.len() > 1 {
        lines.push(row("signers", &detail.signers.join(", ")));
    }
    lines.push(row("blockhash", &detail.blockhash));
    lines
}
