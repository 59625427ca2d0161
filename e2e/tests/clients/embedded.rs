//! A cluster of `keymoot up` on regtest, with the signer for Ethereum applications inside it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keymoot_e2e::process::{Process, binary};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::chain::{CHAIN, Chain};
use crate::lab::started_within;

/// How long it may take until everything is ready, keys too.
const READY: Duration = Duration::from_secs(180);

/// What is first here is ended first: the processes of the cluster follow the first one.
pub struct Embedded {
    _up: Process,
    folder: TempDir,
    /// What scripts are told.
    pub settings: Value,
}

impl Embedded {
    /// Starts it; the account of its key is rich.
    pub fn start(chain: &Chain) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(binary()?);
        at_home(&mut command, &folder);
        command.args(["up", "--dir", "up", "--bitcoin-network", "regtest", "--patience", "120"]);
        command.args(["--ethereum", &chain.node]);
        let (up, signer) = started_within("the embedded signer", command, "eth signer on ", READY)?;
        let context = folder.path().join("up/you");
        let keymoot = |words: &[&str]| -> Result<Value> {
            let mut command = Command::new(binary()?);
            at_home(&mut command, &folder);
            command.arg("--context").arg(&context).args(words).arg("--json").stdin(Stdio::null());
            let output = command.output().context("keymoot cannot be started")?;
            let complaint = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "keymoot {}: {complaint}", words.join(" "));
            let said = String::from_utf8(output.stdout)?;
            Ok(serde_json::from_str(said.lines().last().context("a command said nothing")?)?)
        };
        keymoot(&["key", "create", "cold", "--scheme", "frost-taproot"])?;
        let found = keymoot(&["key", "address", "hot"])?;
        let mut rows = found["addresses"].as_array().into_iter().flatten();
        let account = rows.find(|row| row["chain"] == "ethereum").context("no address on ethereum")?;
        let account = account["address"].as_str().context("an address is text")?.to_owned();
        chain.enrich(&account)?;
        let settings = json!({
            "keymoot": { "program": binary()?, "arguments": ["--context", context] },
            "signer": signer, "node": chain.node, "chain": CHAIN, "account": account,
        });
        Ok(Self { _up: up, folder, settings })
    }

    /// Gives a command a home here.
    pub fn at_home(&self, command: &mut Command) {
        at_home(command, &self.folder);
    }

    /// Keeps the settings for scripts in a file.
    pub fn keep(&self) -> Result<PathBuf> {
        let file = self.folder.path().join("settings.json");
        std::fs::write(&file, self.settings.to_string())?;
        Ok(file)
    }
}

fn at_home(command: &mut Command, folder: &TempDir) {
    let place = folder.path();
    command.current_dir(place).env("HOME", place).env_remove("KEYMOOT_CTX");
    command.env("XDG_CONFIG_HOME", place.join("config")).env("XDG_RUNTIME_DIR", place.join("runtime"));
}
