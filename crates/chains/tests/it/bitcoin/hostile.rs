//! Bytes that nobody honest sends.

use keymoot_chains::{Kind, Payload, inspect};
use keymoot_types::Scheme;
use proptest::prelude::*;

use super::wallet::{Owner, Wallet};
use super::{BOTH, psbt};
use crate::local::Local;

proptest! {
    #![proptest_config(crate::cases(1000))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), has_magic: bool) {
        let bytes = if has_magic { [b"psbt\xff".as_slice(), &bytes].concat() } else { bytes };
        for scheme in BOTH {
            let key = Local::new(scheme, [7; 32]).key();
            prop_assert!(inspect(&psbt(&bytes), &key).is_err());
            prop_assert!(inspect(&Payload::new(Kind::BtcMessage, bytes.clone()).unwrap(), &key).is_ok());
        }
    }

    /// What is still read after a change says the same, or something else is signed.
    #[test]
    fn a_changed_byte_never_changes_the_facts_alone(at in any::<prop::sample::Index>(), bit in 0u8..8, version in 0usize..2, which in 0usize..3) {
        let (scheme, owner) = [
            (Scheme::Dkls23, Owner::Native(5)), (Scheme::Dkls23, Owner::Nested(5)), (Scheme::FrostTaproot, Owner::Taproot(5)),
        ][which];
        let local = Local::new(scheme, [7; 32]);
        let mut wallet = Wallet::simple(scheme);
        wallet.inputs[0].0 = owner;
        wallet.version = [0, 2][version];
        let mut bytes = wallet.bytes(&local);
        let before = inspect(&psbt(&bytes), &local.key()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(after) = inspect(&psbt(&bytes), &local.key()) {
            let is_same = before.signings == after.signings;
            prop_assert!(!is_same || harmless(&before, &after), "{} {}", at, bit);
            prop_assert_eq!(local.round(&psbt(&bytes), &local.key()).is_empty(), false);
        }
    }
}

/// The same is signed, so the same coins move: only the proof that an output is ours may be gone.
fn harmless(before: &keymoot_chains::Inspection, after: &keymoot_chains::Inspection) -> bool {
    let (before, after) = (&before.facts, &after.facts);
    let (one, other) = (super::detail(before), super::detail(after));
    before.fee_max == after.fee_max
        && one.txid == other.txid
        && one.ours_in == other.ours_in
        && (one.ours_out == other.ours_out || other.ours_out.digits() == "0")
}
