//! Messages of no chain, and bare digests.

use keymoot_chains::{Danger, Detail, Kind, Payload, Signature, Unfit, Unreadable, assemble, inspect};
use keymoot_types::Scheme;
use sha2::{Digest, Sha256};

use crate::local::Local;

fn message(bytes: &[u8]) -> Payload {
    Payload::new(Kind::Message, bytes.to_vec()).unwrap()
}

#[test]
fn a_message_is_signed_behind_a_prefix_that_begins_no_transaction() {
    for scheme in Scheme::ALL {
        let local = Local::new(scheme, [3; 32]);
        let inspection = inspect(&message(b"hello"), &local.key()).unwrap();
        let mut expected = b"\xffkeymoot signed message v1\n".to_vec();
        expected.extend([0, 0, 0, 0, 0, 0, 0, 5]);
        expected.extend(b"hello");
        assert_eq!(inspection.signings[0].bytes, expected);
        let given = inspection.signings[0].message();
        match scheme {
            Scheme::FrostEd25519 => assert_eq!(given, expected),
            _ => assert_eq!(given, Sha256::digest(&expected).to_vec()),
        }
        let Detail::Message(facts) = &inspection.facts.detail else { panic!("{inspection:?}") };
        assert_eq!(facts.text.as_deref(), Some("hello"));
        assert_eq!(local.round(&message(b"hello"), &local.key()).len(), 64);
    }
}

proptest::proptest! {
    #[test]
    fn any_message_is_signed_behind_the_prefix_and_its_length(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        secret in 1u8..,
        which in 0usize..Scheme::ALL.len(),
    ) {
        let scheme = Scheme::ALL[which];
        let local = Local::new(scheme, [secret; 32]);
        let written =
            [b"\xffkeymoot signed message v1\n".as_slice(), &(bytes.len() as u64).to_be_bytes(), &bytes].concat();
        let expected = if scheme == Scheme::FrostEd25519 { written.clone() } else { Sha256::digest(&written).to_vec() };
        let signing = inspect(&message(&bytes), &local.key()).unwrap().signings.remove(0);
        proptest::prop_assert_eq!(signing.message(), expected);
        proptest::prop_assert_eq!(local.round(&message(&bytes), &local.key()).len(), 64);
    }
}

#[test]
fn a_message_is_shown_as_text_only_if_it_shows_as_what_it_is() {
    let key = Local::new(Scheme::Dkls23, [3; 32]).key();
    let text = |bytes: &[u8]| match inspect(&message(bytes), &key).unwrap().facts.detail {
        Detail::Message(facts) => facts.text,
        other => panic!("{other:?}"),
    };
    assert_eq!(text("Grüße\n\t".as_bytes()).as_deref(), Some("Grüße\n\t"));
    assert_eq!(text(b"\xff\xfe"), None);
    for hidden in ["a\u{0}", "a\u{1b}[2J", "a\u{202e}b", "a\u{200b}b", "\u{feff}a", "a\r"] {
        assert_eq!(text(hidden.as_bytes()), None, "{hidden:?}");
    }
}

#[test]
fn signatures_that_are_not_the_payloads_are_refused() {
    for scheme in Scheme::ALL {
        let local = Local::new(scheme, [3; 32]);
        let (payload, key) = (message(b"hello"), local.key());
        let other = inspect(&message(b"hellp"), &key).unwrap();
        let wrong = local.sign(&other.signings[0]);
        assert_eq!(assemble(&payload, &key, &[wrong]), Err(Unfit::Invalid(0)), "{scheme}");
        assert_eq!(assemble(&payload, &key, &[]), Err(Unfit::Count { needed: 1, got: 0 }));
        assert_eq!(assemble(&payload, &key, &[wrong, wrong]), Err(Unfit::Count { needed: 1, got: 2 }));
        assert_eq!(assemble(&payload, &key, &[Signature([0xff; 64])]), Err(Unfit::Invalid(0)));
        assert_eq!(assemble(&payload, &key, &[Signature([0; 64])]), Err(Unfit::Invalid(0)));
    }
}

#[test]
fn a_high_s_is_refused() {
    let local = Local::new(Scheme::Dkls23, [3; 32]);
    let signing = inspect(&message(b"hello"), &local.key()).unwrap().signings.remove(0);
    let low = k256::ecdsa::Signature::from_slice(&local.sign(&signing).0).unwrap();
    let high = k256::ecdsa::Signature::from_scalars(low.r().to_bytes(), (-*low.s()).to_bytes()).unwrap();
    let high = Signature(high.to_bytes().into());
    assert_eq!(assemble(&message(b"hello"), &local.key(), &[high]), Err(Unfit::HighS(0)));
}

#[test]
fn a_bare_digest_is_refused_unless_the_build_is_blind() {
    let local = Local::new(Scheme::Dkls23, [3; 32]);
    let payload = Payload::new(Kind::RawDigest, vec![9; 32]).unwrap();
    if cfg!(feature = "blind") {
        let inspection = inspect(&payload, &local.key()).unwrap();
        assert!(inspection.facts.dangers.contains(&Danger::Blind));
        assert_eq!(inspection.signings[0].message(), [9; 32]);
        assert_eq!(local.round(&payload, &local.key()).len(), 64);
        let short = Payload::new(Kind::RawDigest, vec![9; 31]).unwrap();
        assert_eq!(inspect(&short, &local.key()), Err(Unreadable::NotADigest(31)));
    } else {
        assert_eq!(inspect(&payload, &local.key()), Err(Unreadable::Blind));
    }
}
