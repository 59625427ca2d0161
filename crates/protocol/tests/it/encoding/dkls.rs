//! What the messages and the durable state of DKLs23 are refused for beyond what holds for every type.

use keymoot_protocol::codec::{FIELD_HEADER, Malformed};

use super::{BYTES, LIST, POINT, TEXT, UINT, fields, length_at, named, with_content, with_length};

/// The fields of one type of a specimen: where each starts, and its content.
fn contents(name: &str, wanted: u8) -> Vec<(usize, &'static [u8])> {
    let bytes = &named(name).bytes;
    let content = |at| &bytes[at + FIELD_HEADER..at + FIELD_HEADER + length_at(bytes, at) as usize];
    let found = fields(bytes).into_iter().filter(|(_, kind)| *kind == wanted);
    found.map(|(at, _)| (at, content(at))).collect()
}

/// What comes of a specimen whose field number `which` of its type has another content.
fn put(name: &str, (kind, which): (u8, usize), content: &[u8]) -> Option<Malformed> {
    let specimen = named(name);
    (specimen.reencode)(&with_content(&specimen.bytes, contents(name, kind)[which].0, content)).err()
}

#[test]
fn t10_dkls23_lists_in_another_order_or_with_repetitions_are_refused() {
    let [(_, first), (_, second)] = contents("Bans, dkls23", BYTES)[..] else { panic!("two are banned") };
    assert!(first < second);
    assert_eq!(put("Bans, dkls23", (BYTES, 0), second), Some(Malformed::Party));
    assert_eq!(put("Bans, dkls23", (BYTES, 1), first), Some(Malformed::Party));
    assert_eq!(put("Bans, dkls23", (BYTES, 1), &[2; 32]), Some(Malformed::Point), "no identity");
    // Uses and whether they are over, then two parties with two numbers each, then a burnt one.
    assert_eq!(put("Ledger, dkls23", (UINT, 1), &[2]), Some(Malformed::Choice));
    assert_eq!(put("Ledger, dkls23", (UINT, 3), &[]), Some(Malformed::Integer), "a count of zero");
    assert_eq!(put("Ledger, dkls23", (UINT, 7), &[1]), Some(Malformed::Integer), "a count below one");
    for uses in [&[][..], &[1, 0, 0, 0, 1]] {
        assert_eq!(put("Hello, dkls23 presign", (UINT, 0), uses), Some(Malformed::Integer));
    }
    assert_eq!(put("Ledger, dkls23", (UINT, 2), &[3]), Some(Malformed::Party));
    assert_eq!(put("Ledger, dkls23", (UINT, 2), &[4]), Some(Malformed::Party));
    assert_eq!(put("Ledger, dkls23", (UINT, 8), &[33]), Some(Malformed::Party));
    let ledger = &named("Ledger, dkls23").bytes;
    let twice = [&ledger[..], &ledger[contents("Ledger, dkls23", UINT)[8].0..]].concat();
    let list = fields(ledger).iter().rev().find(|(_, kind)| *kind == LIST).unwrap().0;
    let found = (named("Ledger, dkls23").reencode)(&with_length(&twice, list, 2));
    assert_eq!(found, Err(Malformed::Party), "burnt twice");
    // Number and epoch, then the signers.
    assert_eq!(put("Public, dkls23", (UINT, 2), &[3]), Some(Malformed::Party));
    assert_eq!(put("Public, dkls23", (UINT, 2), &[4]), Some(Malformed::Party));
    let public = &named("Public, dkls23").bytes;
    let (list, _) = *fields(public).iter().rev().find(|(_, kind)| *kind == LIST).unwrap();
    let fewer = &with_length(public, list, 1)[..public.len() - FIELD_HEADER - 32];
    assert_eq!((named("Public, dkls23").reencode)(fewer), Err(Malformed::Party), "a commitment is missing");
}

#[test]
fn t09_dkls23_corrections_at_or_above_the_order_are_refused() {
    let order = hex::decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").unwrap();
    for name in ["Product, dkls23 presign", "Replies, dkls23 presign"] {
        let (_, whole) = contents(name, BYTES)[0];
        for place in [0, 1, whole.len() / 32 - 1] {
            for above in [&order[..], &[0xff; 32]] {
                let mut changed = whole.to_vec();
                changed[32 * place..][..32].copy_from_slice(above);
                assert_eq!(put(name, (BYTES, 0), &changed), Some(Malformed::Scalar), "{name}: {place}");
            }
        }
        assert_eq!(put(name, (BYTES, 0), &whole[32..]), Some(Malformed::WrongLength));
        assert_eq!(put(name, (BYTES, 0), &[whole, &[0; 32]].concat()), Some(Malformed::WrongLength));
    }
}

#[test]
fn t09_dkls23_elements_that_are_no_canonical_ristretto255_are_refused() {
    // The identity; p − 1, which is negative; three that are p and more; one of RFC 9496, A.2, without a square root.
    let bad = [
        vec![0; 32],
        [&[0xec][..], &[0xff; 30], &[0x7f]].concat(),
        [&[0xee][..], &[0xff; 30], &[0x7f]].concat(),
        [&[0xed][..], &[0xff; 30], &[0x7f]].concat(),
        vec![0xff; 32],
        hex::decode("26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371").unwrap(),
    ];
    for name in ["Offers, dkls23 setup", "Reply, dkls23 setup"] {
        let points = contents(name, POINT);
        for which in [0, points.len() - 1] {
            for bad in &bad {
                assert_eq!(put(name, (POINT, which), bad), Some(Malformed::Point), "{name}: {bad:?}");
            }
            let longer = [points[which].1, &[0]].concat();
            assert_eq!(put(name, (POINT, which), &longer), Some(Malformed::Point));
            assert_eq!(put(name, (POINT, which), &longer[..31]), Some(Malformed::Point));
        }
    }
}

#[test]
fn t10_dkls23_messages_with_fewer_parts_than_there_are_are_refused() {
    for (name, parts, size) in [("Reply, dkls23 setup", 256, 41), ("Trees, dkls23 setup", 32, 329)] {
        let bytes = &named(name).bytes;
        for fewer in [0, 1, parts - 1] {
            let left = &bytes[FIELD_HEADER + size * (parts - fewer)..];
            let left = [&bytes[..FIELD_HEADER], left].concat();
            let found = (named(name).reencode)(&with_length(&left, 0, fewer as u64));
            assert_eq!(found, Err(Malformed::WrongLength), "{name} of {fewer}");
        }
    }
    let (extension, commit) = ("Extension, dkls23 presign", "Commit, dkls23 presign");
    let [(_, corrections), (_, checks)] = contents(extension, BYTES)[..] else { panic!("two fields") };
    assert_eq!(put(extension, (BYTES, 0), &corrections[1..]), Some(Malformed::WrongLength));
    assert_eq!(put(extension, (BYTES, 1), &checks[1..]), Some(Malformed::WrongLength));
    assert_eq!(put(extension, (BYTES, 1), &checks[16..]), Some(Malformed::WrongLength));
    assert_eq!(put(extension, (BYTES, 1), &checks[32..]), Some(Malformed::WrongLength));
    assert_eq!(put(commit, (BYTES, 1), &[0; 33]), Some(Malformed::WrongLength));
    assert_eq!(put(commit, (BYTES, 1), &[0; 1025 * 32]), Some(Malformed::WrongLength));
    assert_eq!(put("Done, dkls23 setup", (TEXT, 0), b"presigned"), Some(Malformed::Choice));
    assert_eq!(put("Confirm, dkls23 presign", (TEXT, 0), b"done"), Some(Malformed::Choice));
}
