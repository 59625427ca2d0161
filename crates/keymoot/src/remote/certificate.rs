//! Keys are believed by the certificate of the nodes, and not by the word of whoever shows them. The nodes are those of
//! our own cluster document, which the authority that invited us has signed.

use std::sync::{Arc, Mutex, PoisonError};

use keymoot_client::{CheckKey, KeyRefusal};
use keymoot_engine::real::{Real, key_details};
use keymoot_engine::request::{HttpRequest, KEY_ATTEMPTS_MAX, key_of_attempt};
use keymoot_engine::roster::Roster;
use keymoot_protocol::context::Committee;
use keymoot_types::Threshold;
use keymoot_types::signed::LABEL;
use keymoot_wire::cluster::{ClusterDocument, DocumentHandle};
use keymoot_wire::rest::{BatchItem, KeyView};

use crate::explain::BAD_CONTEXT;
use crate::failure::{Failure, Trouble};

/// The certificates of one committee.
pub struct Certificates {
    committee: Arc<Committee>,
    threshold: Threshold,
}

impl Certificates {
    /// Of the nodes in a document.
    pub fn of(document: &ClusterDocument) -> Result<Self, Failure> {
        let threshold = document.signers();
        let nodes = threshold.parties().filter_map(|party| document.node_of_index(party.index()));
        let identities: Vec<[u8; 32]> = nodes.map(|node| node.identity.0).collect();
        let roster = Roster::new(document.group_id(), threshold, &identities, &[]).map_err(|error| {
            let what = "the nodes of the cluster document cannot certify keys";
            Trouble::new(BAD_CONTEXT, what).undone("nothing was sent").because(error)
        })?;
        Ok(Self { committee: roster.committee(), threshold })
    }
}

/// The certificates of the committee in a document that may be replaced, as with a new epoch.
pub struct Following {
    document: DocumentHandle,
    /// Of which document, by its digest.
    known: Mutex<([u8; 32], Certificates)>,
}

impl Certificates {
    /// Of the nodes in the document of the moment.
    pub fn following(document: DocumentHandle) -> Result<Following, Failure> {
        let first = document.load_full();
        let known = Mutex::new((first.digest(), Self::of(&first)?));
        Ok(Following { document, known })
    }
}

impl CheckKey for Following {
    fn check(&self, key: &KeyView) -> Result<(), KeyRefusal> {
        let document = self.document.load();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != document.digest() {
            // A document whose nodes can certify nothing certifies nothing.
            let new = Certificates::of(&document).map_err(|_| KeyRefusal::NotCertified)?;
            *known = (document.digest(), new);
        }
        known.1.check(key)
    }
}

/// Whether the nodes make a key of this id for this request, and for no other: that is in its name.
pub fn is_made_for(key: &str, request: &BatchItem) -> bool {
    let input = request.signature_input.strip_prefix(LABEL).and_then(|rest| rest.strip_prefix('='));
    let http = HttpRequest {
        method: request.method.clone(),
        path: request.path.clone(),
        body: request.body.clone().into_bytes(),
        input: input.unwrap_or_default().to_owned(),
        // The name of a request does not depend on it.
        signature: [0; 64],
    };
    http.id::<Real>().is_ok_and(|id| {
        (0..KEY_ATTEMPTS_MAX).any(|attempt| key_of_attempt::<Real>(id, attempt).to_string() == key)
    })
}

impl CheckKey for Certificates {
    fn check(&self, key: &KeyView) -> Result<(), KeyRefusal> {
        if key.package.is_empty() {
            return Err(KeyRefusal::Bare);
        }
        let package = hex::decode(&key.package).map_err(|_| KeyRefusal::NotCertified)?;
        let certified = key_details(&package, &self.committee).ok_or(KeyRefusal::NotCertified)?;
        let claims = [
            ("id", key.id == certified.id.to_string()),
            ("scheme", key.scheme == certified.scheme.name()),
            ("public key", key.public_key == hex::encode(&certified.public_key)),
            ("chain code", key.chain_code == hex::encode(certified.chain_code)),
            ("epoch", key.epoch == certified.epoch.0),
            (
                "threshold",
                (key.threshold.needed, key.threshold.total)
                    == (self.threshold.needed().into(), self.threshold.total().into()),
            ),
        ];
        match claims.into_iter().find(|(_, is_certified)| !is_certified) {
            None => Ok(()),
            Some((what, _)) => Err(KeyRefusal::Differs(what)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keymoot_client::{Bearer, CheckKey, Client, ClientConfig, KeyRefusal, LIFETIME, Retry};
    use keymoot_engine::real::{Real, key_details};
    use keymoot_engine::request::{HttpRequest, KEY_ATTEMPTS_MAX, RequestId, SignedRequest, key_of_attempt};
    use keymoot_protocol::context::Committee;
    use keymoot_types::{GroupId, Scheme};
    use keymoot_wire::authority::Authority;
    use keymoot_wire::cluster::{
        ClusterDocument, ClusterFields, CoordinatorEntry, FORMAT, GatewayEntry, Hex, NodeEntry, PolicyName,
        ThresholdEntry,
    };
    use keymoot_wire::rest::{BatchItem, KeyView, ThresholdView};
    use keymoot_wire::signed::SigningKey;

    use super::{Certificates, is_made_for};
    use crate::lab::must_certify;

    /// A committee, and a key as an honest service shows it.
    fn must_show() -> (Certificates, KeyView) {
        let (committee, package) = must_certify();
        let details = key_details(&package, &committee).unwrap();
        let threshold = committee.threshold();
        let key = KeyView {
            id: details.id.to_string(),
            name: "hot".into(),
            scheme: details.scheme.name().into(),
            public_key: hex::encode(details.public_key),
            chain_code: hex::encode(details.chain_code),
            epoch: details.epoch.0,
            threshold: ThresholdView { needed: 2, total: 2 },
            holders: vec!["node-1".into(), "node-2".into()],
            package: hex::encode(package),
            created_by: "alice".into(),
            created_at: None,
            created_ms: None,
            retired: false,
            presignatures: 7,
        };
        (Certificates { committee: Arc::new(committee), threshold }, key)
    }

    #[test]
    fn only_a_key_that_all_nodes_have_certified_is_believed() {
        let (certificates, honest) = must_show();
        assert_eq!(certificates.check(&honest), Ok(()));
        let refusal = |change: fn(&mut KeyView)| {
            let mut key = honest.clone();
            change(&mut key);
            certificates.check(&key).unwrap_err()
        };
        assert_eq!(refusal(|key| key.package.clear()), KeyRefusal::Bare);
        for change in [
            (|key| key.package = "no digits".into()) as fn(&mut KeyView),
            |key| key.package = "00".into(),
            |key| key.package.truncate(key.package.len() - 2),
            |key| key.package.push_str("00"),
            |key| key.package = must_show().1.package,
        ] {
            assert_eq!(refusal(change), KeyRefusal::NotCertified);
        }
        // The certificate of one key under the face of another.
        for (what, change) in [
            ("id", (|key| key.id = must_show().1.id) as fn(&mut KeyView)),
            ("scheme", |key| key.scheme = "frost-taproot".into()),
            ("public key", |key| key.public_key = must_show().1.public_key),
            ("public key", |key| key.public_key.clear()),
            ("chain code", |key| key.chain_code = "00".repeat(32)),
            ("epoch", |key| key.epoch = 1),
            ("threshold", |key| key.threshold.needed = 1),
        ] {
            assert_eq!(refusal(change), KeyRefusal::Differs(what));
        }
        // What the nodes do not certify is for people only.
        let renamed = KeyView { name: "cold".into(), retired: true, ..honest };
        assert_eq!(certificates.check(&renamed), Ok(()));
        assert_eq!(must_show().0.check(&renamed), Err(KeyRefusal::NotCertified), "by another committee");
    }

    /// A cluster document with the nodes of a committee.
    fn document(committee: &Committee) -> ClusterDocument {
        let nodes = committee.threshold().parties().map(|party| {
            let identity = Hex(*committee.identity(party).unwrap().as_bytes());
            let (index, byte) = (party.index(), u8::try_from(party.index()).unwrap());
            let tls = vec![Hex([byte; 32])];
            NodeEntry { name: format!("node-{index}"), index, identity, seal: Hex([byte; 32]), tls }
        });
        let address = |port: u16| format!("https://127.0.0.1:{port}");
        ClusterDocument::new(ClusterFields {
            format: FORMAT.into(),
            version: 1,
            cluster: "acme".into(),
            group: committee.group().to_string(),
            threshold: ThresholdEntry { needed: 2, total: 2 },
            nodes: nodes.collect(),
            coordinators: vec![CoordinatorEntry {
                name: "coordinator-1".into(),
                address: address(1),
                tls: vec![Hex([11; 32])],
            }],
            gateways: vec![GatewayEntry {
                name: "gateway-1".into(),
                address: address(2),
                tls: vec![Hex([12; 32])],
            }],
            clients: Vec::new(),
            issuers: Vec::new(),
            authority: Authority::create("acme").unwrap().certificate_pem().to_owned(),
            revoked: Vec::new(),
            policy: PolicyName::AllowAll,
            bitcoin: keymoot_types::Network::Mainnet,
        })
        .unwrap()
    }

    #[test]
    fn a_new_document_has_keys_checked_by_its_nodes() {
        let ((old, key), (new, other)) = (must_show(), must_show());
        let handle = document(&old.committee).into_handle();
        let following = Certificates::following(handle.clone()).unwrap();
        assert_eq!(following.check(&key), Ok(()));
        assert_eq!(following.check(&other), Err(KeyRefusal::NotCertified));
        handle.store(Arc::new(document(&new.committee)));
        assert_eq!(following.check(&other), Ok(()));
        assert_eq!(following.check(&key), Err(KeyRefusal::NotCertified));
    }

    /// Two requests for a key of one name, by one client.
    fn must_ask_twice() -> [BatchItem; 2] {
        keymoot_wire::install_providers();
        let config = ClientConfig {
            gateway: "https://127.0.0.1:1".into(),
            authority_pem: Authority::create("test").unwrap().certificate_pem().to_owned(),
            identity: None,
            key: SigningKey::ed25519(&[1; 32]),
            group: GroupId::new([1; 16]),
            bearer: Bearer::Given(String::new().into()),
            retry: Retry::NONE,
            lifetime: LIFETIME,
        };
        let client = Client::new(config).unwrap();
        [(); 2].map(|()| client.prepare_key(Scheme::Dkls23, "hot").unwrap().to_item())
    }

    /// The name of a request, as nodes read it.
    fn must_name(item: &BatchItem) -> RequestId {
        let BatchItem { method, path, body, signature_input, .. } = item.clone();
        let input = signature_input.strip_prefix("keymoot=").unwrap().to_owned();
        let http = HttpRequest { method, path, body: body.into_bytes(), input, signature: [7; 64] };
        SignedRequest::read_from::<Real>(&http.to_bytes()).unwrap().0
    }

    #[test]
    fn a_certified_key_of_another_request_is_not_the_one_that_was_asked_for() {
        let [ours, other] = must_ask_twice();
        let id = |request, attempt| key_of_attempt::<Real>(must_name(request), attempt).to_string();
        for attempt in [0, 1, KEY_ATTEMPTS_MAX - 1] {
            assert!(is_made_for(&id(&ours, attempt), &ours), "{attempt}");
            assert!(!is_made_for(&id(&other, attempt), &ours), "{attempt}");
        }
        assert!(!is_made_for(&id(&ours, KEY_ATTEMPTS_MAX), &ours), "no node tries so often");
        assert!(!is_made_for(&must_show().1.id, &ours));
        let unread = BatchItem { signature_input: "other=()".into(), ..ours.clone() };
        assert!(!is_made_for(&id(&ours, 0), &unread));
    }
}
