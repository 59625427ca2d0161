//! One process of the product: started, watched for its words, killed, stopped, continued.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Lines that are kept of what a process has said: the first few, which tell how it started, and the last.
const LINES_MAX: usize = 1_000_000;
const FIRST_KEPT: usize = 1_000;

/// What a process has said on its standard output and error.
#[derive(Clone, Default)]
pub struct Said {
    lines: Arc<(Mutex<VecDeque<String>>, Condvar)>,
}

impl Said {
    fn add(&self, line: String) {
        let (lines, news) = &*self.lines;
        if let Ok(mut lines) = lines.lock() {
            if lines.len() >= LINES_MAX {
                lines.remove(FIRST_KEPT);
            }
            lines.push_back(line);
        }
        news.notify_all();
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.lines.0.lock();
        lines.map(|lines| lines.iter().map(|line| format!("{line}\n")).collect()).unwrap_or_default()
    }

    /// Waits for a line that this is true of.
    ///
    /// # Errors
    /// It did not come in time; the error has what came.
    pub fn wait_for(&self, what: &str, within: Duration, is_it: impl Fn(&str) -> bool) -> Result<String> {
        let until = Instant::now() + within;
        let (lines, news) = &*self.lines;
        let Ok(mut guard) = lines.lock() else { bail!("the reader has panicked") };
        loop {
            if let Some(line) = guard.iter().find(|line| is_it(line)) {
                return Ok(line.clone());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let all: String = guard.iter().map(|line| format!("{line}\n")).collect();
                bail!("{what} was not said within {within:?}; said was:\n{all}");
            }
            let Ok((next, _)) = news.wait_timeout(guard, left) else { bail!("the reader has panicked") };
            guard = next;
        }
    }
}

/// A running process. It is killed when this is dropped.
pub struct Process {
    name: String,
    child: Child,
    said: Said,
}

impl Process {
    /// Starts `command` as `name`, and keeps what it says.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: &str, mut command: Command, said: &Said) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        if let Some(out) = child.stdout.take() {
            listen(out, said.clone());
        }
        if let Some(err) = child.stderr.take() {
            listen(err, said.clone());
        }
        Ok(Self { name: name.to_owned(), child, said: said.clone() })
    }

    /// What it has said.
    #[must_use]
    pub const fn said(&self) -> &Said {
        &self.said
    }

    /// Types something in.
    ///
    /// # Errors
    /// Nobody reads it any more.
    pub fn type_in(&mut self, keys: &str) -> Result<()> {
        use std::io::Write;
        let input = self.child.stdin.as_mut().with_context(|| format!("{} has no input", self.name))?;
        input.write_all(keys.as_bytes()).and_then(|()| input.flush()).context("nobody reads it")
    }

    fn pid(&self) -> Result<Pid> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        id.with_context(|| format!("{} has no id", self.name))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// The process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid()?, signal).with_context(|| format!("{} takes no signal", self.name))
    }

    /// Kills it at once, and waits until it is gone.
    ///
    /// # Errors
    /// The system says no.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("{} cannot be killed", self.name))?;
        self.child.wait().map(drop).with_context(|| format!("{} does not end", self.name))
    }

    /// Asks it to end, and waits for its exit code.
    ///
    /// # Errors
    /// It does not end within ten seconds.
    pub fn stop(&mut self) -> Result<Option<i32>> {
        self.signal(Signal::TERM)?;
        self.ended(Duration::from_secs(10))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It goes on.
    pub fn ended(&mut self, within: Duration) -> Result<Option<i32>> {
        let until = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            if Instant::now() >= until {
                bail!("{} goes on after {within:?}; it said:\n{}", self.name, self.said.text());
            }
            pause(Duration::from_millis(10));
        }
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A stopped process does not die of anything but this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(stream: impl std::io::Read + Send + 'static, said: Said) {
    std::thread::spawn(move || {
        BufReader::new(stream).lines().map_while(Result::ok).for_each(|line| said.add(line));
    });
}

/// The schedule of faults is in real time, and so is the wait for a process that says nothing when it ends.
pub fn pause(time: Duration) {
    let (lock, never) = (Mutex::new(()), Condvar::new());
    if let Ok(guard) = lock.lock() {
        let _ = never.wait_timeout(guard, time);
    }
}

/// The program under test, beside this one, built if it is not there.
///
/// # Errors
/// It cannot be built.
pub fn binary() -> Result<std::path::PathBuf> {
    if let Some(path) = std::env::var_os("KEYMOOT_BIN") {
        return Ok(path.into());
    }
    let here = std::env::current_exe()?;
    let folder = here.ancestors().find(|folder| folder.join("deps").is_dir() || folder.ends_with("deps"));
    let folder = folder.context("this program is in no target folder")?;
    let folder: &Path = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let binary = folder.join("keymoot");
    if binary.is_file() { Ok(binary) } else { bail!("{} is not there: build it first", binary.display()) }
}
