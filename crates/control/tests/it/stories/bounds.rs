//! What one caller takes from the others, and what one bad document does: nothing.

use std::sync::Arc;

use keymoot_engine::outcome::Outcome;
use keymoot_engine::real::Real;
use keymoot_engine::request::{HttpRequest, SignedRequest};
use keymoot_engine::words::Wire;
use keymoot_ports::directory::Entry;
use keymoot_ports::registry::{Member, Registry, Revision, Roster};
use keymoot_ports::sessions::Fence;
use keymoot_ports::{Answer, Name, Role, Ttl};
use keymoot_wire::identity::PeerRole;
use keymoot_wire::mpc::mpc_coordinator_client::MpcCoordinatorClient;
use keymoot_wire::mpc::mpc_keys_client::MpcKeysClient;
use keymoot_wire::mpc::mpc_node_client::MpcNodeClient;
use keymoot_wire::mpc::{
    self, GetKeyRequest, HeartbeatRequest, ListKeysRequest, ListRequestsRequest, Page, WatchSessionsRequest,
};
use keymoot_wire::problem::Code;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_prost::ProstCodec;

use crate::caller::{Caller, sign, signature_of};
use crate::cluster::{Cluster, PATIENCE};

fn code<T>(answer: Result<T, Status>) -> Option<Code> {
    answer.err().map(|status| Code::of_status(&status))
}

async fn list_keys(caller: &Caller) -> Result<Vec<mpc::Key>, Status> {
    let mut keys = MpcKeysClient::new(caller.link.channel());
    let answer = keys.list_keys(caller.request(ListKeysRequest::default())).await;
    answer.map(|answer| answer.into_inner().keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_so_many_calls_and_whoever_leaves_makes_room() {
    let mut cluster = Cluster::build(1).await;
    cluster.limits.calls_each = 2;
    cluster.start_coordinator(0).await;
    let [vera, rita] = ["vera", "rita"].map(|name| Caller::client(&cluster, 0, name));
    let mut coordinator = MpcCoordinatorClient::new(vera.link.channel());
    let mut streams = Vec::new();
    for _ in 0..2 {
        let asked = vera.request(WatchSessionsRequest::default());
        streams.push(coordinator.watch_sessions(asked).await.expect("a stream"));
    }
    assert_eq!(code(list_keys(&vera).await), Some(Code::Busy), "a stream is a call until its end");
    assert_eq!(code(list_keys(&rita).await), None, "another client has its own");
    assert_eq!(
        code(list_keys(&Caller::gateway(&cluster, 0)).await),
        None,
        "gateways have none of these bounds"
    );
    drop(streams);
    let freed = async { while code(list_keys(&vera).await) == Some(Code::Busy) {} };
    timeout(PATIENCE, freed).await.expect("there is room again");
    assert_eq!(code(list_keys(&vera).await), None);
}

/// A list of keys of which the head has come, and the rest is not read.
async fn unread(caller: &Caller, channel: &Channel) -> Result<Streaming<mpc::ListKeysResponse>, Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.expect("a connection");
    let path = PathAndQuery::from_static("/mpc.v1.MPCKeys/ListKeys");
    let codec = ProstCodec::<ListKeysRequest, mpc::ListKeysResponse>::default();
    let answer = client.server_streaming(caller.request(ListKeysRequest::default()), path, codec).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_read_is_a_call_in_progress() {
    let mut cluster = Cluster::build(1).await;
    cluster.limits.calls_each = 2;
    cluster.start_coordinator(0).await;
    for window in [0, 1] {
        let (vera, channel) = Caller::that_takes(&cluster, "vera", window).await;
        let lists = [unread(&vera, &channel).await, unread(&vera, &channel).await];
        assert!(lists.iter().all(Result::is_ok), "{lists:?}");
        assert_eq!(code(list_keys(&vera).await), Some(Code::Busy), "with a window of {window}");
        drop(lists);
        let freed = async { while code(list_keys(&vera).await) == Some(Code::Busy) {} };
        timeout(PATIENCE, freed).await.expect("there is room again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_few_lists_and_no_fewer_of_all_else() {
    let mut cluster = Cluster::build(1).await;
    cluster.limits.lists_each = 1;
    cluster.start_coordinator(0).await;
    let (vera, channel) = Caller::that_takes(&cluster, "vera", 0).await;
    let list = unread(&vera, &channel).await.expect("the head of a list");
    let mut coordinator = MpcCoordinatorClient::new(vera.link.channel());
    let refused = coordinator.list_requests(vera.request(ListRequestsRequest::default())).await;
    assert_eq!(code(refused), Some(Code::Busy));
    let mut keys = MpcKeysClient::new(vera.link.channel());
    let missing = keys.get_key(vera.request(GetKeyRequest { key: "hot".to_owned() })).await;
    assert_eq!(code(missing), Some(Code::NoSuchKey));
    assert_eq!(code(list_keys(&Caller::client(&cluster, 0, "rita")).await), None);
    drop(list);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_the_health_is_told_of_changes_only_and_has_a_call_in_progress() {
    let mut cluster = Cluster::build(1).await;
    cluster.limits.calls_each = 1;
    cluster.start_coordinator(0).await;
    let gateway = Caller::gateway(&cluster, 0);
    let vera = Caller::client(&cluster, 0, "vera");
    let watch = async |caller: &Caller| {
        let mut health = HealthClient::new(caller.link.channel());
        health.watch(caller.request(HealthCheckRequest::default())).await.map(tonic::Response::into_inner)
    };
    let mut hers = watch(&vera).await.expect("a stream");
    assert_eq!(code(watch(&vera).await), Some(Code::Busy));
    let until = async |stream: &mut Streaming<HealthCheckResponse>, wanted: ServingStatus| {
        let mut told = 0;
        loop {
            let next = timeout(PATIENCE, stream.message()).await.expect("in time");
            told += 1;
            if next.expect("no end").expect("no end").status() == wanted {
                return told;
            }
        }
    };
    let mut whole = watch(&gateway).await.expect("a stream");
    until(&mut whole, ServingStatus::NotServing).await;
    until(&mut hers, ServingStatus::NotServing).await;
    // It looks around several times before enough nodes are there; of that nothing is told.
    for place in 0..3 {
        cluster.start_node(place).await;
    }
    cluster.until_connected(3).await;
    for stream in [&mut whole, &mut hers] {
        assert_eq!(until(stream, ServingStatus::Serving).await, 1, "nothing comes in between");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_does_not_keep_others_from_looking_on() {
    let mut cluster = Cluster::build(1).await;
    cluster.limits.watchers = 8;
    cluster.start_coordinator(0).await;
    let mut streams = Vec::new();
    for (name, expected) in [("vera", None), ("vera", Some(Code::Busy)), ("rita", None)] {
        let client = Caller::client(&cluster, 0, name);
        let mut coordinator = MpcCoordinatorClient::new(client.link.channel());
        let watching = coordinator.watch_sessions(client.request(WatchSessionsRequest::default())).await;
        assert_eq!(code(watching.as_ref().map(drop).map_err(Status::clone)), expected, "{name}");
        streams.push((client, watching));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_has_so_many_connections() {
    let mut cluster = Cluster::build(1).await;
    cluster.limits.connections_each = 1;
    cluster.start_coordinator(0).await;
    let first = Caller::client(&cluster, 0, "vera");
    assert_eq!(code(list_keys(&first).await), None);
    let second = Caller::client(&cluster, 0, "vera");
    let refused = timeout(PATIENCE, list_keys(&second)).await.expect("it is hung up on");
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(code(list_keys(&first).await), None, "the one that is there stays");
    assert_eq!(code(list_keys(&Caller::client(&cluster, 0, "rita")).await), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_brings_no_more_than_it_needs() {
    let cluster = Cluster::start(1).await;
    let gateway = Caller::gateway(&cluster, 0);
    let mut keys = MpcKeysClient::new(gateway.link.channel());
    let long = keys.get_key(gateway.request(GetKeyRequest { key: "k".repeat(64 << 10) })).await;
    assert_eq!(code(long), Some(Code::BodyTooLarge));
    // Only what is signed may be long.
    let key = gateway.must_make_key("frost-ed25519", "cold").await;
    let answer = gateway.must_sign(&key, &"m".repeat(20_000)).await;
    assert_eq!(answer.attempts, 1);
    let mut signed = signature_of(&key, "hello");
    signed.body = vec![b' '; keymoot_ports::sessions::BODY_BYTES_MAX + 1];
    let refused = code(gateway.sign(signed, 0).await);
    assert_eq!(refused, Some(Code::BodyTooLarge));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_calls_bring_is_bounded_in_bytes_for_each_client_and_for_all() {
    let mut cluster = Cluster::build(1).await;
    cluster.limits.request_bytes = 16_000;
    cluster.start_coordinator(0).await;
    let (rita, gateway) = (Caller::client(&cluster, 0, "rita"), Caller::gateway(&cluster, 0));
    let of = |length: usize| {
        let mut signed = signature_of(&mpc::Key::default(), "hello");
        signed.body = vec![b' '; length];
        signed
    };
    assert_eq!(code(rita.sign(of(2_500), 0).await), Some(Code::Busy), "an eighth");
    assert_eq!(code(gateway.sign(of(16_500), 0).await), Some(Code::Busy), "more than all");
    for (caller, length) in [(&rita, 1_000), (&gateway, 15_000), (&gateway, 15_000)] {
        let refused = code(caller.sign(of(length), 0).await);
        assert!(refused.is_some_and(|code| code != Code::Busy), "it is read, and is no request: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_on_is_sent_away_when_its_certificate_is_revoked() {
    let cluster = Cluster::start(1).await;
    let [vera, rita] = ["vera", "rita"].map(|name| Caller::client(&cluster, 0, name));
    let [mut hers, mut others] = [None, None];
    for (caller, stream) in [(&vera, &mut hers), (&rita, &mut others)] {
        let mut coordinator = MpcCoordinatorClient::new(caller.link.channel());
        let asked = caller.request(WatchSessionsRequest::default());
        *stream = Some(coordinator.watch_sessions(asked).await.expect("a stream").into_inner());
    }
    let document = cluster.document.load_full();
    let mut fields = document.fields().clone();
    fields.version += 1;
    let client = fields.clients.iter().find(|client| client.name == "vera").expect("enrolled");
    fields.revoked.push(client.tls[0]);
    let newer = keymoot_wire::cluster::ClusterDocument::new(fields).expect("a document");
    cluster.document.store(Arc::new(newer));
    let mut hers = hers.expect("a stream");
    let end = async {
        loop {
            match hers.message().await {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(status) => break Some(Code::of_status(&status)),
            }
        }
    };
    let end = timeout(PATIENCE, end).await.expect("the stream ends");
    assert_eq!(end, Some(Code::CertificateRefused));
    // Of the others nobody is sent away.
    let gateway = Caller::gateway(&cluster, 0);
    gateway.must_make_key("frost-ed25519", "cold").await;
    let event = timeout(PATIENCE, others.expect("a stream").message()).await.expect("in time");
    assert!(event.expect("no end").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_gateway_that_is_revoked_is_good_no_more() {
    let mut cluster = Cluster::build(1).await;
    cluster.start_coordinator(0).await;
    let vera = Caller::client(&cluster, 0, "vera");
    for _ in 0..2 {
        assert_eq!(code(list_keys(&vera).await), None);
    }
    let document = cluster.document.load_full();
    let mut fields = document.fields().clone();
    fields.version += 1;
    fields.revoked.push(fields.gateways[0].tls[0]);
    let newer = keymoot_wire::cluster::ClusterDocument::new(fields).expect("a document");
    cluster.document.store(Arc::new(newer));
    assert_eq!(code(list_keys(&vera).await), Some(Code::TokenRefused), "whoever minted it counts no more");
}

/// Never answers.
struct Silent;

impl Registry for Silent {
    fn announce<'a>(&'a self, _: &'a Member, _: Ttl) -> Answer<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn withdraw<'a>(&'a self, _: &'a Name) -> Answer<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn discover<'a>(&'a self, _: &'a Role) -> Answer<'a, Roster> {
        Box::pin(std::future::pending())
    }

    fn watch<'a>(&'a self, _: &'a Role, _: Revision) -> Answer<'a, Option<Roster>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beat_is_answered_whatever_the_registry_does() {
    let mut cluster = Cluster::build(1).await;
    cluster.instead.registry = Some(Arc::new(Silent));
    cluster.start_coordinator(0).await;
    let node = Caller::service(&cluster, 0, PeerRole::Node, "node-1");
    let mut client = MpcNodeClient::new(node.link.channel());
    for _ in 0..3 {
        let beat = HeartbeatRequest { node: "node-1".to_owned(), ..HeartbeatRequest::default() };
        let answer = timeout(PATIENCE, client.heartbeat(node.request(beat))).await.expect("in time");
        assert!(answer.expect("an answer").into_inner().lease_ms > 0);
    }
}

/// Has a request in the store, as somebody would who has stolen a replica, and its outcome.
async fn must_plant(cluster: &Cluster, signed: mpc::SignedRequest, outcome: &[u8]) -> String {
    let mpc::SignedRequest { method, path, body, signature_input: input, signature } = signed;
    let signature = signature.try_into().expect("64 bytes");
    let bytes = HttpRequest { method, path, body, input, signature }.to_bytes();
    let (id, _) = SignedRequest::read_from::<Real>(&bytes).expect("a request");
    let (sessions, thief) = (cluster.store.sessions(), Name::new("thief").expect("a name"));
    let (name, ttl) = (*id.0.as_bytes(), Ttl::new(60_000).expect("a lease"));
    sessions.admit(name, &bytes, &thief, ttl).await.expect("admitted");
    sessions.finish(name, Fence(1), outcome).await.expect("finished");
    id.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_prove_itself_does_nothing_and_hides_nothing() {
    let cluster = Cluster::start(1).await;
    let gateway = Caller::gateway(&cluster, 0);
    let key = gateway.must_make_key("frost-ed25519", "cold").await;
    let path = format!("/v1/keys/{}/retire", key.id);
    let forged = Outcome::Retired { words: Vec::new() }.encode();
    let planted = must_plant(&cluster, sign("anna", &path, "{}"), &forged).await;
    let nonsense = must_plant(&cluster, signature_of(&key, "nonsense"), b"nonsense").await;
    for id in [&planted, &nonsense] {
        assert_eq!(code(gateway.status(id, 0).await), Some(Code::Defect));
    }
    let entry =
        Entry { id: key.id.replace("key_", "kez_"), order: 1, label: None, bytes: Arc::from(*b"nonsense") };
    let kind = Name::new("key").expect("a name");
    cluster.store.directory().put(&kind, &entry).await.expect("it is put");
    let shown = list_keys(&gateway).await.expect("a list");
    assert_eq!(shown.len(), 1, "one bad document hides no other");
    assert!(shown.iter().all(|key| !key.retired), "a word of nobody retires no key");
    gateway.must_sign(&key, "hello").await;
    let asked = ListRequestsRequest { page: None, key: key.id.clone() };
    let mut coordinator = MpcCoordinatorClient::new(gateway.link.channel());
    let listed = coordinator.list_requests(gateway.request(asked)).await.expect("a list").into_inner();
    assert_eq!(listed.requests.len(), 1, "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_knows_at_once_that_a_key_is_retired() {
    let cluster = Cluster::start(2).await;
    let [one, two] = [0, 1].map(|place| Caller::gateway(&cluster, place));
    let key = one.must_make_key("frost-ed25519", "old").await;
    let mut keys = MpcKeysClient::new(two.link.channel());
    let get = || two.request(GetKeyRequest { key: key.id.clone() });
    assert!(!keys.get_key(get()).await.expect("a key").into_inner().retired);
    let signed = Some(sign("anna", &format!("/v1/keys/{}/retire", key.id), "{}"));
    let retire = one.request(mpc::RetireKeyRequest { signed, wait_ms: 30_000 });
    MpcKeysClient::new(one.link.channel()).retire_key(retire).await.expect("an answer");
    assert!(keys.get_key(get()).await.expect("a key").into_inner().retired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_known_is_not_verified_again() {
    let cluster = Cluster::start(1).await;
    let gateway = Caller::gateway(&cluster, 0);
    let key = gateway.must_make_key("frost-ed25519", "cold").await;
    let (directory, kind) = (cluster.store.directory(), Name::new("key").expect("a name"));
    let mut entry = directory.get(&kind, &key.id).await.expect("an answer").expect("a document");
    let text = String::from_utf8(entry.bytes.to_vec()).expect("text");
    entry.bytes = text.replace(r#""cold""#, r#""warm""#).into_bytes().into();
    directory.put(&kind, &entry).await.expect("it is put");
    // Of a document with the same certificate nothing is read any more.
    let shown = list_keys(&gateway).await.expect("a list");
    assert_eq!(shown.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["cold"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_of_one_key_are_listed_page_by_page() {
    let cluster = Cluster::start(1).await;
    let gateway = Caller::gateway(&cluster, 0);
    let [cold, warm] = ["cold", "warm"].map(|name| gateway.must_make_key("frost-ed25519", name));
    let (cold, warm) = (cold.await, warm.await);
    let mut expected = Vec::new();
    for number in 0..5 {
        expected.insert(0, gateway.must_sign(&cold, &format!("cold {number}")).await.id);
        gateway.must_sign(&warm, &format!("warm {number}")).await;
    }
    let mut coordinator = MpcCoordinatorClient::new(gateway.link.channel());
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = Some(Page { limit: 2, cursor });
        let asked = gateway.request(ListRequestsRequest { page, key: cold.id.clone() });
        let answer = coordinator.list_requests(asked).await.expect("a page").into_inner();
        assert!(answer.requests.len() <= 2);
        seen.extend(answer.requests.into_iter().map(|request| request.id));
        cursor = answer.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(seen, expected, "each once, the latest first");
}
