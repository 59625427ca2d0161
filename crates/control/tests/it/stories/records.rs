//! What is written down, and where it is found again.

use std::sync::Arc;

use keymoot_ports::directory::Entry;
use keymoot_ports::{Answer, Directory, Fault, Name};
use keymoot_wire::mpc::mpc_keys_client::MpcKeysClient;
use keymoot_wire::mpc::{self, CreateKeyRequest, ListKeysRequest, RequestStatus};
use tokio::time::{interval, timeout};

use crate::caller::{Caller, sign};
use crate::cluster::{Cluster, PATIENCE};

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_written_down_once_with_how_it_ended() {
    let cluster = Cluster::start(1).await;
    let gateway = Caller::gateway(&cluster, 0);
    let key = gateway.must_make_key("frost-ed25519", "cold").await;
    let answer = gateway.must_sign(&key, "hello").await;
    let directory = cluster.store.directory();
    let documents = async |kind| directory.list(&name(kind), None, 9).await.expect("a list");
    for kind in ["request", "ending"] {
        assert_eq!(documents(kind).await, [], "nothing of it is written a second time");
    }
    let keygens = documents("keygen").await;
    assert!(matches!(keygens.as_slice(), [one] if one.bytes.is_empty()), "{keygens:?}");
    let listed = cluster.store.sessions().newest(None, 9).await.expect("a list").listed;
    assert_eq!(listed.len(), 2);
    let standing = &listed[0].standing;
    assert!(standing.outcome.is_some());
    let note: serde_json::Value = serde_json::from_slice(&standing.note).expect("a note");
    let said = (note["finished_ms"].as_u64(), note["attempts"].as_u64());
    assert_eq!(said, (Some(answer.finished_ms), Some(u64::from(answer.attempts))));
}

/// Writes no key down.
struct Lazy(Arc<dyn Directory>);

impl Directory for Lazy {
    fn put<'a>(&'a self, kind: &'a Name, entry: &'a Entry) -> Answer<'a, ()> {
        if kind.as_str() == "key" {
            return Box::pin(async { Err(Fault::unavailable()) });
        }
        self.0.put(kind, entry)
    }

    fn get<'a>(&'a self, kind: &'a Name, id: &'a str) -> Answer<'a, Option<Entry>> {
        self.0.get(kind, id)
    }

    fn list<'a>(
        &'a self,
        kind: &'a Name,
        before: Option<(u64, &'a str)>,
        limit: usize,
    ) -> Answer<'a, Vec<Entry>> {
        self.0.list(kind, before, limit)
    }

    fn find<'a>(&'a self, kind: &'a Name, label: &'a str) -> Answer<'a, Vec<String>> {
        self.0.find(kind, label)
    }
}

async fn keys(caller: &Caller) -> Vec<mpc::Key> {
    let mut keys = MpcKeysClient::new(caller.link.channel());
    let asked = caller.request(ListKeysRequest::default());
    keys.list_keys(asked).await.map(|answer| answer.into_inner().keys).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_maker_stopped_too_early_is_found_at_the_next_start() {
    let mut cluster = Cluster::build(1).await;
    cluster.instead.directory = Some(Arc::new(Lazy(cluster.store.directory())));
    cluster.start_coordinator(0).await;
    for place in 0..3 {
        cluster.start_node(place).await;
    }
    cluster.until_connected(3).await;
    let gateway = Caller::gateway(&cluster, 0);
    let signed = Some(sign("otto", "/v1/keys", r#"{"scheme":"frost-ed25519","name":"cold"}"#));
    let asked = gateway.request(CreateKeyRequest { signed, wait_ms: 0 });
    let admitted = MpcKeysClient::new(gateway.link.channel()).create_key(asked).await.expect("an answer");
    assert_eq!(admitted.into_inner().status(), RequestStatus::Pending);
    let (sessions, mut ticks) = (cluster.store.sessions(), interval(std::time::Duration::from_millis(20)));
    let made = async {
        while sessions.newest(None, 9).await.expect("a list").listed[0].standing.outcome.is_none() {
            ticks.tick().await;
        }
    };
    timeout(PATIENCE, made).await.expect("the key is made");
    cluster.stop_coordinator(0).await;
    cluster.instead.directory = None;
    cluster.start_coordinator(0).await;
    let gateway = Caller::gateway(&cluster, 0);
    let found = async {
        loop {
            let found = keys(&gateway).await;
            if !found.is_empty() {
                return found;
            }
            ticks.tick().await;
        }
    };
    let found = timeout(PATIENCE, found).await.expect("it is written down");
    assert_eq!(found.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["cold"]);
}
