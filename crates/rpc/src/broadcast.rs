//! Gives a signed transaction to the node behind, and finds out what became of it.

use std::time::Duration;

use alloy_primitives::B256;
use serde_json::json;
use tokio::time::Instant;
use tracing::warn;

use crate::codes;
use crate::downstream::{Downstream, Unanswered};
use crate::refusal::{INTERNAL, LIMIT_EXCEEDED, RESOURCE_UNAVAILABLE, Refusal};

/// Tries in all.
const TRIES: u32 = 4;
/// The pause after the first; it doubles with each.
const PAUSE: Duration = Duration::from_millis(200);

/// What became of a transaction.
#[derive(Debug)]
pub enum Fate {
    /// The node has it.
    Sent,
    /// The node does not want it, for a reason that holds for all nodes, and does not know it.
    Rejected(Refusal),
    /// Another transaction seems to have its place. What one node says about that is no proof: this one may have it.
    Lost(Refusal),
    /// Nobody knows.
    Unknown(Refusal),
}

/// What a node means by its refusal. There are no numbers for it, only words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// It has the transaction already.
    Known,
    /// The place is used on the chain.
    TooLow,
    /// Another transaction waits at the place.
    Occupied,
    /// It has not looked at it.
    Busy,
    /// It never takes this one.
    No,
    /// Anything else, also an error of its own: whoever stands between may have passed the transaction on before.
    Unclear,
}

/// What a transaction itself has wrong with it, in the words of geth, Nethermind, Besu, Erigon, reth, anvil and Hardhat.
/// What is not here may be an error that came after the transaction was passed on.
const REJECTIONS: &[&str] = &[
    "insufficient funds",
    "insufficientfunds",
    "insufficient balance",
    "enough funds",
    "upfront cost exceeds account balance",
    "underpriced",
    "feetoolow",
    "fee cap less than block base fee",
    "less than block base fee",
    "lower than the current base fee",
    "gas price below configured minimum",
    "gas price too low",
    "tip cap below minimum",
    "exceeds the configured cap",
    "priority fee per gas higher than max fee",
    "intrinsic gas",
    "floor data gas",
    "exceeds block gas limit",
    "exceeds transaction gas limit",
    "transaction gas limit too high",
    "gas uint64 overflow",
    "nonce too high",
    "nonce gap",
    "nonce is too distant",
    "nonce has max value",
    "invalid sender",
    "invalid signature",
    "invalid chain id",
    "invalid chainid",
    "wrong chain id",
    "transaction type not supported",
    "tx type not supported",
    "unsupported transaction type",
    "unknown transaction type",
    "oversized data",
    "max initcode size exceeded",
    "sender not an eoa",
    "sender is not an eoa",
];

fn meaning(number: i64, status: u16, message: &str) -> Meaning {
    let message = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["already known", "alreadyknown", "already imported"])
        || (says(&["known transaction"]) && !says(&["unknown transaction"]))
    {
        Meaning::Known
    } else if says(&["nonce too low", "nonce is too low", "nonce below", "old nonce", "oldnonce"]) {
        Meaning::TooLow
    } else if says(&["replacement", "replace existing", "replace pending"]) {
        Meaning::Occupied
    } else if status >= 500
        || matches!(number, INTERNAL | RESOURCE_UNAVAILABLE)
        || says(&["timeout", "timed out", "time out", "deadline", "internal"])
    {
        Meaning::Unclear
    } else if says(REJECTIONS) {
        Meaning::No
    } else if number == LIMIT_EXCEEDED || status == 429 || says(&["rate limit", "too many requests"]) {
        Meaning::Busy
    } else {
        Meaning::Unclear
    }
}

/// Sends signed bytes. Sending them twice is sending them once.
pub async fn broadcast(node: &Downstream, raw: &[u8], hash: B256) -> Fate {
    let digits = format!("0x{}", hex::encode(raw));
    let began = Instant::now();
    let mut pause = PAUSE;
    let mut why = String::new();
    // Whether a try may have come through, and whether the place seems to be used.
    let (mut is_at_large, mut is_lost) = (false, false);
    for attempt in 0..TRIES {
        if attempt > 0 {
            // Others wait behind this one: a node that is silent gets no more time for many tries than for one.
            if began.elapsed() >= node.time() {
                break;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            if node.knows(hash).await == Ok(true) {
                return Fate::Sent;
            }
        }
        let unanswered = match node.ask("eth_sendRawTransaction", json!([digits])).await {
            Ok(answer) => {
                if answer.get() != format!("\"0x{}\"", hex::encode(hash)) {
                    warn!(%hash, "the node gives a transaction another hash than its own");
                }
                return Fate::Sent;
            }
            Err(unanswered) => unanswered,
        };
        let meaning = match &unanswered {
            Unanswered::Refused { number, status, message, .. } => meaning(*number, *status, message),
            Unanswered::Silent(_) | Unanswered::Full => Meaning::Unclear,
        };
        why = unanswered.to_string();
        match meaning {
            Meaning::No if !is_at_large => {
                return match node.knows(hash).await {
                    Ok(true) => Fate::Sent,
                    Ok(false) => Fate::Rejected(Refusal::from(unanswered).with("hash", shown(hash))),
                    Err(_) => Fate::Unknown(in_doubt(&why, hash)),
                };
            }
            Meaning::Busy => {}
            Meaning::TooLow | Meaning::Occupied => (is_at_large, is_lost) = (true, true),
            Meaning::Known | Meaning::No | Meaning::Unclear => is_at_large = true,
        }
    }
    let refusal = in_doubt(&why, hash);
    if node.knows(hash).await == Ok(true) {
        Fate::Sent
    } else if is_lost {
        Fate::Lost(refusal)
    } else {
        Fate::Unknown(refusal)
    }
}

fn shown(hash: B256) -> String {
    format!("0x{}", hex::encode(hash))
}

fn in_doubt(why: &str, hash: B256) -> Refusal {
    let what = format!("it is not known whether the transaction was sent: {why}");
    let help = "look for the hash before you send anything in its place: both could happen; the same request again is \
                this same transaction for a while";
    Refusal::new(INTERNAL, codes::IN_DOUBT, what).with("hash", shown(hash)).with("help", help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_several_nodes_are_understood() {
        for (message, wanted) in [
            // geth, Nethermind, Besu, Erigon, reth and anvil, in this order where they differ.
            ("already known", Meaning::Known),
            ("AlreadyKnown", Meaning::Known),
            ("Known transaction", Meaning::Known),
            ("transaction already imported", Meaning::Known),
            ("nonce too low: next nonce 5, tx nonce 3", Meaning::TooLow),
            ("OldNonce, Current nonce: 5, nonce of rejected tx: 3", Meaning::TooLow),
            ("Nonce below current nonce", Meaning::TooLow),
            ("replacement transaction underpriced", Meaning::Occupied),
            ("ReplacementNotAllowed", Meaning::Occupied),
            ("could not replace existing tx", Meaning::Occupied),
            ("future transaction tries to replace pending", Meaning::Occupied),
            ("Too Many Requests", Meaning::Busy),
            ("transaction underpriced", Meaning::No),
            ("insufficient funds for gas * price + value", Meaning::No),
            ("InsufficientFunds, Account balance: 0, cumulative cost: 1", Meaning::No),
            ("Sender doesn't have enough funds to send tx", Meaning::No),
            ("max fee per gas less than block base fee", Meaning::No),
            ("intrinsic gas too low: gas 1, minimum needed 21000", Meaning::No),
            ("unknown transaction type", Meaning::No),
            // Nothing of these says that nobody has it.
            ("account already exists", Meaning::Unclear),
            ("request timed out", Meaning::Unclear),
            ("Internal error", Meaning::Unclear),
            ("upstream connection error", Meaning::Unclear),
            ("txpool is full", Meaning::Unclear),
            ("", Meaning::Unclear),
        ] {
            assert_eq!(meaning(-32000, 200, message), wanted, "{message}");
        }
        assert_eq!(meaning(-32005, 200, "limit"), Meaning::Busy);
    }

    #[test]
    fn an_error_of_a_server_is_no_rejection_whatever_its_words() {
        for (number, status) in [(-32603, 200), (-32002, 200), (-32000, 502), (-32000, 504), (3, 500)] {
            assert_eq!(meaning(number, status, "insufficient funds"), Meaning::Unclear, "{number} {status}");
        }
    }
}
