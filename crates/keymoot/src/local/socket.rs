//! How a second terminal talks to the supervisor: one JSON line there, one back, on a socket in a directory that only its
//! owner looks into.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keymoot_wire::door;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::supervisor::{MemberState, Supervisor};
use crate::explain::{self, NOT_SUPERVISED};
use crate::failure::{Failure, Trouble};
use crate::place::io_trouble;

/// The longest line, in bytes.
const LINE_MAX: u64 = 64 * 1024;
/// How long an answer may take; starting processes takes longest.
const ANSWER: Duration = Duration::from_secs(30);

/// What is wished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Wish {
    Kill(String),
    /// One of this name, or all.
    Start(Option<String>),
    State,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Those that it was done to.
    Done(Vec<String>),
    State(Vec<MemberState>),
    /// A code and a sentence.
    Failed(String, String),
}

/// Answers for as long as the supervisor lives.
pub fn serve(supervisor: &Arc<Supervisor>, path: &Path) -> Result<(), Failure> {
    // What an earlier run left behind, whose processes have ended with it.
    let _ = std::fs::remove_file(path);
    let listener =
        UnixListener::bind(path).map_err(|error| io_trouble(path, "cannot be listened on", error))?;
    let keeper = Arc::downgrade(supervisor);
    tokio::spawn(async move {
        loop {
            let (stream, _) = door::next(|| listener.accept()).await;
            let Some(supervisor) = keeper.upgrade() else { return };
            tokio::spawn(async move {
                // Whoever asks and leaves has its own reasons.
                let _ = tokio::time::timeout(ANSWER, answer(stream, &supervisor)).await;
            });
        }
    });
    Ok(())
}

async fn answer(mut stream: UnixStream, supervisor: &Arc<Supervisor>) -> std::io::Result<()> {
    let (read, mut write) = stream.split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_MAX)).read_line(&mut line).await?;
    let reply = match serde_json::from_str::<Wish>(&line) {
        Err(error) => Reply::Failed(explain::USAGE.code.to_owned(), error.to_string()),
        Ok(wish) => grant(wish, supervisor)
            .await
            .unwrap_or_else(|failure| Reply::Failed(failure.code().to_owned(), failure.to_string())),
    };
    let mut text = serde_json::to_string(&reply).map_err(std::io::Error::other)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

async fn grant(wish: Wish, supervisor: &Arc<Supervisor>) -> Result<Reply, Failure> {
    Ok(match wish {
        Wish::Kill(name) => {
            let has_run = supervisor.kill(&name).await?;
            Reply::Done(if has_run { vec![name] } else { Vec::new() })
        }
        Wish::Start(name) => Reply::Done(supervisor.start_again(name.as_deref()).await?),
        Wish::State => Reply::State(supervisor.state().await),
    })
}

/// Asks the supervisor behind a socket.
pub async fn ask(path: &Path, wish: &Wish) -> Result<Reply, Failure> {
    let unanswered = |undone: &str| {
        let trouble = Trouble::new(NOT_SUPERVISED, "nobody answers who could do that").undone(undone);
        move |error: std::io::Error| trouble.because(error)
    };
    let stream = UnixStream::connect(path).await.map_err(unanswered("nothing was done"))?;
    let asked = tokio::time::timeout(ANSWER, exchange(stream, wish)).await;
    let asked = asked.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    let reply = asked.map_err(unanswered("it was asked for, and may be done: `keymoot node list` tells"))?;
    match reply {
        Reply::Failed(code, what) => {
            let page = explain::own(&code).unwrap_or(explain::BUG);
            let trouble = Trouble::new(page, what);
            // A name is looked at before anything is done; of several that are started, some may run.
            let is_begun = ![explain::NO_PROCESS.code, explain::USAGE.code].contains(&page.code);
            let undone = if is_begun {
                "not all of it was done: `keymoot node list` shows what runs"
            } else {
                "nothing was done"
            };
            Err(trouble.undone(undone).into())
        }
        reply => Ok(reply),
    }
}

async fn exchange(mut stream: UnixStream, wish: &Wish) -> std::io::Result<Reply> {
    let mut text = serde_json::to_string(wish).map_err(std::io::Error::other)?;
    text.push('\n');
    stream.write_all(text.as_bytes()).await?;
    let mut line = String::new();
    BufReader::new(stream.take(16 * LINE_MAX)).read_line(&mut line).await?;
    serde_json::from_str(&line).map_err(std::io::Error::other)
}
