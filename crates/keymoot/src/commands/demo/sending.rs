//! The transfer at the end of a demo with a node of a chain: money from the node, if it is one for development, and a
//! transaction through the signer, as an application would send it.

use std::time::{Duration, Instant};

use keymoot_chains::{Amount, ethereum};
use keymoot_wire::rest::KeyView;
use serde_json::{Value, json};

use super::chain::{Chain, Unanswered, quantity};
use super::transfer::{GAS, NOBODY, VALUE};
use crate::explain::{self, ETH_SILENT};
use crate::facts::wei;
use crate::failure::{Failure, Trouble};
use crate::local::millis;
use crate::printer::Printer;
use crate::wallet;

/// What a node for development is asked to give: one ether, in wei.
const GIVEN: u128 = 1_000_000_000_000_000_000;
/// The base fee can double within six blocks.
const PRICE_TIMES: u128 = 2;
/// How long to wait for a block, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

/// A transfer from one account, on one chain.
struct Transfer<'a> {
    printer: &'a Printer,
    /// The node behind the signer.
    node: &'a Chain,
    chain_id: u64,
    account: String,
    nobody: String,
}

/// Sends it, if the node gives money for it. Otherwise it says what is missing, and `false`: an account that somebody has
/// filled is not emptied for a demonstration.
pub async fn send(
    printer: &Printer,
    key: &KeyView,
    node: &Chain,
    signer: &Chain,
    began: Instant,
) -> Result<bool, Failure> {
    let account = ethereum::address(&wallet::at(key, "m")?);
    let account = account.ok_or(Failure::Broken("an ECDSA key has no account"))?;
    let chain_id = node.number("eth_chainId", json!([])).await.map_err(silent)?;
    let chain_id = u64::try_from(chain_id).unwrap_or(u64::MAX);
    let transfer = Transfer { printer, node, chain_id, account, nobody: NOBODY.to_checksum(None) };
    if !transfer.is_funded().await {
        transfer.lacks().await?;
        return Ok(false);
    }
    transfer.send(signer, began).await?;
    Ok(true)
}

impl Transfer<'_> {
    /// Asks for money in the words of anvil and Hardhat, which no node of a real chain knows.
    async fn is_funded(&self) -> bool {
        for method in ["anvil_setBalance", "hardhat_setBalance"] {
            let params = json!([self.account, format!("{GIVEN:#x}")]);
            if self.node.ask(method, params).await.is_ok() {
                // Some answer yes to whatever they are asked.
                return self.node.balance(&self.account).await == Ok(GIVEN);
            }
        }
        false
    }

    /// Says what it would take.
    async fn lacks(&self) -> Result<(), Failure> {
        let (balance, price) =
            tokio::try_join!(self.node.balance(&self.account), self.node.number("eth_gasPrice", json!([])))
                .map_err(silent)?;
        let fee = price.saturating_mul(u128::from(GAS) * PRICE_TIMES);
        let needed = VALUE.saturating_add(fee);
        let missing = needed.saturating_sub(balance);
        let object = json!({
            "schema": "keymoot/demo/v1", "step": "unfunded", "chain_id": self.chain_id, "account": self.account,
            "to": self.nobody, "value": VALUE.to_string(), "balance": balance.to_string(),
            "needed": needed.to_string(), "missing": missing.to_string(),
        });
        let lines = [
            format!("  Transfer on chain {}, not sent: the node gives no money for it", self.chain_id),
            format!("    account   {} has {}", self.account, self.coins(balance)),
            format!("    needs     {}, fee included; missing {}", self.coins(needed), self.coins(missing)),
            "    then      eth_sendTransaction of the signer sends it. On test networks only: the key ends with the demo"
                .to_owned(),
        ];
        self.printer.either(&object, &lines)
    }

    async fn send(&self, signer: &Chain, began: Instant) -> Result<(), Failure> {
        let before = self.balances().await.map_err(silent)?;
        let wish = json!([{ "from": self.account, "to": self.nobody, "value": format!("{VALUE:#x}") }]);
        let begun = Instant::now();
        let hash = signer.ask("eth_sendTransaction", wish).await.map_err(refused)?;
        let hash = hash.as_str().ok_or(Failure::Broken("the signer sends a transaction without a hash"))?;
        let block = self.mined(hash).await?;
        let took = millis(begun);
        let after = self.balances().await.map_err(silent)?;
        let tick = self.printer.ink.good("✓");
        let what = match block {
            Some(block) => format!("in block {block} {tick}"),
            None => "sent, and in no block yet".to_owned(),
        };
        let [from, to] = [(&self.account, before[0], after[0]), (&self.nobody, before[1], after[1])];
        let row = |(account, before, after): (&String, u128, u128)| {
            format!("    balance   {account}: {}, now {}", self.coins(before), self.coins(after))
        };
        let lines = [
            format!(
                "  Transfer on chain {}, sent through the signer; the node gave the money",
                self.chain_id
            ),
            format!("    sends     {} to {}", self.coins(VALUE), self.nobody),
            format!("    hash      {hash}"),
            row(from),
            row(to),
            format!("  {what} · {took} ms"),
        ];
        let rows = [from, to].map(|(account, before, after)| {
            json!({ "account": account, "before": before.to_string(), "after": after.to_string() })
        });
        let object = json!({
            "schema": "keymoot/demo/v1", "step": "sent", "chain_id": self.chain_id, "account": self.account,
            "to": self.nobody, "value": VALUE.to_string(), "hash": hash, "block": block, "balances": rows,
            "milliseconds": took, "since_start_ms": millis(began),
        });
        self.printer.either(&object, &lines)
    }

    /// The block that it is in. `None`: none yet, after all our patience.
    async fn mined(&self, hash: &str) -> Result<Option<u64>, Failure> {
        let deadline = Instant::now() + PATIENCE;
        let mut looks = tokio::time::interval(LOOK);
        while Instant::now() < deadline {
            looks.tick().await;
            let receipt = self.node.ask("eth_getTransactionReceipt", json!([hash])).await;
            let receipt = receipt.map_err(silent)?;
            if !receipt.is_null() {
                return self.checked(hash, &receipt).map(Some);
            }
        }
        Ok(None)
    }

    /// The block, if the receipt is of this transfer and it has succeeded.
    fn checked(&self, hash: &str, receipt: &Value) -> Result<u64, Failure> {
        let is = |field: &str, wanted: &str| {
            receipt[field].as_str().is_some_and(|found| found.eq_ignore_ascii_case(wanted))
        };
        let is_ours = is("transactionHash", hash) && is("from", &self.account) && is("to", &self.nobody);
        let block = quantity(&receipt["blockNumber"]).and_then(|block| u64::try_from(block).ok());
        match block {
            Some(block) if is_ours && is("status", "0x1") => Ok(block),
            _ => {
                let what =
                    format!("the node has a receipt of {hash} that is none of a transfer that succeeded");
                Err(Trouble::new(ETH_SILENT, what).undone("the transfer is not shown as done").into())
            }
        }
    }

    async fn balances(&self) -> Result<[u128; 2], Unanswered> {
        tokio::try_join!(self.node.balance(&self.account), self.node.balance(&self.nobody)).map(Into::into)
    }

    fn coins(&self, sum: u128) -> String {
        wei(&Amount::from(sum), Some(self.chain_id))
    }
}

/// Nothing from the node behind.
fn silent(why: Unanswered) -> Failure {
    let trouble = Trouble::new(ETH_SILENT, "the node does not say what the transfer of the demo needs");
    trouble.undone("the transfer is not shown as done").because(why).into()
}

/// Nothing from the signer; with its code, if it has said one of ours.
fn refused(why: Unanswered) -> Failure {
    let page = match &why {
        Unanswered::Refused { code: Some(code), .. } => explain::own(code).unwrap_or(ETH_SILENT),
        _ => ETH_SILENT,
    };
    let trouble = Trouble::new(page, "the signer has not sent the transfer of the demo");
    trouble.undone("the transfer is not shown as done").because(why).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_receipt_of_this_transfer_that_has_succeeded_counts() {
        let (printer, node) = (Printer::new(true), Chain::new("http://127.0.0.1:1").unwrap());
        let (account, nobody) = (format!("0x{}", "aB".repeat(20)), NOBODY.to_checksum(None));
        let transfer = Transfer { printer: &printer, node: &node, chain_id: 1, account, nobody };
        let receipt = json!({
            "transactionHash": "0x07", "from": transfer.account.to_lowercase(),
            "to": transfer.nobody.to_lowercase(), "status": "0x1", "blockNumber": "0x2a",
        });
        assert_eq!(transfer.checked("0x07", &receipt).unwrap(), 42);
        for field in ["transactionHash", "from", "to", "status", "blockNumber"] {
            for value in [json!("0x0"), Value::Null].into_iter().skip(usize::from(field == "blockNumber")) {
                let mut other = receipt.clone();
                other[field] = value;
                assert_eq!(transfer.checked("0x07", &other).unwrap_err().code(), "E5904", "{field}");
            }
        }
    }
}
