//! Bytes that nobody honest sends: nothing panics, and the work is bounded.

use keymoot_chains::ethereum::{AUTHORISATIONS_MAX, Fault};
use keymoot_chains::{Danger, Kind, Payload, Unreadable, inspect};
use keymoot_types::Scheme;
use proptest::prelude::*;
use serde_json::json;

use super::second::{self, Authorisation, Seal, Transaction, Word, call};
use super::{calling, local, payload, read};
use crate::local::Local;

fn fault(result: Result<keymoot_chains::Inspection, Unreadable>) -> Fault {
    match result {
        Err(Unreadable::Chain(keymoot_chains::Fault::Ethereum(fault))) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bytes_that_are_no_signing_encoding_are_refused() {
    let good = second::plain(2).signing();
    assert!(read(&good).is_ok());
    let trailing = [good.clone(), vec![0]].concat();
    for (bytes, expected) in [
        (vec![], Fault::NotATransaction),
        (vec![0x02], Fault::NotATransaction),
        (vec![0x05, 0xc0], Fault::NotATransaction),
        (vec![0x7f, 0xc0], Fault::NotATransaction),
        (vec![0xc0], Fault::NotATransaction),
        (vec![0xff; 9], Fault::NotATransaction),
        (good[..good.len() - 1].to_vec(), Fault::NotATransaction),
        (trailing, Fault::NotCanonical),
    ] {
        assert_eq!(fault(read(&bytes)), expected, "{bytes:02x?}");
    }
}

/// What is signed already is not signed again: of legacy transactions, v would be read as the chain.
#[test]
fn signed_transactions_are_refused() {
    for kind in 0..4 {
        let bytes = second::plain(kind).encode(&Seal::Signed { parity: true, r: &[7; 32], s: &[9; 32] });
        let refused = fault(read(&bytes));
        assert!(matches!(refused, Fault::NotATransaction | Fault::NotCanonical), "{kind} {refused}");
    }
}

#[test]
fn numbers_with_leading_zeros_and_wrong_sentinels_are_refused() {
    let mut stream = rlp::RlpStream::new_list(9);
    stream.append(&9u8).append(&1u8).append(&21_000u32).append(&vec![0x35u8; 20]);
    stream.append(&1u8).append(&Vec::<u8>::new()).append(&1u8).append(&1u8).append(&0u8);
    assert_eq!(fault(read(&stream.out())), Fault::NotCanonical, "the two last fields of EIP-155 are zero");
    let mut stream = rlp::RlpStream::new_list(9);
    stream.append(&vec![0u8, 9]).append(&1u8).append(&21_000u32).append(&vec![0x35u8; 20]);
    stream.append(&1u8).append(&Vec::<u8>::new()).append(&1u8).append(&0u8).append(&0u8);
    assert_eq!(fault(read(&stream.out())), Fault::NotATransaction);
}

#[test]
fn a_transaction_of_chain_0_is_refused() {
    for kind in 0..3 {
        let bytes = Transaction { chain: Some(0), ..second::plain(kind) };
        assert_eq!(fault(read(&bytes.signing())), Fault::NoChain);
    }
}

#[test]
fn blobs_and_authorisations_are_counted() {
    let none = Transaction { blobs: vec![], ..second::plain(3) };
    assert_eq!(fault(read(&none.signing())), Fault::NoBlobs);
    let one = Authorisation {
        chain: 1,
        delegate: [1; 20],
        nonce: 0,
        parity: false,
        r: vec![1; 32],
        s: vec![1; 32],
    };
    let with = |count| Transaction { authorisations: vec![one.clone(); count], ..second::plain(4) };
    assert_eq!(fault(read(&with(0).signing())), Fault::Authorisations(0));
    assert!(read(&with(AUTHORISATIONS_MAX).signing()).is_ok());
    let more = AUTHORISATIONS_MAX + 1;
    assert_eq!(fault(read(&with(more).signing())), Fault::Authorisations(more));
}

#[test]
fn keys_that_do_not_sign_with_ecdsa_are_refused() {
    for scheme in [Scheme::FrostTaproot, Scheme::FrostEd25519] {
        for kind in [Kind::EvmTx, Kind::EvmTypedData, Kind::EvmMessage] {
            let refused =
                inspect(&payload(kind, &second::plain(2).signing()), &Local::new(scheme, [1; 32]).key());
            assert_eq!(refused, Err(Unreadable::WrongScheme { scheme, kind: kind.name() }));
        }
    }
}

/// Two thousand list entries that all point to the same sixty kilobytes would decode to a hundred megabytes.
#[test]
fn overlapping_arguments_are_not_decoded() {
    let entries = 2000;
    let mut calldata = call("multicall(bytes[])", &[]);
    calldata.extend(second::sequence(&[Word::Uint(32), Word::Uint(entries)]));
    for _ in 0..entries {
        calldata.extend(second::sequence(&[Word::Uint(entries * 32)]));
    }
    calldata.extend(second::sequence(&[Word::Uint(60_000)]));
    calldata.resize(calldata.len() + 60_000, 0);
    let facts = calling([1; 20], 0, &calldata);
    assert_eq!(facts.dangers.into_iter().collect::<Vec<_>>(), [Danger::Opaque]);
}

#[test]
fn typed_data_that_explodes_or_ends_nowhere_is_refused() {
    let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(4));
    let nested = format!("{}1{}", r#"{"types":"#.repeat(200), "}".repeat(200));
    for text in ["", "null", "[]", "{}", "{\"types\":{}}", deep.as_str(), nested.as_str()] {
        let refused = fault(inspect(&payload(Kind::EvmTypedData, text.as_bytes()), &local().key()));
        assert_eq!(refused, Fault::NotTypedData, "{}", &text[..text.len().min(40)]);
    }
    let mut types = json!({ "T0": [{ "name": "a", "type": "bool" }] });
    for step in 1..31 {
        let inner = format!("T{}", step - 1);
        types[format!("T{step}")] = json!([{ "name": "a", "type": inner }, { "name": "b", "type": inner }]);
    }
    let bomb = json!({ "types": types, "primaryType": "T30", "domain": {}, "message": {} });
    assert_eq!(fault(super::typed::read(&bomb)), Fault::TooLarge);
}

/// Members of tuple type reach code of the library that cannot go on.
#[test]
fn tuples_in_typed_data_are_refused() {
    let types = json!({ "T": [{ "name": "a", "type": "(bool,bool)" }] });
    let data = json!({ "types": types, "primaryType": "T", "domain": {}, "message": { "a": [true, false] } });
    assert_eq!(fault(super::typed::read(&data)), Fault::Name("(bool,bool)".into()));
}

proptest! {
    #![proptest_config(crate::cases(2000))]

    #[test]
    fn any_bytes_are_read_or_refused(kind in 0usize..3, mut bytes in prop::collection::vec(any::<u8>(), 0..200), type_byte in 0u8..6) {
        let kind = [Kind::EvmTx, Kind::EvmTypedData, Kind::EvmMessage][kind];
        if let Some(first) = bytes.first_mut().filter(|_| kind == Kind::EvmTx && type_byte > 0) {
            *first = type_byte;
        }
        let _ = inspect(&Payload::new(kind, bytes).unwrap(), &local().key());
    }

    #[test]
    fn any_calldata_is_read_or_opaque(selector in 0usize..12, tail in prop::collection::vec(prop_oneof![Just(0u8), Just(32), any::<u8>()], 0..400)) {
        let signature = [
            "transfer(address,uint256)", "multicall(bytes[])", "multicall(uint256,bytes[])", "multiSend(bytes)",
            "aggregate((address,bytes)[])", "tryAggregate(bool,(address,bytes)[])", "aggregate3((address,bool,bytes)[])",
            "aggregate3Value((address,bool,uint256,bytes)[])", "safeTransferFrom(address,address,uint256,bytes)",
            "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)", "approve(address,uint256)",
            "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
        ][selector];
        let facts = calling([1; 20], 0, &[call(signature, &[]), tail].concat());
        prop_assert!(facts.dangers.contains(&Danger::Opaque) || super::top(&facts).meaning != keymoot_chains::ethereum::Meaning::Opaque);
    }
}
