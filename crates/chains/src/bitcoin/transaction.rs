//! Partially signed transactions: what they say, what is to be signed, and the same with signatures.

use std::collections::BTreeSet;

use bitcoin::secp256k1::ecdsa;
use bitcoin::sighash::{EcdsaSighashType, SighashCache, TapSighashType};
use bitcoin::{Amount as Sats, Psbt, TxOut, psbt};
use serde::Serialize;

use super::account::{self, Form};
use super::own::{Own, Owner};
use super::versions::{self, Read};
use super::{Fault, digest};
use crate::Signature;
use crate::chain::Detail;
use crate::facts::{Amount, Asset, Danger, Facts, Outflow};
use crate::inspection::{Algorithm, Inspection, Signing, Unreadable, hex};
use crate::key::Key;
use crate::payload::Payload;
use crate::plain::under;

/// What a transaction says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransactionFacts {
    /// The version of the PSBT, 0 or 2.
    pub psbt_version: u32,
    /// The identifier that it will have, if all inputs are SegWit without P2SH.
    pub txid: String,
    /// The first block or moment in which it is good, as the chain writes it; 0: at once.
    pub lock_time: u32,
    /// Whether it says that it may be replaced by one with a higher fee, BIP-125.
    pub replaceable: bool,
    /// What it spends.
    pub inputs: Vec<InputFacts>,
    /// What it makes.
    pub outputs: Vec<OutputFacts>,
    /// Satoshi of ours that go in.
    pub ours_in: Amount,
    /// Satoshi that come back to us, proven by derivation.
    pub ours_out: Amount,
}

/// A coin that is spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputFacts {
    /// The transaction that made it, and its number there: `txid:0`.
    pub coin: String,
    /// Satoshi.
    pub amount: Amount,
    /// Where it is; `None`: its script has no address.
    pub address: Option<String>,
    /// The path of our key; `None`: somebody else's.
    pub path: Option<String>,
}

/// A coin that is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputFacts {
    /// Satoshi.
    pub amount: Amount,
    /// Where it goes; `None`: its script has no address.
    pub address: Option<String>,
    /// The script, in hexadecimal digits.
    pub script: String,
    /// The path of our key, if it is proven; `None`: it goes to somebody else.
    pub path: Option<String>,
}

/// A PSBT with all that has been checked.
struct Checked {
    read: Read,
    /// What each input spends.
    coins: Vec<TxOut>,
    /// Ours among the inputs, and among the outputs.
    inputs: Vec<Option<Own>>,
    outputs: Vec<Option<Own>>,
}

fn check(payload: &Payload, key: &Key) -> Result<Checked, Unreadable> {
    let owner = Owner::of(key)
        .ok_or(Unreadable::WrongScheme { scheme: key.scheme(), kind: payload.kind().name() })?;
    let read = versions::read(payload.bytes())?;
    let psbt = &read.psbt;
    if psbt.xpub.keys().any(|xpub| xpub.network != key.network_kind()) {
        return Err(Fault::Network(key.network()).into());
    }
    let coins = coins(psbt, Algorithm::of(key.scheme()))?;
    let mut inputs = Vec::new();
    for (place, (input, coin)) in psbt.inputs.iter().zip(&coins).enumerate() {
        let own = owner.input(place, input, &coin.script_pubkey)?;
        if own.is_some() && (input.final_script_sig.is_some() || input.final_script_witness.is_some()) {
            return Err(Fault::Final(place).into());
        }
        inputs.push(own);
    }
    if inputs.iter().all(Option::is_none) {
        return Err(Fault::NothingToSign.into());
    }
    let each = psbt.outputs.iter().zip(&psbt.unsigned_tx.output);
    let outputs =
        each.map(|(output, out)| owner.output(output, &out.script_pubkey)).collect::<Result<_, _>>()?;
    Ok(Checked { read, coins, inputs, outputs })
}

/// The coins of all inputs, as far as it can be known that they are so.
fn coins(psbt: &Psbt, algorithm: Algorithm) -> Result<Vec<TxOut>, Fault> {
    let mut seen = BTreeSet::new();
    let mut coins = Vec::new();
    for (place, (spent, input)) in psbt.unsigned_tx.input.iter().zip(&psbt.inputs).enumerate() {
        let outpoint = spent.previous_output;
        if !seen.insert(outpoint) {
            return Err(Fault::Repeated(place));
        }
        let coin = match (&input.non_witness_utxo, &input.witness_utxo) {
            (Some(whole), witness) => {
                if whole.compute_txid() != outpoint.txid {
                    return Err(Fault::WrongCoin(place));
                }
                let number = usize::try_from(outpoint.vout).map_err(|_| Fault::WrongCoin(place))?;
                let coin = whole.output.get(number).ok_or(Fault::WrongCoin(place))?;
                if witness.as_ref().is_some_and(|witness| witness != coin) {
                    return Err(Fault::WrongCoin(place));
                }
                coin
            }
            (None, Some(_)) if algorithm != Algorithm::TaprootKeyPath => {
                return Err(Fault::NoWholeTransaction(place));
            }
            (None, Some(coin)) => coin,
            (None, None) => return Err(Fault::NoCoin(place)),
        };
        coins.push(coin.clone());
    }
    Ok(coins)
}

/// The sum, if it is no more than all coins there will ever be.
fn sum<'a>(coins: impl Iterator<Item = &'a TxOut>) -> Result<u64, Fault> {
    let mut total = Sats::ZERO;
    for coin in coins {
        total = total.checked_add(coin.value).filter(|sum| *sum <= Sats::MAX_MONEY).ok_or(Fault::Amounts)?;
    }
    Ok(total.to_sat())
}

/// The coins at the places of ours.
fn ours<'a>(coins: &'a [TxOut], own: &'a [Option<Own>]) -> impl Iterator<Item = &'a TxOut> {
    coins.iter().zip(own).filter_map(|(coin, own)| own.is_some().then_some(coin))
}

pub(super) fn inspect(payload: &Payload, key: &Key) -> Result<Inspection, Unreadable> {
    let checked = check(payload, key)?;
    let signings = signings(&checked)?;
    let transaction = &checked.read.psbt.unsigned_tx;
    let (before, after) = (sum(checked.coins.iter())?, sum(transaction.output.iter())?);
    let fee = before.checked_sub(after).ok_or(Fault::Amounts)?;
    let mut facts = Facts::quiet(Detail::BtcPsbt(detail(&checked, key)?));
    facts.fee_max = Some(fee.into());
    for (out, _) in transaction.output.iter().zip(&checked.outputs).filter(|(_, own)| own.is_none()) {
        let address = account::text(&out.script_pubkey, key.network());
        if address.is_none() {
            facts.dangers.insert(Danger::Opaque);
        }
        let to = address.unwrap_or_else(|| hex(out.script_pubkey.as_bytes()));
        facts.outflows.push(Outflow {
            from: None,
            to,
            asset: Asset::Native,
            amount: out.value.to_sat().into(),
        });
    }
    if checked.inputs.iter().any(Option::is_none) {
        facts.dangers.insert(Danger::ForeignInputs);
    }
    Ok(Inspection { kind: payload.kind(), signings, facts })
}

fn detail(checked: &Checked, key: &Key) -> Result<TransactionFacts, Fault> {
    let transaction = &checked.read.psbt.unsigned_tx;
    let path = |own: &Option<Own>| own.as_ref().map(|own| own.path.to_string());
    let inputs = transaction.input.iter().zip(&checked.coins).zip(&checked.inputs);
    let inputs = inputs.map(|((spent, coin), own)| InputFacts {
        coin: spent.previous_output.to_string(),
        amount: coin.value.to_sat().into(),
        address: account::text(&coin.script_pubkey, key.network()),
        path: path(own),
    });
    let outputs = transaction.output.iter().zip(&checked.outputs).map(|(out, own)| OutputFacts {
        amount: out.value.to_sat().into(),
        address: account::text(&out.script_pubkey, key.network()),
        script: hex(out.script_pubkey.as_bytes()),
        path: path(own),
    });
    Ok(TransactionFacts {
        psbt_version: checked.read.version,
        txid: transaction.compute_txid().to_string(),
        lock_time: transaction.lock_time.to_consensus_u32(),
        replaceable: transaction.is_explicitly_rbf(),
        inputs: inputs.collect(),
        outputs: outputs.collect(),
        ours_in: sum(ours(&checked.coins, &checked.inputs))?.into(),
        ours_out: sum(ours(&transaction.output, &checked.outputs))?.into(),
    })
}

fn signings(checked: &Checked) -> Result<Vec<Signing>, Fault> {
    let psbt = &checked.read.psbt;
    let mut cache = SighashCache::new(&psbt.unsigned_tx);
    let mut signings = Vec::new();
    for (place, own) in checked.inputs.iter().enumerate() {
        let Some(own) = own else { continue };
        let (input, coin) = match (psbt.inputs.get(place), checked.coins.get(place)) {
            (Some(input), Some(coin)) => (input, coin),
            _ => return Err(Fault::Digest(place)),
        };
        let (algorithm, preimage) = match own.form {
            Form::P2wpkh | Form::P2shP2wpkh => {
                ecdsa_type(place, input)?;
                let program = Form::P2wpkh.script(&own.point);
                (Algorithm::Ecdsa, digest::witness_v0(&mut cache, place, &program, coin.value))
            }
            Form::P2tr => {
                let sighash_type = taproot_type(place, input)?;
                let preimage = digest::taproot(&mut cache, place, &checked.coins, sighash_type);
                (Algorithm::TaprootKeyPath, preimage)
            }
        };
        let (prehash, bytes) = preimage.ok_or(Fault::Digest(place))?;
        let (verifies_under, tweak) = under(algorithm, &own.point);
        signings.push(Signing { path: own.path.clone(), algorithm, tweak, verifies_under, prehash, bytes });
    }
    Ok(signings)
}

fn ecdsa_type(place: usize, input: &psbt::Input) -> Result<(), Fault> {
    match input.sighash_type.map(psbt::PsbtSighashType::to_u32) {
        None | Some(1) => Ok(()),
        Some(other) => Err(Fault::SighashType(place, other)),
    }
}

fn taproot_type(place: usize, input: &psbt::Input) -> Result<TapSighashType, Fault> {
    match input.sighash_type.map(psbt::PsbtSighashType::to_u32) {
        None | Some(0) => Ok(TapSighashType::Default),
        Some(1) => Ok(TapSighashType::All),
        Some(other) => Err(Fault::SighashType(place, other)),
    }
}

/// BIP-174: the type of a partial signature, whose key is the public key.
const PARTIAL_SIG: u8 = 0x02;
/// BIP-371: the type of the signature of a key path.
const TAP_KEY_SIG: u8 = 0x13;

/// The same PSBT with these signatures, in the order of the inputs that are ours.
pub(super) fn signed(
    payload: &Payload,
    key: &Key,
    inspection: &Inspection,
    signatures: &[Signature],
) -> Result<Vec<u8>, Unreadable> {
    let mut checked = check(payload, key)?;
    let ours = checked.inputs.iter().enumerate().filter(|(_, own)| own.is_some()).map(|(place, _)| place);
    for ((place, signing), signature) in ours.zip(&inspection.signings).zip(signatures) {
        let input = checked.read.psbt.inputs.get(place).ok_or(Fault::Digest(place))?;
        let (name, value) = match signing.algorithm {
            Algorithm::TaprootKeyPath => {
                let mut value = signature.0.to_vec();
                // DEFAULT is written by leaving the type out.
                if taproot_type(place, input)? == TapSighashType::All {
                    value.push(TapSighashType::All as u8);
                }
                (vec![TAP_KEY_SIG], value)
            }
            Algorithm::Ecdsa | Algorithm::Ed25519 => {
                let value = der(signature).ok_or(Fault::Digest(place))?;
                ([&[PARTIAL_SIG], signing.verifies_under.as_slice()].concat(), value)
            }
        };
        checked.read.lists.inputs.get_mut(place).ok_or(Fault::Digest(place))?.insert(name, value);
    }
    checked.read.close();
    Ok(checked.read.lists.encode())
}

/// The signature as scripts have it: strict DER, and the hash type ALL.
pub(super) fn der(signature: &Signature) -> Option<Vec<u8>> {
    let parsed = ecdsa::Signature::from_compact(&signature.0).ok()?;
    let mut bytes = parsed.serialize_der().to_vec();
    bytes.push(EcdsaSighashType::All as u8);
    Some(bytes)
}
