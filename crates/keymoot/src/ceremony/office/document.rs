//! The document that is signed next, from the one before, the answers that are kept, and the keys that are revoked.

use std::collections::{BTreeMap, BTreeSet};

use keymoot_wire::cluster::{
    ClientEntry, ClientKey, ClusterDocument, ClusterFields, CoordinatorEntry, FORMAT, GatewayEntry, Hex,
    NodeEntry, SignedDocument,
};
use keymoot_wire::identity::PeerRole;
use keymoot_wire::signed::SigningKey;
use rand::RngCore;
use rand::rngs::OsRng;

use super::{Member, Office, requested};
use crate::ceremony::INVITATION;
use crate::ceremony::papers::{Answer, Invitation, NodeParts, Paper};
use crate::explain::{CEREMONY_FILE, CEREMONY_FOREIGN};
use crate::failure::{Failure, Trouble};
use crate::place::{CLUSTER, read_text};

impl Office {
    /// The document that was signed last.
    pub fn before(&self) -> Result<Option<ClusterDocument>, Failure> {
        let before = self.folder.join(CLUSTER);
        if !before.exists() {
            return Ok(None);
        }
        let signed = SignedDocument::parse(&read_text(&before)?);
        let signed = signed.and_then(|signed| signed.verify(self.authority.certificate_pem()));
        Ok(Some(signed.map_err(|error| {
            let what = format!("`{}` is not our own document any more", before.display());
            Trouble::new(CEREMONY_FILE, what).undone("no document was written").because(error)
        })?))
    }

    /// Whether a document can be made of those who are kept and these. In the places of those who have not answered yet are
    /// keys of nobody, so that every rule of documents counts from the first answer on.
    pub fn try_out(&self, certified: &[Member]) -> Result<(), Failure> {
        let mut joined = self.members()?;
        for name in self.invitation.members() {
            if !joined.contains_key(name) {
                joined.insert(name.to_owned(), self.nobody(name)?);
            }
        }
        for member in certified {
            joined.insert(member.answer.name.clone(), member.clone());
        }
        self.document(&joined, &[]).map(drop)
    }

    /// Somebody in the place of a member.
    fn nobody(&self, name: &str) -> Result<Member, Failure> {
        let random = || {
            let mut bytes = [0; 32];
            OsRng.fill_bytes(&mut bytes);
            bytes
        };
        let role = self.invitation.seat(name, None)?;
        let ClientKey::Ed25519 { public: identity } = SigningKey::ed25519(&random()).public() else {
            return Err(Failure::Broken("a key on Ed25519 is on another curve"));
        };
        let node = (role == PeerRole::Node).then(|| NodeParts { identity, seal: Hex(random()) });
        let answer = Answer {
            format: Answer::FORMAT.to_owned(),
            cluster: self.invitation.cluster.clone(),
            name: name.to_owned(),
            role: role.name().to_owned(),
            csr: String::new(),
            node,
            client: None,
        };
        Ok(Member { answer, certificate: String::new(), pin: Hex(random()) })
    }

    /// The document of everybody; its version counts up if anything is new.
    pub(super) fn document(
        &self,
        joined: &BTreeMap<String, Member>,
        revoking: &[Hex<32>],
    ) -> Result<ClusterDocument, Failure> {
        let before = self.before()?;
        let mut fields = self.fields(joined)?;
        if let Some(before) = &before {
            must_be_same_cluster(before, &fields)?;
            // What was changed by hand and signed, stays.
            fields.issuers = before.issuers.clone();
            fields.revoked = before.revoked.clone();
            fields.version = before.version;
        }
        for key in revoking {
            if !fields.revoked.contains(key) {
                fields.revoked.push(*key);
            }
        }
        // Also if its answer could not be put away any more: who is revoked does not come back with it.
        let revoked: BTreeSet<&Hex<32>> = fields.revoked.iter().collect();
        let mut out = BTreeSet::new();
        for ClientEntry { name, tls, .. } in &fields.clients {
            let answered = joined.get(name).map(|one| requested(&one.answer)).transpose()?.map(Hex);
            if tls.iter().chain(&answered).any(|key| revoked.contains(key)) {
                out.insert(name.clone());
            }
        }
        fields.clients.retain(|client| !out.contains(&client.name));
        if before.is_some_and(|before| fields != *before.fields()) {
            fields.version += 1;
        }
        ClusterDocument::new(fields).map_err(|error| {
            let trouble = Trouble::new(CEREMONY_FILE, "these answers do not make a cluster");
            let help = "ask for another answer; if it is one that was kept before, remove it from the folder `joined`";
            trouble.undone("nothing was kept, and no document was written").help(help).because(error).into()
        })
    }

    fn fields(&self, joined: &BTreeMap<String, Member>) -> Result<ClusterFields, Failure> {
        let Invitation { cluster, group, threshold, policy, bitcoin, .. } = &self.invitation;
        let pins = |name: &str| {
            let pin = joined.get(name).map(|member| vec![member.pin]);
            pin.ok_or(Failure::Broken("a member that has answered has no key"))
        };
        let mut nodes = Vec::new();
        for (index, name) in (1..).zip(&self.invitation.nodes) {
            let parts = joined.get(name).and_then(|member| member.answer.node.clone());
            let parts = parts.ok_or(Failure::Broken("a node that has answered has no keys"))?;
            let (name, tls) = (name.clone(), pins(name)?);
            nodes.push(NodeEntry { name, index, identity: parts.identity, seal: parts.seal, tls });
        }
        let mut coordinators = Vec::new();
        for seat in &self.invitation.coordinators {
            let (name, address, tls) = (seat.name.clone(), seat.address.clone(), pins(&seat.name)?);
            coordinators.push(CoordinatorEntry { name, address, tls });
        }
        let mut gateways = Vec::new();
        for seat in &self.invitation.gateways {
            let (name, address, tls) = (seat.name.clone(), seat.address.clone(), pins(&seat.name)?);
            gateways.push(GatewayEntry { name, address, tls });
        }
        let mut clients = Vec::new();
        for Member { answer, pin, .. } in joined.values() {
            if let Some(parts) = &answer.client {
                let (name, tls) = (answer.name.clone(), vec![*pin]);
                clients.push(ClientEntry { name, role: parts.role, key: parts.key, tls });
            }
        }
        Ok(ClusterFields {
            format: FORMAT.to_owned(),
            version: 1,
            cluster: cluster.clone(),
            group: group.clone(),
            threshold: *threshold,
            nodes,
            coordinators,
            gateways,
            clients,
            issuers: Vec::new(),
            authority: self.authority.certificate_pem().to_owned(),
            revoked: Vec::new(),
            policy: *policy,
            bitcoin: *bitcoin,
        })
    }
}

/// Every node refuses a document that changes one of these, so it is not even signed.
fn must_be_same_cluster(before: &ClusterDocument, fields: &ClusterFields) -> Result<(), Failure> {
    let networks = (before.bitcoin.to_string(), fields.bitcoin.to_string());
    let fixed = [
        ("name", &before.cluster, &fields.cluster),
        ("group", &before.group, &fields.group),
        ("Bitcoin network", &networks.0, &networks.1),
    ];
    let Some((which, signed, wanted)) = fixed.into_iter().find(|(_, signed, wanted)| signed != wanted) else {
        return Ok(());
    };
    let what =
        format!("the {which} of this cluster is `{signed}` for good, and `{INVITATION}` says `{wanted}`");
    let help =
        format!("write `{signed}` there again; for `{wanted}` make another cluster with `keymoot init`");
    Err(Trouble::new(CEREMONY_FOREIGN, what).undone("nothing was signed").help(help).into())
}
