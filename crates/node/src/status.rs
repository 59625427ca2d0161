//! What a node can say of itself at any time, for people, probes and metrics. Nothing secret is in it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use keymoot_engine::node::{ModuliView, View};
use keymoot_types::Millis;

/// Between two looks at the engine, in milliseconds.
const LOOK: u64 = 1_000;

/// What the journal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalState {
    /// It is being read.
    Starting,
    /// It takes records.
    Fine,
    /// There is no room left. The node says nothing until there is.
    Full,
    /// The node has ended.
    Ended,
}

/// A link to a coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatus {
    /// The coordinator's name.
    pub coordinator: String,
    /// Whether the stream is open.
    pub is_up: bool,
    /// Why it is not; the last reason, if there was one.
    pub trouble: Option<String>,
    /// This node's clock less the coordinator's, in milliseconds, as far as it is known.
    pub skew_ms: Option<i64>,
    /// Whether both have the same cluster document, as far as it is known.
    pub same_document: Option<bool>,
}

/// A node at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// What its journal does.
    pub journal: JournalState,
    /// Its links, by the coordinators' numbers.
    pub links: Vec<LinkStatus>,
    /// Certified keys held here.
    pub keys: usize,
    /// Sessions in progress.
    pub sessions: usize,
    /// Free presignatures.
    pub presignatures: usize,
    /// Members that take part in nothing with this node.
    pub banned: Vec<String>,
    /// Entries of the audit log.
    pub entries: u64,
    /// The moduli that GG20 needs, where it is served.
    pub moduli: ModuliView,
}

impl Status {
    /// Why the node cannot serve, in words; nothing if it can.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        match self.journal {
            JournalState::Fine => {}
            JournalState::Starting => reasons.push("the journal is being read".to_owned()),
            JournalState::Full => reasons.push("storage_full: the journal's disk is full".to_owned()),
            JournalState::Ended => reasons.push("the node has ended".to_owned()),
        }
        if !self.links.iter().any(|link| link.is_up) {
            reasons.push("no coordinator is connected".to_owned());
            for link in &self.links {
                if let Some(trouble) = &link.trouble {
                    reasons.push(format!("{}: {trouble}", link.coordinator));
                }
            }
        }
        reasons
    }
}

/// Where all parts of a node note how they are.
pub(crate) struct Board {
    status: Mutex<Status>,
    shown: AtomicU64,
}

impl Board {
    pub(crate) fn new(name: &str, coordinators: impl Iterator<Item = String>) -> Self {
        let link = |coordinator| LinkStatus {
            coordinator,
            is_up: false,
            trouble: None,
            skew_ms: None,
            same_document: None,
        };
        let status = Status {
            name: name.to_owned(),
            journal: JournalState::Starting,
            links: coordinators.map(link).collect(),
            keys: 0,
            sessions: 0,
            presignatures: 0,
            banned: Vec::new(),
            entries: 0,
            moduli: ModuliView::default(),
        };
        Self { status: Mutex::new(status), shown: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn status(&self) -> Status {
        self.lock().clone()
    }

    pub(crate) fn journal(&self, state: JournalState) {
        self.lock().journal = state;
        let is_fine = state == JournalState::Fine;
        metrics::gauge!("keymoot_node_journal_up").set(if is_fine { 1.0 } else { 0.0 });
    }

    /// Notes a change of a link.
    pub(crate) fn link(&self, number: u16, change: impl FnOnce(&mut LinkStatus)) {
        let mut status = self.lock();
        let Some(link) = status.links.get_mut(usize::from(number)) else { return };
        change(link);
        let (name, is_up) = (link.coordinator.clone(), link.is_up);
        drop(status);
        metrics::gauge!("keymoot_node_link_up", "coordinator" => name).set(if is_up { 1.0 } else { 0.0 });
    }

    /// Whether it is time to look at the engine again.
    pub(crate) fn is_due(&self, now: Millis) -> bool {
        let last = self.shown.load(Ordering::Relaxed);
        let is_due = now.0 >= last.saturating_add(LOOK) || last == 0;
        if is_due {
            self.shown.store(now.0.max(1), Ordering::Relaxed);
        }
        is_due
    }

    /// Notes what the engine has.
    pub(crate) fn show(&self, view: &View) {
        let going = view.sessions.iter().filter(|session| !session.is_over);
        let mut kinds: BTreeMap<&'static str, usize> =
            ["key generation", "pair setup", "moduli", "presigning", "signing"].map(|kind| (kind, 0)).into();
        for session in going {
            let count = kinds.entry(session.kind).or_default();
            *count = count.saturating_add(1);
        }
        let presignatures = view.presignatures.values().sum();
        for (kind, count) in &kinds {
            metrics::gauge!("keymoot_node_sessions", "kind" => *kind).set(*count as f64);
        }
        metrics::gauge!("keymoot_node_presignatures").set(presignatures as f64);
        metrics::gauge!("keymoot_node_keys").set(view.keys.len() as f64);
        metrics::gauge!("keymoot_node_audit_entries").set(view.entries as f64);
        metrics::gauge!("keymoot_node_banned").set(view.banned.len() as f64);
        let ModuliView { tables, primes, wanted, .. } = &view.moduli;
        metrics::gauge!("keymoot_node_moduli").set(tables.len() as f64);
        metrics::gauge!("keymoot_node_safe_primes").set(*primes as f64);
        metrics::gauge!("keymoot_node_safe_primes_wanted").set(*wanted as f64);
        let mut status = self.lock();
        if (status.moduli.primes, status.moduli.tables.len()) != (*primes, tables.len()) {
            match tables.first() {
                Some(table) => tracing::info!(%table, "the moduli of the committee are there"),
                None => tracing::info!("looking for safe primes: {primes} of {wanted}"),
            }
        }
        status.moduli = view.moduli.clone();
        status.keys = view.keys.len();
        status.sessions = kinds.values().sum();
        status.presignatures = presignatures;
        status.banned = view.banned.iter().map(ToString::to_string).collect();
        status.entries = view.entries;
    }
}

#[cfg(test)]
mod tests {
    use super::{Board, JournalState};

    #[test]
    fn a_node_is_ready_when_it_can_write_and_somebody_listens() {
        let board = Board::new("node-1", ["coordinator-1", "coordinator-2"].map(str::to_owned).into_iter());
        board.link(1, |link| link.trouble = Some("it closed the stream".to_owned()));
        let reasons = board.status().reasons();
        assert_eq!(
            reasons,
            [
                "the journal is being read",
                "no coordinator is connected",
                "coordinator-2: it closed the stream"
            ]
        );
        board.journal(JournalState::Fine);
        board.link(0, |link| link.is_up = true);
        assert!(board.status().reasons().is_empty(), "one coordinator is enough");
        board.journal(JournalState::Full);
        assert!(board.status().reasons()[0].starts_with("storage_full"));
        board.link(7, |link| link.is_up = true);
    }
}
