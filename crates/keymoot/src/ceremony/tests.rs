//! A whole ceremony on temporary folders, and each way in which it must not go.

mod revoke;

use std::fs;
use std::path::{Path, PathBuf};

use keymoot_types::{Network, Threshold};
use keymoot_vault::Kdf;
use keymoot_wire::cluster::{ClientKey, ClusterDocument, Hex, PolicyName, Role};

use super::papers::{Admission, Answer, ClientParts, Invitation, fingerprint, read, write};
use super::{Founding, Hearing, INVITATION, Joining, finish, init, join};
use crate::failure::Failure;
use crate::place::{self, UnlockSource};

const MEMBERS: [&str; 4] = ["node-1", "node-2", "coordinator-1", "gateway-1"];

struct Stage {
    root: tempfile::TempDir,
    invitation: Invitation,
}

impl Stage {
    fn must_found(cluster: &str) -> Self {
        Self::must_found_at(cluster, "https://gateway.example:7180")
    }

    fn must_found_at(cluster: &str, gateway: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let founding = Founding {
            cluster: cluster.to_owned(),
            threshold: Threshold::new(2, 2).unwrap(),
            coordinators: vec!["127.0.0.1:7100".into()],
            gateways: vec![gateway.into()],
            policy: PolicyName::DenyAll,
            bitcoin: Network::Mainnet,
        };
        let (_, invitation) = init(&root.path().join("office"), &founding).unwrap();
        let stage = Self { root, invitation };
        fs::write(stage.path("key"), "ab".repeat(32)).unwrap();
        let private = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
        fs::set_permissions(stage.path("key"), private).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn join(&self, name: &str, role: Option<Role>) -> Result<PathBuf, Failure> {
        self.join_at(name, role, &self.path(name))
    }

    fn join_at(&self, name: &str, role: Option<Role>, directory: &Path) -> Result<PathBuf, Failure> {
        let unlock = UnlockSource { key_file: Some(self.path("key")), passphrase_file: None };
        let joining = Joining { name, directory, role, unlock, kdf: Kdf::WEAKEST, settings: Vec::new() };
        join(&self.invitation, &joining).map(|(path, _)| path)
    }

    fn admit(&self, files: &[PathBuf]) -> Result<super::Signed, Failure> {
        self.admit_allowing(files, &[])
    }

    fn admit_allowing(&self, files: &[PathBuf], allowed: &[(&str, Role)]) -> Result<super::Signed, Failure> {
        let allowed: Vec<_> = allowed.iter().map(|(name, role)| ((*name).to_owned(), *role)).collect();
        Hearing::open(&self.path("office"), files)?.admit(&allowed, 30)
    }

    fn must_gather(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = MEMBERS.iter().map(|name| self.join(name, None).unwrap()).collect();
        files.push(self.join("alice", Some(Role::Requester)).unwrap());
        files
    }

    fn admission(&self, name: &str) -> PathBuf {
        self.path("office").join(format!("{name}.admit.json"))
    }
}

/// A whole cluster in a folder, whose gateway and client have everything that they need.
pub fn must_admit() -> tempfile::TempDir {
    let stage = Stage::must_found_at("test", "127.0.0.1:7180");
    stage.admit(&stage.must_gather()).unwrap();
    for name in ["gateway-1", "alice"] {
        finish(&stage.path(name), &stage.admission(name)).unwrap();
    }
    stage.root
}

/// Two documents of one cluster, the second with one client more.
pub fn two_versions() -> (ClusterDocument, ClusterDocument) {
    let stage = Stage::must_found("acme");
    stage.admit(&stage.must_gather()).unwrap();
    let one = finish(&stage.path("node-1"), &stage.admission("node-1")).unwrap();
    let bob = stage.join("bob", Some(Role::Viewer)).unwrap();
    stage.admit(&[bob]).unwrap();
    (one, finish(&stage.path("node-1"), &stage.admission("node-1")).unwrap())
}

#[test]
fn a_ceremony_ends_with_the_same_document_everywhere() {
    let stage = Stage::must_found("test");
    let admitted = stage.admit(&stage.must_gather()).unwrap();
    assert_eq!((admitted.version, admitted.files.len()), (1, 5));
    let mut digests = Vec::new();
    for name in MEMBERS.iter().chain(&["alice"]) {
        let document = finish(&stage.path(name), &stage.admission(name)).unwrap();
        assert_eq!(document.digest(), place::document(&stage.path(name)).unwrap().digest());
        digests.push(document.digest());
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
    let document = place::document(&stage.path("node-1")).unwrap();
    assert_eq!((document.nodes.len(), document.policy), (2, PolicyName::DenyAll));
    assert_eq!(document.client("alice").unwrap().role, Role::Requester);
    let config = crate::config::Config::read(&stage.path("coordinator-1")).unwrap();
    assert_eq!(config.text("listen"), "127.0.0.1:7100");
    let config = crate::config::Config::read(&stage.path("gateway-1")).unwrap();
    assert_eq!(config.text("listen"), "0.0.0.0:7180");
}

#[test]
fn a_passphrase_that_is_refused_leaves_nothing_behind() {
    let stage = Stage::must_found("test");
    let mode = |name: &str, bits| {
        let bits = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(bits);
        fs::set_permissions(stage.path(name), bits).unwrap();
    };
    for (file, text, bits) in [("short", "too short", 0o600), ("open", "long enough, and open", 0o644)] {
        fs::write(stage.path(file), text).unwrap();
        mode(file, bits);
    }
    for (file, code) in [("short", "E2507"), ("open", "E2504"), ("missing", "E2502")] {
        let unlock = UnlockSource { passphrase_file: Some(stage.path(file)), key_file: None };
        let (directory, kdf, settings) = (stage.path("node-1"), Kdf::WEAKEST, Vec::new());
        let joining = Joining { name: "node-1", directory: &directory, role: None, unlock, kdf, settings };
        let refused = join(&stage.invitation, &joining).unwrap_err();
        assert_eq!(refused.code(), code);
        assert!(!directory.exists(), "{code}: nothing was changed, and so nothing is there");
        assert!(!refused.to_string().contains("is in the way"), "{refused}");
    }
    // What was there before stays.
    fs::create_dir(stage.path("node-1")).unwrap();
    fs::remove_file(stage.path("key")).unwrap();
    assert_eq!(stage.join("node-1", None).unwrap_err().code(), "E2502");
    assert!(stage.path("node-1").is_dir());
}

#[test]
fn no_later_document_is_signed_for_another_network_or_group() {
    let stage = Stage::must_found("test");
    stage.admit(&stage.must_gather()).unwrap();
    let office = stage.path("office");
    let (invitation, document) = (office.join(INVITATION), office.join(place::CLUSTER));
    let (text, signed) = (fs::read_to_string(&invitation).unwrap(), fs::read(&document).unwrap());
    assert!(!text.contains("bitcoin"), "mainnet is not named, as it was before there were others");
    let bob = stage.join("bob", Some(Role::Viewer)).unwrap();
    let group = &stage.invitation.group;
    let other = format!("grp_{}", "0".repeat(group.len() - 4));
    let changed = [text.replacen('{', "{ \"bitcoin\": \"regtest\",", 1), text.replace(group, &other)];
    for (changed, kept) in changed.iter().zip(["mainnet", group]) {
        fs::write(&invitation, changed).unwrap();
        let refused = stage
            .admit(std::slice::from_ref(&bob))
            .err()
            .map(|refused| (refused.code(), refused.to_string()));
        assert!(refused.is_some_and(|(code, words)| code == "E2403" && words.contains(kept)), "{kept}");
        assert_eq!(fs::read(&document).unwrap(), signed);
    }
    fs::write(&invitation, &text).unwrap();
    assert_eq!(stage.admit(&[bob]).unwrap().version, 2);
}

#[test]
fn a_client_that_comes_later_makes_a_newer_document() {
    let stage = Stage::must_found("test");
    let first = stage.admit(&stage.must_gather()).unwrap();
    finish(&stage.path("node-1"), &stage.admission("node-1")).unwrap();
    let old = fs::read(stage.admission("node-1")).unwrap();
    let bob = stage.join("bob", Some(Role::Viewer)).unwrap();
    let second = stage.admit(std::slice::from_ref(&bob)).unwrap();
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(stage.admit(&[bob]).unwrap().version, 2, "nothing new, no new version");
    assert!(finish(&stage.path("node-1"), &stage.admission("node-1")).unwrap().client("bob").is_some());
    fs::write(stage.admission("node-1"), old).unwrap();
    let older = finish(&stage.path("node-1"), &stage.admission("node-1")).unwrap_err();
    assert_eq!(older.code(), "E2406", "an older document is never taken");
}

#[test]
fn whoever_wants_more_than_to_ask_for_signatures_has_to_be_allowed() {
    let stage = Stage::must_found("test");
    stage.admit(&stage.must_gather()).unwrap();
    let before = fs::read(stage.path("office/cluster.json")).unwrap();
    // Somebody who was to be a viewer, by what was said on the phone.
    let bob = [stage.join("bob", Some(Role::Admin)).unwrap()];
    let hearing = Hearing::open(&stage.path("office"), &bob).unwrap();
    let seen: Vec<_> = hearing.applicants.iter().map(|one| (one.name.as_str(), one.client_role)).collect();
    assert_eq!(seen, [("bob", Some(Role::Admin))]);
    let answer: Answer = read(&bob[0]).unwrap();
    assert_eq!(hearing.applicants[0].fingerprint, fingerprint(&answer).unwrap());
    for allowed in [
        &[][..],
        &[("bob", Role::Operator)],
        &[("alice", Role::Admin)],
        &[("bob", Role::Admin), ("carol", Role::Admin)],
    ] {
        let failure = stage.admit_allowing(&bob, allowed).err().unwrap();
        assert_eq!((failure.code(), failure.exit_code()), ("E2408", 3), "{allowed:?}");
        assert!(
            !stage.path("office/issued/bob.pem").exists()
                && !stage.path("office/joined/bob.join.json").exists()
        );
        assert_eq!(fs::read(stage.path("office/cluster.json")).unwrap(), before, "nothing was signed");
    }
    assert_eq!(stage.admit_allowing(&bob, &[("bob", Role::Admin)]).unwrap().version, 2);
    assert_eq!(stage.admit(&bob).unwrap().version, 2, "the same answer again only renews its certificate");
    let other = [stage.join_at("bob", Some(Role::Admin), &stage.path("other")).unwrap()];
    assert_eq!(stage.admit(&other).err().unwrap().code(), "E2404");
}

#[test]
fn an_answer_that_makes_no_document_is_not_kept_and_keeps_nobody_out() {
    let stage = Stage::must_found("test");
    let mut files = stage.must_gather();
    let alice: Answer = read(&stage.path("alice/alice.join.json")).unwrap();
    let late = files.remove(0);
    stage.admit(&files).err().expect("one has not answered yet");
    let eve: Answer = read(&stage.join("eve", Some(Role::Viewer)).unwrap()).unwrap();
    let with = |change: &dyn Fn(&mut Answer)| {
        let mut answer = eve.clone();
        change(&mut answer);
        answer
    };
    let parts = |key| ClientParts { role: Role::Viewer, key };
    let weak = ClientKey::Ed25519 { public: Hex([0; 32]) };
    let bad = [
        with(&|answer| answer.client = Some(parts(weak))),
        with(&|answer| answer.client = Some(parts(alice.client.clone().unwrap().key))),
        // It is public, and proves that alice has the key, not that eve has.
        with(&|answer| answer.csr.clone_from(&alice.csr)),
    ];
    let paper = stage.path("bad.json");
    let mut refuse = |answer: &Answer| {
        write(&paper, answer).unwrap();
        let refused = stage.admit(std::slice::from_ref(&paper)).err().unwrap();
        assert_eq!(refused.code(), "E2401", "{refused}");
        for kept in ["joined/eve.join.json", "issued/eve.pem"] {
            assert!(!stage.path("office").join(kept).exists(), "{kept}");
        }
    };
    // As well before there is a document as after.
    bad.iter().for_each(&mut refuse);
    assert_eq!(stage.admit(&[late]).unwrap().version, 1);
    bad.iter().for_each(&mut refuse);
    let bob = stage.join("bob", Some(Role::Viewer)).unwrap();
    assert_eq!(stage.admit(&[bob]).unwrap().version, 2);
    assert_eq!(super::Revocation::open(&stage.path("office"), "bob").unwrap().revoke().unwrap().version, 3);
    write(&paper, &eve).unwrap();
    assert_eq!(stage.admit(&[paper]).unwrap().version, 4, "eve's own keys are as good as anybody's");
}

#[test]
fn those_who_are_missing_are_named_and_what_was_given_is_kept() {
    let stage = Stage::must_found("test");
    let node = stage.join("node-1", None).unwrap();
    let failure = stage.admit(&[node]).err().unwrap();
    assert_eq!((failure.code(), failure.exit_code()), ("E2405", 4));
    let mut told = Vec::new();
    failure.report(str::to_owned, &mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("node-2") && told.contains("gateway-1") && !told.contains("node-1 "), "{told}");
    let rest: Vec<_> = MEMBERS[1..].iter().map(|name| stage.join(name, None).unwrap()).collect();
    assert_eq!(stage.admit(&rest).unwrap().version, 1);
}

#[test]
fn names_that_are_not_invited_are_refused() {
    let stage = Stage::must_found("test");
    for (name, role) in [
        ("node-3", None),
        ("node-1", Some(Role::Admin)),
        ("../x", Some(Role::Viewer)),
        ("", Some(Role::Viewer)),
    ] {
        let failure = stage.join_at(name, role, &stage.path("refused")).unwrap_err();
        assert_eq!(failure.code(), "E2402", "{name}");
        assert!(!stage.path("refused").exists());
    }
}

#[test]
fn a_directory_of_another_cluster_or_member_is_left_alone() {
    let (one, two) = (Stage::must_found("one"), Stage::must_found("two"));
    one.join("node-1", None).unwrap();
    let place = one.path("node-1");
    assert_eq!(two.join_at("node-1", None, &place).unwrap_err().code(), "E2403");
    assert_eq!(one.join_at("node-2", None, &place).unwrap_err().code(), "E2403");
    assert_eq!(one.join("node-1", None).unwrap_err().code(), "E2404");
    fs::create_dir(one.path("full")).unwrap();
    fs::write(one.path("full/something"), "").unwrap();
    assert_eq!(one.join_at("node-2", None, &one.path("full")).unwrap_err().code(), "E2404");
    let founding = Founding {
        cluster: "one".into(),
        threshold: Threshold::new(2, 3).unwrap(),
        coordinators: Vec::new(),
        gateways: Vec::new(),
        policy: PolicyName::DenyAll,
        bitcoin: Network::Mainnet,
    };
    assert_eq!(init(&one.path("office"), &founding).unwrap_err().code(), "E2404");
}

#[test]
fn answers_to_another_cluster_and_second_answers_are_refused() {
    let (one, two) = (Stage::must_found("one"), Stage::must_found("two"));
    let foreign = two.join("node-1", None).unwrap();
    assert_eq!(one.admit(&[foreign]).err().unwrap().code(), "E2403");
    one.admit(&one.must_gather()).unwrap();
    let again = one.join_at("node-1", None, &one.path("again")).unwrap();
    assert_eq!(one.admit(&[again]).err().unwrap().code(), "E2404");
    let mut odd: Answer = read(&one.path("node-2/node-2.join.json")).unwrap();
    odd.role = "gateway".into();
    write(&one.path("odd.json"), &odd).unwrap();
    assert_eq!(one.admit(&[one.path("odd.json")]).err().unwrap().code(), "E2402");
}

#[test]
fn admissions_that_the_authority_did_not_write_change_nothing() {
    let (one, two) = (Stage::must_found("test"), Stage::must_found("test"));
    one.admit(&one.must_gather()).unwrap();
    two.admit(&two.must_gather()).unwrap();
    let place = one.path("node-1");
    assert_eq!(finish(&place, &two.admission("node-1")).unwrap_err().code(), "E2406");
    assert_eq!(finish(&place, &one.admission("node-2")).unwrap_err().code(), "E2403");
    let admission: Admission = read(&one.admission("node-1")).unwrap();
    let mut altered = admission.clone();
    altered.cluster.document = altered.cluster.document.replace("deny-all", "allow-all");
    write(&one.path("altered.json"), &altered).unwrap();
    assert_eq!(finish(&place, &one.path("altered.json")).unwrap_err().code(), "E2406");
    let other: Admission = read(&one.admission("node-2")).unwrap();
    let mut swapped = admission;
    swapped.certificate = other.certificate;
    write(&one.path("swapped.json"), &swapped).unwrap();
    assert_eq!(finish(&place, &one.path("swapped.json")).unwrap_err().code(), "E2406");
    assert!(!place.join(place::CLUSTER).exists() && !place.join(place::CERTIFICATE).exists());
    assert_eq!(place::document(&place).unwrap_err().code(), "E2407");
}

#[test]
fn papers_that_are_none_are_refused_by_name() {
    let stage = Stage::must_found("test");
    for text in ["", "{}", "[]", "\u{0}", &"x".repeat(1000)] {
        fs::write(stage.path("paper"), text).unwrap();
        assert_eq!(read::<Answer>(&stage.path("paper")).unwrap_err().code(), "E2401");
    }
    assert_eq!(read::<Invitation>(&stage.path("nowhere")).unwrap_err().code(), "E2401");
    assert_eq!(read::<Invitation>(stage.root.path()).unwrap_err().code(), "E2401");
    let mut later = stage.invitation.clone();
    later.created_ms += 120_000;
    let late = Stage { invitation: later, ..stage };
    assert_eq!(late.join("node-1", None).unwrap_err().code(), "E7405");
    assert!(late.path("office").join(INVITATION).exists());
}

#[test]
fn a_fingerprint_is_six_groups_and_changes_with_any_byte() {
    let stage = Stage::must_found("test");
    let one = fingerprint(&stage.invitation).unwrap();
    assert_eq!((one.len(), one.split('-').count()), (29, 6));
    let mut other = stage.invitation.clone();
    other.created_ms += 1;
    assert_ne!(fingerprint(&other).unwrap(), one);
}
