//! Keys are believed by the certificate of the nodes, and not by the word of whoever shows them. The nodes are those of
//! our own cluster document, which the authority that invited us has signed.

use std::sync::Arc;

use keymoot_client::{CheckKey, KeyRefusal};
use keymoot_engine::real::key_details;
use keymoot_engine::roster::Roster;
use keymoot_protocol::context::Committee;
use keymoot_types::Threshold;
use keymoot_wire::cluster::ClusterDocument;
use keymoot_wire::rest::KeyView;

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

    use keymoot_client::{CheckKey, KeyRefusal};
    use keymoot_engine::real::key_details;
    use keymoot_wire::rest::{KeyView, ThresholdView};

    use super::Certificates;
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
}
