//! `keymoot health`: can we sign now, and who is missing?

use clap::Args;
use keymoot_wire::rest::{NodeList, NodeView, ReadyView};
use serde_json::json;

use crate::cli::Given;
use crate::explain::NOT_READY;
use crate::failure::{Failure, Trouble};
use crate::printer::Printer;
use crate::remote::Remote;

/// Said below its help.
const HEALTH_CODES: &str = "\
Exit codes:
  0   ready: signatures can be made, also if some nodes are down (\"degraded\")
  5   not ready, E5902: too few nodes or no coordinator; or the gateway cannot be reached, E5901
  2   there is no such context
  3   the gateway does not let this client in: its token, signature or role; a certificate that is
      revoked or unknown ends the connection, which is E5901";

/// Ask the gateway whether the cluster can sign, and the coordinators which nodes are there.
#[derive(Args)]
#[command(after_help = HEALTH_CODES)]
pub struct HealthArgs {}

pub fn run(given: &Given, _: &HealthArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let remote = Remote::open(given)?;
    super::wait(2, async move {
        let ready = remote.ready().await?;
        // Where nobody answers about nodes, the gateway has said so. Whoever is not let in cannot sign, ready or not.
        let nodes = match remote.nodes().await {
            Err(failure) if ready.ready => return Err(failure),
            nodes => nodes.ok(),
        };
        let (needed, total) = (remote.document.signers().needed(), remote.document.nodes.len());
        let up = nodes.as_ref().map(|list| list.nodes.iter().filter(|node| is_up(node)).count());
        let degraded = nodes.as_ref().map(degraded).unwrap_or_default();
        // These are two questions at two moments, and a coordinator that has just begun again has not heard of all nodes yet.
        let ready =
            if is_contradicted(up, needed.into()) { ReadyView { ready: false, ..ready } } else { ready };
        printer.object(&json!({
            "schema": "keymoot/health/v1", "ready": ready.ready, "reasons": ready.reasons, "degraded": degraded,
            "up": up, "needed": needed, "total": total,
        }))?;
        let count = up.map_or("?".to_owned(), |up| up.to_string());
        let count = format!("{count} of {total} nodes up, {needed} needed");
        if !ready.ready {
            let trouble = Trouble::new(NOT_READY, format!("the cluster cannot sign now: {count}"));
            let trouble = ready.reasons.into_iter().fold(trouble, Trouble::branch);
            return Err(degraded.into_iter().fold(trouble, Trouble::branch).into());
        }
        let (mark, word) = if degraded.is_empty() {
            (printer.ink.good("✓"), "ready")
        } else {
            (printer.ink.warning("!"), "ready, degraded")
        };
        printer.line(&format!("  {mark} {word}: {count}"))?;
        ready.reasons.iter().chain(&degraded).try_for_each(|line| printer.line(&format!("    {line}")))
    })
}

/// Whether fewer nodes are heard than must sign, if it is known how many are.
fn is_contradicted(up: Option<usize>, needed: usize) -> bool {
    up.is_some_and(|up| up < needed)
}

const fn is_up(node: &NodeView) -> bool {
    !node.connected.is_empty()
}

/// What is missing without which signatures are made all the same.
fn degraded(list: &NodeList) -> Vec<String> {
    let down = list.nodes.iter().filter(|node| !is_up(node)).map(|node| match node.silent_ms {
        Some(ms) => format!("{} not heard for {} s", node.name, ms / 1000),
        None => format!("{} never heard", node.name),
    });
    let silent = list.silent_coordinators.iter().map(|name| format!("{name} does not answer"));
    down.chain(silent).collect()
}

#[cfg(test)]
mod tests {
    use keymoot_wire::rest::{NodeList, NodeView};

    use super::{degraded, is_contradicted};

    #[test]
    fn with_fewer_nodes_than_must_sign_it_is_not_ready_whatever_was_said_before() {
        assert!(is_contradicted(Some(1), 2) && !is_contradicted(Some(2), 2) && !is_contradicted(None, 2));
    }

    #[test]
    fn whoever_is_missing_is_named_and_nobody_else() {
        let node = |name: &str, connected: &[&str], silent_ms| NodeView {
            name: name.into(),
            live: true,
            connected: connected.iter().map(|name| (*name).to_owned()).collect(),
            silent_ms,
            version: None,
            clock_skew_ms: None,
            same_document: true,
            moduli: None,
        };
        let nodes = vec![
            node("node-1", &["coordinator-1"], Some(3)),
            node("node-2", &[], Some(12_345)),
            node("node-3", &[], None),
        ];
        let list = NodeList { nodes, silent_coordinators: vec!["coordinator-2".into()] };
        let told = degraded(&list);
        assert_eq!(
            told,
            ["node-2 not heard for 12 s", "node-3 never heard", "coordinator-2 does not answer"]
        );
        assert!(degraded(&NodeList::default()).is_empty());
    }
}
