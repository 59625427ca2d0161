//! A client that is enrolled while everything runs is served by everything that runs.

use std::sync::Arc;

use keymoot_wire::authority::TlsKey;
use keymoot_wire::cluster::{ClientEntry, ClusterDocument, Hex, Role};
use keymoot_wire::mpc::RequestStatus;
use keymoot_wire::problem::Code;
use tokio::time::{sleep, timeout};

use crate::caller::{Caller, sign, signature_body};
use crate::cluster::{Cluster, PATIENCE, signing_key};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_enrolled_later_is_served_without_a_restart() {
    let cluster = Cluster::start(1).await;
    let gateway = Caller::gateway(&cluster, 0);
    let key = gateway.must_make_key("frost-ed25519", "hot").await;
    let asked = |text: &str| sign("carl", "/v1/signatures", &signature_body(&key, text));
    let refused = gateway.sign(asked("too early"), 0).await.expect_err("nobody knows him");
    assert_eq!(Code::of_status(&refused), Code::ClientUnknown);
    let mut fields = cluster.document.load_full().fields().clone();
    fields.version += 1;
    let tls = vec![Hex(*TlsKey::create().expect("a key").spki_sha256())];
    let key = signing_key("carl").public();
    fields.clients.push(ClientEntry { name: "carl".to_owned(), role: Role::Requester, key, tls });
    let newer = ClusterDocument::new(fields).expect("a document");
    cluster.document.store(Arc::new(newer));
    // Nodes and the coordinator look at it within a second; until then they say that they do not know him.
    let served = async {
        loop {
            match gateway.sign(asked("in time"), 50_000).await {
                Ok(answer) if answer.status() == RequestStatus::Complete => return,
                Ok(answer) => assert_eq!(answer.status(), RequestStatus::Denied, "{answer:?}"),
                Err(refused) => {
                    let code = Code::of_status(&refused);
                    let is_early = matches!(code, Code::ClientUnknown | Code::RequestSignatureRefused);
                    assert!(is_early, "{refused:?}");
                }
            }
            sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, served).await.expect("he is served");
}
