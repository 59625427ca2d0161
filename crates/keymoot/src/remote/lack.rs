//! What requests wait for that are admitted and cannot go on: nodes, or their moduli.

use std::collections::BTreeMap;

use keymoot_engine::outcome::retirements_needed;
use keymoot_types::Threshold;
use keymoot_wire::problem::Code;
use keymoot_wire::rest::AskView;

use super::Remote;
use super::trouble::coded;
use crate::failure::{Failure, Trouble};
use crate::local::{MemberState, Reply, Wish, ask};

/// What a request that waits for nodes is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Signature,
    Key,
    Retirement,
    /// Something that this program does not know yet.
    Other,
}

impl Purpose {
    pub const fn of(ask: &AskView) -> Self {
        match ask {
            AskView::Key { .. } => Self::Key,
            AskView::Signature { .. } => Self::Signature,
            AskView::Retire { .. } => Self::Retirement,
            AskView::Unknown => Self::Other,
        }
    }

    /// How many nodes it takes, if that is known. A key is made by all, and is at its end when no quorum is left that could sign
    /// with it.
    const fn needed(self, signers: Threshold) -> Option<u16> {
        match self {
            Self::Signature => Some(signers.needed()),
            Self::Key => Some(signers.total()),
            Self::Retirement => Some(retirements_needed(signers)),
            Self::Other => None,
        }
    }

    const fn missed(self) -> &'static str {
        match self {
            Self::Signature => "not enough signers",
            Self::Key => "not all nodes are there to make a key",
            Self::Retirement => "not enough nodes to retire a key",
            Self::Other => "not enough nodes",
        }
    }

    const fn pending(self) -> &'static str {
        match self {
            Self::Signature => "NOT signed yet, no presignature used; pending: signed when nodes are back",
            Self::Key => "there is no key yet; the request is pending, and goes on when all are back",
            Self::Retirement => {
                "NOT retired yet; pending: nodes that are there may have ended their part, the others do when they are back"
            }
            Self::Other => "NOT done yet; pending: it goes on when nodes are back",
        }
    }

    /// While it goes on.
    pub const fn unfinished(self) -> &'static str {
        match self {
            Self::Signature => "there is no signature yet",
            Self::Key => "there is no key yet",
            Self::Retirement => "the key is not retired yet; nodes may have ended their part",
            Self::Other => "it is not done yet",
        }
    }

    /// When it is over.
    pub(super) const fn failed(self) -> &'static str {
        match self {
            Self::Signature => "there is no signature",
            Self::Key => "there is no key",
            Self::Retirement => {
                "the key is not retired; nodes that have ended their part sign nothing with it any more"
            }
            Self::Other => "it is not done",
        }
    }

    pub(super) fn help_to_wait(self, id: &str) -> String {
        let waits = format!("`keymoot request wait {id}` waits for it");
        match self {
            Self::Signature => format!("{waits}; `keymoot sign` as before asks for the same again"),
            Self::Key | Self::Retirement | Self::Other => waits,
        }
    }

    fn help(self, start: &str, id: &str) -> String {
        match self {
            Self::Signature => {
                let short = id.get(..12).unwrap_or(id);
                format!("{start} run the same command again; it is idempotent ({short}…)")
            }
            Self::Key => format!(
                "{start} `keymoot request wait {id}` waits for the key; until then `key create` with this name is refused"
            ),
            Self::Retirement | Self::Other => {
                format!("{start} `keymoot request wait {id}` waits until it is done")
            }
        }
    }
}

/// A signature waits for moduli, which the nodes make by themselves.
pub(super) fn no_moduli(id: &str, reason: Option<&str>, culprits: &[String]) -> Failure {
    let short = id.get(..12).unwrap_or(id);
    let mut trouble = coded(Code::ModuliMissing, reason.unwrap_or_default()).request(id);
    for culprit in culprits {
        trouble = trouble.branch(format!("{culprit:<8} broke the protocol when they were to be made"));
    }
    let help = format!(
        "they are made once, by all nodes, which takes a minute or some: --wait 180 waits for them; the same command again is \
         idempotent ({short}…)"
    );
    trouble
        .undone("NOT signed yet, no presignature used; pending: signed when they are made")
        .help(help)
        .into()
}

impl Remote {
    /// Why a request cannot go on for want of nodes: who is there, who is not, and what to do.
    pub(super) async fn not_enough(&self, id: &str, reason: Option<&str>, purpose: Purpose) -> Failure {
        // It was admitted, and goes on by itself: whoever thinks that nothing comes of it would ask for the same twice.
        let pending = |trouble: Trouble| trouble.request(id).undone(purpose.pending());
        let Ok(list) = self.nodes().await else {
            let trouble = pending(coded(Code::NotEnoughSigners, reason.unwrap_or_default()));
            return trouble.help(purpose.help("start nodes, then", id)).into();
        };
        let killed = self.processes().await;
        let needed = purpose.needed(self.document.signers());
        let needed = needed.map_or_else(String::new, |needed| format!("need {needed}, "));
        let (up, down): (Vec<_>, Vec<_>) = list.nodes.iter().partition(|node| !node.connected.is_empty());
        let names: Vec<&str> = up.iter().map(|node| node.name.as_str()).collect();
        let who = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let what = format!("{}: {needed}reachable {} ({who})", purpose.missed(), names.len());
        let mut trouble = pending(Trouble::coded(Code::NotEnoughSigners.as_str(), 5, what));
        for node in &down {
            let since = node.silent_ms.map_or("never heard".to_owned(), |ms| format!("down {} s", ms / 1000));
            let by = killed.get(&node.name).filter(|state| state.killed).map_or("", |_| "   (killed by you)");
            trouble = trouble.branch(format!("{:<8} {since}{by}", node.name));
        }
        let start = match (down.first(), self.context.supervisor.is_some()) {
            (Some(node), true) => format!("`keymoot node start {}`, then", node.name),
            _ => "start nodes, then".to_owned(),
        };
        trouble.help(purpose.help(&start, id)).into()
    }

    /// The processes that a supervisor here runs, by name.
    async fn processes(&self) -> BTreeMap<String, MemberState> {
        let Some(socket) = &self.context.supervisor else { return BTreeMap::new() };
        match ask(socket, &Wish::State).await {
            Ok(Reply::State(states)) => states.into_iter().map(|state| (state.name.clone(), state)).collect(),
            _ => BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use keymoot_types::Threshold;

    use super::Purpose;

    #[test]
    fn what_is_missing_is_told_of_what_was_asked_for() {
        let signers = Threshold::new(2, 5).unwrap();
        let needed = [Purpose::Signature, Purpose::Key, Purpose::Retirement].map(|one| one.needed(signers));
        assert_eq!(needed, [2, 5, 4].map(Some), "with four out of five no two are left that sign");
        let told = [Purpose::Retirement.missed(), Purpose::Retirement.pending()].concat();
        assert!(told.contains("retire") && !told.contains("sign"), "{told}");
        let told = [Purpose::Retirement.unfinished(), Purpose::Retirement.failed()].concat();
        assert!(told.contains("not retired") && !told.contains("signature"), "{told}");
        let help = Purpose::Retirement.help("start nodes, then", "req_1");
        assert!(
            help.contains("request wait req_1"),
            "the same command again would be another request: {help}"
        );
    }
}
