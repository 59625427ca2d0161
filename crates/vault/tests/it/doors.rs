//! Who gets in.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use keymoot_types::{Epoch, KeyId};
use keymoot_vault::{Class, Fault, Kdf, Label, Owner, Unlock, Vault};

use crate::{Place, file, owner, share, words};

fn phrase(words: &str) -> Unlock {
    Unlock::Passphrase(words.to_owned().into())
}

#[test]
fn what_was_sealed_opens_after_a_restart_and_only_at_its_place() {
    let mut place = Place::new(1);
    let vault = place.open().unwrap();
    let sealed = vault.seal(&share(), b"a share of a key", &mut place.rng).unwrap();
    assert!(!sealed.windows(5).any(|window| window == b"share"), "it is not to be read");
    drop(vault);
    let vault = place.open().unwrap();
    assert_eq!(vault.open_sealed(&share(), &sealed).unwrap().as_slice(), b"a share of a key");
    let others = [
        Label::share(KeyId::new([4; 16]), Epoch::FIRST, "package"),
        Label::share(KeyId::new([3; 16]), Epoch(1), "package"),
        Label::share(KeyId::new([3; 16]), Epoch::FIRST, "packag"),
        Label::named(Class::Share, "package"),
        Label::named(Class::Identity, "package"),
    ];
    for other in others {
        let said = words(vault.open_sealed(&other, &sealed));
        assert!(said.contains(&other.to_string()), "{said}");
    }
    let elsewhere = Place::new(2).open().unwrap();
    assert!(matches!(elsewhere.open_sealed(&share(), &sealed), Err(Fault::Unsealed { .. })));
}

#[test]
fn a_passphrase_opens_what_it_closed_and_no_other_does() {
    let mut place = Place::new(3);
    let path = place.folder.path().join("by passphrase");
    let right = "correct horse battery staple";
    drop(Vault::create(&path, owner(), phrase(right), Kdf::WEAKEST, &mut place.rng).unwrap());
    assert!(Vault::open(&path, owner(), phrase(right)).is_ok());
    for wrong in [phrase("correct horse battery stapler"), phrase(""), file(1)] {
        let said = words(Vault::open(&path, owner(), wrong));
        assert!(said.contains("does not open this vault") && said.contains("vault.json"), "{said}");
    }
    assert!(words(Vault::open(&place.path(), owner(), phrase(right))).contains("key file"));
}

#[test]
fn weak_passphrases_costs_and_names_are_refused_before_anything_is_made() {
    let mut place = Place::new(4);
    let path = place.folder.path().join("refused");
    let dear = Kdf { memory_kib: u32::MAX, ..Kdf::STANDARD };
    let cheap = Kdf { memory_kib: 8, ..Kdf::STANDARD };
    let good = "correct horse battery staple";
    for (unlock, kdf) in [
        (phrase("short"), Kdf::STANDARD),
        (phrase(good), dear),
        (phrase(good), cheap),
        (Unlock::KeyFile(vec![1; 31].into()), Kdf::STANDARD),
    ] {
        assert!(matches!(Vault::create(&path, owner(), unlock, kdf, &mut place.rng), Err(Fault::Refused(_))));
        assert!(!path.exists());
    }
    for (cluster, node) in [("", "a"), ("a", ""), ("a/b", "a"), ("a", "../a"), ("a", &"a".repeat(65))] {
        assert!(Owner::new(cluster, node).is_err(), "{cluster} {node}");
    }
}

#[test]
fn a_vault_is_never_overwritten() {
    let mut place = Place::new(5);
    let before = fs::read(place.header()).unwrap();
    let again = Vault::create(&place.path(), owner(), file(2), Kdf::WEAKEST, &mut place.rng);
    assert!(matches!(again, Err(Fault::Exists(_))));
    assert_eq!(fs::read(place.header()).unwrap(), before);
    assert!(place.open().is_ok());
}

#[test]
fn r12_two_processes_never_share_the_state_of_one_node() {
    let place = Place::new(6);
    let first = place.open().unwrap();
    assert!(words(place.open()).contains("in use by another process"));
    drop(first);
    assert!(place.open().is_ok(), "the lock goes with the process");
}

#[test]
fn the_vault_of_another_node_is_named() {
    let place = Place::new(7);
    for (cluster, node) in [("example", "node-2"), ("other", "node-1")] {
        let said = words(Vault::open(&place.path(), Owner::new(cluster, node).unwrap(), file(1)));
        assert!(
            said.contains("node-1 of example") && said.contains(&format!("{node} of {cluster}")),
            "{said}"
        );
    }
}

#[test]
fn what_others_can_read_is_not_read() {
    let place = Place::new(8);
    for mode in [0o644, 0o640, 0o620, 0o602, 0o604] {
        fs::set_permissions(place.header(), fs::Permissions::from_mode(mode)).unwrap();
        let said = words(place.open());
        assert!(said.contains("chmod 600"), "{mode:o}: {said}");
    }
    fs::set_permissions(place.header(), fs::Permissions::from_mode(0o400)).unwrap();
    assert!(place.open().is_ok());
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(place.path()), 0o700);
    fs::remove_file(place.header()).unwrap();
    fs::create_dir(place.header()).unwrap();
    assert!(place.open().is_err());
    assert!(matches!(
        Vault::open(&place.folder.path().join("nowhere"), owner(), file(1)),
        Err(Fault::Missing(_))
    ));
}

#[test]
fn another_key_can_take_over_and_nothing_that_is_sealed_changes() {
    let mut place = Place::new(9);
    let vault = place.open().unwrap();
    let sealed = vault.seal(&share(), b"the same", &mut place.rng).unwrap();
    vault.relock(&phrase("correct horse battery staple"), Kdf::WEAKEST, &mut place.rng).unwrap();
    assert!(vault.relock(&phrase("short"), Kdf::WEAKEST, &mut place.rng).is_err());
    drop(vault);
    assert!(place.open().is_err(), "what opened it before does not any more");
    let vault = Vault::open(&place.path(), owner(), phrase("correct horse battery staple")).unwrap();
    assert_eq!(vault.open_sealed(&share(), &sealed).unwrap().as_slice(), b"the same");
}

#[test]
fn a_write_that_was_cut_short_leaves_the_old_file() {
    let mut place = Place::new(10);
    let vault = place.open().unwrap();
    let label = Label::named(Class::Identity, "identity");
    vault.keep("identity", &label, b"a seed", &mut place.rng).unwrap();
    // A crash before the new content is put in place leaves this; so it is nobody's, and in nobody's way.
    fs::write(place.path().join("identity.new"), b"half a sea").unwrap();
    assert_eq!(vault.recall("identity", &label).unwrap().as_slice(), b"a seed");
    vault.keep("identity", &label, b"another seed", &mut place.rng).unwrap();
    assert_eq!(vault.recall("identity", &label).unwrap().as_slice(), b"another seed");
    assert!(!place.path().join("identity.new").exists());
}

#[test]
fn secrets_and_names_are_bounded() {
    let mut place = Place::new(11);
    let vault = place.open().unwrap();
    assert!(vault.seal(&share(), &vec![0; 1 << 20], &mut place.rng).is_ok());
    assert!(vault.seal(&share(), &vec![0; (1 << 20) + 1], &mut place.rng).is_err());
    let long = Label::named(Class::Identity, &"x".repeat(129));
    assert!(vault.seal(&long, b"", &mut place.rng).is_err());
}
