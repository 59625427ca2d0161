//! Random transactions of every type: written with another RLP library, read by the product, signed, and compared with
//! what the other library writes for that signature; k256 recovers the sender.

use keymoot_chains::{Kind, ethereum, inspect};
use proptest::prelude::*;

use super::second::{Authorisation, Seal, Transaction};
use super::{address_of, checksummed, keccak, local, payload, transaction};

fn transactions() -> impl Strategy<Value = Transaction> {
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u32>(), any::<u64>(), any::<u64>());
    let access =
        prop::collection::vec((any::<[u8; 20]>(), prop::collection::vec(any::<[u8; 32]>(), 0..3)), 0..3);
    let authorisation =
        (any::<u64>(), any::<[u8; 20]>(), any::<u64>(), any::<bool>(), any::<[u8; 32]>(), any::<[u8; 32]>());
    let lists =
        (access, prop::collection::vec(any::<[u8; 32]>(), 1..4), prop::collection::vec(authorisation, 1..3));
    let calldata = prop::collection::vec(any::<u8>(), 0..80);
    let to = prop::option::of(any::<[u8; 20]>());
    (0u8..5, 0u64..1 << 40, numbers, to, calldata, lists).prop_map(
        |(kind, chain, numbers, to, calldata, lists)| {
            let (nonce, tip, price, gas, value, blob_price) = numbers;
            let authorisations = lists.2.into_iter().map(|(chain, delegate, nonce, parity, r, s)| {
                Authorisation { chain, delegate, nonce, parity, r: r.to_vec(), s: s.to_vec() }
            });
            Transaction {
                kind,
                // Chain 0 is no chain: EIP-155 cannot say it.
                chain: (kind > 0 || chain % 2 == 1).then_some(chain.max(1)),
                nonce,
                tip,
                price,
                gas: u64::from(gas),
                to: if kind > 2 { Some(to.unwrap_or_default()) } else { to },
                value,
                calldata,
                access: lists.0,
                blob_price,
                blobs: lists.1,
                authorisations: authorisations.collect(),
            }
        },
    )
}

proptest! {
    #[test]
    fn every_field_is_read_as_it_was_written(written in transactions()) {
        let payload = payload(Kind::EvmTx, &written.signing());
        let local = local();
        let inspection = inspect(&payload, &local.key()).unwrap();
        prop_assert_eq!(inspection.signings[0].message(), keccak(&written.signing()).to_vec());
        let facts = transaction(&inspection.facts);
        prop_assert_eq!(facts.transaction_type, written.kind);
        prop_assert_eq!(facts.chain_id, written.chain);
        prop_assert_eq!(facts.nonce, written.nonce);
        prop_assert_eq!(facts.gas_limit, written.gas);
        prop_assert_eq!(facts.max_fee_per_gas.digits(), written.price.to_string());
        prop_assert_eq!(facts.value.digits(), written.value.to_string());
        prop_assert_eq!(&facts.to, &written.to.as_ref().map(checksummed));
        prop_assert_eq!(facts.access_list, if written.kind > 0 { written.access.len() } else { 0 });
        prop_assert_eq!(facts.blobs, if written.kind == 3 { written.blobs.len() } else { 0 });
        let tip = facts.max_priority_fee_per_gas.as_ref().map(|tip| tip.digits().to_owned());
        prop_assert_eq!(tip, (written.kind > 1).then(|| written.tip.to_string()));
        let blob_fee = (u128::from(written.blob_price) * (written.blobs.len() as u128)) << 17;
        let fee = u128::from(written.price) * u128::from(written.gas) + if written.kind == 3 { blob_fee } else { 0 };
        prop_assert_eq!(inspection.facts.fee_max.as_ref().unwrap().digits(), fee.to_string());
        if let Some(call) = &facts.call {
            prop_assert_eq!(call.length, written.calldata.len());
            prop_assert_eq!(&call.calldata_hash, &format!("0x{}", hex::encode(keccak(&written.calldata))));
        }
        let authorisations = if written.kind == 4 { written.authorisations.len() } else { 0 };
        prop_assert_eq!(facts.authorisations.len(), authorisations);
        for (shown, one) in facts.authorisations.iter().zip(&written.authorisations) {
            prop_assert_eq!(shown.chain_id.digits(), one.chain.to_string());
            prop_assert_eq!(&shown.delegate, &checksummed(&one.delegate));
            prop_assert_eq!(shown.nonce, one.nonce);
            prop_assert_eq!(&shown.authority, &authority(one));
        }
    }

    #[test]
    fn signed_bytes_are_those_of_the_other_library_and_lead_back_to_the_key(
        written in transactions(), secret in any::<[u8; 32]>(), step in 0u32..1 << 31,
    ) {
        let local = crate::local::Local::new(keymoot_types::Scheme::Dkls23, secret);
        let path: keymoot_types::Path = format!("m/{step}").parse().unwrap();
        let key = local.key().at(path.clone()).unwrap();
        let payload = payload(Kind::EvmTx, &written.signing());
        let signed = local.round(&payload, &key);
        let (parity, r, s) = tail(&signed, &written);
        prop_assert_eq!(&signed, &written.encode(&Seal::Signed { parity, r: &r, s: &s }));
        let signature = k256::ecdsa::Signature::from_scalars(r, s).unwrap();
        prop_assert!(signature.normalize_s().is_none(), "s is low");
        let id = k256::ecdsa::RecoveryId::new(parity, false);
        let public = k256::ecdsa::VerifyingKey::recover_from_prehash(&keccak(&written.signing()), &signature, id).unwrap();
        let sender = checksummed(&address_of(public.to_encoded_point(true).as_bytes()));
        prop_assert_eq!(Some(sender), ethereum::address(&key));
    }

    /// EIP-191, from its text; what comes out leads back to the account.
    #[test]
    fn personal_messages_are_hashed_as_eip_191_says(text in prop::collection::vec(any::<u8>(), 0..200), secret in any::<[u8; 32]>()) {
        let local = crate::local::Local::new(keymoot_types::Scheme::Dkls23, secret);
        let written = [format!("\x19Ethereum Signed Message:\n{}", text.len()).as_bytes(), &text].concat();
        let payload = payload(Kind::EvmMessage, &text);
        let inspection = inspect(&payload, &local.key()).unwrap();
        prop_assert_eq!(inspection.signings[0].message(), keccak(&written).to_vec());
        let signed = local.round(&payload, &local.key());
        prop_assert!(signed.len() == 65 && (27..29).contains(&signed[64]));
        let signature = k256::ecdsa::Signature::from_slice(&signed[..64]).unwrap();
        let id = k256::ecdsa::RecoveryId::new(signed[64] == 28, false);
        let public = k256::ecdsa::VerifyingKey::recover_from_prehash(&keccak(&written), &signature, id).unwrap();
        let sender = checksummed(&address_of(public.to_encoded_point(true).as_bytes()));
        prop_assert_eq!(Some(sender), ethereum::address(&local.key()));
    }

    #[test]
    fn a_changed_byte_is_refused_or_says_something_else(written in transactions(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = written.signing();
        let before = super::read(&bytes).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(after) = super::read(&bytes) {
            prop_assert_ne!(&before.signings[0].message(), &after.signings[0].message());
            prop_assert_eq!(after.signings[0].message(), keccak(&bytes).to_vec());
        }
    }
}

/// The account of an authorisation, by k256: none if s is high or nothing is recovered.
fn authority(one: &Authorisation) -> Option<String> {
    let r: [u8; 32] = one.r.as_slice().try_into().unwrap();
    let s: [u8; 32] = one.s.as_slice().try_into().unwrap();
    let signature = k256::ecdsa::Signature::from_scalars(r, s).ok()?;
    if signature.normalize_s().is_some() {
        return None;
    }
    let digest = keccak(&Authorisation::signing(one.chain, one.delegate, one.nonce));
    let id = k256::ecdsa::RecoveryId::new(one.parity, false);
    let public = k256::ecdsa::VerifyingKey::recover_from_prehash(&digest, &signature, id).ok()?;
    Some(checksummed(&address_of(public.to_encoded_point(true).as_bytes())))
}

/// The last three items of the signed list, read by the other library.
fn tail(signed: &[u8], written: &Transaction) -> (bool, [u8; 32], [u8; 32]) {
    let list = rlp::Rlp::new(if written.kind == 0 { signed } else { &signed[1..] });
    let count = list.item_count().unwrap();
    let number = |place: usize| {
        let bytes: Vec<u8> = list.val_at(place).unwrap();
        let mut wide = [0; 32];
        wide[32 - bytes.len()..].copy_from_slice(&bytes);
        wide
    };
    let v: u64 = list.val_at(count - 3).unwrap();
    let parity = match (written.kind, written.chain) {
        (0, Some(chain)) => v - 35 - 2 * chain,
        (0, None) => v - 27,
        _ => v,
    };
    assert!(parity < 2, "{v}");
    (parity == 1, number(count - 2), number(count - 1))
}
