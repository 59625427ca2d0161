//! A block of regtest with spends that a cluster of Keymoot has signed, validated by Bitcoin Core's own kernel: not one script, as
//! its interpreter does it elsewhere in the tests, but a chain from its first block on, with coins that ripen, a witness commitment
//! and all rules of consensus. `cargo xtask kernel` builds it, which takes ten minutes, and runs it.

mod chain;
mod cluster;
mod validator;

use anyhow::{Context, Result, ensure};
use bitcoin::bip32::{ChildNumber, DerivationPath, Xpub};
use bitcoin::hashes::Hash;
use bitcoin::key::{Secp256k1, XOnlyPublicKey};
use bitcoin::{
    Amount, CompressedPublicKey, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxIn, TxOut, WPubkeyHash,
    Witness, absolute, transaction,
};
use miniscript::psbt::PsbtExt;

use chain::Chain;
use cluster::Cluster;
use validator::{Validator, Verdict};

/// Blocks until what a block pays to its finder can be spent.
const RIPE: usize = 100;
/// What goes to somebody else, and what it costs.
const SENT: Amount = Amount::from_sat(1_000_000_000);
const FEE: Amount = Amount::from_sat(10_000);

/// One of the two keys, at its path m/0/3.
struct Owner {
    name: &'static str,
    xpub: Xpub,
    is_taproot: bool,
}

fn main() -> Result<()> {
    let program = std::env::args_os().nth(1).context("the argument is the program `keymoot`")?;
    let folder = tempfile::tempdir()?;
    let cluster = Cluster::start(program.into(), folder.path())?;
    cluster.json(&["key", "create", "cold", "--scheme", "frost-taproot"])?;
    let owners = [Owner::find(&cluster, "hot", false)?, Owner::find(&cluster, "cold", true)?];
    let validator = Validator::start(folder.path())?;
    let mut chain = Chain::new();
    let mut coins = Vec::new();
    for owner in &owners {
        let block = chain.mine(owner.script()?, Vec::new());
        coins.push(block.txdata.first().context("a block has a coinbase")?.clone());
        ensure!(validator.judge(&block)? == Verdict::Valid, "a block that pays to {}", owner.name);
    }
    for _ in 0..RIPE {
        let block = chain.mine(ScriptBuf::new_op_return([0]), Vec::new());
        ensure!(validator.judge(&block)? == Verdict::Valid, "an empty block");
    }
    let spends = owners.iter().zip(&coins).map(|(owner, coin)| owner.spend(&cluster, coin));
    let spends = spends.collect::<Result<Vec<_>>>()?;
    let height = validator.height();
    for (place, owner) in owners.iter().enumerate() {
        let mut forged = spends.clone();
        let input = forged
            .get_mut(place)
            .and_then(|spend| spend.input.first_mut())
            .context("a spend has an input")?;
        input.witness = flipped(&input.witness)?;
        let block = chain.clone().mine(ScriptBuf::new_op_return([1]), forged);
        ensure!(
            validator.judge(&block)? == Verdict::Invalid,
            "a forged signature of {} is taken",
            owner.name
        );
        ensure!(validator.height() == height, "a block with a forged signature is on the chain");
    }
    let block = chain.mine(ScriptBuf::new_op_return([2]), spends);
    ensure!(validator.judge(&block)? == Verdict::Valid, "the kernel refuses what Keymoot has signed");
    ensure!(
        validator.height() == height + 1 && validator.tip() == block.block_hash(),
        "the block is not the tip"
    );
    println!("libbitcoinkernel: block {} with a P2WPKH and a P2TR spend of Keymoot is valid", height + 1);
    println!("libbitcoinkernel: the same with one bit of a signature changed is invalid, each");
    Ok(())
}

impl Owner {
    fn find(cluster: &Cluster, name: &'static str, is_taproot: bool) -> Result<Self> {
        let found = cluster.json(&["key", "xpub", name])?;
        let xpub = found["xpub"].as_str().context("a key has an extended public key")?;
        ensure!(xpub.starts_with("tpub"), "the cluster is for regtest, and says {xpub}");
        Ok(Self { name, xpub: xpub.parse()?, is_taproot })
    }

    fn path() -> DerivationPath {
        [0, 3].map(|index| ChildNumber::Normal { index }).as_slice().into()
    }

    fn point(&self) -> Result<bitcoin::secp256k1::PublicKey> {
        Ok(self.xpub.derive_pub(&Secp256k1::verification_only(), &Self::path())?.public_key)
    }

    fn script(&self) -> Result<ScriptBuf> {
        let point = self.point()?;
        Ok(if self.is_taproot {
            ScriptBuf::new_p2tr(&Secp256k1::verification_only(), XOnlyPublicKey::from(point), None)
        } else {
            ScriptBuf::new_p2wpkh(&CompressedPublicKey(point).wpubkey_hash())
        })
    }

    /// Spends what a coinbase has paid us: some to somebody else, the rest back. Signed as Bitcoin Core has it signed.
    fn spend(&self, cluster: &Cluster, coin: &Transaction) -> Result<Transaction> {
        let paid = coin.output.first().context("a coinbase pays its finder")?.clone();
        let back = paid.value - SENT - FEE;
        let unsigned = Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::ZERO,
            input: vec![TxIn {
                previous_output: OutPoint { txid: coin.compute_txid(), vout: 0 },
                script_sig: ScriptBuf::new(),
                sequence: Sequence::MAX,
                witness: Witness::new(),
            }],
            output: vec![
                TxOut {
                    value: SENT,
                    script_pubkey: ScriptBuf::new_p2wpkh(&WPubkeyHash::hash(b"somebody else")),
                },
                TxOut { value: back, script_pubkey: self.script()? },
            ],
        };
        let mut psbt = Psbt::from_unsigned_tx(unsigned)?;
        let (point, source) = (self.point()?, (self.xpub.fingerprint(), Self::path()));
        let input = psbt.inputs.first_mut().context("the PSBT has an input")?;
        input.non_witness_utxo = Some(coin.clone());
        input.witness_utxo = Some(paid);
        if self.is_taproot {
            input.tap_internal_key = Some(point.into());
            input.tap_key_origins.insert(point.into(), (Vec::new(), source));
        } else {
            input.bip32_derivation.insert(point, source);
        }
        let mut signed = cluster.signed(self.name, &psbt)?;
        let finished = signed.finalize_mut(&Secp256k1::verification_only());
        finished.map_err(|errors| {
            anyhow::anyhow!("the signature of {} does not finish: {errors:?}", self.name)
        })?;
        Ok(signed.extract_tx()?)
    }
}

/// The same witness, with one bit of the signature's middle changed.
fn flipped(witness: &Witness) -> Result<Witness> {
    let mut items: Vec<Vec<u8>> = witness.iter().map(<[u8]>::to_vec).collect();
    let signature = items.first_mut().context("a witness begins with a signature")?;
    *signature.get_mut(20).context("a signature is longer")? ^= 1;
    Ok(Witness::from_slice(&items))
}
