//! Requests of any kind: listed as they stand, and waited for while nodes are missing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keymoot_client::{Client, ClientError, Page, Retry};
use keymoot_types::Scheme;
use keymoot_wire::cluster::{ClusterDocument, ClusterFields, Hex, Role};
use keymoot_wire::mpc;
use keymoot_wire::problem::Code;
use keymoot_wire::rest::{AskView, RequestView, Status};
use keymoot_wire::tls::TlsRefusal;

use crate::answers::{body, must_make_key};
use crate::scene::Scene;

const NOW: Duration = Duration::ZERO;
const KEY: &str = "key_00000000000000000000000000000000";

/// All requests that stand so, page by page.
async fn all(client: &Client, status: Option<Status>, limit: u32) -> Vec<RequestView> {
    let (mut seen, mut page) = (Vec::new(), Page { limit: Some(limit), cursor: None });
    loop {
        let found = client.requests(status, &page).await.unwrap();
        assert!(found.requests.len() <= limit as usize);
        seen.extend(found.requests);
        page.cursor = found.next_cursor;
        if page.cursor.is_none() {
            return seen;
        }
    }
}

#[tokio::test]
async fn requests_of_any_kind_are_listed_by_how_they_stand() {
    let scene = Scene::new().await;
    let (admin, viewer) = (scene.client(Role::Admin), scene.client(Role::Viewer));
    let key = must_make_key(&admin, "hot", Scheme::Dkls23).await;
    let slow = admin.create_key(Scheme::Dkls23, "slow", NOW).await.unwrap();
    let lonely = admin.sign(&body(&key.id, "lonely"), NOW).await.unwrap();
    let denied = admin.sign(&body(&key.id, "denied"), NOW).await.unwrap();
    for _ in 0..20 {
        admin.sign(&body(&key.id, "message"), NOW).await.unwrap();
    }
    admin.retire(key.id.parse().unwrap(), NOW).await.unwrap();
    for limit in [1, 3, 200] {
        assert_eq!(all(&viewer, None, limit).await.len(), 25);
        let pending = all(&viewer, Some(Status::Pending), limit).await;
        let mut ids: Vec<&str> = pending.iter().map(|request| request.id.as_str()).collect();
        let mut wanted = [slow.id.as_str(), lonely.id.as_str()];
        ids.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(ids, wanted);
        assert!(
            pending.iter().any(|request| matches!(&request.ask, AskView::Key { name, .. } if name == "slow"))
        );
        assert!(pending.iter().all(|request| request.expires_ms.is_some()));
        let refused = all(&viewer, Some(Status::Denied), limit).await;
        assert_eq!(refused.iter().map(|request| &request.id).collect::<Vec<_>>(), [&denied.id]);
    }
}

#[tokio::test]
async fn whoever_looks_for_what_is_pending_does_not_read_the_whole_past() {
    let scene = Scene::new().await;
    let client = scene.client(Role::Requester);
    for _ in 0..20 {
        client.sign(&body(KEY, "message"), NOW).await.unwrap();
    }
    let page = Page { limit: Some(1), cursor: None };
    assert!(client.requests(Some(Status::Pending), &page).await.unwrap().next_cursor.is_some());
    for (_, request) in scene.store.requests.lock().unwrap().values_mut() {
        request.created_ms -= 40 * 60 * 1000;
    }
    let found = client.requests(Some(Status::Pending), &page).await.unwrap();
    assert_eq!((found.requests.len(), found.next_cursor), (0, None));
    let others = client.requests(Some(Status::Complete), &page).await.unwrap();
    assert!(others.next_cursor.is_some(), "what has ended is listed however old it is");
}

#[tokio::test]
async fn a_state_that_there_is_not_is_refused_with_those_that_there_are() {
    let scene = Scene::new().await;
    let raw = crate::raw::Raw::connect(&scene, Some(&scene.identity("viewer"))).await;
    let token = raw.token(&crate::scene::key_of(Role::Viewer)).await;
    let answer = raw.get("/v1/requests?status=lost", &token).await;
    let problem = answer.json();
    assert_eq!((answer.status.as_u16(), &problem["code"]), (400, &"E2007".into()));
    assert!(problem["detail"].as_str().unwrap().contains("pending, complete, denied"), "{problem}");
}

#[tokio::test]
async fn an_outcome_is_waited_for_also_while_nodes_are_missing() {
    let scene = Scene::new().await;
    let client = scene.client(Role::Requester);
    let lonely = client.sign(&body(KEY, "lonely"), NOW).await.unwrap();
    // The service answers at once that it cannot go on now.
    let began = Instant::now();
    let pending = client.outcome(&lonely.id, Duration::from_millis(700)).await.unwrap();
    assert_eq!((pending.status, pending.code.as_deref()), (Status::Pending, Some("E2104")));
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());

    scene.coordinators[0].take_traces();
    let come_back = async {
        while scene.coordinators[0].take_traces().is_empty() {
            tokio::task::yield_now().await;
        }
        let mut requests = scene.store.requests.lock().unwrap();
        let (_, request) = requests.get_mut(&lonely.id).unwrap();
        request.set_status(mpc::RequestStatus::Complete);
        request.code.clear();
    };
    let (found, ()) = tokio::join!(client.outcome(&lonely.id, Duration::from_secs(60)), come_back);
    assert_eq!(found.unwrap().status, Status::Complete);
    let nobody = client.outcome(&format!("req_{}", "0".repeat(64)), NOW).await.unwrap_err();
    assert_eq!(nobody.code(), Some(Code::NoSuchRequest));
}

#[tokio::test]
async fn a_client_goes_to_where_the_document_says_the_gateways_are() {
    let scene = Scene::new().await;
    let fields = |change: &dyn Fn(&mut ClusterFields)| {
        let mut fields = scene.document.load().fields().clone();
        change(&mut fields);
        ClusterDocument::new(fields).unwrap()
    };
    let here = scene.address();
    let client = || scene.client_that(Role::Viewer, Retry::NONE);
    // Nobody listens at the first; the second is the gateway.
    let moved = fields(&|fields| {
        let mut first = fields.gateways[0].clone();
        (first.name, first.tls) = ("gw-0".to_owned(), vec![Hex([7; 32])]);
        first.address = "https://127.0.0.1:1".into();
        fields.gateways[0].address.clone_from(&here);
        fields.gateways.insert(0, first);
    });
    assert!(client().at_gateways_of(moved.into_handle()).version().await.is_ok());
    // It moves while the client is there.
    let away = || fields(&|fields| fields.gateways[0].address = "https://127.0.0.1:1".into());
    let followed = away().into_handle();
    let follower = client().at_gateways_of(followed.clone());
    let error = follower.version().await.unwrap_err();
    assert!(matches!(&error, ClientError::Connect { gateway, .. } if gateway.ends_with(":1")), "{error:?}");
    followed.store(Arc::new(fields(&|fields| fields.gateways[0].address.clone_from(&here))));
    assert!(follower.version().await.is_ok());
    // Where the address is the user's own, the document does not move it.
    assert!(client().following(away().into_handle()).version().await.is_ok());
}

#[tokio::test]
async fn a_client_with_pins_believes_no_gateway_whose_key_is_another() {
    let scene = Scene::new().await;
    let document = || ClusterDocument::clone(&scene.document.load());
    let client = || scene.client_that(Role::Viewer, Retry::NONE);
    assert!(client().pinning(document()).version().await.is_ok());
    let mut fields = document().fields().clone();
    fields.gateways[0].tls = vec![Hex([7; 32])];
    let other = ClusterDocument::new(fields).unwrap();
    let error = client().pinning(other).version().await.unwrap_err();
    assert!(matches!(error, ClientError::NotAGateway { cause: TlsRefusal::NotPinned, .. }), "{error:?}");
    // By a document that is replaced, it also leaves a connection that is open.
    let mut fields = document().fields().clone();
    fields.gateways[0].tls = vec![Hex([7; 32])];
    let followed = document().into_handle();
    let follower = client().following(followed.clone());
    assert!(follower.version().await.is_ok());
    followed.store(Arc::new(ClusterDocument::new(fields).unwrap()));
    let error = follower.version().await.unwrap_err();
    assert!(matches!(error, ClientError::NotAGateway { cause: TlsRefusal::NotPinned, .. }), "{error:?}");
}
