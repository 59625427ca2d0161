//! What was changed does not open, and the error says which file it is.

use std::fs;

use keymoot_vault::{Class, Fault, Label};
use proptest::prelude::*;

use crate::{Place, share, words};

#[test]
fn every_changed_byte_of_a_header_is_noticed_or_harmless() {
    let place = Place::new(20);
    let sound = fs::read(place.header()).unwrap();
    let mut noticed = 0;
    for at in 0..sound.len() {
        for change in [1, 0x20, 0x80] {
            let mut bent = sound.clone();
            bent[at] ^= change;
            fs::write(place.header(), &bent).unwrap();
            match place.open() {
                Err(fault) => {
                    assert!(fault.to_string().contains("vault.json"), "{fault}");
                    noticed += 1;
                }
                // White space, and the case of hexadecimal digits.
                Ok(_) => {
                    let plain = |text: &[u8]| {
                        let text = String::from_utf8_lossy(text).to_lowercase();
                        text.split_whitespace().collect::<String>()
                    };
                    assert_eq!(plain(&bent), plain(&sound), "byte {at}");
                }
            }
        }
    }
    assert!(noticed > sound.len());
    for length in 0..sound.len() - 2 {
        fs::write(place.header(), &sound[..length]).unwrap();
        assert!(words(place.open()).contains("vault.json"), "only {length} bytes are left");
    }
}

#[test]
fn data_keys_cannot_change_places() {
    let place = Place::new(21);
    let sound = fs::read_to_string(place.header()).unwrap();
    let swapped = sound
        .replace("\"share\"", "\"x\"")
        .replace("\"identity\"", "\"share\"")
        .replace("\"x\"", "\"identity\"");
    assert_ne!(sound, swapped);
    fs::write(place.header(), swapped).unwrap();
    assert!(matches!(place.open(), Err(Fault::Locked { .. })));
    let other = fs::read_to_string(Place::new(22).header()).unwrap();
    let line = |text: &str| text.lines().find(|line| line.contains("\"share\"")).unwrap().to_owned();
    fs::write(place.header(), sound.replace(&line(&sound), &line(&other))).unwrap();
    assert!(matches!(place.open(), Err(Fault::Locked { .. })), "not even with the same key file");
}

#[test]
fn a_header_of_the_future_or_with_more_in_it_is_not_guessed_at() {
    let place = Place::new(23);
    let sound = fs::read_to_string(place.header()).unwrap();
    for (from, to) in [
        ("keymoot-vault/v1", "keymoot-vault/v2"),
        ("\"cluster\"", "\"more\": 1,\n  \"cluster\""),
        ("\"share\":", "\"shares\":"),
        ("\"key_file\"", "\"passphrase\""),
    ] {
        let bent = sound.replacen(from, to, 1);
        assert_ne!(bent, sound);
        fs::write(place.header(), bent).unwrap();
        assert!(matches!(place.open(), Err(Fault::Damaged { .. })), "{to}");
    }
    fs::write(place.header(), " ".repeat(1 << 17)).unwrap();
    assert!(words(place.open()).contains("longer than"));
}

#[test]
fn a_cheap_or_ruinous_cost_in_the_header_is_refused_before_it_is_paid() {
    let mut place = Place::new(24);
    let vault = place.open().unwrap();
    let phrase = || keymoot_vault::Unlock::Passphrase("correct horse battery staple".to_owned().into());
    vault.relock(&phrase(), keymoot_vault::Kdf::WEAKEST, &mut place.rng).unwrap();
    drop(vault);
    let sound = fs::read_to_string(place.header()).unwrap();
    for (field, cost) in
        [("memory_kib", "8"), ("memory_kib", "4294967295"), ("passes", "1"), ("lanes", "4000000")]
    {
        let line = sound.lines().find(|line| line.contains(field)).unwrap();
        let bent = sound.replace(line, &format!("      \"{field}\": {cost},"));
        fs::write(place.header(), bent).unwrap();
        let said = words(keymoot_vault::Vault::open(&place.path(), crate::owner(), phrase()));
        assert!(said.contains("cost of Argon2id"), "{field} {cost}: {said}");
    }
}

#[test]
fn every_changed_byte_of_what_is_sealed_is_noticed() {
    let mut place = Place::new(25);
    let vault = place.open().unwrap();
    let sealed = vault.seal(&share(), b"a share", &mut place.rng).unwrap();
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut bent = sealed.clone();
            bent[at] ^= 1 << bit;
            assert!(vault.open_sealed(&share(), &bent).is_err(), "bit {bit} of byte {at}");
        }
        assert!(vault.open_sealed(&share(), &sealed[..at]).is_err(), "only {at} bytes are left");
    }
    let longer = [sealed.as_slice(), &[0]].concat();
    assert!(vault.open_sealed(&share(), &longer).is_err());
}

#[test]
fn no_two_seals_are_alike() {
    let mut place = Place::new(26);
    let vault = place.open().unwrap();
    let nonces: std::collections::BTreeSet<_> = (0..1000)
        .map(|_| vault.seal(&share(), b"the same", &mut place.rng).unwrap()[1..25].to_vec())
        .collect();
    assert_eq!(nonces.len(), 1000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Goal R7 of reliability: flip, truncate, zero, swap.
    #[test]
    fn damaged_files_are_noticed_with_their_names(
        kind in 0_u8..4, at in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), length in 1_usize..40,
    ) {
        thread_local! {
            static PLACE: std::cell::RefCell<(Place, keymoot_vault::Vault)> = {
                let mut place = Place::new(27);
                let vault = place.open().unwrap();
                for name in ["one", "two"] {
                    let label = Label::named(Class::Identity, name);
                    vault.keep(name, &label, format!("the seed of {name}").as_bytes(), &mut place.rng).unwrap();
                }
                std::cell::RefCell::new((place, vault))
            };
        }
        PLACE.with_borrow_mut(|(place, vault)| {
            let path = place.path().join("one");
            let sound = fs::read(&path).unwrap();
            let mut bent = sound.clone();
            let (at, to) = (at.index(sound.len()), to.index(sound.len()));
            match kind {
                0 => bent[at] ^= 1 << (length % 8),
                1 => bent.truncate(at),
                2 => bent.iter_mut().skip(at).take(length).for_each(|byte| *byte = 0),
                _ => bent.swap(at, to),
            }
            fs::write(&path, &bent).unwrap();
            let found = vault.recall("one", &Label::named(Class::Identity, "one"));
            match found {
                Ok(secret) => assert!(bent == sound && secret.as_slice() == b"the seed of one"),
                Err(fault) => assert!(bent != sound && fault.to_string().contains("/one"), "{fault}"),
            }
            let other = fs::read(place.path().join("two")).unwrap();
            fs::write(&path, &other).unwrap();
            assert!(vault.recall("one", &Label::named(Class::Identity, "one")).is_err(), "another file in its place");
            fs::write(&path, &sound).unwrap();
        });
    }
}
