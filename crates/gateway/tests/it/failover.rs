//! Coordinators come and go, and clients do not notice.

use std::time::{Duration, Instant};

use keymoot_client::{Page, Retry};
use keymoot_types::Scheme;
use keymoot_wire::cluster::Role;
use keymoot_wire::problem::Code;
use keymoot_wire::rest::SignatureView;

use crate::answers::{body, must_make_key};
use crate::fake::Mood;
use crate::scene::{Scene, Wanted};

const KEY: &str = "key_00000000000000000000000000000000";
const NOW: Duration = Duration::ZERO;

#[tokio::test]
async fn requests_go_to_whoever_answers() {
    let scene = Scene::of(Wanted { coordinators: 2, absent: 1, ..Wanted::default() }).await;
    let client = scene.client(Role::Admin);
    for round in 0..4 {
        must_make_key(&client, &format!("with all {round}"), Scheme::Dkls23).await;
    }
    for mood in [Mood::Storeless, Mood::Hangs] {
        scene.coordinators[0].feel(mood);
        for round in 0..3 {
            must_make_key(&client, &format!("{mood:?} {round}"), Scheme::Dkls23).await;
        }
    }
    scene.coordinators[0].feel(Mood::Answers);
    assert_eq!(scene.store.keys.lock().unwrap().len(), 10, "none was made twice");
}

#[tokio::test]
async fn the_same_request_goes_to_the_same_coordinator() {
    let scene = Scene::of(Wanted { coordinators: 3, ..Wanted::default() }).await;
    let client = scene.client(Role::Requester);
    let mut used = std::collections::BTreeSet::new();
    for _ in 0..12 {
        let prepared = client.prepare_signature(&body(KEY, "message")).unwrap();
        scene.coordinators.iter().for_each(|fake| drop(fake.take_traces()));
        for _ in 0..3 {
            client.send::<SignatureView>(&prepared, NOW).await.unwrap();
        }
        let asked: Vec<usize> = scene.coordinators.iter().map(|fake| fake.take_traces().len()).collect();
        assert!(asked.contains(&3), "{asked:?}");
        used.insert(asked);
    }
    assert!(used.len() > 1, "all requests go to one coordinator");
}

#[tokio::test]
async fn with_no_coordinator_there_is_a_problem_and_soon() {
    let scene = Scene::of(Wanted { coordinators: 0, absent: 2, ..Wanted::default() }).await;
    let client = scene.client(Role::Admin);
    let began = Instant::now();
    let error = client.create_key(Scheme::Dkls23, "hot", NOW).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::CoordinatorsUnavailable));
    assert!(began.elapsed() < Duration::from_secs(5));
    let ready = client.ready().await.unwrap();
    assert_eq!((ready.ready, ready.reasons), (false, vec!["no coordinator answers".to_owned()]));
    assert_eq!(client.nodes().await.unwrap_err().code(), Some(Code::CoordinatorsUnavailable));
}

#[tokio::test]
async fn a_client_tries_again_until_somebody_answers() {
    let scene = Scene::new().await;
    let fake = &scene.coordinators[0];
    let client = scene.client_that(Role::Requester, Retry::default());
    client.version().await.unwrap();
    fake.feel(Mood::Storeless);
    let asked = body(KEY, "message");
    let signing = client.sign(&asked, NOW);
    tokio::pin!(signing);
    let made = loop {
        tokio::select! {
            made = signing.as_mut() => break made.unwrap(),
            // After it was refused twice, the store comes back.
            () = heard(fake, 2) => fake.feel(Mood::Answers),
        }
    };
    assert!(made.signature.is_some());
    assert_eq!(scene.store.requests.lock().unwrap().len(), 1, "the same bytes were sent each time");
    fake.feel(Mood::Storeless);
    let once = scene.client(Role::Requester);
    assert_eq!(once.sign(&body(KEY, "message"), NOW).await.unwrap_err().code(), Some(Code::StoreUnavailable));
}

#[tokio::test]
async fn a_coordinator_whose_key_is_revoked_hears_nothing_more_on_its_open_connection() {
    let scene = Scene::of(Wanted { coordinators: 2, ..Wanted::default() }).await;
    let client = scene.client(Role::Viewer);
    let _events = client.events(None).await.unwrap();
    client.nodes().await.unwrap();
    assert_eq!(scene.store.events.receiver_count(), 2);
    assert!(scene.coordinators.iter().all(|fake| !fake.take_traces().is_empty()), "both have connections");
    revoke(&scene, 0);
    for round in 0..8 {
        let nodes = client.nodes().await.unwrap();
        assert_eq!(nodes.silent_coordinators, ["coordinator-1"], "round {round}");
        scene.client(Role::Operator).key("nobody").await.unwrap_err();
    }
    assert_eq!(scene.coordinators[0].take_traces(), Vec::<String>::new());
    // Its events are not listened to any more either, and those of the other are.
    while scene.store.events.receiver_count() != 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_call_goes_on_to_nobody_who_was_revoked_since_it_began() {
    let scene = Scene::of(Wanted { coordinators: 2, ..Wanted::default() }).await;
    let client = scene.client(Role::Viewer);
    client.nodes().await.unwrap();
    scene.coordinators.iter().for_each(|fake| drop(fake.take_traces()));
    client.list_keys(&Page::default()).await.unwrap();
    let first = usize::from(scene.coordinators[0].take_traces().is_empty());
    let other = 1 - first;
    scene.coordinators[first].take_traces();
    scene.coordinators[first].feel(Mood::Hangs);
    let page = Page::default();
    let asking = client.list_keys(&page);
    tokio::pin!(asking);
    tokio::select! {
        answer = asking.as_mut() => panic!("an answer of a coordinator that hangs: {answer:?}"),
        () = heard(&scene.coordinators[first], 1) => revoke(&scene, other),
    }
    scene.coordinators[other].take_traces();
    let error = asking.await.unwrap_err();
    assert_eq!(error.code(), Some(Code::CoordinatorsUnavailable));
    assert_eq!(scene.coordinators[other].take_traces(), Vec::<String>::new());
}

/// Nobody trusts this coordinator's key any more.
fn revoke(scene: &Scene, coordinator: usize) {
    scene.change(|all| all.revoked.push(all.coordinators[coordinator].tls[0]));
}

async fn heard(fake: &crate::fake::Fake, times: usize) {
    let mut count = 0;
    while count < times {
        count += fake.take_traces().len();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stopping_gateway_finishes_what_it_has_begun() {
    let scene = Scene::new().await;
    let client = scene.client(Role::Viewer);
    client.nodes().await.unwrap();
    let mut events = client.events(None).await.unwrap();
    let address = scene.gateway.address();
    scene.gateway.stop(Duration::from_secs(10)).await;
    assert_eq!(events.next().await.unwrap(), None, "streams end in order");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
