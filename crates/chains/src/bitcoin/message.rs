//! Messages, BIP-322 in its *simple* form: a transaction that can never be, spending a coin that never was.

use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::{Hash, HashEngine, sha256};
use bitcoin::opcodes::OP_0;
use bitcoin::opcodes::all::OP_RETURN;
use bitcoin::script::Builder;
use bitcoin::sighash::{SighashCache, TapSighashType};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness, absolute};

use super::account::{self, Form};
use super::transaction::der;
use super::{Fault, digest};
use crate::Signature;
use crate::chain::Detail;
use crate::facts::Facts;
use crate::inspection::{Algorithm, Inspection, Signing, Unreadable};
use crate::key::Key;
use crate::payload::Payload;
use crate::plain::{MessageFacts, under};

/// The coin: worth nothing, locked with the address's script, made by spending the message's hash.
pub(super) fn to_spend(message: &[u8], script: ScriptBuf) -> Transaction {
    let hash = tagged(b"BIP0322-signed-message", message);
    one(
        OutPoint { txid: Txid::all_zeros(), vout: u32::MAX },
        Builder::new().push_opcode(OP_0).push_slice(hash).into_script(),
        script,
    )
}

/// What spends it, into nothing.
pub(super) fn to_sign(to_spend: &Transaction) -> Transaction {
    let nowhere = Builder::new().push_opcode(OP_RETURN).into_script();
    one(OutPoint { txid: to_spend.compute_txid(), vout: 0 }, ScriptBuf::new(), nowhere)
}

fn one(previous_output: OutPoint, script_sig: ScriptBuf, script_pubkey: ScriptBuf) -> Transaction {
    Transaction {
        version: Version(0),
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn { previous_output, script_sig, sequence: Sequence::ZERO, witness: Witness::new() }],
        output: vec![TxOut { value: Amount::ZERO, script_pubkey }],
    }
}

/// BIP-340's tagged hash.
fn tagged(tag: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = sha256::Hash::hash(tag).to_byte_array();
    let mut engine = sha256::Hash::engine();
    [&tag, &tag, message].into_iter().for_each(|part| engine.input(part));
    sha256::Hash::from_engine(engine).to_byte_array()
}

pub(super) fn inspect(payload: &Payload, key: &Key) -> Result<Inspection, Unreadable> {
    let wrong = || Unreadable::WrongScheme { scheme: key.scheme(), kind: payload.kind().name() };
    let algorithm = Algorithm::of(key.scheme());
    let form = Form::of(algorithm).first().ok_or_else(wrong)?;
    let point = key.point().ok_or_else(wrong)?;
    let script = form.script(&point);
    let coin = to_spend(payload.bytes(), script.clone());
    let transaction = to_sign(&coin);
    let mut cache = SighashCache::new(&transaction);
    let preimage = match form {
        Form::P2wpkh | Form::P2shP2wpkh => digest::witness_v0(&mut cache, 0, &script, Amount::ZERO),
        Form::P2tr => digest::taproot(&mut cache, 0, &coin.output, TapSighashType::Default),
    };
    let (prehash, bytes) = preimage.ok_or(Fault::Digest(0))?;
    let (verifies_under, tweak) = under(algorithm, &point);
    let signing = Signing { path: key.path().clone(), algorithm, tweak, verifies_under, prehash, bytes };
    let signer = account::text(&script, key.network()).unwrap_or_default();
    let facts = Facts::quiet(Detail::BtcMessage(MessageFacts::of(payload.bytes(), signer)));
    Ok(Inspection { kind: payload.kind(), signings: vec![signing], facts })
}

/// The witness that spends the coin.
pub(super) fn signed(inspection: &Inspection, signatures: &[Signature]) -> Vec<u8> {
    let mut witness = Witness::new();
    for (signing, signature) in inspection.signings.iter().zip(signatures) {
        match signing.algorithm {
            Algorithm::Ecdsa | Algorithm::Ed25519 => {
                witness.push(der(signature).unwrap_or_default());
                witness.push(&signing.verifies_under);
            }
            Algorithm::TaprootKeyPath => witness.push(signature.0),
        }
    }
    serialize(&witness)
}

#[cfg(test)]
mod tests {
    use super::{tagged, to_sign, to_spend};

    /// BIP-322, basic-test-vectors.json, `tx_hashes`: message, its hash, and the identifiers of both transactions.
    const TXIDS: [(&str, &str, &str, &str); 3] = [
        (
            "",
            "c90c269c4f8fcbe6880f72a721ddfbf1914268a794cbb21cfafee13770ae19f1",
            "c5680aa69bb8d860bf82d4e9cd3504b55dde018de765a91bb566283c545a99a7",
            "1e9654e951a5ba44c8604c4de6c67fd78a27e81dcadcfe1edf638ba3aaebaed6",
        ),
        (
            "Hello World",
            "f0eb03b1a75ac6d9847f55c624a99169b5dccba2a31f5b23bea77ba270de0a7a",
            "b79d196740ad5217771c1098fc4a4b51e0535c32236c71f1ea4d61a2d603352b",
            "88737ae86f2077145f93cc4b153ae9a1cb8d56afa511988c149c5c8c9d93bddf",
        ),
        (
            "UTF-8 support: öäüéàè 测试文本 \u{1f604}",
            "43936b237ea38c7794eb5d755e0d220b6db92ebfc5c8f482759d22b1286376d7",
            "c8f4f525fe8afb1bc09b44175bd2096f079c98425e8a1be676b712add1fb62f0",
            "8f488e06b89eafd019ec528109eafaf7f1d1811fd617aa1eeb9658f1c1be6586",
        ),
    ];

    #[test]
    fn the_transactions_of_bip_322() {
        let address: bitcoin::Address<_> = "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l".parse().unwrap();
        let script = address.assume_checked().script_pubkey();
        for (message, hash, coin, spending) in TXIDS {
            assert_eq!(hex::encode(tagged(b"BIP0322-signed-message", message.as_bytes())), hash);
            let to_spend = to_spend(message.as_bytes(), script.clone());
            assert_eq!(to_spend.compute_txid().to_string(), coin);
            assert_eq!(to_sign(&to_spend).compute_txid().to_string(), spending);
        }
    }
}
