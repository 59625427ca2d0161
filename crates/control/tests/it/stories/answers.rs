//! What callers hear, and when.

use keymoot_types::Scheme;
use keymoot_wire::mpc::mpc_coordinator_client::MpcCoordinatorClient;
use keymoot_wire::mpc::mpc_keys_client::MpcKeysClient;
use keymoot_wire::mpc::request::Result as Came;
use keymoot_wire::mpc::{
    GetKeyRequest, ListKeysRequest, ListRequestsRequest, Page, RequestStatus, WatchSessionsRequest,
};
use keymoot_wire::problem::Code;

use crate::caller::{Caller, must_verify, sign_with, signature_body, signature_of};
use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_has_the_same_answer_for_ever_and_everywhere() {
    let cluster = Cluster::start(2).await;
    let [one, two] = [0, 1].map(|place| Caller::gateway(&cluster, place));
    let key = one.must_make_key("frost-ed25519", "cold").await;
    let signed = signature_of(&key, "hello");
    let first = one.sign(signed.clone(), 30_000).await.expect("an answer");
    must_verify(&key, "hello", &first);
    for caller in [&one, &two] {
        let again = caller.sign(signed.clone(), 30_000).await.expect("an answer");
        assert_eq!((&again.id, &again.result), (&first.id, &first.result));
        let looked_up = caller.status(&first.id, 0).await.expect("an answer");
        assert_eq!((looked_up.status(), &looked_up.result), (RequestStatus::Complete, &first.result));
        assert_eq!((looked_up.client.as_str(), looked_up.attempts), ("rita", 1));
        assert!(looked_up.finished_ms >= looked_up.created_ms);
    }
    // Another body under the same nonce is another request, and there is one already.
    let nonce = [0x77; 16];
    let body = |message| signature_body(&key, message);
    one.sign(sign_with("rita", "/v1/signatures", &body("a"), nonce), 30_000).await.expect("an answer");
    for caller in [&one, &two] {
        let other = sign_with("rita", "/v1/signatures", &body("b"), nonce);
        let refused = caller.sign(other, 30_000).await.expect_err("a conflict");
        assert_eq!(Code::of_status(&refused), Code::Conflict);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_requests_are_listed_newest_first_and_found_by_name() {
    let cluster = Cluster::start(2).await;
    let gateway = Caller::gateway(&cluster, 0);
    let other = Caller::gateway(&cluster, 1);
    let cold = gateway.must_make_key("frost-ed25519", "cold").await;
    let warm = gateway.must_make_key("frost-ed25519", "warm").await;
    let mut keys = MpcKeysClient::new(other.link.channel());
    let page = |limit, cursor: &str| Some(Page { limit, cursor: cursor.to_owned() });
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let asked = other.request(ListKeysRequest { page: page(1, &cursor) });
        let answer = keys.list_keys(asked).await.expect("a page").into_inner();
        found.extend(answer.keys.into_iter().map(|key| key.id));
        cursor = answer.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    found.sort();
    let mut expected = [cold.id.clone(), warm.id.clone()];
    expected.sort();
    assert_eq!(found, expected, "another coordinator has them too");
    let get = |key: &str| other.request(GetKeyRequest { key: key.to_owned() });
    let by_name = keys.get_key(get("warm")).await.expect("a key").into_inner();
    assert_eq!((by_name.id.as_str(), by_name.created_by.as_str()), (warm.id.as_str(), "otto"));
    let missing = keys.get_key(get("hot")).await.expect_err("no such key");
    assert_eq!(Code::of_status(&missing), Code::NoSuchKey);
    gateway.must_sign(&cold, "one").await;
    gateway.must_sign(&warm, "two").await;
    let mut coordinator = MpcCoordinatorClient::new(other.link.channel());
    let asked = ListRequestsRequest { page: None, key: cold.id.clone() };
    let answer = coordinator.list_requests(other.request(asked)).await.expect("a page").into_inner();
    assert_eq!(answer.requests.len(), 1);
    assert!(matches!(answer.requests[0].result, Some(Came::Signature(_))));
    let asked = ListRequestsRequest { page: None, key: String::new() };
    let answer = coordinator.list_requests(other.request(asked)).await.expect("a page").into_inner();
    assert_eq!(answer.requests.len(), 4);
    let asked = ListRequestsRequest { page: page(1, "nonsense"), key: String::new() };
    let refused = coordinator.list_requests(other.request(asked)).await.expect_err("no such cursor");
    assert_eq!(Code::of_status(&refused), Code::BadCursor);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_on_sees_rounds_by_node() {
    let cluster = Cluster::start(1).await;
    let gateway = Caller::gateway(&cluster, 0);
    let key = gateway.must_make_key("frost-ed25519", "cold").await;
    let mut coordinator = MpcCoordinatorClient::new(gateway.link.channel());
    let asked = gateway.request(WatchSessionsRequest::default());
    let mut events = coordinator.watch_sessions(asked).await.expect("a stream").into_inner();
    let answer = gateway.must_sign(&key, "hello").await;
    let mut seen = Vec::new();
    while let Some(event) = events.message().await.expect("an event") {
        if event.request == answer.id {
            seen.push((event.what.clone(), event.node, event.round));
        }
        if event.what == "settled" {
            break;
        }
    }
    assert_eq!(seen.first().map(|(what, ..)| what.as_str()), Some("began"));
    let rounds = seen.iter().filter(|(what, ..)| what == "round");
    let mut rounds: Vec<_> = rounds.map(|(_, node, round)| (node.clone(), *round)).collect();
    rounds.sort();
    assert!(rounds.len() >= 3, "two signers, two rounds: {rounds:?}");
    assert!(rounds.iter().all(|(node, round)| node.starts_with("node-") && round.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_key_signs_nothing_any_more_and_is_shown_as_retired() {
    let cluster = Cluster::start(1).await;
    let gateway = Caller::gateway(&cluster, 0);
    let key = gateway.must_make_key("frost-ed25519", "old").await;
    let path = format!("/v1/keys/{}/retire", key.id);
    let mut keys = MpcKeysClient::new(gateway.link.channel());
    let retire = |client: &str| {
        let signed = Some(crate::caller::sign(client, &path, "{}"));
        gateway.request(keymoot_wire::mpc::RetireKeyRequest { signed, wait_ms: 30_000 })
    };
    let refused = keys.retire_key(retire("otto")).await.expect_err("an operator may not");
    assert_eq!(Code::of_status(&refused), Code::RoleTooLow);
    let retired = keys.retire_key(retire("anna")).await.expect("an answer").into_inner();
    assert_eq!(retired.status(), RequestStatus::Complete, "{retired:?}");
    let shown = keys.get_key(gateway.request(GetKeyRequest { key: key.id.clone() })).await.expect("a key");
    assert!(shown.into_inner().retired);
    let refused = gateway.sign(signature_of(&key, "hello"), 2_000).await;
    assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status() != RequestStatus::Complete));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_node_does_not_serve_is_refused_with_the_word_of_that_node() {
    let mut cluster = Cluster::build(1).await;
    cluster.start_coordinator(0).await;
    cluster.start_node(2).await;
    cluster.schemes = Scheme::ALL.into();
    cluster.start_node(0).await;
    cluster.start_node(1).await;
    cluster.until_connected(3).await;
    let gateway = Caller::gateway(&cluster, 0);
    let answer = gateway.make_key("gg20", "blamed").await;
    assert_eq!((answer.status(), answer.code.as_str()), (RequestStatus::Denied, "E2109"), "{answer:?}");
    assert_eq!(answer.denials.len(), 1);
    assert!(
        answer.denials[0].node == "node-3" && answer.denials[0].reason.contains("`schemes`"),
        "{answer:?}"
    );
    let states = gateway.moduli_of(2).await;
    assert!(states[0].is_some_and(|state| !state.made && state.wanted == 4), "{states:?}");
    assert_eq!(states[2], None, "it has nothing to do with them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_waits_for_moduli_says_so_and_who_is_how_far() {
    let mut cluster = Cluster::build(2).await;
    cluster.limits.engine.patience = 1_500;
    cluster.limits.engine.moduli = 1_500;
    cluster.schemes = Scheme::ALL.into();
    for place in 0..2 {
        cluster.start_coordinator(place).await;
    }
    for place in 0..3 {
        cluster.start_node(place).await;
    }
    cluster.until_connected(3).await;
    let [one, two] = [0, 1].map(|place| Caller::gateway(&cluster, place));
    let key = one.must_make_key("gg20", "blamed").await;
    // One that does not come back: primes are looked for, and no moduli are made.
    cluster.stop_node(2).await;
    cluster.until_connected(2).await;
    for caller in [&one, &two] {
        caller.moduli_of(2).await;
    }
    let signed = signature_of(&key, "hello");
    let pending = one.sign(signed.clone(), 0).await.expect("an answer");
    for answer in [pending.clone(), two.status(&pending.id, 0).await.expect("an answer")] {
        assert_eq!((answer.status(), answer.code.as_str()), (RequestStatus::Pending, "E2108"), "{answer:?}");
        for words in ["node-1 has ", " of 4 safe primes", "node-3 is not reachable"] {
            assert!(answer.reason.contains(words), "{}", answer.reason);
        }
    }
    let failed = one.sign(signed, 50_000).await.expect("an answer");
    assert_eq!((failed.status(), failed.code.as_str()), (RequestStatus::Failed, "E2108"), "{failed:?}");
    assert!(failed.finished_ms - failed.created_ms >= 3_000, "moduli have their own time: {failed:?}");
    assert!(failed.culprits.is_empty() && failed.reason.contains("moduli"), "{failed:?}");
}
