//! Events, as they happen.

use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use keymoot_gateway::Limits;
use keymoot_wire::cluster::Role;
use keymoot_wire::mpc::SessionEvent;
use keymoot_wire::problem::Code;
use tokio::time::timeout;

use crate::fake::Mood;
use crate::raw::{Raw, bearer};
use crate::scene::{Scene, Wanted, key_of};

/// The id of a request.
const ONE: &str = "req_11111111111111111111111111111111";

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
    let mut one = client.events(Some(ONE)).await.unwrap();
    watched(&scene, 2).await;
    for (request, what, round) in [("req_2", "began", None), (ONE, "round", Some(1))] {
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
        (Some(ONE), Some(1), Some("node-1"))
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
    BodyExt::collect(first.into_body()).await.unwrap();
    let mut second = client.events(None).await.unwrap();
    assert_eq!(second.next().await.unwrap(), None);
}

/// What comes of a stream, until these words are in it.
async fn until(body: &mut Incoming, words: &str) -> String {
    let mut text = String::new();
    let read = async {
        while !text.contains(words) {
            let frame = body.frame().await.expect("the stream goes on").unwrap();
            text.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
        }
    };
    let read = timeout(Duration::from_secs(20), read).await;
    assert!(read.is_ok(), "no `{words}` in {text}");
    text
}

#[tokio::test]
async fn many_streams_are_one_at_each_coordinator_and_none_after_the_last() {
    let scene = Scene::of(Wanted { coordinators: 2, ..Wanted::default() }).await;
    let clients = [Role::Viewer, Role::Requester, Role::Operator].map(|role| scene.client(role));
    let mut streams = Vec::new();
    for number in 0..70 {
        streams.push(clients[number % 3].events(None).await.unwrap());
    }
    assert_eq!(scene.store.events.receiver_count(), 2);
    scene.store.events.send(event(ONE, "began", None)).unwrap();
    for stream in &mut streams {
        assert_eq!(stream.next().await.unwrap().unwrap().what, "began");
    }
    drop(streams);
    while scene.store.events.receiver_count() > 0 {
        tokio::task::yield_now().await;
    }
    let mut again = clients[0].events(None).await.unwrap();
    assert_eq!(scene.store.events.receiver_count(), 2);
    scene.store.events.send(event(ONE, "ended", None)).unwrap();
    assert_eq!(again.next().await.unwrap().unwrap().what, "ended");
}

#[tokio::test]
async fn a_stream_that_hears_nobody_is_refused_and_one_that_hears_some_says_so() {
    let scene = Scene::of(Wanted { coordinators: 2, ..Wanted::default() }).await;
    let raw = Raw::connect(&scene, Some(&scene.identity("viewer"))).await;
    let token = raw.token(&key_of(Role::Viewer)).await;
    scene.coordinators.iter().for_each(|fake| fake.feel(Mood::Storeless));
    let refused = scene.client(Role::Viewer).events(None).await.err().expect("nobody is heard");
    assert_eq!(refused.code(), Some(Code::StoreUnavailable));
    scene.coordinators[1].feel(Mood::Answers);
    let mut opened = raw.open("GET", "/v1/events", &vec![bearer(&token)], b"").await;
    while opened.status() != 200 {
        opened = raw.open("GET", "/v1/events", &vec![bearer(&token)], b"").await;
    }
    until(opened.body_mut(), ": coordinator-1 is not heard\n").await;
    scene.store.events.send(event(ONE, "began", None)).unwrap();
    until(opened.body_mut(), "event: began\n").await;
    let odd = raw.get("/v1/events?request=req_1", &token).await;
    assert_eq!((odd.status.as_u16(), odd.code()), (400, "E2007".to_owned()));
}

#[tokio::test]
async fn who_reads_too_slowly_is_told_that_something_is_missing() {
    let scene = Scene::new().await;
    let raw = Raw::that_takes(&scene, Some(&scene.identity("viewer")), 1024).await;
    let token = raw.token(&key_of(Role::Viewer)).await;
    let mut opened = raw.open("GET", "/v1/events", &vec![bearer(&token)], b"").await;
    for number in 0..5_000 {
        scene.store.events.send(event(ONE, "round", Some(number))).unwrap();
        // Not faster than the coordinator takes them: it is the reader that is slow.
        while scene.store.events.len() > 32 {
            tokio::task::yield_now().await;
        }
    }
    let text = until(opened.body_mut(), "event: missed\n").await;
    assert!(text.contains("\"round\":0"), "what had come before is there: {text}");
    until(opened.body_mut(), "came faster than they were read").await;
    until(opened.body_mut(), "\"round\":4999").await;
}

#[tokio::test]
async fn a_coordinator_whose_events_break_off_is_named_and_heard_again() {
    let scene = Scene::new().await;
    let mut events = scene.client(Role::Viewer).events(None).await.unwrap();
    // More than the fake keeps, all at once: it ends its stream.
    for _ in 0..100 {
        scene.store.events.send(event(ONE, "round", Some(1))).unwrap();
    }
    let missed = events.next().await.unwrap().unwrap();
    assert_eq!((missed.what.as_str(), missed.session.as_str()), ("missed", ""));
    assert_eq!(missed.detail.as_deref(), Some("the events of coordinator-1 broke off"));
    watched(&scene, 1).await;
    // What it said meanwhile nobody has heard.
    let missed = events.next().await.unwrap().unwrap();
    assert_eq!(missed.what, "missed");
    assert_eq!(missed.detail.as_deref(), Some("the events of coordinator-1 are heard again"));
    scene.store.events.send(event(ONE, "began", None)).unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().what, "began");
    // It says itself that somebody was too slow.
    let slow = SessionEvent { detail: "7 events".to_owned(), ..event("", "missed", None) };
    scene.store.events.send(slow).unwrap();
    let missed = events.next().await.unwrap().unwrap();
    assert_eq!((&*missed.what, missed.detail.as_deref()), ("missed", Some("coordinator-1: 7 events")));
}

#[tokio::test]
async fn a_stream_that_is_not_read_gives_its_place_back_after_its_time() {
    let limits = Limits { streams: 1, stream_time: Duration::from_millis(300), ..Wanted::default().limits };
    let scene = Scene::of(Wanted { limits, ..Wanted::default() }).await;
    let raw = Raw::that_takes(&scene, Some(&scene.identity("viewer")), 0).await;
    let admins = Raw::connect(&scene, Some(&scene.identity("admin"))).await;
    let (token, admin) = (token_for(&scene, Role::Viewer).await, admins.token(&key_of(Role::Admin)).await);
    let unread = raw.open("GET", "/v1/events", &vec![bearer(&token)], b"").await;
    assert_eq!(unread.status(), 200);
    assert_eq!(admins.get("/v1/events", &admin).await.code(), "E5002");
    let began = Instant::now();
    while admins.open("GET", "/v1/events", &vec![bearer(&admin)], b"").await.status() != 200 {
        assert!(began.elapsed() < Duration::from_secs(20), "the place is held for ever");
    }
    drop(unread);
}

#[tokio::test]
async fn a_stream_ends_when_its_client_is_revoked_or_gone_and_those_of_others_go_on() {
    let scene = Scene::new().await;
    let mut others = scene.client(Role::Admin).events(None).await.unwrap();
    let mut revoked = scene.client(Role::Viewer).events(None).await.unwrap();
    let mut gone = scene.client(Role::Requester).events(None).await.unwrap();
    scene.change(|fields| {
        let viewer = fields.clients.iter().find(|client| client.name == "viewer").unwrap();
        fields.revoked.push(viewer.tls[0]);
        fields.clients.retain(|client| client.name != "requester");
    });
    for ended in [&mut revoked, &mut gone] {
        let end = async {
            // It may be told before that coordinators are asked anew.
            while let Ok(Some(event)) = ended.next().await {
                assert_eq!(event.what, "missed");
            }
        };
        timeout(Duration::from_secs(20), end).await.expect("it looks on for ever");
    }
    watched(&scene, 1).await;
    scene.store.events.send(event(ONE, "began", None)).unwrap();
    while others.next().await.unwrap().expect("it goes on").what != "began" {}
}

#[tokio::test]
async fn one_client_has_its_share_of_streams_and_no_more() {
    let limits = Limits { client_streams: 2, ..Wanted::default().limits };
    let scene = Scene::of(Wanted { limits, ..Wanted::default() }).await;
    let client = scene.client(Role::Viewer);
    let streams = (client.events(None).await.unwrap(), client.events(None).await.unwrap());
    let refused = client.events(None).await.err().unwrap();
    assert_eq!(refused.code(), Some(Code::TooManyRequests));
    assert!(scene.client(Role::Admin).events(None).await.is_ok(), "others have theirs");
    drop(streams);
    while client.events(None).await.is_err() {
        tokio::task::yield_now().await;
    }
}

/// A token for this client, over a connection of its own.
async fn token_for(scene: &Scene, role: Role) -> String {
    Raw::connect(scene, Some(&scene.identity(role.name()))).await.token(&key_of(role)).await
}
