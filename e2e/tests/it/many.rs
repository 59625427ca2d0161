//! Twelve nodes, seven of which sign, on one machine.

use keymoot_e2e::cluster::{Cluster, Shape};
use keymoot_e2e::load;
use keymoot_types::Scheme;
use keymoot_wire::rest::{CreateSignatureBody, SignatureView, Status};
use std::time::Duration;

#[test]
fn twelve_nodes_sign_with_seven() {
    let _alone = crate::alone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let shape = Shape { nodes: 12, threshold: 7, coordinators: 1 };
        let mut cluster = Cluster::prepare(shape).expect("a cluster");
        // Seven signers on two cores: what is made ahead is little.
        cluster.environment = [("KEYMOOT_BATCH", "8"), ("KEYMOOT_POOL", "0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        cluster.start_all().expect("a cluster that runs");
        let client = load::client(&cluster.place("alice"), cluster.gateway()).expect("a client");
        for scheme in Scheme::USUAL {
            let key = load::key(&client, scheme, scheme.name()).await.expect("a key");
            let payload = hex::encode("seven of twelve");
            let body =
                CreateSignatureBody { key, path: "m".into(), kind: "message".into(), payload, signing: None };
            let view: SignatureView = client.sign(&body, Duration::from_secs(60)).await.expect("an answer");
            assert_eq!(view.status, Status::Complete, "{view:?}");
            assert_eq!(view.signers.len(), 7, "{view:?}");
        }
    });
}
