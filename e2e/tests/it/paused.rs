//! A node that stands still is not dead, and is not waited for.

use std::time::{Duration, Instant};

use keymoot_e2e::cluster::{Cluster, TWO_OF_THREE};
use keymoot_e2e::load;
use keymoot_types::Scheme;
use keymoot_wire::rest::{CreateSignatureBody, SignatureView, Status};
use rustix::process::Signal;

fn body(key: &str, text: &str) -> CreateSignatureBody {
    let (path, kind) = ("m".to_owned(), "message".to_owned());
    CreateSignatureBody { key: key.to_owned(), path, kind, payload: hex::encode(text), signing: None }
}

async fn must_sign(client: &keymoot_client::Client, key: &str, text: &str) -> SignatureView {
    let prepared = client.prepare_signature(&body(key, text)).expect("it can be signed");
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let view: SignatureView = client.send(&prepared, Duration::from_secs(10)).await.expect("an answer");
        assert!(Instant::now() < until, "{view:?}");
        if view.status == Status::Complete {
            return view;
        }
    }
}

#[test]
fn a_node_that_stands_still_is_left_out_and_comes_back() {
    let _alone = crate::alone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut cluster = Cluster::start(TWO_OF_THREE).expect("a cluster");
        let client = load::client(&cluster.place("alice"), cluster.gateway()).expect("a client");
        let key = load::key(&client, Scheme::FrostTaproot, "still").await.expect("a key");
        must_sign(&client, &key, "before").await;
        cluster.process("node-3").expect("it runs").signal(Signal::STOP).expect("it takes it");
        let view = must_sign(&client, &key, "meanwhile").await;
        assert!(!view.signers.contains(&"node-3".to_owned()), "{view:?}");
        cluster.process("node-3").expect("it runs").signal(Signal::CONT).expect("it takes it");
        cluster.process("node-1").expect("it runs").kill().expect("it dies");
        let view = must_sign(&client, &key, "after").await;
        assert_eq!(view.signers, ["node-2", "node-3"]);
    });
}
