//! A wallet that knows an extended public key and nothing else: it makes PSBTs for the key to sign, finishes what comes back,
//! and asks Bitcoin Core's interpreter. Also for the tests beside the code.

use bitcoin::bip32::{ChildNumber, DerivationPath, KeySource, Xpub};
use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::Hash;
use bitcoin::key::XOnlyPublicKey;
use bitcoin::secp256k1::{PublicKey, Secp256k1};
use bitcoin::{
    Amount, CompressedPublicKey, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid,
    Witness, absolute, transaction,
};
use miniscript::psbt::PsbtExt;
use psbt_v2::v2;

/// Whose, and in which form; ours with the number of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Native(u32),
    Nested(u32),
    Taproot(u32),
    Somebody(u8),
}

/// What is to be spent, and for whom.
pub struct Purse {
    pub xpub: Xpub,
    pub inputs: Vec<(Owner, u64)>,
    pub outputs: Vec<(Owner, u64)>,
}

/// A transaction that waits for signatures.
pub struct Made {
    pub psbt: Psbt,
    pub coins: Vec<TxOut>,
}

impl Purse {
    pub fn make(&self) -> Made {
        let coin = |(owner, amount): &(Owner, u64), branch| TxOut {
            value: Amount::from_sat(*amount),
            script_pubkey: self.script(*owner, branch),
        };
        let coins: Vec<TxOut> = self.inputs.iter().map(|one| coin(one, 0)).collect();
        let before: Vec<Transaction> =
            (0u32..).zip(&coins).map(|(i, coin)| earlier(i, coin.clone())).collect();
        let spend = |earlier: &Transaction| TxIn {
            previous_output: OutPoint { txid: earlier.compute_txid(), vout: 1 },
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::new(),
        };
        let unsigned = Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::from_consensus(800_000),
            input: before.iter().map(spend).collect(),
            output: self.outputs.iter().map(|one| coin(one, 1)).collect(),
        };
        let mut psbt = Psbt::from_unsigned_tx(unsigned).expect("it has no signatures");
        for (place, earlier) in psbt.inputs.iter_mut().zip(before) {
            place.witness_utxo = earlier.output.get(1).cloned();
            place.non_witness_utxo = Some(earlier);
        }
        for (place, (owner, _)) in psbt.inputs.iter_mut().zip(&self.inputs) {
            let Some((point, source)) = self.origin(*owner, 0) else { continue };
            match owner {
                Owner::Taproot(_) => {
                    place.tap_internal_key = Some(point.into());
                    place.tap_key_origins.insert(point.into(), (Vec::new(), source));
                }
                _ => {
                    place.bip32_derivation.insert(point, source);
                }
            }
            if let Owner::Nested(_) = owner {
                place.redeem_script = Some(ScriptBuf::new_p2wpkh(&CompressedPublicKey(point).wpubkey_hash()));
            }
        }
        for (place, (owner, _)) in psbt.outputs.iter_mut().zip(&self.outputs) {
            let Some((point, source)) = self.origin(*owner, 1) else { continue };
            match owner {
                Owner::Taproot(_) => {
                    place.tap_internal_key = Some(point.into());
                    place.tap_key_origins.insert(point.into(), (Vec::new(), source));
                }
                _ => {
                    place.bip32_derivation.insert(point, source);
                }
            }
        }
        Made { psbt, coins }
    }

    fn origin(&self, owner: Owner, branch: u32) -> Option<(PublicKey, KeySource)> {
        let (Owner::Native(index) | Owner::Nested(index) | Owner::Taproot(index)) = owner else {
            return None;
        };
        let path: DerivationPath =
            vec![ChildNumber::Normal { index: branch }, ChildNumber::Normal { index }].into();
        let child = self.xpub.derive_pub(&Secp256k1::verification_only(), &path).expect("a child");
        Some((child.public_key, (self.xpub.fingerprint(), path)))
    }

    fn script(&self, owner: Owner, branch: u32) -> ScriptBuf {
        let point = self.origin(owner, branch).map(|(point, _)| point);
        let hash = point.map(|point| CompressedPublicKey(point).wpubkey_hash());
        match (owner, point, hash) {
            (Owner::Native(_), _, Some(hash)) => ScriptBuf::new_p2wpkh(&hash),
            (Owner::Nested(_), _, Some(hash)) => {
                ScriptBuf::new_p2sh(&ScriptBuf::new_p2wpkh(&hash).script_hash())
            }
            (Owner::Taproot(_), Some(point), _) => {
                let secp = Secp256k1::verification_only();
                ScriptBuf::new_p2tr(&secp, XOnlyPublicKey::from(point), None)
            }
            (Owner::Somebody(seed), ..) => ScriptBuf::new_p2wpkh(&bitcoin::WPubkeyHash::hash(&[seed])),
            _ => unreachable!("ours have a key"),
        }
    }
}

/// A transaction that made a coin, as its second output.
fn earlier(number: u32, coin: TxOut) -> Transaction {
    let change = TxOut { value: Amount::from_sat(1_234), script_pubkey: ScriptBuf::new_op_return([1]) };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint { txid: Txid::from_byte_array([9; 32]), vout: number },
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![change, coin],
    }
}

impl Made {
    /// As BIP-174 writes it.
    pub fn version_0(&self) -> Vec<u8> {
        self.psbt.serialize()
    }

    /// As BIP-370 does.
    pub fn version_2(&self) -> Vec<u8> {
        let unsigned = &self.psbt.unsigned_tx;
        let mut made = v2::Creator::new().fallback_lock_time(unsigned.lock_time).constructor_modifiable();
        for (spent, input) in unsigned.input.iter().zip(&self.psbt.inputs) {
            let mut one = v2::Input::new(&spent.previous_output);
            one.sequence = Some(spent.sequence);
            one.non_witness_utxo.clone_from(&input.non_witness_utxo);
            one.witness_utxo.clone_from(&input.witness_utxo);
            one.redeem_script.clone_from(&input.redeem_script);
            let each = input.bip32_derivation.iter();
            one.bip32_derivations =
                each.map(|(key, source)| (bitcoin::PublicKey::new(*key), source.clone())).collect();
            one.tap_internal_key = input.tap_internal_key;
            one.tap_key_origins.clone_from(&input.tap_key_origins);
            made = made.input(one);
        }
        for (out, output) in unsigned.output.iter().zip(&self.psbt.outputs) {
            let mut one = v2::Output::new(out.clone());
            let each = output.bip32_derivation.iter();
            one.bip32_derivations =
                each.map(|(key, source)| (bitcoin::PublicKey::new(*key), source.clone())).collect();
            one.tap_internal_key = output.tap_internal_key;
            one.tap_key_origins.clone_from(&output.tap_key_origins);
            made = made.output(one);
        }
        made.psbt().expect("a PSBT").serialize()
    }

    /// Finishes what was signed, of either version, and has every input checked by the interpreter of Bitcoin Core.
    pub fn must_spend(&self, signed: &[u8]) -> Transaction {
        let mut psbt = Psbt::deserialize(signed).unwrap_or_else(|_| self.of_version_2(signed));
        assert_eq!(psbt.unsigned_tx, self.psbt.unsigned_tx, "it is the same transaction");
        psbt.finalize_mut(&Secp256k1::verification_only()).expect("every input has its signature");
        let whole = psbt.extract_tx_unchecked_fee_rate();
        self.verify(&whole);
        whole
    }

    fn of_version_2(&self, signed: &[u8]) -> Psbt {
        let signed = v2::Psbt::deserialize(signed).expect("a PSBT of either version");
        let mut psbt = self.psbt.clone();
        for (place, input) in psbt.inputs.iter_mut().zip(&signed.inputs) {
            place.partial_sigs.clone_from(&input.partial_sigs);
            place.tap_key_sig = input.tap_key_sig;
        }
        psbt
    }

    fn verify(&self, whole: &Transaction) {
        let utxo = |coin: &TxOut| bitcoinconsensus::Utxo {
            script_pubkey: coin.script_pubkey.as_bytes().as_ptr(),
            script_pubkey_len: u32::try_from(coin.script_pubkey.len()).expect("a short script"),
            value: i64::try_from(coin.value.to_sat()).expect("an amount"),
        };
        let utxos: Vec<_> = self.coins.iter().map(utxo).collect();
        let flags = bitcoinconsensus::VERIFY_ALL_PRE_TAPROOT | bitcoinconsensus::VERIFY_TAPROOT;
        let mut other = whole.clone();
        other.output[0].value += Amount::ONE_SAT;
        for (place, coin) in self.coins.iter().enumerate() {
            let spends = |transaction: &Transaction| {
                let (script, amount) = (coin.script_pubkey.as_bytes(), coin.value.to_sat());
                let bytes = serialize(transaction);
                bitcoinconsensus::verify_with_flags(script, amount, &bytes, Some(&utxos), place, flags)
            };
            assert_eq!(spends(whole), Ok(()), "input {place}");
            assert!(spends(&other).is_err(), "the signature is for these outputs only");
        }
    }
}
