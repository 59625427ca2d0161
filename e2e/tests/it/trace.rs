//! One name leads through the logs of all processes.

use std::time::Duration;

use keymoot_e2e::cluster::{Cluster, TWO_OF_THREE};
use keymoot_e2e::load;
use keymoot_types::Scheme;
use keymoot_wire::rest::{CreateSignatureBody, SignatureView, Status};

/// What stands behind the trace of a line that has all of this in it.
fn trace(log: &str, words: &[&str]) -> Option<String> {
    let line = log.lines().rev().find(|line| words.iter().all(|word| line.contains(word)))?;
    let after = line.split_once("trace")?.1;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let rest = after.trim_start_matches(|letter: char| !plain(letter));
    Some(rest.chars().take_while(|letter| plain(*letter)).collect())
}

#[test]
fn a_request_has_one_trace_from_the_gateway_to_the_nodes() {
    let _alone = crate::alone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut cluster = Cluster::prepare(TWO_OF_THREE).expect("a cluster");
        cluster.environment = vec![("KEYMOOT_LOG".to_owned(), "debug".to_owned())];
        cluster.start_all().expect("all start");
        let client = load::client(&cluster.place("alice"), cluster.gateway()).expect("a client");
        let key = load::key(&client, Scheme::FrostEd25519, "hot").await.expect("a key");
        let payload = hex::encode("hello");
        let body =
            CreateSignatureBody { key, path: "m".into(), kind: "message".into(), payload, signing: None };
        let view: SignatureView = client.sign(&body, Duration::from_secs(30)).await.expect("an answer");
        assert_eq!(view.status, Status::Complete, "{view:?}");
        let request = view.id.as_str();
        let coordinator = cluster.coordinators().first().cloned().expect("one");
        let said = cluster.said(&coordinator);
        let name = trace(&said, &[request, "a request has ended"]).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| panic!("no trace of {request} in:\n{said}"));
        assert!(cluster.said("gateway-1").contains(&name), "{name} is not in the gateway's log");
        let served = |node: &String| trace(&cluster.said(node), &[request, "a request is served"]);
        let traces: Vec<String> = cluster.nodes().iter().filter_map(served).collect();
        assert_eq!(traces, [name.clone(), name], "two nodes have served it");
    });
}
