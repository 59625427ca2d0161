//! Whose keys these are.

use std::sync::atomic::Ordering;

use serde_json::json;

use crate::scene::{Scene, TO};

#[tokio::test]
async fn accounts_are_listed_in_small_letters_and_asked_for_once() {
    let scene = Scene::start().await;
    let both: Vec<String> = (0..2).map(|place| format!("{:#x}", scene.purse.address(place))).collect();
    for _ in 0..20 {
        assert_eq!(scene.ask("eth_accounts", json!([])).await.unwrap(), json!(both));
    }
    assert_eq!(scene.purse.listed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_address_may_have_any_case_but_not_a_wrong_checksum() {
    let scene = Scene::start().await;
    let lower = scene.account();
    let mixed = scene.purse.address(0).to_checksum(None);
    let upper = format!("0x{}", lower.trim_start_matches("0x").to_uppercase());
    for account in [&lower, &mixed, &upper] {
        assert!(scene.ask("personal_sign", json!(["0x00", account])).await.is_ok(), "{account}");
    }
    // The first letter in the other case.
    let at = mixed[2..].find(|c: char| c.is_ascii_alphabetic()).unwrap() + 2;
    let letter = mixed[at..=at].to_owned();
    let other = if letter.to_lowercase() == letter { letter.to_uppercase() } else { letter.to_lowercase() };
    let wrong = format!("{}{other}{}", &mixed[..at], &mixed[at + 1..]);
    let error = scene.ask("personal_sign", json!(["0x00", wrong])).await.unwrap_err();
    assert!(error["code"] == -32602 && error["message"].as_str().unwrap().contains("checksum"), "{error}");
}

#[tokio::test]
async fn nobody_signs_for_an_account_that_is_not_here() {
    let scene = Scene::start().await;
    for (method, params) in [
        ("personal_sign", json!(["0x00", TO])),
        ("eth_sign", json!([TO, "0x00"])),
        ("eth_signTypedData_v4", json!([TO, {}])),
        ("eth_sendTransaction", json!([{ "from": TO, "to": TO }])),
        ("eth_signTransaction", json!([{ "from": TO, "to": TO }])),
    ] {
        let error = scene.ask(method, params).await.unwrap_err();
        assert_eq!(
            (&error["code"], &error["data"]["code"]),
            (&json!(4100), &json!("E2805")),
            "{method}: {error}"
        );
    }
    assert_eq!(scene.purse.asked(), 0);
    // A new account may be one that nobody has told us of yet, so the cluster is asked; but not for each stranger.
    assert!(scene.purse.listed.load(Ordering::SeqCst) <= 3);
}

#[tokio::test]
async fn a_cluster_that_is_out_of_reach_is_asked_once_for_all_who_wait() {
    let scene = Scene::start().await;
    scene.purse.is_shown.store(false, Ordering::SeqCst);
    let told = futures_util::future::join_all((0..20).map(|_| scene.ask("eth_accounts", json!([])))).await;
    for told in told {
        assert_eq!(told.unwrap_err()["data"]["code"], "E5901");
    }
    assert_eq!(scene.purse.listed.load(Ordering::SeqCst), 1);
    scene.purse.is_shown.store(true, Ordering::SeqCst);
    tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while scene.ask("eth_accounts", json!([])).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("it is asked again after a moment");
}
