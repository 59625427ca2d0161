//! Requests whose answers are lost, before a double of the gateway.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keymoot_wire::rest::{KeyView, ThresholdView};
use serde_json::json;

use super::pending::{Pending, Wanted};
use super::{Asked, Remote};
use crate::ceremony::tests::must_admit;
use crate::commands::sign::told;
use crate::context::Context;

#[path = "../../tests/it/double.rs"]
mod double;

/// What the gateway does with requests, and with questions about them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// Admits, and signs.
    Signs,
    /// Admits and signs the first two, and nobody hears of the others.
    SignsTwo,
    /// Admits, and nobody hears of it.
    LosesAnswers,
    /// Admits, and then answers no question.
    LosesOutcomes,
    /// Admits, and then knows nothing of it.
    Forgets,
    /// Does not admit.
    Refuses,
    /// Says that it is not who it should be.
    KnowsNobody,
}

struct Scene {
    remote: Remote,
    mood: Arc<Mutex<Mood>>,
    /// The idempotency keys of what came, one for each command.
    came: Arc<Mutex<Vec<String>>>,
    key: KeyView,
    _cluster: tempfile::TempDir,
}

impl Scene {
    async fn must_begin() -> Self {
        let cluster = must_admit();
        let mood = Arc::new(Mutex::new(Mood::Signs));
        let came = Arc::new(Mutex::new(Vec::new()));
        let (feels, notes) = (Arc::clone(&mood), Arc::clone(&came));
        let problem = |code: &str, status: u16| {
            let problem = json!({
                "type": "", "title": "no", "status": status, "detail": "", "code": code, "culprits": [], "denials": [],
            });
            Some((status, problem))
        };
        let signed = |status: &str| {
            let more = json!({ "kind": "message", "key": "key_0", "path": "m", "signed_data": "" });
            Some((200, double::request(status, &more)))
        };
        let answer = move |parts: &hyper::http::request::Parts| {
            let mood = *feels.lock().unwrap();
            if parts.method == "GET" {
                return match mood {
                    Mood::Forgets => problem("E4003", 404),
                    _ => None,
                };
            }
            let key = parts.headers["idempotency-key"].to_str().unwrap().to_owned();
            let mut notes = notes.lock().unwrap();
            // The client tries the same several times; that is one command.
            if !notes.contains(&key) {
                notes.push(key.clone());
            }
            let is_of_the_first = notes.iter().take(2).any(|note| *note == key);
            match mood {
                Mood::Signs => signed("complete"),
                Mood::SignsTwo if is_of_the_first => signed("complete"),
                Mood::LosesAnswers | Mood::SignsTwo => None,
                Mood::LosesOutcomes | Mood::Forgets => signed("pending"),
                Mood::Refuses => problem("E2107", 422),
                Mood::KnowsNobody => problem("E3010", 401),
            }
        };
        let address = double::start(&cluster.path().join("gateway-1"), answer).await;
        let gateway = Some(format!("https://{address}"));
        keymoot_wire::install_providers();
        let context = Context { gateway, ..Context::new("test", &cluster.path().join("alice"), None) };
        let key = KeyView {
            id: "key_0".into(),
            name: "hot".into(),
            scheme: "dkls23".into(),
            threshold: ThresholdView { needed: 2, total: 2 },
            ..KeyView::default()
        };
        Self { remote: Remote::of(context).unwrap(), mood, came, key, _cluster: cluster }
    }

    /// Runs the command once, and says how it ended.
    async fn sign(&self, mood: Mood, payload: &[u8]) -> Result<(), &'static str> {
        self.sign_all(mood, payload, 1).await.map(drop)
    }

    /// The same for a payload that needs so many signatures; says how many there are.
    async fn sign_all(&self, mood: Mood, payload: &[u8], count: u16) -> Result<usize, &'static str> {
        *self.mood.lock().unwrap() = mood;
        let asked = Asked { key: &self.key, path: "m", kind: "message", payload };
        let signed = self.remote.sign_all(&asked, count).await;
        if signed.is_ok() {
            self.remote.has_signed(&asked, count);
        }
        signed.map(|all| all.len()).map_err(|failure| failure.code())
    }

    /// How many different requests have come so far.
    fn count(&self) -> usize {
        self.came.lock().unwrap().len()
    }
}

#[tokio::test]
async fn a_command_whose_answer_was_lost_asks_for_the_same_again_and_signs_once() {
    let scene = Scene::must_begin().await;
    assert_eq!(scene.sign(Mood::LosesAnswers, b"pay").await, Err("E5901"));
    assert_eq!(scene.sign(Mood::LosesOutcomes, b"pay").await, Err("E5901"));
    assert_eq!(scene.sign(Mood::KnowsNobody, b"pay").await, Err("E3010"), "that may pass too");
    let asked = Asked { key: &scene.key, path: "m", kind: "message", payload: b"pay" };
    let told = scene.remote.sign_all(&asked, 1).await.unwrap_err().document().unwrap().to_string();
    assert!(told.contains("may be pending") && !told.contains("nothing came"), "{told}");
    assert_eq!(scene.sign(Mood::Signs, b"pay").await, Ok(()));
    assert_eq!(scene.count(), 1, "all five were one request");
    assert_eq!(scene.sign(Mood::Signs, b"pay").await, Ok(()));
    assert_eq!(scene.count(), 2, "what is signed is not asked for again");
}

#[tokio::test]
async fn what_is_signed_is_forgotten_when_it_is_known_to_verify_and_not_before() {
    let scene = Scene::must_begin().await;
    *scene.mood.lock().unwrap() = Mood::Signs;
    let asked = Asked { key: &scene.key, path: "m", kind: "message", payload: b"pay" };
    scene.remote.sign_all(&asked, 1).await.unwrap();
    scene.remote.sign_all(&asked, 1).await.unwrap();
    assert_eq!(scene.count(), 1, "nobody has said that the first one verifies");
    scene.remote.has_signed(&asked, 1);
    scene.remote.sign_all(&asked, 1).await.unwrap();
    assert_eq!(scene.count(), 2);
}

#[tokio::test]
async fn commands_at_the_same_time_do_not_take_what_the_others_remember() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::must_begin().await;
    let wanted: Vec<_> = (0..8_u8)
        .map(|number| {
            let asked = Asked { key: &scene.key, path: "m", kind: "message", payload: &[number] };
            (Wanted::all(&asked, 1).remove(0), scene.remote.prepare(&asked, None, None).unwrap())
        })
        .collect();
    let were_known: Vec<bool> = std::thread::scope(|scope| {
        let each = (0..3).flat_map(|_| &wanted).map(|(wanted, prepared)| {
            let pending = Pending::of(folder.path());
            scope.spawn(move || {
                let mut was_known = false;
                let made = pending.request(wanted, |ticket| {
                    was_known = ticket.is_some();
                    Ok(prepared.clone())
                });
                made.map(|_| was_known).unwrap()
            })
        });
        let all: Vec<_> = each.collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(were_known.iter().filter(|known| !**known).count(), 8, "each is new once, and is not lost");
}

#[tokio::test]
async fn a_payload_with_several_signatures_is_as_many_requests_and_goes_on_where_it_stopped() {
    let scene = Scene::must_begin().await;
    assert_eq!(scene.sign_all(Mood::SignsTwo, b"pay", 3).await, Err("E5901"));
    assert_eq!(scene.count(), 3);
    assert_eq!(scene.sign_all(Mood::Signs, b"pay", 3).await, Ok(3));
    assert_eq!(scene.count(), 3, "what was signed is asked for again, and not anew");
    assert_eq!(scene.sign_all(Mood::Signs, b"pay", 20).await, Ok(20));
    assert_eq!(scene.count(), 23, "when all is signed, all is forgotten");
    assert_eq!(scene.sign_all(Mood::Refuses, b"pay", 3).await, Err("E2107"));
}

#[tokio::test]
async fn a_request_that_nobody_knows_or_wants_is_forgotten_and_others_are_not() {
    let scene = Scene::must_begin().await;
    assert_eq!(scene.sign(Mood::LosesAnswers, b"other").await, Err("E5901"));
    assert_eq!(scene.sign(Mood::Forgets, b"pay").await, Err("E4003"));
    assert_eq!(scene.sign(Mood::Refuses, b"pay").await, Err("E2107"));
    assert_eq!(scene.sign(Mood::Signs, b"pay").await, Ok(()));
    assert_eq!(scene.count(), 4, "none of the three for this payload blocks the next");
    assert_eq!(scene.sign(Mood::Signs, b"other").await, Ok(()));
    assert_eq!(scene.count(), 4, "the first one is still known");
}

#[tokio::test]
async fn what_is_told_beside_a_signature_needs_no_answer_of_the_cluster() {
    let scene = Scene::must_begin().await;
    let asked = Asked { key: &scene.key, path: "m", kind: "message", payload: b"pay" };
    let signed = scene.remote.sign_all(&asked, 1).await.unwrap().remove(0);
    assert!(scene.remote.nodes().await.is_err(), "the double answers no question");
    let lines = told(&scene.remote, &scene.key, &signed.signers, Duration::from_millis(7)).await;
    assert!(
        lines[0].contains("node-1 ✓ node-2 ✓") && lines[1].ends_with("node-1, node-2 · 7 ms"),
        "{lines:?}"
    );
}
