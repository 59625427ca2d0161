//! Bitcoin Core's interpreter on what clients have finalised.

use anyhow::{Context, Result, bail, ensure};
use bitcoin::consensus::encode::{deserialize_hex, serialize};
use bitcoin::{Amount, Transaction};
use bitcoinconsensus::{Utxo, VERIFY_ALL_PRE_TAPROOT, VERIFY_TAPROOT, verify_with_flags};
use serde_json::{Value, json};

struct Coin {
    script: Vec<u8>,
    amount: u64,
}

/// Every input of a spend is valid, and is not for another output.
pub fn verify(spend: &Value) -> Result<()> {
    let text = spend["transaction"].as_str().context("the check shows no transaction")?;
    let mut transaction: Transaction = deserialize_hex(text)?;
    let coins = spend["coins"].as_array().context("the check shows no coins")?;
    let coins = coins.iter().map(coin).collect::<Result<Vec<_>>>()?;
    ensure!(!coins.is_empty() && coins.len() == transaction.input.len(), "coins and inputs differ in number");
    for place in 0..coins.len() {
        interpret(&transaction, &coins, place).with_context(|| format!("input {place}"))?;
    }
    let first = transaction.output.first_mut().context("a transaction without outputs")?;
    first.value = first.value.checked_sub(Amount::ONE_SAT).context("an output of nothing")?;
    for place in 0..coins.len() {
        if interpret(&transaction, &coins, place).is_ok() {
            bail!("the signature of input {place} holds for other outputs too");
        }
    }
    Ok(())
}

fn coin(value: &Value) -> Result<Coin> {
    let script = hex::decode(value["script"].as_str().context("a coin without script")?)?;
    Ok(Coin { script, amount: value["amount"].as_u64().context("a coin without amount")? })
}

fn interpret(transaction: &Transaction, coins: &[Coin], place: usize) -> Result<()> {
    let utxo = |coin: &Coin| -> Result<Utxo> {
        Ok(Utxo {
            script_pubkey: coin.script.as_ptr(),
            script_pubkey_len: u32::try_from(coin.script.len())?,
            value: i64::try_from(coin.amount)?,
        })
    };
    let all = coins.iter().map(utxo).collect::<Result<Vec<_>>>()?;
    let own = coins.get(place).context("no such coin")?;
    let flags = VERIFY_ALL_PRE_TAPROOT | VERIFY_TAPROOT;
    let verdict =
        verify_with_flags(&own.script, own.amount, &serialize(transaction), Some(&all), place, flags);
    verdict.map_err(|error| anyhow::anyhow!("refused: {error:?}"))
}

/// Block 170: the first payment that was ever made, which is a signature by somebody else.
pub fn what_is_not_signed_is_refused() -> Result<()> {
    let coin = json!({
        "script": "410411db93e1dcdb8a016b49840f8c53bc1eb68a382e97b1482ecad7b148a6909a5cb2e0eaddfb84ccf9744464f82e160bfa9b8b64f9d4c03f999b8643f656b412a3ac",
        "amount": 5_000_000_000_u64,
    });
    let signed = "0100000001c997a5e56e104102fa209c6a852dd90660a20b2d9c352423edce25857fcd3704000000004847304402204e45e16932b8af514961a1d3a1a25fdf3f4f7732e9d624c6c61548ab5fb8cd410220181522ec8eca07de4860a4acdd12909d831cc56cbbac4622082221a8768d1d0901ffffffff0200ca9a3b00000000434104ae1a62fe09c5f51b13905f07f06b99a2f7159b2225f374cd378d71302fa28414e7aab37397f554a7df5f142c21c1b7303b8a0626f1baded5c72a704f7e6cd84cac00286bee0000000043410411db93e1dcdb8a016b49840f8c53bc1eb68a382e97b1482ecad7b148a6909a5cb2e0eaddfb84ccf9744464f82e160bfa9b8b64f9d4c03f999b8643f656b412a3ac00000000";
    verify(&json!({ "transaction": signed, "coins": [coin] }))?;
    let forged = signed.replace("204e45e16932b8af", "204e45e16932b8ae");
    ensure!(
        verify(&json!({ "transaction": forged, "coins": [coin] })).is_err(),
        "a forged signature is valid"
    );
    ensure!(verify(&json!({ "transaction": signed, "coins": [] })).is_err(), "nothing was spent");
    Ok(())
}
