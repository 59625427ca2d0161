//! Nodes and coordinators come and go.

use std::sync::Arc;
use std::time::Duration;

use keymoot_node::JournalState;
use keymoot_ports::memory::journal::{Disk, Twin};
use keymoot_wire::mpc::RequestStatus;
use keymoot_wire::problem::Code;

use crate::caller::{Caller, must_verify, signature_of};
use crate::cluster::{Cluster, PATIENCE, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_stopped_is_not_missed_and_comes_back_with_its_share() {
    let mut cluster = Cluster::start(1).await;
    let gateway = Caller::gateway(&cluster, 0);
    let key = gateway.must_make_key("dkls23", "hot").await;
    must_verify(&key, "one", &gateway.must_sign(&key, "one").await);
    cluster.stop_node(2).await;
    cluster.until_connected(2).await;
    must_verify(&key, "two", &gateway.must_sign(&key, "two").await);
    cluster.start_node(2).await;
    cluster.stop_node(0).await;
    cluster.until_connected(2).await;
    let answer = gateway.must_sign(&key, "three").await;
    must_verify(&key, "three", &answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_hung_up_on_when_its_certificate_expires_and_comes_back_with_a_new_one() {
    let mut cluster = Cluster::build(1).await;
    cluster.start_coordinator(0).await;
    cluster.start_node(1).await;
    cluster.start_node(2).await;
    cluster.until_connected(2).await;
    let identity = cluster.start_node_for(0, Duration::from_secs(5)).await;
    cluster.until_connected(3).await;
    // Nothing else has happened.
    cluster.until_connected(2).await;
    cluster.certify_node_for(0, PATIENCE * 10);
    assert!(identity.reload().expect("a good certificate"), "it is a new one");
    cluster.until_connected(3).await;
    let gateway = Caller::gateway(&cluster, 0);
    let key = gateway.must_make_key("frost-ed25519", "cold").await;
    cluster.stop_node(2).await;
    cluster.until_connected(2).await;
    must_verify(&key, "with it", &gateway.must_sign(&key, "with it").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_few_nodes_the_answer_says_so_at_once_and_goes_on_when_they_are_back() {
    let mut cluster = Cluster::start(1).await;
    let gateway = Caller::gateway(&cluster, 0);
    let key = gateway.must_make_key("frost-ed25519", "cold").await;
    cluster.stop_node(1).await;
    cluster.stop_node(2).await;
    cluster.until_connected(1).await;
    let signed = signature_of(&key, "hello");
    let answer = gateway.sign(signed.clone(), 50_000).await.expect("an answer");
    assert_eq!(answer.status(), RequestStatus::Pending);
    assert_eq!(answer.code, Code::NotEnoughSigners.as_str());
    assert!(
        answer.reason.contains("node-1") && answer.reason.contains("node-2, node-3"),
        "{}",
        answer.reason
    );
    cluster.start_node(1).await;
    cluster.until_connected(2).await;
    let answer = gateway.sign(signed, 50_000).await.expect("an answer");
    assert_eq!(answer.status(), RequestStatus::Complete, "{answer:?}");
    must_verify(&key, "hello", &answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopped_coordinator_has_admitted_another_one_finishes() {
    let mut cluster = Cluster::start(2).await;
    let [one, two] = [0, 1].map(|place| Caller::gateway(&cluster, place));
    let key = one.must_make_key("frost-ed25519", "cold").await;
    cluster.stop_node(1).await;
    cluster.stop_node(2).await;
    cluster.until_connected(1).await;
    let admitted = one.sign(signature_of(&key, "hello"), 0).await.expect("an answer");
    assert_eq!(admitted.status(), RequestStatus::Pending);
    cluster.stop_coordinator(0).await;
    cluster.start_node(1).await;
    cluster.until_connected(2).await;
    let answer = two.status(&admitted.id, 50_000).await.expect("an answer");
    assert_eq!(answer.status(), RequestStatus::Complete, "{answer:?}");
    must_verify(&key, "hello", &answer);
    cluster.start_coordinator(0).await;
    cluster.until_connected(2).await;
    let again = one.status(&admitted.id, 0).await.expect("an answer");
    assert_eq!(again.result, answer.result, "a coordinator that begins again finds everything");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_silences_its_node_and_needs_no_person() {
    let mut cluster = Cluster::build(1).await;
    cluster.start_coordinator(0).await;
    let disk = Disk::default();
    cluster.start_node_on(0, Arc::new(Twin::open(disk.clone()))).await;
    cluster.start_node(1).await;
    cluster.start_node(2).await;
    cluster.until_connected(3).await;
    let gateway = Caller::gateway(&cluster, 0);
    let key = gateway.must_make_key("frost-ed25519", "cold").await;
    disk.squeeze(Some(0));
    let journal = |cluster: &Cluster| cluster.nodes[0].as_ref().map(|node| node.status().journal);
    for number in 0.. {
        let message = format!("message {number}");
        must_verify(&key, &message, &gateway.must_sign(&key, &message).await);
        if journal(&cluster) == Some(JournalState::Full) {
            break;
        }
    }
    let status = cluster.nodes[0].as_ref().expect("it runs").status();
    assert!(status.reasons().iter().any(|reason| reason.contains("storage_full")), "{status:?}");
    must_verify(&key, "without it", &gateway.must_sign(&key, "without it").await);
    disk.squeeze(None);
    until("the node goes on", || journal(&cluster) == Some(JournalState::Fine)).await;
    cluster.stop_node(1).await;
    cluster.until_connected(2).await;
    must_verify(&key, "with it", &gateway.must_sign(&key, "with it").await);
}
