//! The scripts, and what each has to check: a check that is not made fails like one that is made in vain.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// How long a script may take.
const PATIENCE: Duration = Duration::from_secs(240);
/// So many lines of what a failed script said are shown.
const LINES_SHOWN: usize = 30;

/// What a script is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gets {
    /// Addresses, to work them out again.
    Addresses,
    /// A cluster.
    Cluster,
    /// A cluster, and a signer for a chain.
    Chain,
    /// A cluster of `keymoot up`, with a signer for a chain inside it.
    Embedded,
}

/// One script of `e2e/clients`.
pub struct Script {
    /// As tests are named.
    pub client: &'static str,
    pub file: &'static str,
    pub gets: Gets,
    /// In their order.
    pub checks: &'static [&'static str],
}

const fn script(
    client: &'static str,
    file: &'static str,
    gets: Gets,
    checks: &'static [&'static str],
) -> Script {
    Script { client, file, gets, checks }
}

/// All of them.
pub const SCRIPTS: &[Script] = &[
    script(
        "addresses",
        "addresses.mjs",
        Gets::Addresses,
        &[
            "viem agrees on evm",
            "ethers agrees on evm",
            "bitcoinjs agrees on p2wpkh",
            "bitcoinjs agrees on p2sh",
            "bitcoinjs agrees on p2tr",
            "scure agrees on p2wpkh",
            "scure agrees on p2sh",
            "scure agrees on p2tr",
        ],
    ),
    script(
        "addresses",
        "addresses.py",
        Gets::Addresses,
        &["BDK agrees on p2wpkh", "BDK agrees on p2sh", "BDK agrees on p2tr"],
    ),
    script(
        "viem",
        "viem.mjs",
        Gets::Chain,
        &[
            "lists the account",
            "sends ether",
            "sends transactions of every type",
            "carries an authorisation of EIP-7702",
            "signs a transaction without sending it",
            "deploys a contract",
            "moves tokens",
            "signs typed data",
            "signs messages",
            "is told that an account is not here",
            "is told that a chain is another",
            "is told that a method is not served",
            "gets the same hash for the same transaction",
            "sends 200 at once",
        ],
    ),
    script(
        "ethers",
        "ethers.mjs",
        Gets::Chain,
        &[
            "finds the account",
            "sends ether",
            "deploys a contract",
            "moves tokens",
            "signs typed data",
            "signs messages",
            "asks in batches",
            "is told that an account is not here",
            "is told that a chain is another",
        ],
    ),
    script(
        "web3_py",
        "web3_client.py",
        Gets::Chain,
        &[
            "lists the account",
            "sends ether",
            "deploys a contract",
            "moves tokens",
            "signs typed data",
            "signs messages",
            "signs a transaction without sending it",
            "is told that an account is not here",
            "is told that a chain is another",
        ],
    ),
    script(
        "cast",
        "cast.mjs",
        Gets::Chain,
        &[
            "sends ether",
            "deploys a contract",
            "moves tokens",
            "signs messages",
            "signs typed data",
            "is told that an account is not here",
        ],
    ),
    script("bitcoinjs", "bitcoinjs.mjs", Gets::Cluster, SPENDS),
    script(
        "scure",
        "scure.mjs",
        Gets::Cluster,
        &[
            "spends P2WPKH, PSBT version 0",
            "spends P2WPKH in P2SH, PSBT version 0",
            "spends P2TR, PSBT version 0",
            "spends P2WPKH, PSBT version 2",
            "spends P2WPKH in P2SH, PSBT version 2",
            "spends P2TR, PSBT version 2",
        ],
    ),
    script("bdk", "bdk.py", Gets::Cluster, SPENDS),
    script(
        "hwi",
        "hwi.py",
        Gets::Embedded,
        &["spends P2WPKH", "spends P2WPKH in P2SH", "spends P2TR", "is told that a network is another"],
    ),
    script(
        "embedded",
        "embedded.mjs",
        Gets::Embedded,
        &[
            "finds the account and the chain",
            "sends ether",
            "signs typed data",
            "is told that an account is not here",
        ],
    ),
    script(
        "solders",
        "solana.py",
        Gets::Cluster,
        &["transfers with a legacy message", "transfers with a message of version 0"],
    ),
];

const SPENDS: &[&str] = &["spends P2WPKH", "spends P2WPKH in P2SH", "spends P2TR"];

/// What a script has said.
pub struct Ran {
    checks: BTreeMap<String, Value>,
    /// Why it cannot be believed.
    broken: Option<String>,
    said: String,
}

/// Runs a script to its end.
pub fn run(script: &Script, command: Command) -> Result<Ran> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut command = tokio::process::Command::from(command);
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = runtime.block_on(async { tokio::time::timeout(PATIENCE, command.output()).await });
    let output = output.with_context(|| format!("{} goes on after {PATIENCE:?}", script.file))?;
    let output = output.with_context(|| format!("{} cannot be started", script.file))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut checks = BTreeMap::new();
    let mut broken = None;
    for line in out.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_default();
        let Some(name) = value["check"].as_str().map(str::to_owned) else { continue };
        if !script.checks.contains(&name.as_str()) {
            broken = Some(format!("{} makes a check that is not listed: {name}", script.file));
        }
        if checks.insert(name.clone(), value).is_some() {
            broken = Some(format!("{} makes a check twice: {name}", script.file));
        }
    }
    let is_good = checks.values().all(|check| check["ok"] == true);
    if is_good && !output.status.success() {
        broken = Some(format!("{} ended with {}", script.file, output.status));
    }
    let lines: Vec<&str> =
        out.lines().filter(|line| !line.starts_with("{\"check\"")).chain(err.lines()).collect();
    let said = lines.get(lines.len().saturating_sub(LINES_SHOWN)..).unwrap_or_default().join("\n");
    Ok(Ran { checks, broken, said })
}

impl Ran {
    /// What a check has found, if it was made and passed.
    pub fn found(&self, check: &str) -> Result<&Value> {
        if let Some(broken) = &self.broken {
            bail!("{broken}\n{}", self.said);
        }
        let found = self.checks.get(check);
        let found = found.with_context(|| format!("the script did not get there\n{}", self.said))?;
        let error = found["error"].as_str().unwrap_or_default();
        ensure!(found["ok"] == true, "{error}\n{}", self.said);
        Ok(found)
    }
}
