//! What is signed follows from a payload that every node reads itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use bitcoin::bip32::ChildNumber;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{
    Amount, CompressedPublicKey, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid,
    absolute, transaction,
};
use keymoot_chains::{Kind, Payload};
use keymoot_engine::crypto::{Crypto, Described};
use keymoot_engine::message::{Message, What};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::real::{Key, Real, inspection};
use keymoot_engine::record::Entry;
use keymoot_engine::refusal::Refusal;
use keymoot_engine::request::{Ask, ToSign};
use keymoot_types::{Network, Path, Scheme};

use crate::cluster::{Cluster, Pen, id_of};
use crate::room::party;

fn sign_body(key: &Described, path: &str, kind: &str, payload: &[u8]) -> String {
    let (key, payload) = (key.id, hex::encode(payload));
    format!(r#"{{"key":"{key}","path":"{path}","kind":"{kind}","payload":"{payload}"}}"#)
}

/// A transfer of 5 wei, EIP-1559: what is hashed and signed.
fn ethereum_transfer() -> Vec<u8> {
    hex::decode(format!("02df0180010282520894{}0580c0", "a1".repeat(20))).unwrap()
}

fn bitcoin_transaction(input: OutPoint, value: u64, script: ScriptBuf) -> Transaction {
    let input = TxIn { previous_output: input, sequence: Sequence::MAX, ..TxIn::default() };
    let output = TxOut { value: Amount::from_sat(value), script_pubkey: script };
    let (version, lock_time) = (transaction::Version::TWO, absolute::LockTime::ZERO);
    Transaction { version, lock_time, input: vec![input], output: vec![output] }
}

/// A coin of the key at m/0/7, spent by a PSBT that says so; as many inputs as are wanted.
fn bitcoin_payment(key: &Key, inputs: usize) -> Vec<u8> {
    let details = key.details();
    let root = keymoot_chains::Key::new(details.scheme, &details.public_key, details.chain_code).unwrap();
    let root = root.xpub().unwrap();
    let path = [0, 7].map(|index| ChildNumber::Normal { index });
    let child = root.derive_pub(&Secp256k1::verification_only(), &path).unwrap().public_key;
    let script = ScriptBuf::new_p2wpkh(&CompressedPublicKey(child).wpubkey_hash());
    let coins: Vec<_> = (0..inputs)
        .map(|number| {
            let before = OutPoint::new(Txid::all_zeros(), number as u32);
            bitcoin_transaction(before, 50_000, script.clone())
        })
        .collect();
    let somebody = ScriptBuf::new_p2wpkh(&bitcoin::WPubkeyHash::all_zeros());
    let mut spending = bitcoin_transaction(OutPoint::null(), 40_000, somebody);
    spending.input = coins
        .iter()
        .map(|coin| TxIn {
            previous_output: OutPoint::new(coin.compute_txid(), 0),
            ..spending.input[0].clone()
        })
        .collect();
    let mut psbt = Psbt::from_unsigned_tx(spending).unwrap();
    for (input, coin) in psbt.inputs.iter_mut().zip(coins) {
        input.witness_utxo = Some(coin.output[0].clone());
        input.non_witness_utxo = Some(coin);
        input.bip32_derivation.insert(child, (root.fingerprint(), path.to_vec().into()));
    }
    psbt.serialize()
}

fn key_of(cluster: &Cluster, described: &Described) -> Key {
    let mut keys = cluster.seats[&party(1)].node.as_ref().unwrap().keys();
    keys.find(|key| Real::describe(key).id == described.id).unwrap()
}

#[test]
fn payloads_of_every_chain_are_signed_for_what_they_do() {
    let mut cluster = Cluster::new(240);
    let [pen, _] = Pen::enrolled();
    let ecdsa = cluster.key(Scheme::Dkls23);
    let payment = bitcoin_payment(&key_of(&cluster, &ecdsa), 1);
    for (kind, path, payload) in [
        ("evm_tx", "m/0/7", ethereum_transfer()),
        ("evm_message", "m", b"hello".to_vec()),
        ("btc_message", "m/1", b"hello".to_vec()),
        ("btc_psbt", "m", payment),
        ("message", "m/0", b"hello".to_vec()),
    ] {
        let body = cluster.http(&pen, "/v1/signatures", &sign_body(&ecdsa, path, kind, &payload)).to_bytes();
        let (signers, session) = cluster.must_sign(&body);
        let facts = |entry: Entry| match entry {
            Entry::Allowed { session: of, facts, .. } if of == session => facts.map(|one| *one.as_bytes()),
            _ => None,
        };
        let of_signer = |signer| cluster.seats[signer].entries().into_iter().find_map(facts);
        let facts: BTreeSet<_> = signers.iter().map(|signer| of_signer(signer).expect("facts")).collect();
        assert_eq!(facts.len(), 1, "{kind}: all signers have seen it do the same");
    }
}

#[test]
fn a_transaction_is_signed_where_it_says_and_not_elsewhere() {
    let mut cluster = Cluster::new(241);
    let described = cluster.key(Scheme::Dkls23);
    let key = key_of(&cluster, &described);
    let payload = Payload::new(Kind::BtcPsbt, bitcoin_payment(&key, 1)).unwrap();
    let read = |path: &str| {
        cluster.client().read(&key, &ToSign::new(path.parse().unwrap(), Arc::new(payload.clone())))
    };
    let from_root = read("m").unwrap();
    assert_eq!(from_root.path, "m/0/7".parse().unwrap());
    let signing = inspection(&key, &Path::root(), &payload, Network::Mainnet).unwrap().signings.remove(0);
    assert_eq!(Real::digest_of(&key, &from_root.payload), signing.message());
    assert!(read("m/1").is_err(), "it spends nothing below m/1");
    let elsewhere = cluster.client().on(Network::Regtest);
    let there = elsewhere.read(&key, &ToSign::new(Path::root(), Arc::new(payload.clone()))).unwrap();
    assert_eq!(Real::digest_of(&key, &there.payload), signing.message(), "the same is signed");
    assert_ne!(there.facts, from_root.facts, "and other addresses are on record");
}

/// A transaction with three coins of the key is three requests for the same payload, one for each signature. No two of the
/// signatures are of the same bytes, and together they make the transaction whole.
#[test]
fn each_signature_of_a_payload_is_a_request_of_its_own() {
    let mut cluster = Cluster::new(243);
    let [pen, _] = Pen::enrolled();
    let described = cluster.key(Scheme::Dkls23);
    let key = key_of(&cluster, &described);
    let payment = bitcoin_payment(&key, 3);
    let payload = Payload::new(Kind::BtcPsbt, payment.clone()).unwrap();
    let body = sign_body(&described, "m", "btc_psbt", &payment);
    let with = |signing: &str| body.replace('}', &format!(r#","signing":{signing}}}"#));
    let mut signatures = Vec::new();
    for place in 0..3 {
        let body = cluster.http(&pen, "/v1/signatures", &with(&place.to_string())).to_bytes();
        let outcome = cluster.outcome(&body);
        let Outcome::Signed { signature, .. } = outcome else { panic!("no signature: {outcome:?}") };
        signatures.push(keymoot_chains::Signature(signature[..64].try_into().unwrap()));
    }
    let details = key.details();
    let root = keymoot_chains::Key::new(details.scheme, &details.public_key, details.chain_code).unwrap();
    assert!(keymoot_chains::assemble(&payload, &root, &signatures).is_ok());
    signatures.swap(0, 2);
    assert!(keymoot_chains::assemble(&payload, &root, &signatures).is_err(), "each is of its own input");

    for (signing, why) in
        [("3", "needs 3 signatures, and number 3 is asked"), ("65535", "number 65535 is asked")]
    {
        let body = cluster.http(&pen, "/v1/signatures", &with(signing)).to_bytes();
        let outcome = cluster.outcome(&body);
        assert!(matches!(&outcome, Outcome::Failed(found) if found.contains(why)), "{outcome:?}");
    }
    for malformed in ["65536", "-1", "\"0\"", "0.5"] {
        let request = cluster.http(&pen, "/v1/signatures", &with(malformed));
        assert!(request.request().is_err(), "{malformed}");
    }
}

#[test]
fn what_cannot_be_read_ends_at_once_with_the_reason() {
    let mut cluster = Cluster::new(242);
    let (ecdsa, edwards) = (cluster.key(Scheme::Dkls23), cluster.key(Scheme::FrostEd25519));
    let two = bitcoin_payment(&key_of(&cluster, &ecdsa), 2);
    for (key, kind, payload, why) in [
        (&ecdsa, Kind::RawDigest, vec![7; 32], "a bare digest is not signed"),
        (&ecdsa, Kind::EvmTx, b"hello".to_vec(), ""),
        (&ecdsa, Kind::SolTx, vec![1; 100], "does not sign payloads of the kind sol_tx"),
        (&edwards, Kind::EvmTx, ethereum_transfer(), "does not sign payloads of the kind evm_tx"),
        (&ecdsa, Kind::BtcPsbt, two, "needs 2 signatures, and the request does not say which"),
    ] {
        let payload = Arc::new(Payload::new(kind, payload).unwrap());
        let body = cluster.request(Ask::Sign { key: key.id, what: ToSign::new(Path::root(), payload) });
        let outcome = cluster.outcome(&body);
        assert!(matches!(&outcome, Outcome::Failed(found) if found.contains(why)), "{kind:?}: {outcome:?}");
        assert!(cluster.called(&body).is_empty(), "no node was bothered");
        // And whoever bothers them gets nothing.
        let what = |presignature| What::Sign {
            request: body.clone(),
            signers: vec![party(1), party(2)],
            presignature,
        };
        let presignature =
            (key.scheme == Scheme::Dkls23).then(|| keymoot_engine::words::Hash::from_bytes([1; 32]));
        let said = cluster.lure(party(1), what(presignature));
        assert!(
            matches!(said.as_slice(), [Message::Refused(_, Refusal::Unfit(_), None)]),
            "{kind:?}: {said:?}"
        );
        let is_its =
            |entry: &Entry| matches!(entry, Entry::Allowed { request, .. } if *request == id_of(&body));
        assert_eq!(cluster.seats[&party(1)].count(is_its), 0);
    }
}
