//! The transfer at the end of a demo: signed like any other payload, and shown with what it would do. Nobody sends it: its
//! account is empty, and its key is gone with the demo.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, TxKind, U256, address, keccak256};
use keymoot_chains::{Kind, ethereum};
use keymoot_wire::rest::KeyView;
use serde_json::json;

use crate::commands::sign::{self, told};
use crate::failure::Failure;
use crate::local::{Host, millis};
use crate::printer::Printer;
use crate::proof::{Claim, Expected};
use crate::signed;

/// Whose key nobody has, as everybody knows.
pub const NOBODY: Address = address!("000000000000000000000000000000000000dEaD");
/// A thousandth of an ether, in wei.
pub const VALUE: u128 = 1_000_000_000_000_000;
/// What every transfer to an account without code costs.
pub const GAS: u64 = 21_000;
/// Sepolia, a test network: what is sent there moves no money.
const CHAIN: u64 = 11_155_111;
const GWEI: u128 = 1_000_000_000;

/// The bytes whose hash is signed.
fn unsigned() -> Vec<u8> {
    let transaction = TxEip1559 {
        chain_id: CHAIN,
        nonce: 0,
        gas_limit: GAS,
        max_fee_per_gas: 20 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(NOBODY),
        value: U256::from(VALUE),
        ..TxEip1559::default()
    };
    let mut bytes = Vec::new();
    transaction.encode_for_signing(&mut bytes);
    bytes
}

/// The command that does the same.
pub fn command(key: &KeyView) -> String {
    format!("sign --key {} --tx 0x{}", key.name, hex::encode(unsigned()))
}

/// Has the transfer signed, and shows it.
pub async fn sign(host: &Host, printer: &Printer, key: &KeyView) -> Result<(), Failure> {
    let payload = unsigned();
    let claim = Claim { key, path: "m", kind: Kind::EvmTx.name(), payload: &payload };
    let read = claim.read(host.remote.document.bitcoin)?;
    for line in sign::facts(key, &read).painted(printer.ink) {
        printer.line(&line)?;
    }
    // Verified with a library, which recovers the key from it, and again by whoever puts it into the transaction.
    let signed = signed::sign(&host.remote, key, &read).await?;
    let account = ethereum::address(&read.key).ok_or(Failure::Broken("an ECDSA key has no account"))?;
    let library =
        read.inspection.signings.first().map_or("nothing", |signing| Expected::of(signing).library());
    let (raw, hash) = (signed::text(Kind::EvmTx, &signed.bytes), format!("{:#x}", keccak256(&signed.bytes)));
    printer.line(&format!("  {}", printer.ink.strong(&raw)))?;
    printer.line(&format!("    hash      {hash}"))?;
    let tick = printer.ink.good("✓");
    printer.line(&format!("  verified with {library} {tick}   not sent: its account is empty"))?;
    if !printer.json {
        let signers = signed.signers();
        for line in told(&host.remote, key, &signers, signed.waited).await {
            printer.line(&line)?;
        }
    }
    printer.object(&json!({
        "schema": "keymoot/demo/v1", "step": "transaction", "key": key.name, "scheme": key.scheme,
        "chain_id": CHAIN, "account": account, "to": NOBODY.to_checksum(None), "value": VALUE.to_string(),
        "facts": read.inspection.facts, "unsigned": signed::text(Kind::EvmTx, &payload), "raw": raw,
        "hash": hash, "request": signed.answers.first().map(|answer| &answer.id),
        "signature": signed.encoded.first().map(hex::encode), "signers": signed.signers(),
        "verified": true, "verified_by": library, "milliseconds": sign::millis(signed.waited),
        "since_start_ms": millis(host.began),
    }))
}
