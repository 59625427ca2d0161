//! How a session goes, as it goes: one line for each round that all members have got through.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keymoot_types::Scheme;
use keymoot_wire::rest::{EventView, KeyView};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::ink::Ink;
use crate::printer::Printer;
use crate::remote::Remote;

/// The widest that a bar is drawn.
const BAR: usize = 12;

/// Rounds by number, of the sessions that there are.
const fn rounds(kind: &str) -> Option<u32> {
    match kind.as_bytes() {
        b"key generation" | b"pair setup" => Some(6),
        b"moduli" => Some(5),
        _ => None,
    }
}

/// One session that is watched.
struct Watched {
    kind: String,
    members: Vec<String>,
    /// When it was heard of first, by the cluster's clock.
    began_ms: u64,
    past: BTreeMap<u32, BTreeSet<String>>,
}

/// What is known of the sessions that were heard of.
pub struct Progress {
    ink: Ink,
    members: Vec<String>,
    sessions: BTreeMap<String, Watched>,
}

impl Progress {
    /// For a cluster with these nodes.
    pub const fn new(ink: Ink, members: Vec<String>) -> Self {
        Self { ink, members, sessions: BTreeMap::new() }
    }

    /// Takes note of an event; returns the line that is to be shown for it, if any.
    pub fn see(&mut self, event: &EventView) -> Option<String> {
        // It is about the stream, or about what a node does by itself.
        if event.session.is_empty() {
            return None;
        }
        let at = event.at_ms.unwrap_or_default();
        let watched = self.sessions.entry(event.session.clone()).or_insert_with(|| Watched {
            kind: event.kind.clone(),
            members: if event.members.is_empty() { self.members.clone() } else { event.members.clone() },
            began_ms: at,
            past: BTreeMap::new(),
        });
        if !event.members.is_empty() {
            watched.members.clone_from(&event.members);
        }
        match event.what.as_str() {
            "round" => {
                let (round, node) = (event.round?, event.node.clone()?);
                let past = watched.past.entry(round).or_default();
                if !past.insert(node) || past.len() != watched.members.len() {
                    return None;
                }
                Some(line(self.ink, watched, round, at.saturating_sub(watched.began_ms)))
            }
            "refused" => {
                let node = event.node.as_deref().unwrap_or("somebody");
                let why = event.detail.as_deref().unwrap_or("for its own reasons");
                Some(format!("    {} {node} refuses: {why}", self.ink.bad("✗")))
            }
            "ended" => {
                event.detail.as_ref().map(|why| format!("    {} {}: {why}", self.ink.bad("✗"), event.kind))
            }
            _ => None,
        }
    }

    /// Of those sessions that go on: of whom nothing has come in the latest round.
    pub fn awaited(&self) -> Vec<String> {
        let mut awaited = BTreeSet::new();
        for watched in self.sessions.values() {
            let past = watched.past.last_key_value().map(|(_, past)| past);
            if past.is_none_or(|past| past.len() < watched.members.len()) {
                let is_out = |name: &&String| past.is_none_or(|past| !past.contains(*name));
                awaited.extend(watched.members.iter().filter(is_out).cloned());
            }
        }
        awaited.into_iter().collect()
    }
}

fn line(ink: Ink, watched: &Watched, round: u32, ms: u64) -> String {
    let number = round + 1;
    let (of, filled) = match rounds(&watched.kind) {
        Some(total) => (format!("{number}/{total}"), BAR * number.min(total) as usize / total as usize),
        None => (number.to_string(), BAR),
    };
    let bar = format!("{}{}", "█".repeat(filled), "░".repeat(BAR - filled));
    let marks = if watched.members.len() <= 4 {
        let marks: Vec<_> = watched.members.iter().map(|name| format!("{name} {}", ink.good("✓"))).collect();
        marks.join(" ")
    } else {
        format!("{} nodes {}", watched.members.len(), ink.good("✓"))
    };
    format!("    round {of:<4} {bar} {marks}  {ms:>6} ms")
}

/// Has a key made, and shows each round as it passes; to programs only if they are told of more than results.
pub async fn create_key(
    remote: &Remote,
    printer: &Printer,
    name: &str,
    scheme: Scheme,
    tells_programs: bool,
) -> Result<KeyView, Failure> {
    let members = remote.document.nodes.iter().map(|node| node.name.clone()).collect();
    let mut progress = Progress::new(printer.ink, members);
    // Whoever cannot watch can have the key all the same.
    let mut events = remote.events().await.ok();
    let mut next = async || match &mut events {
        Some(events) => events.recv().await,
        None => None,
    };
    let mut made = std::pin::pin!(remote.create_key(name, scheme));
    // Words go first: what is done is told before its result.
    let key = loop {
        tokio::select! {
            biased;
            Some(event) = next() => tell(printer, &mut progress, &event, tells_programs)?,
            key = &mut made => break key.map_err(|failure| hint(failure, &progress))?,
        }
    };
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(20), next()).await {
        tell(printer, &mut progress, &event, tells_programs)?;
    }
    let took = key.1.map_or(String::new(), |ms| format!(" in {:.2} s", ms as f64 / 1000.0));
    let tick = printer.ink.good("✓");
    printer.line(&format!("    {tick} key ready{took} · nobody ever held the private key"))?;
    Ok(key.0)
}

/// Says for whom a session that failed was waiting.
fn hint(failure: Failure, progress: &Progress) -> Failure {
    match (failure, progress.awaited().as_slice()) {
        (Failure::Trouble(trouble), awaited) if !awaited.is_empty() => {
            trouble.branch(format!("waited for {} last", awaited.join(", "))).into()
        }
        (failure, _) => failure,
    }
}

/// An event, for programs.
pub fn document(event: &EventView) -> Value {
    json!({
        "schema": "keymoot/event/v1", "session": event.session, "kind": event.kind, "what": event.what,
        "node": event.node, "round": event.round, "detail": event.detail, "at_ms": event.at_ms,
    })
}

fn tell(
    printer: &Printer,
    progress: &mut Progress,
    event: &EventView,
    tells_programs: bool,
) -> Result<(), Failure> {
    if event.kind != "key generation" {
        return Ok(());
    }
    if tells_programs {
        printer.object(&document(event))?;
    }
    progress.see(event).map_or(Ok(()), |line| printer.line(&line))
}

#[cfg(test)]
mod tests {
    use keymoot_wire::rest::EventView;

    use super::Progress;
    use crate::ink::Ink;

    fn event(what: &str, node: &str, round: u32, at: u64) -> EventView {
        EventView {
            what: what.into(),
            session: "ses_1".into(),
            kind: "key generation".into(),
            request: None,
            node: Some(node.into()),
            round: Some(round),
            detail: Some("no".into()),
            members: Vec::new(),
            at: None,
            at_ms: Some(at),
        }
    }

    #[test]
    fn a_round_is_a_line_when_all_are_through_and_only_once() {
        let members = vec!["node-1".to_owned(), "node-2".to_owned()];
        let mut progress = Progress::new(Ink::Plain, members);
        assert_eq!(progress.see(&event("round", "node-1", 0, 1000)), None);
        assert_eq!(progress.awaited(), ["node-2"]);
        assert_eq!(progress.see(&event("round", "node-1", 0, 1001)), None);
        let line = progress.see(&event("round", "node-2", 0, 1038)).unwrap();
        assert_eq!(line, "    round 1/6  ██░░░░░░░░░░ node-1 ✓ node-2 ✓      38 ms");
        assert!(line.chars().count() <= 80);
        assert_eq!(progress.see(&event("round", "node-2", 0, 1039)), None);
        assert_eq!(progress.see(&event("refused", "node-2", 0, 1039)).unwrap(), "    ✗ node-2 refuses: no");
    }
}
