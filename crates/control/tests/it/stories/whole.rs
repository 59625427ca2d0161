//! Keys and signatures, through restarts of nodes and the loss of a coordinator.

use crate::caller::{Caller, must_verify};
use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_and_its_signatures_verify() {
    let cluster = Cluster::start(1).await;
    let gateway = Caller::gateway(&cluster, 0);
    let key = gateway.must_make_key("frost-ed25519", "cold").await;
    assert_eq!((key.name.as_str(), key.threshold, key.holders.len()), ("cold", 2, 3));
    let answer = gateway.must_sign(&key, "hello").await;
    must_verify(&key, "hello", &answer);
    let key = gateway.must_make_key("dkls23", "hot").await;
    let answer = gateway.must_sign(&key, "hello").await;
    must_verify(&key, "hello", &answer);
}
