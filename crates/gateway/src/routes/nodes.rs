//! Nodes, as the coordinators see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use keymoot_wire::mpc;
use keymoot_wire::mpc::mpc_registry_client::MpcRegistryClient;
use keymoot_wire::rest::{NodeList, NodeView};

use super::sessions::ask_all;
use super::{NoQuery, Params};
use crate::problem::Refused;
use crate::state::{App, Call};

/// All nodes of the cluster document, with what the coordinators know of them.
#[utoipa::path(get, path = "/v1/nodes", tag = "nodes", operation_id = "list_nodes",
    responses((status = 200, description = "the nodes", body = NodeList)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Params(NoQuery {}): Params<NoQuery>,
) -> Result<Json<NodeList>, Refused> {
    gather(&app, &call.trace).await.map(Json)
}

/// What all coordinators together know.
///
/// # Errors
/// None of them answers.
pub async fn gather(app: &App, trace: &str) -> Result<NodeList, Refused> {
    let answers = ask_all(app, trace, |via| async move {
        let ask = mpc::DiscoverNodesRequest { role: "node".into() };
        MpcRegistryClient::new(via.channel()).discover_nodes(via.request(ask)).await
    });
    let names: Vec<String> = app.document.load().nodes.iter().map(|node| node.name.clone()).collect();
    let mut found: BTreeMap<String, NodeView> =
        names.iter().map(|name| (name.clone(), unheard(name))).collect();
    let mut silent_coordinators = Vec::new();
    for (coordinator, answer) in answers.await? {
        match answer {
            Some(answer) => {
                for member in answer.members {
                    if let Some(node) = found.get_mut(&member.name) {
                        merge(node, member, &coordinator);
                    }
                }
            }
            None => silent_coordinators.push(coordinator),
        }
    }
    let nodes = names.iter().filter_map(|name| found.remove(name)).collect();
    Ok(NodeList { nodes, silent_coordinators })
}

fn unheard(name: &str) -> NodeView {
    NodeView {
        name: name.to_owned(),
        live: false,
        connected: Vec::new(),
        silent_ms: None,
        version: None,
        clock_skew_ms: None,
        same_document: true,
        moduli: None,
    }
}

/// Takes in what one coordinator knows. Of two words about one thing, that of who heard the node last counts.
fn merge(node: &mut NodeView, member: mpc::Member, coordinator: &str) {
    let is_fresher = member.silent_ms.is_some_and(|new| node.silent_ms.is_none_or(|old| new < old));
    node.live |= member.live;
    if member.connected {
        node.connected.push(coordinator.to_owned());
    }
    if member.silent_ms.is_some() {
        node.same_document &= member.same_document;
    }
    // Each coordinator has primes of its own, and the first that has them all uses them.
    if let Some(told) = member.moduli {
        let known = node.moduli.get_or_insert_default();
        known.made |= told.made;
        known.making |= told.making;
        (known.safe_primes, known.wanted) = (known.safe_primes.max(told.safe_primes), told.wanted);
    }
    if is_fresher {
        node.silent_ms = member.silent_ms;
        node.version = (!member.version.is_empty()).then_some(member.version);
        node.clock_skew_ms = member.clock_skew_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_who_heard_a_node_last_counts() {
        let member = |silent_ms, connected, version: &str| mpc::Member {
            name: "node-1".into(),
            live: connected,
            connected,
            silent_ms: Some(silent_ms),
            version: version.into(),
            same_document: true,
            ..mpc::Member::default()
        };
        let mut node = unheard("node-1");
        merge(&mut node, member(50, true, "2"), "coordinator-1");
        merge(&mut node, member(9000, false, "1"), "coordinator-2");
        merge(&mut node, mpc::Member { silent_ms: None, ..member(0, false, "") }, "coordinator-3");
        assert!(node.live && node.same_document);
        assert_eq!((node.silent_ms, node.version.as_deref()), (Some(50), Some("2")));
        assert_eq!((node.connected.as_slice(), node.moduli), (&["coordinator-1".to_owned()][..], None));
    }

    #[test]
    fn moduli_are_as_far_as_the_coordinator_that_is_farthest() {
        let mut node = unheard("node-1");
        for (place, safe_primes) in [(1, 1), (2, 3), (3, 0)] {
            let told = mpc::ModuliState { made: false, making: place == 3, safe_primes, wanted: 4 };
            let member = mpc::Member { moduli: Some(told), ..mpc::Member::default() };
            merge(&mut node, member, "coordinator");
        }
        let known = node.moduli.unwrap();
        assert_eq!((known.made, known.making, known.safe_primes, known.wanted), (false, true, 3, 4));
    }
}
