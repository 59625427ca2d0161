//! Whoever is revoked is out of the next document, and does not come back with a key that was revoked.

use std::fs;
use std::path::PathBuf;

use keymoot_wire::cluster::{ClusterDocument, Role, client_id};
use keymoot_wire::identity::PeerRole;

use super::{MEMBERS, Stage};
use crate::ceremony::papers::{Answer, read, write};
use crate::ceremony::{Left, Revocation, Signed, finish, join_again};
use crate::failure::Failure;
use crate::place;

impl Stage {
    fn revoke(&self, name: &str) -> Result<Signed, Failure> {
        Revocation::open(&self.path("office"), name)?.revoke()
    }

    fn join_again(&self, name: &str) -> Result<PathBuf, Failure> {
        join_again(&self.invitation, name, &self.path(name)).map(|(path, _)| path)
    }

    /// The document that the authority has signed last.
    fn document(&self) -> ClusterDocument {
        place::document(&self.path("office")).unwrap()
    }

    fn must_finish(&self, name: &str) -> ClusterDocument {
        finish(&self.path(name), &self.admission(name)).unwrap()
    }
}

fn must_found() -> Stage {
    let stage = Stage::must_found("test");
    stage.admit(&stage.must_gather()).unwrap();
    stage
}

#[test]
fn a_client_that_is_revoked_is_in_no_later_document() {
    let stage = must_found();
    let before = stage.must_finish("node-1");
    let alice = before.client("alice").unwrap().clone();
    let looked_at = Revocation::open(&stage.path("office"), "alice").unwrap();
    assert_eq!((looked_at.role, looked_at.client_role), (PeerRole::Client, Some(Role::Requester)));
    assert_eq!(looked_at.keys, alice.tls);
    drop(looked_at);
    assert_eq!(stage.document().version, 1, "looking changes nothing");

    let signed = stage.revoke("alice").unwrap();
    assert_eq!(signed.version, 2);
    let files: Vec<_> = MEMBERS.iter().map(|name| stage.admission(name)).collect();
    let mut written = signed.files;
    written.sort();
    let mut wanted = files;
    wanted.sort();
    assert_eq!(written, wanted);
    assert!(!stage.admission("alice").exists(), "there is nothing to bring to her");
    let document = stage.must_finish("node-1");
    assert!(document.client("alice").is_none());
    assert!(document.client_of_key(&client_id(&alice.key)).is_none(), "her signed requests are nobody's");
    assert_eq!(document.revoked, alice.tls);

    // Others come and go, and she stays out.
    let bob = stage.join("bob", Some(Role::Viewer)).unwrap();
    stage.admit(&[bob]).unwrap();
    stage.revoke("bob").unwrap();
    let document = stage.document();
    assert_eq!((document.version, document.clients.len(), document.revoked.len()), (4, 0, 2));
    assert!(document.is_revoked(&alice.tls[0].0));
}

#[test]
fn a_client_comes_back_with_new_keys_only() {
    let stage = must_found();
    let old = stage.path("alice/alice.join.json");
    stage.revoke("alice").unwrap();
    let signed = fs::read(stage.path("office/cluster.json")).unwrap();
    let refused = stage.admit(std::slice::from_ref(&old)).err().unwrap();
    assert_eq!((refused.code(), refused.exit_code()), ("E2409", 6));
    assert!(refused.to_string().contains("TLS key"), "{refused}");
    let new = stage.join_at("alice", Some(Role::Admin), &stage.path("new")).unwrap();
    // A new TLS key does not wash the old request key.
    for name in ["alice", "carol"] {
        let mut mixed: Answer = read(&new).unwrap();
        mixed.name = name.to_owned();
        mixed.client = read::<Answer>(&old).unwrap().client;
        write(&stage.path("mixed.json"), &mixed).unwrap();
        let refused = stage.admit(&[stage.path("mixed.json")]).err().unwrap();
        assert_eq!(refused.code(), "E2409", "{name}");
        assert!(refused.to_string().contains("request key"), "{refused}");
    }
    // And the old TLS key is not taken under another name.
    let mut renamed: Answer = read(&old).unwrap();
    renamed.name = "carol".into();
    write(&stage.path("renamed.json"), &renamed).unwrap();
    assert_eq!(stage.admit(&[stage.path("renamed.json")]).err().unwrap().code(), "E2409");
    assert_eq!(
        stage.admit(std::slice::from_ref(&new)).err().unwrap().code(),
        "E2408",
        "she has to be allowed again"
    );
    assert_eq!(fs::read(stage.path("office/cluster.json")).unwrap(), signed, "nothing was signed");
    assert_eq!(stage.admit_allowing(&[new], &[("alice", Role::Admin)]).unwrap().version, 3);
    let document = finish(&stage.path("new"), &stage.admission("alice")).unwrap();
    assert!(!document.is_revoked(&document.client("alice").unwrap().tls[0].0));
    // The second time she goes, her place among those who were put away is another.
    assert_eq!(stage.revoke("alice").unwrap().version, 4);
    assert!(stage.path("office/revoked/alice.1.join.json").exists());
    assert!(stage.path("office/revoked/alice.2.join.json").exists());
    assert_eq!(stage.admit(&[old]).err().unwrap().code(), "E2409");
}

#[test]
fn a_revocation_that_was_cut_short_after_the_document_still_counts() {
    let stage = must_found();
    stage.revoke("alice").unwrap();
    let document = stage.document();
    // As if it had ended before her answer was put away, and her certificate removed.
    fs::rename(stage.path("office/revoked/alice.1.join.json"), stage.path("office/joined/alice.join.json"))
        .unwrap();
    fs::write(
        stage.path("office/issued/alice.pem"),
        fs::read(stage.path("office/issued/node-1.pem")).unwrap(),
    )
    .unwrap();
    assert!(!stage.path("office/revoked/alice.1.join.json").exists());
    let bob = stage.join("bob", Some(Role::Viewer)).unwrap();
    assert_eq!(stage.admit(&[bob]).unwrap().version, 3);
    assert!(stage.document().client("alice").is_none(), "{:?}", stage.document().clients);
    let again = stage.admit(&[stage.path("alice/alice.join.json")]).err().unwrap();
    assert_eq!(again.code(), "E2409");
    let admin = stage.join_at("alice", Some(Role::Admin), &stage.path("new")).unwrap();
    assert_eq!(stage.admit(&[admin]).err().unwrap().code(), "E2408", "what is kept of her allows nothing");
    assert!(stage.document().is_revoked(&document.revoked[0].0));
}

#[test]
fn members_stay_and_come_with_a_new_tls_key() {
    let stage = must_found();
    for name in MEMBERS {
        stage.must_finish(name);
    }
    for (number, name) in MEMBERS.into_iter().enumerate() {
        let (before, round) = (stage.document(), u64::try_from(number).unwrap());
        let role: PeerRole =
            read::<Answer>(&stage.path(&format!("{name}/{name}.join.json"))).unwrap().role.parse().unwrap();
        let old = fs::read(stage.path(name).join(place::TLS_KEY)).unwrap();
        let old_answer = stage.path("old.join.json");
        fs::copy(stage.path(name).join(format!("{name}.join.json")), &old_answer).unwrap();
        let looked_at = Revocation::open(&stage.path("office"), name).unwrap();
        let (total, needed) = if role == PeerRole::Node { (2, 2) } else { (1, 1) };
        assert_eq!((looked_at.role, &looked_at.left), (role, &Left { good: total - 1, total, needed }));
        // A new key beside one that counts is somebody else's try.
        let new = stage.join_again(name).unwrap();
        assert_eq!(stage.admit(std::slice::from_ref(&new)).err().unwrap().code(), "E2404", "{name}");
        let signed = looked_at.revoke().unwrap();
        assert_eq!((signed.version, signed.files.len()), (2 + 2 * round, 4));
        assert!(!stage.admission(name).exists());
        let revoked = stage.document();
        assert_eq!(revoked.pins(role, name), before.pins(role, name), "{name} stays a member");
        assert!(revoked.pins(role, name).unwrap().iter().all(|key| revoked.is_revoked(&key.0)));
        assert_eq!(stage.revoke(name).err().unwrap().code(), "E2409");
        assert_eq!(stage.admit(&[old_answer]).err().unwrap().code(), "E2409");
        assert_eq!(stage.join_again(name).unwrap_err().code(), "E2404", "one new key at a time");

        assert_eq!(stage.admit(&[new]).unwrap().version, 3 + 2 * round);
        assert_eq!(
            fs::read(stage.path(name).join(place::TLS_KEY)).unwrap(),
            old,
            "in use until the certificate is there"
        );
        let document = stage.must_finish(name);
        assert_ne!(fs::read(stage.path(name).join(place::TLS_KEY)).unwrap(), old);
        assert!(!stage.path(name).join(place::TLS_KEY_NEXT).exists());
        assert!(!document.pins(role, name).unwrap().iter().any(|key| document.is_revoked(&key.0)));
        let who = |document: &ClusterDocument| -> Vec<_> {
            document.nodes.iter().map(|node| (node.index, node.identity, node.seal)).collect()
        };
        assert_eq!(who(&document), who(&before), "identities and sealing keys are the same");
        // What is renewed later is the new key's certificate.
        assert_eq!(
            stage.admit(&[stage.path("office/joined").join(format!("{name}.join.json"))]).unwrap().version,
            3 + 2 * round
        );
        stage.must_finish(name);
    }
    assert_eq!(stage.document().revoked.len(), MEMBERS.len());
}

#[test]
fn a_node_does_not_come_back_as_another() {
    let stage = must_found();
    stage.must_finish("node-1");
    stage.revoke("node-1").unwrap();
    let other = stage.join_at("node-1", None, &stage.path("other")).unwrap();
    assert_eq!(stage.admit(&[other]).err().unwrap().code(), "E2404");
    let mut answer: Answer = read(&stage.join_again("node-1").unwrap()).unwrap();
    answer.node.as_mut().unwrap().seal.0[0] ^= 1;
    write(&stage.path("altered.json"), &answer).unwrap();
    assert_eq!(stage.admit(&[stage.path("altered.json")]).err().unwrap().code(), "E2404");
    assert_eq!(stage.document().version, 2, "nothing was signed");
}

#[test]
fn who_cannot_be_revoked_is_told_and_nothing_is_written() {
    let stage = Stage::must_found("test");
    let files = stage.must_gather();
    assert_eq!(stage.revoke("alice").err().unwrap().code(), "E2405", "there is no document yet");
    stage.admit(&files).unwrap();
    let before = fs::read(stage.path("office/cluster.json")).unwrap();
    for name in ["carol", "node-9", "", "../alice", "joined/alice", "Alice"] {
        let refused = stage.revoke(name).err().unwrap();
        assert_eq!((refused.code(), refused.exit_code()), ("E2402", 2), "{name}");
        let mut told = Vec::new();
        refused.report(str::to_owned, &mut told).unwrap();
        let told = String::from_utf8(told).unwrap();
        assert!(
            told.contains("nobody was revoked") && told.contains("alice") && told.contains("node-2"),
            "{told}"
        );
    }
    assert_eq!(fs::read(stage.path("office/cluster.json")).unwrap(), before);
    assert!(!stage.path("office/revoked").exists());
    stage.revoke("alice").unwrap();
    let second = stage.revoke("alice").err().unwrap();
    assert_eq!((second.code(), second.exit_code()), ("E2409", 6));
    // Members' directories, and folders of nobody, are no authority's.
    assert_eq!(Revocation::open(&stage.path("nowhere"), "alice").err().unwrap().code(), "E2401");
    assert_eq!(Revocation::open(&stage.path("alice"), "alice").err().unwrap().code(), "E2401");
}

#[test]
fn another_tls_key_is_drawn_for_members_of_this_cluster_only() {
    let stage = must_found();
    assert_eq!(stage.join_again("node-1").unwrap_err().code(), "E2407", "it has not finished yet");
    stage.must_finish("node-1");
    stage.must_finish("alice");
    assert_eq!(stage.join_again("alice").unwrap_err().code(), "E2001", "a client joins anew");
    let place = stage.path("node-1");
    assert_eq!(join_again(&stage.invitation, "node-2", &place).err().unwrap().code(), "E2403");
    let foreign = Stage::must_found("other");
    assert_eq!(join_again(&foreign.invitation, "node-1", &place).err().unwrap().code(), "E2403");
    assert_eq!(stage.join_again("nobody").unwrap_err().code(), "E2303");
    assert!(!place.join(place::TLS_KEY_NEXT).exists(), "no key was drawn");
    // A renewed certificate of the key in use leaves the one that waits alone.
    stage.join_again("node-1").unwrap();
    stage.admit(&[stage.path("office/joined/node-1.join.json")]).unwrap();
    stage.must_finish("node-1");
    assert!(place.join(place::TLS_KEY_NEXT).exists());
}
