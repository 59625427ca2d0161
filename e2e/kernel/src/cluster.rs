//! A cluster of `keymoot up` on regtest, and its commands.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use bitcoin::Psbt;
use serde_json::Value;

/// It ends with this.
pub struct Cluster {
    program: PathBuf,
    folder: PathBuf,
    up: Child,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Its processes notice that it is gone, and end.
        let _ = self.up.kill();
        let _ = self.up.wait();
    }
}

impl Cluster {
    /// Starts it, and waits until its key `hot` is there.
    pub fn start(program: PathBuf, folder: &Path) -> Result<Self> {
        let mut command = at_home(&program, folder);
        command.args(["up", "--dir", "up", "--bitcoin-network", "regtest", "--patience", "120"]);
        let mut up = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("keymoot cannot be started")?;
        let said = BufReader::new(up.stdout.take().context("it has an output")?);
        let cluster = Self { program, folder: folder.to_owned(), up };
        let is_there = said.lines().map_while(Result::ok).any(|line| line.contains("Ctrl-C ends it"));
        ensure!(is_there, "`keymoot up` has ended before it was ready");
        Ok(cluster)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = at_home(&self.program, &self.folder);
        command.args(["--context", "up/you"]).args(words);
        command
    }

    /// The last object that a command prints.
    pub fn json(&self, words: &[&str]) -> Result<Value> {
        let output = self.command(words).arg("--json").stdin(Stdio::null()).output()?;
        ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout)?;
        Ok(serde_json::from_str(said.lines().last().context("a command said nothing")?)?)
    }

    /// Has a PSBT signed, as Bitcoin Core has it done.
    pub fn signed(&self, key: &str, psbt: &Psbt) -> Result<Psbt> {
        let mut command = self.command(&["hwi", "--key", key, "--stdin", "--chain", "regtest"]);
        let mut signer = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut input = signer.stdin.take().context("it has an input")?;
        input.write_all(format!("signtx \"{psbt}\"").as_bytes())?;
        drop(input);
        let output = signer.wait_with_output()?;
        let answer: Value = serde_json::from_slice(&output.stdout)?;
        match answer["psbt"].as_str() {
            Some(signed) => Ok(signed.parse()?),
            None => bail!("keymoot hwi: {answer}"),
        }
    }
}

fn at_home(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("HOME", folder).env_remove("KEYMOOT_CTX");
    command.env("XDG_CONFIG_HOME", folder.join("config")).env("XDG_RUNTIME_DIR", folder.join("runtime"));
    command
}
