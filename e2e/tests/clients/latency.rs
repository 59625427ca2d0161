//! What the signer adds to a signature: the same transaction is signed through it and without it, in turns.

use std::fmt;
use std::time::{Duration, Instant};

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, TxKind, U256};
use anyhow::{Context, Result, ensure};
use keymoot_e2e::load;
use keymoot_wire::rest::{CreateSignatureBody, SignatureView, Status};
use serde_json::json;

use crate::chain::{CHAIN, Chain, ask_with};
use crate::lab::Lab;

/// So many of each.
const TURNS: u64 = 100;
/// The first are not counted: connections are made, and what is read once is read.
const WARM: u64 = 10;
/// What may be added in the middle, in a release build.
const ADDED_MAX: Duration = Duration::from_millis(2);
/// A build without optimisation is given more.
const ADDED_MAX_DEBUG: Duration = Duration::from_millis(20);
/// A nonce that this account never gets to: these transactions are not sent.
const NONCE: u64 = 1 << 40;

/// Medians.
pub struct Measured {
    through: Duration,
    without: Duration,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { through, without } = self;
        let added = millis(*through) - millis(*without);
        let (through, without) = (millis(*through), millis(*without));
        write!(
            f,
            "p50 of {TURNS} signatures: {through:.1} ms by eth_signTransaction, {without:.1} ms by REST, "
        )?;
        write!(f, "{added:+.1} ms in between")
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

impl Measured {
    /// It is not too much.
    pub fn check(&self) -> Result<()> {
        let most = if cfg!(debug_assertions) { ADDED_MAX_DEBUG } else { ADDED_MAX };
        ensure!(self.through <= self.without + most, "{self}; at most {most:?} may be");
        Ok(())
    }
}

/// Signs in turns.
pub fn measure(lab: &Lab, chain: &Chain) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let http = reqwest::Client::new();
        let client = load::client(&lab.cluster.place("alice"), lab.cluster.gateway())?;
        let (mut through, mut without) = (Vec::new(), Vec::new());
        for turn in 0..WARM + TURNS {
            let one = transaction(NONCE + 2 * turn);
            let begun = Instant::now();
            ask_with(&http, &chain.signer, "eth_signTransaction", &json!([fields(&one, &lab.account)]))
                .await?;
            let signer = begun.elapsed();
            let payload = hex::encode(transaction(NONCE + 2 * turn + 1).encoded_for_signing());
            let (key, path, kind) = (lab.key.clone(), "m".to_owned(), "evm_tx".to_owned());
            let body = CreateSignatureBody { key, path, kind, payload, signing: None };
            let begun = Instant::now();
            let view: SignatureView = client.sign(&body, Duration::from_secs(30)).await?;
            let rest = begun.elapsed();
            ensure!(view.status == Status::Complete, "{view:?}");
            if turn >= WARM {
                through.push(signer);
                without.push(rest);
            }
        }
        Ok(Measured { through: median(through)?, without: median(without)? })
    })
}

fn transaction(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(Address::repeat_byte(0x42)),
        value: U256::from(1),
        ..TxEip1559::default()
    }
}

/// Nothing is left to fill in, so that the node is not asked.
fn fields(one: &TxEip1559, from: &str) -> serde_json::Value {
    let number = |value: u128| format!("{value:#x}");
    json!({
        "from": from, "to": Address::repeat_byte(0x42), "value": "0x1", "gas": number(one.gas_limit.into()),
        "maxFeePerGas": number(one.max_fee_per_gas), "maxPriorityFeePerGas": number(one.max_priority_fee_per_gas),
        "nonce": number(one.nonce.into()), "chainId": number(one.chain_id.into()),
    })
}

fn median(mut times: Vec<Duration>) -> Result<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("nothing was measured")
}
