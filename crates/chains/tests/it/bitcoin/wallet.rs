//! A wallet that makes PSBTs for our keys to sign. It writes them with psbt-v2's types, version 0 and 2.

use bitcoin::bip32::{ChildNumber, DerivationPath, Fingerprint, KeySource};
use bitcoin::hashes::{Hash, hash160};
use bitcoin::key::{PublicKey, TapTweak, XOnlyPublicKey};
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{
    Amount, CompressedPublicKey, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, absolute,
    transaction,
};
use keymoot_types::Scheme;
use psbt_v2::v2;

use crate::local::{Local, compressed};

/// Whose, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Native(u32),
    Nested(u32),
    Taproot(u32),
    Somebody(u8),
}

#[derive(Clone, Debug)]
pub struct Wallet {
    pub inputs: Vec<(Owner, u64)>,
    pub outputs: Vec<(Owner, u64)>,
    pub version: u32,
    pub is_whole: bool,
}

/// A PSBT under construction, in both of its library's shapes.
pub struct Made {
    pub version: u32,
    pub unsigned: Transaction,
    pub coins: Vec<TxOut>,
    pub inputs: Vec<v2::Input>,
    pub outputs: Vec<v2::Output>,
}

pub fn path(chain: u32, index: u32) -> DerivationPath {
    vec![ChildNumber::Normal { index: chain }, ChildNumber::Normal { index }].into()
}

pub fn source(local: &Local, path: &DerivationPath) -> KeySource {
    let identifier = hash160::Hash::hash(&local.public());
    (Fingerprint::from(<[u8; 4]>::try_from(&identifier[..4]).unwrap()), path.clone())
}

pub fn point(local: &Local, path: &DerivationPath) -> CompressedPublicKey {
    let path: keymoot_types::Path = format!("m/{path}").parse().unwrap();
    CompressedPublicKey::from_slice(&compressed(&local.child(&path))).unwrap()
}

impl Owner {
    pub fn script(self, local: &Local, chain: u32) -> ScriptBuf {
        let key = |index| point(local, &path(chain, index));
        match self {
            Self::Native(index) => ScriptBuf::new_p2wpkh(&key(index).wpubkey_hash()),
            Self::Nested(index) => {
                ScriptBuf::new_p2sh(&ScriptBuf::new_p2wpkh(&key(index).wpubkey_hash()).script_hash())
            }
            Self::Taproot(index) => {
                let secp = Secp256k1::verification_only();
                let (output, _) = XOnlyPublicKey::from(key(index).0).tap_tweak(&secp, None);
                ScriptBuf::new_p2tr_tweaked(output)
            }
            Self::Somebody(seed) => ScriptBuf::new_p2wpkh(&bitcoin::WPubkeyHash::hash(&[seed])),
        }
    }

    pub fn is_ours(self) -> bool {
        !matches!(self, Self::Somebody(_))
    }
}

impl Wallet {
    /// One input and one output of somebody else, with change.
    pub fn simple(scheme: Scheme) -> Self {
        let owner = if scheme == Scheme::Dkls23 { Owner::Native } else { Owner::Taproot };
        Self {
            inputs: vec![(owner(5), 100_000)],
            outputs: vec![(Owner::Somebody(1), 60_000), (owner(6), 39_000)],
            version: 0,
            is_whole: true,
        }
    }

    pub fn make(&self, local: &Local) -> Made {
        let before: Vec<_> = self
            .inputs
            .iter()
            .enumerate()
            .map(|(i, (owner, amount))| previous(i, owner.script(local, 0), *amount))
            .collect();
        let spend = |earlier: &Transaction| TxIn {
            previous_output: OutPoint { txid: earlier.compute_txid(), vout: 1 },
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::new(),
        };
        let coin = |(owner, amount): &(Owner, u64), chain| TxOut {
            value: Amount::from_sat(*amount),
            script_pubkey: owner.script(local, chain),
        };
        let unsigned = Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::from_consensus(800_000),
            input: before.iter().map(spend).collect(),
            output: self.outputs.iter().map(|one| coin(one, 1)).collect(),
        };
        let mut inputs = Vec::new();
        for (((owner, _), earlier), spent) in self.inputs.iter().zip(&before).zip(&unsigned.input) {
            let mut input = v2::Input::new(&spent.previous_output);
            input.sequence = Some(spent.sequence);
            input.non_witness_utxo = self.is_whole.then(|| earlier.clone());
            input.witness_utxo = Some(earlier.output[1].clone());
            describe_input(&mut input, *owner, local);
            inputs.push(input);
        }
        let mut outputs = Vec::new();
        for ((owner, _), made) in self.outputs.iter().zip(&unsigned.output) {
            let mut output = v2::Output::new(made.clone());
            describe_output(&mut output, *owner, local);
            outputs.push(output);
        }
        let coins = before.into_iter().map(|mut earlier| earlier.output.remove(1)).collect();
        Made { version: self.version, unsigned, coins, inputs, outputs }
    }

    pub fn bytes(&self, local: &Local) -> Vec<u8> {
        self.make(local).bytes()
    }
}

/// What made a coin: an output of no use, and the coin.
fn previous(seed: usize, script: ScriptBuf, amount: u64) -> Transaction {
    let nothing = TxOut { value: Amount::from_sat(1), script_pubkey: ScriptBuf::new() };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::from_consensus(seed as u32),
        input: vec![TxIn::default()],
        output: vec![nothing, TxOut { value: Amount::from_sat(amount), script_pubkey: script }],
    }
}

fn describe_input(input: &mut v2::Input, owner: Owner, local: &Local) {
    match owner {
        Owner::Native(index) | Owner::Nested(index) => {
            let key = point(local, &path(0, index));
            if let Owner::Nested(_) = owner {
                input.redeem_script = Some(ScriptBuf::new_p2wpkh(&key.wpubkey_hash()));
            }
            input.bip32_derivations.insert(PublicKey::new(key.0), source(local, &path(0, index)));
        }
        Owner::Taproot(index) => {
            let key = XOnlyPublicKey::from(point(local, &path(0, index)).0);
            input.tap_internal_key = Some(key);
            input.tap_key_origins.insert(key, (vec![], source(local, &path(0, index))));
        }
        Owner::Somebody(_) => {}
    }
}

fn describe_output(output: &mut v2::Output, owner: Owner, local: &Local) {
    match owner {
        Owner::Native(index) | Owner::Nested(index) => {
            let key = point(local, &path(1, index));
            output.bip32_derivations.insert(PublicKey::new(key.0), source(local, &path(1, index)));
        }
        Owner::Taproot(index) => {
            let key = XOnlyPublicKey::from(point(local, &path(1, index)).0);
            output.tap_internal_key = Some(key);
            output.tap_key_origins.insert(key, (vec![], source(local, &path(1, index))));
        }
        Owner::Somebody(_) => {}
    }
}

impl Made {
    pub fn bytes(&self) -> Vec<u8> {
        if self.version == 2 { self.version_2() } else { self.version_0() }
    }

    fn version_2(&self) -> Vec<u8> {
        let creator = v2::Creator::new().fallback_lock_time(self.unsigned.lock_time);
        let mut made = creator.constructor_modifiable();
        for input in &self.inputs {
            made = made.input(input.clone());
        }
        for output in &self.outputs {
            made = made.output(output.clone());
        }
        made.psbt().unwrap().serialize()
    }

    fn version_0(&self) -> Vec<u8> {
        let mut psbt = psbt_v2::v0::Psbt::from_unsigned_tx(self.unsigned.clone()).unwrap();
        for (place, input) in psbt.inputs.iter_mut().zip(&self.inputs) {
            place.non_witness_utxo.clone_from(&input.non_witness_utxo);
            place.witness_utxo.clone_from(&input.witness_utxo);
            place.sighash_type = input.sighash_type;
            place.redeem_script.clone_from(&input.redeem_script);
            place.witness_script.clone_from(&input.witness_script);
            place.final_script_witness.clone_from(&input.final_script_witness);
            let each = input.bip32_derivations.iter();
            place.bip32_derivation = each.map(|(key, source)| (*key, source.clone())).collect();
            place.tap_internal_key = input.tap_internal_key;
            place.tap_key_origins.clone_from(&input.tap_key_origins);
            place.tap_merkle_root = input.tap_merkle_root;
        }
        for (place, output) in psbt.outputs.iter_mut().zip(&self.outputs) {
            let each = output.bip32_derivations.iter();
            place.bip32_derivation = each.map(|(key, source)| (*key, source.clone())).collect();
            place.tap_internal_key = output.tap_internal_key;
            place.tap_key_origins.clone_from(&output.tap_key_origins);
        }
        psbt.serialize()
    }
}
