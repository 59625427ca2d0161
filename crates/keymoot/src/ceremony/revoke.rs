//! `keymoot revoke`: the authority takes a client out of the cluster, or a member's TLS key, and signs a document that says so.

use std::path::Path;

use keymoot_wire::cluster::{ClusterDocument, Hex, Role};
use keymoot_wire::identity::{PeerRole, is_name};

use super::office::{Office, Signed};
use super::papers::fingerprint;
use crate::explain::{CEREMONY_INCOMPLETE, CEREMONY_NAME, CEREMONY_REVOKED};
use crate::failure::{Failure, Trouble};

const UNDONE: &str = "nothing was signed, and nobody was revoked";

/// How many of a kind there are, and how many of them keep a key that counts.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    pub good: usize,
    pub total: usize,
    /// How many there have to be. For clients nothing.
    pub needed: usize,
}

/// Somebody who is about to be revoked. Nothing is signed yet.
pub struct Revocation {
    office: Office,
    pub name: String,
    pub role: PeerRole,
    /// What a client may do until then.
    pub client_role: Option<Role>,
    /// Of the answer with which it was admitted.
    pub fingerprint: String,
    /// SHA-256 of its TLS keys.
    pub keys: Vec<Hex<32>>,
    /// Of its kind, once it is done.
    pub left: Left,
}

impl Revocation {
    /// Looks who it is before anything is written.
    pub fn open(folder: &Path, name: &str) -> Result<Self, Failure> {
        let office = Office::open(folder)?;
        let Some(before) = office.before()? else {
            let what = "there is no cluster document yet, in which a key could be revoked";
            let help = "to forget an answer before there is one, remove it from the folder `joined`";
            return Err(Trouble::new(CEREMONY_INCOMPLETE, what).undone(UNDONE).help(help).into());
        };
        let kept = if is_name(name) { office.kept(name)? } else { None };
        let Some(answer) = kept else {
            return Err(if is_name(name) && office.was_expelled(name) {
                refuse_second(name, "if it is to come back, it joins in an empty directory with new keys")
            } else {
                refuse_unknown(&office, &before, name)
            });
        };
        let role: PeerRole = answer.role.parse().map_err(Failure::bug("a checked role is none"))?;
        let keys = office.keys(&before, role, name)?;
        if role != PeerRole::Client && keys.iter().all(|key| before.is_revoked(&key.0)) {
            let help = format!(
                "`keymoot join … --as {name} --new-tls-key` in its directory draws another key; admit that answer. The \
                 files for all others are in the folder; `keymoot admit` with any answer in `joined` writes them again"
            );
            return Err(refuse_second(name, &help));
        }
        Ok(Self {
            left: left(&before, role, name),
            name: name.to_owned(),
            role,
            client_role: answer.client.as_ref().map(|client| client.role),
            fingerprint: fingerprint(&answer)?,
            keys,
            office,
        })
    }

    /// Signs the next document. It is written before anything is put away: if this ends in between, the document counts.
    pub fn revoke(self) -> Result<Signed, Failure> {
        let signed = self.office.complete(&self.keys)?;
        if self.role == PeerRole::Client {
            self.office.expel(&self.name)?;
        }
        Ok(signed)
    }
}

fn refuse_second(name: &str, help: &str) -> Failure {
    let what = format!("{name} is revoked already");
    Trouble::new(CEREMONY_REVOKED, what).undone("nothing was signed").help(help).into()
}

fn refuse_unknown(office: &Office, before: &ClusterDocument, name: &str) -> Failure {
    let cluster = &before.cluster;
    let what = format!("nobody with the name `{}` has been admitted to {cluster}", name.escape_debug());
    let members = office.invitation.members().collect::<Vec<_>>().join(", ");
    let clients = before.clients.iter().map(|client| client.name.as_str()).collect::<Vec<_>>();
    let trouble = Trouble::new(CEREMONY_NAME, what).branch(format!("members: {members}"));
    // A cluster may have thousands.
    let trouble = match clients.len() {
        0 => trouble.branch("clients: none"),
        1..=32 => trouble.branch(format!("clients: {}", clients.join(", "))),
        many => trouble.branch(format!("clients: {many}, in `cluster.json`")),
    };
    trouble.undone(UNDONE).help("take one of these names").into()
}

fn left(before: &ClusterDocument, role: PeerRole, name: &str) -> Left {
    let count = |all: Vec<(&String, &Vec<Hex<32>>)>, needed| {
        let is_good = |keys: &[Hex<32>]| keys.iter().any(|key| !before.is_revoked(&key.0));
        let good = all.iter().filter(|(other, keys)| *other != name && is_good(keys)).count();
        Left { good, total: all.len(), needed }
    };
    match role {
        PeerRole::Node => {
            let all = before.nodes.iter().map(|one| (&one.name, &one.tls)).collect();
            count(all, usize::from(before.signers().needed()))
        }
        PeerRole::Coordinator => {
            count(before.coordinators.iter().map(|one| (&one.name, &one.tls)).collect(), 1)
        }
        PeerRole::Gateway => count(before.gateways.iter().map(|one| (&one.name, &one.tls)).collect(), 1),
        PeerRole::Client => count(before.clients.iter().map(|one| (&one.name, &one.tls)).collect(), 0),
    }
}
