//! One process of a local cluster. It ends when its standard input does, and so none outlives whoever started it, however
//! that ends.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child as Process, ChildStdin, ChildStdout, Command};

use crate::explain::{CHILD, TIMEOUT};
use crate::failure::{Failure, Trouble};
use crate::place::io_trouble;

/// Says to a process that its standard input is its life line, and that it is to say on standard output when it listens.
pub const SUPERVISED: &str = "KEYMOOT_SUPERVISED";

/// What a process says on standard output, in one line, when it has started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Where it listens, if it does.
    pub listening: Option<String>,
    /// Where it tells how it is.
    pub health: Option<String>,
}

/// A process that runs.
pub struct Child {
    process: Process,
    /// Closed, the process ends.
    lifeline: Option<ChildStdin>,
    pub started: Started,
}

impl Child {
    /// Starts a process and waits until it says that it has started.
    pub async fn start(
        name: &str,
        role: &str,
        directory: &Path,
        log: &Path,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let program =
            std::env::current_exe().map_err(|error| io_trouble(directory, "cannot be run", error))?;
        let file = File::options().create(true).append(true).open(log);
        let file = file.map_err(|error| io_trouble(log, "cannot be written", error))?;
        let mut process = Command::new(program)
            .args(["run", role, "--dir"])
            .arg(directory)
            .env(SUPERVISED, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            // Ctrl-C at the terminal is for whoever supervises; it then ends the others in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Trouble::new(CHILD, format!("{name} cannot be started")).because(error))?;
        let lifeline = process.stdin.take();
        let stdout = process.stdout.take().ok_or(Failure::Broken("a process has no output"))?;
        let said = tokio::time::timeout(patience, first_line(stdout)).await;
        match said {
            Ok(Some(started)) => Ok(Self { process, lifeline, started }),
            Ok(None) => {
                // Its output has ended, so it is ending too.
                let status = tokio::time::timeout(patience, process.wait()).await;
                let how = match status {
                    Ok(Ok(status)) => format!("{name} did not start: {status}"),
                    _ => format!("{name} did not start"),
                };
                Err(last_words(Trouble::new(CHILD, how), log).into())
            }
            Err(_) => {
                let what = format!("{name} has not started within {} seconds", patience.as_secs());
                Err(last_words(Trouble::new(TIMEOUT, what), log).into())
            }
        }
    }

    /// The number of the process.
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) {
        // Without a status it is gone all the same.
        let _ = self.process.wait().await;
    }

    /// Ends it at once, as a failing machine would.
    pub fn kill(&mut self) {
        // It may have ended in this moment.
        let _ = self.process.start_kill();
    }

    /// Asks it to end in order.
    pub fn let_go(&mut self) {
        self.lifeline = None;
    }
}

/// The first line of its output. What comes later is thrown away, so that it never waits for us.
async fn first_line(stdout: ChildStdout) -> Option<Started> {
    let mut lines = BufReader::new(stdout).lines();
    let line = lines.next_line().await.ok().flatten()?;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    serde_json::from_str(&line).ok()
}

/// The last lines of its log, which say why.
pub fn last_words(trouble: Trouble, log: &Path) -> Trouble {
    let text =
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    // Its own complaint says it best, where it had the time for one.
    let complaint = text.lines().rev().find(|line| line.starts_with("error["));
    let lines: Vec<&str> = match complaint {
        Some(line) => vec![line],
        None => text.lines().rev().take(4).collect(),
    };
    let trouble = lines.into_iter().rev().fold(trouble, |trouble, line| trouble.branch(line.trim()));
    trouble.help(format!("the whole log is {}", log.display()))
}
