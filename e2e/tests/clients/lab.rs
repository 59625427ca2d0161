//! A cluster with a key for each chain, and our own program as its client.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use keymoot_e2e::cluster::{Cluster, TWO_OF_THREE};
use keymoot_e2e::process::{Process, Said, binary};
use serde_json::{Value, json};

/// How long a process may take until it listens.
const READY: Duration = Duration::from_secs(30);

/// What all clients have in common.
pub struct Lab {
    pub cluster: Cluster,
    /// The account of the key for Ethereum.
    pub account: String,
    /// The id of that key.
    pub key: String,
    /// What scripts are told.
    pub settings: Value,
}

impl Lab {
    /// Starts a cluster and makes its keys.
    pub fn start() -> Result<Self> {
        let mut cluster = Cluster::prepare(TWO_OF_THREE)?;
        // A few hundred signatures come at once, and little is made ahead beyond that.
        cluster.environment = [("KEYMOOT_BATCH", "64"), ("KEYMOOT_POOL", "256")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        cluster.start_all()?;
        let mut lab = Self { cluster, account: String::new(), key: String::new(), settings: Value::Null };
        let ecdsa = lab.watched("hot", "dkls23")?;
        let taproot = lab.watched("cold", "frost-taproot")?;
        lab.json(&["key", "create", "sol", "--scheme", "frost-ed25519"])?;
        lab.account = lab.address("hot", "ethereum")?;
        lab.key = ecdsa["key"].as_str().context("a key has an id")?.to_owned();
        let solana = json!({ "name": "sol", "address": lab.address("sol", "solana")? });
        lab.settings = json!({
            "keymoot": { "program": binary()?, "arguments": ["--context", lab.cluster.place("alice")] },
            "keys": { "ecdsa": ecdsa, "taproot": taproot, "solana": solana },
        });
        Ok(lab)
    }

    /// Makes a key, and returns its extended public key and descriptors.
    fn watched(&self, name: &str, scheme: &str) -> Result<Value> {
        self.json(&["key", "create", name, "--scheme", scheme])?;
        let mut found = self.json(&["key", "xpub", name])?;
        found["name"] = name.into();
        Ok(found)
    }

    fn address(&self, name: &str, chain: &str) -> Result<String> {
        let found = self.json(&["key", "address", name])?;
        let mut rows = found["addresses"].as_array().into_iter().flatten();
        let row = rows.find(|row| row["chain"] == chain).with_context(|| format!("no address on {chain}"))?;
        Ok(row["address"].as_str().context("an address is text")?.to_owned())
    }

    /// Our program with the context of the client.
    pub fn program(&self) -> Result<Command> {
        let mut command = Command::new(binary()?);
        self.cluster.at_home(&mut command);
        command.arg("--context").arg(self.cluster.place("alice"));
        Ok(command)
    }

    /// The last object that a command prints.
    fn json(&self, words: &[&str]) -> Result<Value> {
        let mut arguments = vec!["--context".to_owned(), self.cluster.place("alice").display().to_string()];
        arguments.extend(words.iter().map(|word| (*word).to_owned()));
        arguments.push("--json".to_owned());
        let said = self.cluster.command(&arguments)?;
        let last = said.lines().last().context("a command said nothing")?;
        Ok(serde_json::from_str(last)?)
    }

    /// Keeps settings for scripts in a file.
    pub fn keep(&self, name: &str, settings: &Value) -> Result<PathBuf> {
        let file = self.cluster.place(name);
        std::fs::write(&file, settings.to_string())?;
        Ok(file)
    }
}

/// Starts a process and waits for the line in which it says where it listens; returns what follows the sign.
pub fn started(name: &str, command: Command, sign: &str) -> Result<(Process, String)> {
    started_within(name, command, sign, READY)
}

/// The same, for what takes its time.
pub fn started_within(
    name: &str,
    command: Command,
    sign: &str,
    within: Duration,
) -> Result<(Process, String)> {
    let said = Said::default();
    let process = Process::start(name, command, &said)?;
    let line = said.wait_for(&format!("where {name} listens"), within, |line| line.contains(sign))?;
    let (_, address) = line.split_once(sign).context("the line was just found")?;
    Ok((process, address.trim().to_owned()))
}
