//! Events, as they happen.

use std::time::Duration;

use keymoot_gateway::Limits;
use keymoot_wire::cluster::Role;
use keymoot_wire::mpc::SessionEvent;
use keymoot_wire::problem::Code;

use crate::raw::{Raw, bearer};
use crate::scene::{Scene, Wanted, key_of};

fn event(request: &str, what: &str, round: Option<u32>) -> SessionEvent {
    SessionEvent {
        session: "ses_1".into(),
        kind: "signing".into(),
        request: request.into(),
        what: what.into(),
        node: "node-1".into(),
        round,
        wall_ms: 1_795_845_731_250,
        ..SessionEvent::default()
    }
}

/// Until so many watch.
async fn watched(scene: &Scene, times: usize) {
    while scene.store.events.receiver_count() < times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn events_of_all_coordinators_come_in_one_stream() {
    let scene = Scene::of(Wanted { coordinators: 2, absent: 1, ..Wanted::default() }).await;
    let client = scene.client(Role::Viewer);
    let mut all = client.events(None).await.unwrap();
    let mut one = client.events(Some("req_1")).await.unwrap();
    watched(&scene, 4).await;
    for (request, what, round) in [("req_2", "began", None), ("req_1", "round", Some(1))] {
        scene.store.events.send(event(request, what, round)).unwrap();
    }
    // Both fakes share one channel, so each event comes once from each.
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(all.next().await.unwrap().unwrap().what);
    }
    seen.sort();
    assert_eq!(seen, ["began", "began", "round", "round"]);
    let only = one.next().await.unwrap().unwrap();
    assert_eq!(
        (only.request.as_deref(), only.round, only.node.as_deref()),
        (Some("req_1"), Some(1), Some("node-1"))
    );
    assert_eq!(only.at.as_deref(), Some("2026-11-28T06:02:11.25Z"));
}

#[tokio::test]
async fn a_stream_is_bounded_in_number_and_time_and_takes_any_last_id() {
    let limits = Limits { streams: 1, stream_time: Duration::from_millis(300), ..Wanted::default().limits };
    let scene = Scene::of(Wanted { limits, ..Wanted::default() }).await;
    let raw = Raw::connect(&scene, Some(&scene.identity("viewer"))).await;
    let token = raw.token(&key_of(Role::Viewer)).await;
    let headers = vec![bearer(&token), ("last-event-id", "41".to_owned())];
    let first = raw.open("GET", "/v1/events", &headers, b"").await;
    assert_eq!(first.headers()["content-type"], "text/event-stream");
    let client = scene.client(Role::Viewer);
    let refused = client.events(None).await.err().unwrap();
    assert_eq!(refused.code(), Some(Code::Busy));
    // After its time it ends by itself, and makes room.
    http_body_util::BodyExt::collect(first.into_body()).await.unwrap();
    let mut second = client.events(None).await.unwrap();
    assert_eq!(second.next().await.unwrap(), None);
}
