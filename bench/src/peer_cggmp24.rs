//! `cggmp24`, which is a program of its own: it needs GMP, and other versions of what we need.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};

/// Where the program is.
const PROGRAM: &str = "KEYMOOT_BENCH_CGGMP24";

/// What it is called.
pub const NAME: &str = "cggmp24 0.7.0-alpha.3, GMP, tables";

/// The program, which makes a signature when it is asked to. It ends when it is not asked any more.
pub struct Cggmp24 {
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Cggmp24 {
    /// Starts it, if somebody says where it is.
    pub fn start() -> Result<Option<Self>> {
        let Some(program) = std::env::var_os(PROGRAM) else { return Ok(None) };
        let mut command = Command::new(&program);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.with_context(|| format!("{} cannot be started", program.display()))?;
        let ask = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("it has an output")?);
        Ok(Some(Self { child, ask, answers }))
    }

    /// One signature: its CPU time in microseconds. It does not count bytes.
    pub fn sign(&mut self) -> Result<(f64, usize)> {
        let ask = self.ask.as_mut().context("it can be asked")?;
        ask.write_all(b"\n")?;
        ask.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let time = line.trim().parse().with_context(|| format!("`{}` is no time", line.escape_debug()))?;
        Ok((time, 0))
    }
}

impl Drop for Cggmp24 {
    fn drop(&mut self) {
        drop(self.ask.take());
        // It ends by itself; what it ends with says nothing any more.
        let _ = self.child.wait();
    }
}
