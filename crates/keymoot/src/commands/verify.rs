//! `keymoot verify`: whether a signature is one, by a library that has no part in making them.

use std::path::PathBuf;

use base64ct::{Base64, Encoding};
use clap::{ArgGroup, Args};
use keymoot_chains::{Kind, Signature, assemble};
use serde_json::json;

use crate::cli::{EXIT_CODES, Given};
use crate::explain::{USAGE, VERIFY_FAILED};
use crate::failure::{Failure, Trouble};
use crate::printer::Printer;
use crate::proof::{Claim, Expected, Read};
use crate::remote::Remote;

/// Everything that can have been signed, one of which has to be given.
const WHAT: [&str; 8] = ["message", "message_file", "typed_data", "file", "hex", "tx", "psbt", "sol_tx"];

/// Verify a signature of a key over a message or payload.
///
/// It takes what `keymoot sign` prints where that is a signature. A signed transaction has its signatures inside.
#[derive(Args)]
#[command(after_help = EXIT_CODES, group(ArgGroup::new("what").required(true).args(WHAT)))]
pub struct VerifyArgs {
    /// The id of the key, or its name if only one has it.
    #[arg(long)]
    key: String,

    /// The text that was signed.
    #[arg(long)]
    message: Option<String>,

    /// A file with the message; - for standard input.
    #[arg(long, value_name = "FILE")]
    message_file: Option<PathBuf>,

    /// A file with typed data of EIP-712, as JSON; - for standard input.
    #[arg(long, value_name = "FILE")]
    typed_data: Option<PathBuf>,

    /// A file with the payload; - for standard input.
    #[arg(long)]
    file: Option<PathBuf>,

    /// The payload in hexadecimal digits.
    #[arg(long, value_name = "DIGITS")]
    hex: Option<String>,

    /// Refused, with a word on who verifies transactions; so are the next two.
    #[arg(long, hide = true)]
    tx: Option<String>,

    #[arg(long, hide = true)]
    psbt: Option<String>,

    #[arg(long, hide = true)]
    sol_tx: Option<String>,

    /// Below the key, as in m/0/7.
    #[arg(long, default_value = "m")]
    path: String,

    /// What the payload is; see `keymoot sign --help`. Without it, message.
    #[arg(long, conflicts_with = "typed_data")]
    kind: Option<String>,

    /// The signature, as `keymoot sign` prints it: hexadecimal digits, or base64 for btc_message.
    #[arg(long, value_name = "TEXT")]
    signature: String,
}

impl VerifyArgs {
    /// The name of its kind, and its bytes.
    fn payload(&self) -> Result<(String, Vec<u8>), Failure> {
        if self.tx.is_some() || self.psbt.is_some() || self.sol_tx.is_some() {
            return Err(whole());
        }
        if let Some(file) = &self.typed_data {
            return Ok((Kind::EvmTypedData.name().to_owned(), super::sign::read_file(file)?));
        }
        let kind = self.kind.clone().unwrap_or_else(|| Kind::Message.name().to_owned());
        let payload = match (&self.message, &self.hex, self.message_file.as_ref().or(self.file.as_ref())) {
            (Some(message), ..) => message.clone().into_bytes(),
            (_, Some(digits), _) => super::sign::read_hex(digits)?,
            (.., Some(file)) => super::sign::read_file(file)?,
            _ => Vec::new(),
        };
        Ok((kind, payload))
    }
}

/// There is no signature apart from a transaction that is signed.
fn whole() -> Failure {
    let help = "`keymoot sign` has verified each of them before it printed the transaction; `keymoot request status ID` \
                verifies one again, and `keymoot request list --status complete` shows the ids";
    Trouble::new(USAGE, "a signed transaction has its signatures inside, and is not verified here")
        .undone("nothing was verified")
        .help(help)
        .into()
}

pub fn run(given: &Given, args: &VerifyArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let (kind, payload) = args.payload()?;
    let signature = decoded(&kind, &args.signature)?;
    let remote = Remote::open(given)?;
    super::wait(2, async move {
        let key = remote.key(&args.key).await?;
        let read = Claim { key: &key, path: &args.path, kind: &kind, payload: &payload }
            .read(remote.document.bitcoin)?;
        let [signing] = read.inspection.signings.as_slice() else { return Err(whole()) };
        let expected = Expected::of(signing);
        let library = expected.library();
        if !expected.verifies(&bare(&read, signature)?) {
            let what = format!("{library} says that this is no signature of {} over this", key.id);
            return Err(Trouble::new(VERIFY_FAILED, what).undone("it is NOT verified").into());
        }
        let object = json!({
            "schema": "keymoot/verification/v1", "key": key.id, "path": args.path, "kind": kind,
            "verified": true, "verified_by": library,
        });
        printer.either(&object, &[format!("  verified with {library} {}", printer.ink.good("✓"))])
    })
}

/// What `keymoot sign` prints for a kind, as bytes.
fn decoded(kind: &str, text: &str) -> Result<Vec<u8>, Failure> {
    let text = text.trim();
    let digits = hex::decode(text.strip_prefix("0x").unwrap_or(text));
    let is_base64 = kind == Kind::BtcMessage.name();
    digits.or_else(|error| {
        let takes = if is_base64 { "base64, or hexadecimal digits" } else { "hexadecimal digits" };
        let what =
            format!("`--signature` of {} takes {takes}, as `keymoot sign` prints it", kind.escape_debug());
        let refused =
            || Failure::from(Trouble::new(USAGE, what).undone("nothing was verified").because(error));
        Base64::decode_vec(text).ok().filter(|_| is_base64).ok_or_else(refused)
    })
}

/// The signature as its scheme encodes it, out of the form that the kind has for it.
fn bare(read: &Read, given: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let length = given.len();
    match *given.as_slice() {
        // As Ethereum counts recovery ids.
        [ref compact @ .., id @ 27..=28] if length == 65 => Ok([compact, &[id - 27]].concat()),
        _ if length == 64 || length == 65 => Ok(given),
        _ if read.payload.kind() == Kind::BtcMessage => {
            // What is no witness of this shape is no signature of this key.
            Ok(of_witness(&given)
                .filter(|one| assemble(&read.payload, &read.key, &[*one]) == Ok(given))
                .map(|one| one.0.to_vec())
                .unwrap_or_default())
        }
        _ => {
            let what = format!(
                "a signature of {} has 64 or 65 bytes, and this has {length}",
                read.payload.kind().name()
            );
            let help = "take the whole line that `keymoot sign` has printed, and nothing else";
            Err(Trouble::new(USAGE, what).undone("nothing was verified").help(help).into())
        }
    }
}

/// The signature in the witness of BIP-322: its first item, with a byte for the hash type behind that of ECDSA.
fn of_witness(witness: &[u8]) -> Option<Signature> {
    let (&length, rest) = witness.get(1..)?.split_first()?;
    let item = rest.get(..usize::from(length))?;
    let compact = match <[u8; 64]>::try_from(item) {
        Ok(schnorr) => schnorr,
        Err(_) => secp256k1::ecdsa::Signature::from_der(item.split_last()?.1).ok()?.serialize_compact(),
    };
    Some(Signature(compact))
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Encoding};
    use keymoot_chains::{Kind, Network, Signature, assemble};
    use keymoot_wire::rest::{KeyView, ThresholdView};

    use super::{bare, decoded};
    use crate::proof::{Claim, Expected, Read};
    use crate::signed::text;

    fn key(scheme: &str, public: &[u8]) -> KeyView {
        KeyView {
            id: "key_0".into(),
            scheme: scheme.into(),
            public_key: hex::encode(public),
            chain_code: "00".repeat(32),
            threshold: ThresholdView { needed: 2, total: 3 },
            ..KeyView::default()
        }
    }

    /// What `keymoot sign` prints for this payload.
    fn must_sign(read: &Read, secret: &secp256k1::SecretKey) -> String {
        let (curve, signing) = (secp256k1::SECP256K1, &read.inspection.signings[0]);
        let digest: [u8; 32] = signing.message().try_into().unwrap();
        let compact = match signing.tweak {
            None => curve.sign_ecdsa(secp256k1::Message::from_digest(digest), secret).serialize_compact(),
            Some(tweak) => {
                let pair = secp256k1::Keypair::from_secret_key(curve, secret);
                let tweak = secp256k1::Scalar::from_be_bytes(tweak).unwrap();
                let pair = pair.add_xonly_tweak(curve, &tweak).unwrap();
                curve.sign_schnorr_no_aux_rand(&digest, &pair).to_byte_array()
            }
        };
        let assembled = assemble(&read.payload, &read.key, &[Signature(compact)]).unwrap();
        text(read.payload.kind(), &assembled)
    }

    const TYPED: &[u8] = br#"{"types": {"EIP712Domain": [{"name": "chainId", "type": "uint256"}],
        "Mail": [{"name": "text", "type": "string"}]}, "primaryType": "Mail", "domain": {"chainId": 1},
        "message": {"text": "hello"}}"#;

    #[test]
    fn what_sign_prints_is_what_verify_takes_for_every_kind() {
        let secret = secp256k1::SecretKey::from_byte_array([7; 32]).unwrap();
        let public = secret.public_key(secp256k1::SECP256K1);
        let ecdsa = key("dkls23", &public.serialize());
        let taproot = key("frost-taproot", &public.serialize());
        let cases = [
            (&ecdsa, Kind::Message, &b"hello"[..]),
            (&ecdsa, Kind::EvmMessage, b"hello"),
            (&ecdsa, Kind::EvmTypedData, TYPED),
            (&ecdsa, Kind::BtcMessage, b"hello"),
            (&taproot, Kind::Message, b"hello"),
            (&taproot, Kind::BtcMessage, b"hello"),
        ];
        for (key, kind, payload) in cases {
            let claim = Claim { key, path: "m", kind: kind.name(), payload };
            let read = claim.read(Network::Mainnet).unwrap();
            let expected = Expected::of(&read.inspection.signings[0]);
            let verifies =
                |text: &str| expected.verifies(&bare(&read, decoded(kind.name(), text).unwrap()).unwrap());
            let printed = must_sign(&read, &secret);
            assert!(verifies(&printed) && verifies(&format!(" {printed}\n")), "{kind:?} {printed}");
            let mut bytes = decoded(kind.name(), &printed).unwrap();
            if matches!(kind, Kind::EvmMessage | Kind::EvmTypedData) {
                assert!(matches!(bytes[64], 27 | 28), "{printed}");
                bytes[64] -= 27;
                assert!(verifies(&hex::encode(&bytes)), "{kind:?} with 0 or 1");
                bytes[64] ^= 1;
                assert!(!verifies(&hex::encode(&bytes)), "{kind:?} recovers another key");
            }
            bytes[12] ^= 1;
            assert!(!verifies(&text(kind, &bytes)), "{kind:?} with a bit changed");
            let short = if kind == Kind::BtcMessage { 3 } else { 63 };
            assert!(
                !bare(&read, bytes[..short].to_vec()).is_ok_and(|bare| expected.verifies(&bare)),
                "{kind:?}"
            );
        }
        assert_eq!(decoded("evm_message", "IGxh").unwrap_err().code(), "E2001");
        assert!(Base64::decode_vec("IGxh").is_ok(), "it would be base64");
    }
}
