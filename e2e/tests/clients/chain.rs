//! An Ethereum chain on this machine, and the signer between it and the cluster.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use keymoot_e2e::process::Process;
use serde_json::{Value, json};

use crate::lab::{Lab, started};
use crate::place::Place;

/// The chain id of development chains.
pub const CHAIN: u64 = 31_337;
/// Ten thousand ether, in wei.
const RICHES: &str = "0x21e19e0c9bab2400000";

/// Both processes. What is first here is ended first.
pub struct Chain {
    _signer: Process,
    _node: Process,
    /// Where the signer listens, and the node.
    pub signer: String,
    pub node: String,
    /// What scripts are told.
    pub settings: Value,
}

impl Chain {
    /// Starts both; the account of the cluster is rich.
    pub fn start(lab: &Lab, place: &Place) -> Result<Self> {
        let token = token(place)?;
        let chain = CHAIN.to_string();
        let mut command = Command::new(place.foundry("anvil")?);
        lab.cluster.at_home(&mut command);
        // Accounts of its own would let a test pass that asks it past the signer.
        command.args(["--host", "127.0.0.1", "--port", "0", "--accounts", "0", "--chain-id", &chain]);
        let (process, address) = started("anvil", command, "Listening on ")?;
        let node = format!("http://{address}");
        enrich(&node, &lab.account)?;
        let mut command = lab.program()?;
        command.args(["eth", "--listen", "127.0.0.1:0", "--downstream", &node, "--chain-id", &chain]);
        let (signing, signer) = started("the signer", command, "eth signer on ")?;
        let mut settings = lab.settings.clone();
        for (name, value) in [
            ("signer", json!(signer)),
            ("node", json!(node)),
            ("chain", json!(CHAIN)),
            ("account", json!(lab.account)),
            ("token", token),
            ("cast", json!(place.foundry("cast")?)),
        ] {
            settings[name] = value;
        }
        Ok(Self { _signer: signing, _node: process, signer, node, settings })
    }

    /// Makes an account rich.
    pub fn enrich(&self, account: &str) -> Result<()> {
        enrich(&self.node, account)
    }
}

/// What deploys the token of the tests.
fn token(place: &Place) -> Result<Value> {
    let output = place.script("compile.mjs").output().context("Node cannot be started")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the token does not compile:\n{complaint}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn enrich(node: &str, account: &str) -> Result<()> {
    ask(node, "anvil_setBalance", &json!([account, RICHES])).map(drop)
}

/// One question to a JSON-RPC service.
fn ask(url: &str, method: &str, params: &Value) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(ask_with(&reqwest::Client::new(), url, method, params))
}

/// The same, over a connection that is kept.
pub async fn ask_with(http: &reqwest::Client, url: &str, method: &str, params: &Value) -> Result<Value> {
    let question = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer: Value = http.post(url).json(&question).send().await?.json().await?;
    ensure!(answer.get("error").is_none(), "{method}: {answer}");
    Ok(answer["result"].clone())
}
