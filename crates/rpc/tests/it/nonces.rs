//! Places of transactions, side by side and when things go wrong: none is left empty, and none is used twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alloy_consensus::{Transaction, TxEnvelope};
use alloy_primitives::U256;
use futures_util::future::join_all;
use keymoot_chains::{Detail, inspect};
use keymoot_rpc::{Asked, Refusal};
use serde_json::{Value, json};

use crate::chain::Mood;
use crate::scene::Scene;

fn denied() -> Refusal {
    Refusal::new(4001, "E2101", "the nodes refuse")
}

/// So many transfers at once, told apart by their value.
async fn burst(scene: &Scene, count: u64) -> Vec<Result<Value, Value>> {
    join_all((1..=count).map(|value| scene.send(json!({ "value": format!("{value:#x}") })))).await
}

/// All places up to the last are taken; whoever was told a hash finds its transaction, with its value; and no transfer of
/// somebody who was told of a failure has happened.
fn must_add_up(scene: &Scene, told: &[Result<Value, Value>]) {
    let nonces = scene.chain.nonces(scene.purse.address(0));
    assert_eq!(nonces, (0..nonces.len() as u64).collect::<Vec<_>>(), "a place is empty");
    let mut hashes = BTreeSet::new();
    for (value, told) in (1u64..).zip(told) {
        let happened = scene.chain.with(|ledger| {
            ledger.taken.values().map(TxEnvelope::value).filter(|known| *known == U256::from(value)).count()
        });
        match told {
            Ok(hash) => {
                assert!(hashes.insert(hash.to_string()), "two have one hash");
                let transaction = scene.chain.find(hash).expect("a transaction with the hash that was told");
                assert_eq!((transaction.value(), happened), (U256::from(value), 1));
            }
            Err(error) => assert_eq!(happened, 0, "{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_at_once_have_two_hundred_places() {
    let scene = Scene::start().await;
    let told = burst(&scene, 200).await;
    assert!(told.iter().all(Result::is_ok), "{:?}", told.iter().find(|told| told.is_err()));
    must_add_up(&scene, &told);
    assert_eq!(scene.chain.nonces(scene.purse.address(0)).len(), 200);
    assert!(scene.chain.asked("eth_getTransactionCount") < 100, "the chain is not asked about each");
}

/// The value of a transaction that is to be signed.
fn value(asked: &Asked) -> u64 {
    let inspected = inspect(&asked.payload, &asked.account.key).expect("a payload that can be read");
    match inspected.facts.detail {
        Detail::EvmTx(facts) => facts.value.digits().parse().expect("a small value"),
        other => panic!("no transaction: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signatures_that_fail_leave_no_gap() {
    let scene = Scene::start().await;
    // Some by what they are, some by chance, and a filler at its first try.
    let has_failed = AtomicBool::new(false);
    scene.purse.fails(move |number, asked| match value(asked) {
        0 => {
            (!has_failed.swap(true, Ordering::SeqCst)).then(|| Refusal::new(-32603, "E5901", "out of reach"))
        }
        value => (value % 5 == 2 || number % 11 == 3).then(denied),
    });
    let told = burst(&scene, 200).await;
    let failed = told.iter().filter(|told| told.is_err()).count();
    assert!((40..=70).contains(&failed), "{failed} failed");
    assert!(told.iter().flat_map(|told| told.as_ref().err()).all(|error| error["code"] == 4001));
    must_add_up(&scene, &told);
    // The next one finds everything in order.
    scene.purse.fails(|_, _| None);
    let next = scene.send(json!({ "value": "0xffff" })).await.unwrap();
    let last = scene.chain.nonces(scene.purse.address(0)).len() as u64 - 1;
    assert_eq!(scene.chain.find(&next).unwrap().nonce(), last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_refuses_and_loses_answers_leaves_no_gap() {
    let scene = Scene::start().await;
    scene.chain.behaves(|number, _| match number % 7 {
        1 => Mood::TakesInSilence,
        3 => Mood::Refuses,
        5 => Mood::Loses,
        _ => Mood::Takes,
    });
    let told = burst(&scene, 100).await;
    let failed: Vec<_> = told.iter().flat_map(|told| told.as_ref().err()).collect();
    assert!(!failed.is_empty() && failed.iter().all(|error| error["code"] == -32000), "{failed:?}");
    assert!(failed.iter().all(|error| error["data"]["hash"].is_string()), "it was signed: {failed:?}");
    must_add_up(&scene, &told);
}

#[tokio::test]
async fn a_place_in_the_middle_that_stays_empty_is_filled_and_the_payment_is_not_moved() {
    let scene = Scene::start().await;
    scene.chain.with(|ledger| ledger.gas = 5_000_000);
    // The second of three is denied when the third is signed already.
    scene.purse.fails(|_, asked| {
        let inspected = inspect(&asked.payload, &asked.account.key).unwrap();
        let Detail::EvmTx(facts) = inspected.facts.detail else { panic!("no transaction") };
        (facts.nonce == 1 && facts.value.digits() == "1").then(denied)
    });
    scene.purse.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let sends = join_all((0..3).map(|_| scene.send(json!({}))));
    let release = async {
        while scene.purse.asked() < 3 {
            tokio::task::yield_now().await;
        }
        scene.purse.gate.add_permits(1000);
    };
    let (told, ()) = tokio::join!(sends, release);
    assert_eq!(told.iter().filter(|told| told.is_err()).count(), 1, "{told:?}");
    let account = scene.purse.address(0);
    assert_eq!(scene.chain.nonces(account), [0, 1, 2]);
    let filler = scene.chain.with(|ledger| ledger.taken[&(account, 1)].clone());
    assert_eq!((filler.to(), filler.value().is_zero()), (Some(account), true), "it does nothing");
    assert_eq!(filler.gas_limit(), 21_000, "and has gas for nothing");
    // Whoever was signed for place 2 was sent at place 2: there is one signature for each payment.
    assert_eq!(scene.purse.asked(), 4);
}

#[tokio::test]
async fn a_place_that_nobody_can_fill_holds_nobody_up_and_goes_to_the_next() {
    let scene = Scene::with(|config| config.fills = false).await;
    scene.chain.with(|ledger| ledger.is_patient = true);
    let is_strict = Arc::new(AtomicBool::new(true));
    let strict = is_strict.clone();
    scene.purse.fails(move |number, _| (number == 0 && strict.load(Ordering::SeqCst)).then(denied));
    scene.purse.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let sends = join_all((0..2).map(|_| scene.send(json!({}))));
    let release = async {
        while scene.purse.asked() < 2 {
            tokio::task::yield_now().await;
        }
        scene.purse.gate.add_permits(1000);
    };
    let (told, ()) = tokio::join!(sends, release);
    assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 1, "{told:?}");
    is_strict.store(false, Ordering::SeqCst);
    scene.send(json!({})).await.unwrap();
    assert_eq!(scene.chain.nonces(scene.purse.address(0)), [0, 1]);
}

#[tokio::test]
async fn a_transaction_of_which_nobody_knows_whether_it_was_sent_is_told_so_and_found_again() {
    let scene = Scene::start().await;
    scene.send(json!({})).await.unwrap();
    scene.chain.behaves(|_, _| Mood::Loses);
    let error = scene.send(json!({ "value": "0x2" })).await.unwrap_err();
    assert_eq!((&error["code"], &error["data"]["code"]), (&json!(-32603), &json!("E5905")), "{error}");
    assert_eq!(error["data"]["hash"].as_str().map(str::len), Some(66));
    scene.chain.behaves(|_, _| Mood::Takes);
    // The chain has never seen it, so its place goes to the next.
    let next = scene.send(json!({ "value": "0x3" })).await.unwrap();
    assert_eq!(scene.chain.find(&next).unwrap().nonce(), 1);
}

#[tokio::test]
async fn somebody_else_who_sends_for_the_account_is_noticed_and_nothing_is_paid_at_another_place() {
    let scene = Scene::start().await;
    scene.send(json!({})).await.unwrap();
    // While one is being signed for place 1, somebody takes that place, and the two behind.
    let others = Scene::start().await;
    others.chain.with(|ledger| ledger.begin = 1);
    for _ in 0..3 {
        others.send(json!({ "value": "0x9" })).await.unwrap();
    }
    let theirs = others.chain.with(|ledger| ledger.taken.clone());
    scene.purse.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let disturb = async {
        while scene.purse.asked() < 2 {
            tokio::task::yield_now().await;
        }
        scene.chain.with(|ledger| ledger.taken.extend(theirs));
        scene.purse.gate.add_permits(1000);
    };
    let (told, ()) = tokio::join!(scene.send(json!({ "value": "0x2" })), disturb);
    let error = told.unwrap_err();
    assert_eq!(
        (&error["data"]["code"], &error["data"]["nonce"]),
        (&json!("E5905"), &json!("0x1")),
        "{error}"
    );
    // Asked again, it is not signed for another place: the first signature may still be of use to somebody.
    let again = scene.send(json!({ "value": "0x2" })).await.unwrap_err();
    assert_eq!(again["data"]["hash"], error["data"]["hash"], "{again}");
    assert_eq!(scene.purse.asked(), 2);
    let next = scene.send(json!({ "value": "0x3" })).await.unwrap();
    assert_eq!(scene.chain.find(&next).unwrap().nonce(), 4);
    // Whoever has looked says a nonce.
    let anew = scene.send(json!({ "value": "0x2", "nonce": "0x5" })).await.unwrap();
    assert_eq!(scene.chain.find(&anew).unwrap().nonce(), 5);
}

#[tokio::test]
async fn the_same_request_with_its_own_place_is_the_same_transaction() {
    let scene = Scene::start().await;
    let first = scene.send(json!({ "nonce": "0x0" })).await.unwrap();
    let (again, twice) =
        tokio::join!(scene.send(json!({ "nonce": "0x0" })), scene.send(json!({ "nonce": "0x0" })));
    assert_eq!((again.unwrap(), twice.unwrap()), (first.clone(), first));
    assert_eq!(scene.purse.asked(), 1);
    // Another one for the same place is refused by the chain, and its words are told.
    let error = scene.send(json!({ "nonce": "0x0", "value": "0x2" })).await.unwrap_err();
    assert_eq!(error["data"]["code"], "E5905");
    assert!(error["message"].as_str().unwrap().ends_with("nonce too low"), "{error}");
}

#[tokio::test]
async fn a_transaction_that_the_chain_has_lost_is_given_to_it_again() {
    let scene = Scene::start().await;
    let first = scene.send(json!({ "nonce": "0x0" })).await.unwrap();
    scene.chain.with(|ledger| ledger.taken.clear());
    assert_eq!(scene.send(json!({ "nonce": "0x0" })).await.unwrap(), first);
    assert!(scene.chain.find(&first).is_some() && scene.purse.asked() == 1);
}

#[tokio::test]
async fn a_place_that_is_on_its_way_is_counted_and_cannot_be_chosen() {
    let scene = Scene::start().await;
    scene.send(json!({})).await.unwrap();
    scene.purse.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let meanwhile = async {
        while scene.purse.asked() < 2 {
            tokio::task::yield_now().await;
        }
        let count = async |block: &str| {
            scene.ask("eth_getTransactionCount", json!([scene.account(), block])).await.unwrap()
        };
        assert_eq!((count("pending").await, count("latest").await), (json!("0x2"), json!("0x1")));
        // Taken for a replacement, it would wait for its signature.
        let chosen = scene.send(json!({ "value": "0x3", "nonce": "0x1" }));
        let chosen = tokio::time::timeout(Duration::from_secs(10), chosen).await;
        scene.purse.gate.add_permits(1000);
        let error = chosen.expect("it is refused at once").unwrap_err();
        assert_eq!((&error["code"], &error["data"]["field"]), (&json!(-32602), &json!("nonce")));
    };
    let (sent, ()) = tokio::join!(scene.send(json!({ "value": "0x2" })), meanwhile);
    assert_eq!(scene.chain.find(&sent.unwrap()).unwrap().nonce(), 1);
    assert_eq!(scene.purse.asked(), 2, "nothing was signed twice for one place");
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_leave_a_gap() {
    let scene = Scene::start().await;
    scene.purse.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": scene.transfer(json!({})) });
    let left = tokio::time::timeout(Duration::from_millis(300), scene.post(body.to_string())).await;
    assert!(left.is_err());
    scene.purse.gate.add_permits(1000);
    let second = scene.send(json!({ "value": "0x2" })).await.unwrap();
    assert_eq!(scene.chain.find(&second).unwrap().nonce(), 1, "the first one went its way");
    // Its caller comes back: it was paid once. Then it is a new one.
    let first = scene.send(json!({})).await.unwrap();
    assert_eq!(scene.chain.find(&first).unwrap().nonce(), 0);
    let third = scene.send(json!({})).await.unwrap();
    assert_eq!(scene.chain.find(&third).unwrap().nonce(), 2);
}

#[tokio::test]
async fn a_place_whose_transaction_the_node_has_lost_goes_to_the_next_and_none_behind_it_is_used_twice() {
    let scene = Scene::with(|config| config.limits.lag = Duration::ZERO).await;
    let account = scene.purse.address(0);
    scene.chain.with(|ledger| ledger.is_patient = true);
    for value in ["0x1", "0x2", "0x3"] {
        scene.send(json!({ "value": value })).await.unwrap();
    }
    // The one in the middle is evicted. Those behind wait for it.
    scene.chain.with(|ledger| ledger.taken.remove(&(account, 1)));
    let next = scene.send(json!({ "value": "0x4" })).await.unwrap();
    assert_eq!(scene.chain.find(&next).unwrap().nonce(), 1);
    let next = scene.send(json!({ "value": "0x5" })).await.unwrap();
    assert_eq!(scene.chain.find(&next).unwrap().nonce(), 3);
    // The last two are.
    scene.chain.with(|ledger| ledger.taken.split_off(&(account, 2)));
    for place in [2, 3] {
        let next = scene.send(json!({ "value": "0x6" })).await.unwrap();
        assert_eq!(scene.chain.find(&next).unwrap().nonce(), place);
    }
}

#[tokio::test]
async fn a_place_that_somebody_elses_transaction_has_left_goes_to_the_next() {
    let scene = Scene::with(|config| config.limits.lag = Duration::ZERO).await;
    let account = scene.purse.address(0);
    scene.chain.with(|ledger| ledger.is_patient = true);
    let others = Scene::start().await;
    for _ in 0..2 {
        others.send(json!({ "value": "0x9" })).await.unwrap();
    }
    let theirs = others.chain.with(|ledger| ledger.taken.clone());
    scene.chain.with(|ledger| ledger.taken.extend(theirs));
    let ours = scene.send(json!({})).await.unwrap();
    assert_eq!(scene.chain.find(&ours).unwrap().nonce(), 2);
    scene.chain.with(|ledger| ledger.taken.remove(&(account, 1)));
    for place in [1, 3] {
        let next = scene.send(json!({ "value": "0x2" })).await.unwrap();
        assert_eq!(scene.chain.find(&next).unwrap().nonce(), place);
    }
}

#[tokio::test]
async fn a_gap_is_seen_also_when_there_is_always_something_on_its_way() {
    let scene = Scene::with(|config| config.limits.lag = Duration::ZERO).await;
    let account = scene.purse.address(0);
    scene.chain.with(|ledger| ledger.is_patient = true);
    for _ in 0..3 {
        scene.send(json!({})).await.unwrap();
    }
    // One is being signed behind it when another comes.
    scene.purse.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let meanwhile = async {
        while scene.purse.asked() < 4 {
            tokio::task::yield_now().await;
        }
        scene.chain.with(|ledger| ledger.taken.remove(&(account, 1)));
        let released = async {
            while scene.purse.asked() < 5 {
                tokio::task::yield_now().await;
            }
            scene.purse.gate.add_permits(1000);
        };
        tokio::join!(scene.send(json!({ "value": "0x3" })), released).0
    };
    let (first, second) = tokio::join!(scene.send(json!({ "value": "0x2" })), meanwhile);
    let nonce = |hash: Result<Value, Value>| scene.chain.find(&hash.unwrap()).unwrap().nonce();
    assert_eq!((nonce(first), nonce(second)), (3, 1));
}

#[tokio::test]
async fn what_comes_back_after_an_outage_waits_for_those_before_it_instead_of_having_their_places_filled() {
    let scene = Scene::start().await;
    let is_out = Arc::new(AtomicBool::new(true));
    let out = is_out.clone();
    scene
        .purse
        .fails(move |_, _| out.load(Ordering::SeqCst).then(|| Refusal::new(-32603, "E5901", "out of reach")));
    scene.purse.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let sends = burst(&scene, 40);
    let release = async {
        while scene.purse.asked() < 40 {
            tokio::task::yield_now().await;
        }
        scene.purse.gate.add_permits(1000);
    };
    let (told, ()) = tokio::join!(sends, release);
    let nonce = |error: &Value| {
        u64::from_str_radix(error["data"]["nonce"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    };
    let mut order: Vec<_> =
        (1u64..).zip(&told).map(|(value, told)| (nonce(told.as_ref().unwrap_err()), value)).collect();
    order.sort_unstable();
    is_out.store(false, Ordering::SeqCst);
    let again = async |value: u64| scene.send(json!({ "value": format!("{value:#x}") })).await;
    let error = again(order[39].1).await.unwrap_err();
    assert_eq!((&error["code"], &error["data"]["nonce"]), (&json!(-32002), &json!("0x27")), "{error}");
    assert_eq!(scene.purse.asked(), 40, "nothing is signed");
    for (place, value) in order {
        let hash = again(value).await.unwrap();
        assert_eq!(scene.chain.find(&hash).unwrap().nonce(), place);
    }
    assert_eq!(scene.chain.nonces(scene.purse.address(0)), (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_backend_that_is_behind_does_not_make_a_place_empty() {
    let scene = Scene::start().await;
    for _ in 0..2 {
        scene.send(json!({})).await.unwrap();
    }
    scene.chain.with(|ledger| (ledger.behind, ledger.lags) = (1, true));
    let next = scene.send(json!({ "value": "0x2" })).await.unwrap();
    assert_eq!(scene.chain.find(&next).unwrap().nonce(), 2);
}

#[tokio::test]
async fn a_payment_that_is_found_late_keeps_its_place() {
    let scene = Scene::start().await;
    scene.send(json!({})).await.unwrap();
    let seen = Arc::new(std::sync::Mutex::new(None));
    let sent = seen.clone();
    scene.chain.behaves(move |_, tx| {
        *sent.lock().unwrap() = Some(tx.clone());
        Mood::Loses
    });
    scene.send(json!({ "value": "0x2" })).await.unwrap_err();
    // Nobody knows of it, and its place is given back; then it is there, and a node that is behind counts.
    assert_eq!(
        scene.ask("eth_getTransactionCount", json!([scene.account(), "pending"])).await.unwrap(),
        "0x1"
    );
    let late = seen.lock().unwrap().clone().unwrap();
    scene.chain.with(|ledger| ledger.taken.insert((scene.purse.address(0), 1), late));
    scene.chain.behaves(|_, _| Mood::Takes);
    scene.send(json!({ "value": "0x2" })).await.unwrap();
    scene.chain.with(|ledger| (ledger.behind, ledger.lags) = (1, true));
    let next = scene.send(json!({ "value": "0x3" })).await.unwrap();
    assert_eq!(scene.chain.find(&next).unwrap().nonce(), 2);
}
