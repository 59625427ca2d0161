//! The bytes whose hash is signed for one input: BIP-143 and BIP-341.

use bitcoin::hashes::{Hash, sha256};
use bitcoin::sighash::{EcdsaSighashType, Prevouts, SighashCache, TapSighashType};
use bitcoin::{Amount, Script, Transaction, TxOut};

use crate::inspection::Prehash;

/// What a signature of one input is over; `None` if there is no such input, or not one coin for each.
pub(super) type Preimage = Option<(Prehash, Vec<u8>)>;

/// BIP-143, for P2WPKH, with hash type ALL. `program` is the witness program's script.
pub(super) fn witness_v0(
    cache: &mut SighashCache<&Transaction>,
    input: usize,
    program: &Script,
    amount: Amount,
) -> Preimage {
    let script_code = program.p2wpkh_script_code()?;
    let mut bytes = Vec::new();
    let all = EcdsaSighashType::All;
    cache.segwit_v0_encode_signing_data_to(&mut bytes, input, &script_code, amount, all).ok()?;
    Some((Prehash::Sha256d, bytes))
}

/// BIP-341, for the key path. The tag of BIP-340's hash comes first, twice.
pub(super) fn taproot(
    cache: &mut SighashCache<&Transaction>,
    input: usize,
    coins: &[TxOut],
    sighash_type: TapSighashType,
) -> Preimage {
    let tag = sha256::Hash::hash(b"TapSighash").to_byte_array();
    let mut bytes = [tag, tag].concat();
    let coins = Prevouts::All(coins);
    cache.taproot_encode_signing_data_to(&mut bytes, input, &coins, None, None, sighash_type).ok()?;
    Some((Prehash::Sha256, bytes))
}

#[cfg(test)]
mod tests {
    use super::{taproot, witness_v0};
    use crate::inspection::Prehash;
    use bitcoin::consensus::encode::deserialize_hex;
    use bitcoin::sighash::{SighashCache, TapSighashType};
    use bitcoin::{Amount, CompressedPublicKey, ScriptBuf, Transaction, TxOut};

    /// Transaction, input, public key, satoshi, digest.
    const BIP143: [(&str, usize, &str, u64, &str); 2] = [
        (
            "0100000002fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f0000000000eeffffffef51e1b804cc89d1\
             82d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99\
             f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac11000000",
            1,
            "025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee6357",
            600_000_000,
            "c37af31116d1b27caf68aae9e3ac82f1477929014d5b917657d0eb49478cb670",
        ),
        (
            "0100000001db6b1b20aa0fd7b23880be2ecbd4a98130974cf4748fb66092ac4d3ceb1a54770100000000feffffff02b8b4eb0b000000\
             001976a914a457b684d7f0d539a46a45bbc043f35b59d0d96388ac0008af2f000000001976a914fd270b1ee6abcaea97fea7ad0402e8\
             bd8ad6d77c88ac92040000",
            0,
            "03ad1d8e89212f0b92c74d23bb710c00662ad1470198ac48c43f7d6f93a2a26873",
            1_000_000_000,
            "64f3b0f4dd2bb3aa1ce8566d220cc74dda9df97d8490cc81d89d735c92e59fb6",
        ),
    ];

    #[test]
    fn the_examples_of_bip_143() {
        for (transaction, input, public, amount, digest) in BIP143 {
            let transaction: Transaction = deserialize_hex(transaction).unwrap();
            let public: CompressedPublicKey = public.parse().unwrap();
            let script = ScriptBuf::new_p2wpkh(&public.wpubkey_hash());
            let mut cache = SighashCache::new(&transaction);
            let (prehash, bytes) = witness_v0(&mut cache, input, &script, Amount::from_sat(amount)).unwrap();
            assert_eq!((prehash, hex::encode(prehash.of(&bytes)).as_str()), (Prehash::Sha256d, digest));
            assert!(witness_v0(&mut cache, 2, &script, Amount::ZERO).is_none(), "there is no such input");
        }
    }

    /// BIP-341, wallet-test-vectors.json: the inputs with hash types DEFAULT and ALL.
    #[test]
    fn the_key_paths_of_bip_341() {
        let vectors = include_str!("../../../protocol/vectors/bip341_wallet.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let case = &vectors["keyPathSpending"][0];
        let transaction: Transaction =
            deserialize_hex(case["given"]["rawUnsignedTx"].as_str().unwrap()).unwrap();
        let coin = |coin: &serde_json::Value| TxOut {
            value: Amount::from_sat(coin["amountSats"].as_u64().unwrap()),
            script_pubkey: ScriptBuf::from_hex(coin["scriptPubKey"].as_str().unwrap()).unwrap(),
        };
        let coins: Vec<_> = case["given"]["utxosSpent"].as_array().unwrap().iter().map(coin).collect();
        let mut cache = SighashCache::new(&transaction);
        let mut checked = 0;
        for input in case["inputSpending"].as_array().unwrap() {
            let sighash_type = match input["given"]["hashType"].as_u64().unwrap() {
                0 => TapSighashType::Default,
                1 => TapSighashType::All,
                _ => continue,
            };
            let place = usize::try_from(input["given"]["txinIndex"].as_u64().unwrap()).unwrap();
            let (prehash, bytes) = taproot(&mut cache, place, &coins, sighash_type).unwrap();
            assert_eq!(hex::encode(&bytes[64..]), input["intermediary"]["sigMsg"].as_str().unwrap());
            assert_eq!(hex::encode(prehash.of(&bytes)), input["intermediary"]["sigHash"].as_str().unwrap());
            checked += 1;
        }
        assert_eq!(checked, 2);
        assert!(taproot(&mut cache, 0, &coins[1..], TapSighashType::All).is_none(), "a coin is missing");
    }
}
