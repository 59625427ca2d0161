//! What a payload is refused with before anything of it is sent: a code for what kind of thing is wrong, and the field in
//! which it is. Nodes refuse the same; here it costs nothing and is told sooner.

mod place;

use keymoot_chains::{Fault, Kind, Unreadable, bitcoin, ethereum, solana};

use crate::explain::{NOT_FOR_THIS_KEY, PAYLOAD_UNREADABLE, PAYLOAD_UNSAFE, Page, WRONG_NETWORK};
use crate::failure::{Failure, Trouble};

/// The failure for a payload of this kind that is not signed.
pub fn failure(unreadable: &Unreadable, kind: Kind, payload: &[u8]) -> Failure {
    let (page, field) = sorted(unreadable);
    let mut trouble = Trouble::new(page, unreadable.to_string());
    if let Some(field) = field {
        trouble = trouble.branch(format!("field  {field}"));
    }
    if page == PAYLOAD_UNREADABLE
        && let Some(place) = place::of(kind, payload)
    {
        trouble = trouble.branch(format!("where  {place}"));
    }
    if let Some(help) = help(unreadable) {
        trouble = trouble.help(help);
    }
    trouble.undone("nothing was sent: no node has seen it, and no presignature was used").into()
}

/// What to do, where it is not what the page says.
fn help(unreadable: &Unreadable) -> Option<&'static str> {
    match unreadable {
        Unreadable::Blind => Some(
            "have the message or transaction signed that the digest is of: --message, --typed-data, --tx, --psbt, --sol-tx; \
             no option and no policy turns this check off",
        ),
        Unreadable::WrongScheme { .. } => Some(
            "Ethereum takes dkls23 or gg20, Solana frost-ed25519, Bitcoin what the address says; `keymoot key list` shows the \
             scheme of each key: name another with --key",
        ),
        _ => None,
    }
}

fn sorted(unreadable: &Unreadable) -> (&'static Page, Option<String>) {
    match unreadable {
        Unreadable::TooLong { .. } | Unreadable::NotBuilt(_) | Unreadable::NotADigest(_) => {
            (PAYLOAD_UNREADABLE, None)
        }
        Unreadable::WrongScheme { .. } => (NOT_FOR_THIS_KEY, None),
        Unreadable::Blind => (PAYLOAD_UNSAFE, None),
        Unreadable::Chain(Fault::Bitcoin(fault)) => of_bitcoin(*fault),
        Unreadable::Chain(Fault::Ethereum(fault)) => of_ethereum(fault),
        Unreadable::Chain(Fault::Solana(fault)) => of_solana(*fault),
    }
}

fn of_bitcoin(fault: bitcoin::Fault) -> (&'static Page, Option<String>) {
    use bitcoin::Fault;
    let input = |place: usize, field: &str| Some(format!("inputs[{place}].{field}"));
    let (page, field) = match fault {
        Fault::NotAPsbt => (PAYLOAD_UNREADABLE, None),
        Fault::Network(_) => (WRONG_NETWORK, Some("global.xpub".to_owned())),
        Fault::Version(_) => (PAYLOAD_UNREADABLE, Some("global.version".to_owned())),
        Fault::Fields => (PAYLOAD_UNREADABLE, Some("the fields of the version in global.version".to_owned())),
        Fault::Size => (PAYLOAD_UNREADABLE, Some("inputs, outputs, or their bip32_derivation".to_owned())),
        Fault::LockTime => (PAYLOAD_UNSAFE, Some("inputs[].required_lock_time".to_owned())),
        Fault::Repeated(place) => (PAYLOAD_UNSAFE, input(place, "previous_output")),
        Fault::NoCoin(place) => (PAYLOAD_UNSAFE, input(place, "witness_utxo, non_witness_utxo")),
        Fault::WrongCoin(place) => (PAYLOAD_UNSAFE, input(place, "non_witness_utxo, witness_utxo")),
        Fault::NoWholeTransaction(place) => (PAYLOAD_UNSAFE, input(place, "non_witness_utxo")),
        Fault::FalseOrigin | Fault::OutsidePath => {
            (PAYLOAD_UNSAFE, Some("bip32_derivation, tap_bip32_derivation".to_owned()))
        }
        Fault::Form(place) => {
            (PAYLOAD_UNSAFE, input(place, "redeem_script, witness_script, tap_internal_key"))
        }
        Fault::SighashType(place, _) => (PAYLOAD_UNSAFE, input(place, "sighash_type")),
        Fault::Final(place) => (PAYLOAD_UNSAFE, input(place, "final_script_sig, final_script_witness")),
        Fault::NothingToSign => {
            (NOT_FOR_THIS_KEY, Some("inputs[].bip32_derivation, inputs[].tap_bip32_derivation".to_owned()))
        }
        Fault::Amounts => (PAYLOAD_UNSAFE, Some("outputs[].amount".to_owned())),
        Fault::Digest(place) => (PAYLOAD_UNSAFE, input(place, "witness_utxo")),
    };
    (page, field)
}

fn of_ethereum(fault: &ethereum::Fault) -> (&'static Page, Option<String>) {
    use ethereum::Fault;
    let (page, field) = match fault {
        Fault::NotATransaction | Fault::NotCanonical | Fault::NotTypedData => (PAYLOAD_UNREADABLE, None),
        Fault::TooLarge | Fault::Name(_) => (PAYLOAD_UNREADABLE, Some("types")),
        Fault::Mismatch => (PAYLOAD_UNREADABLE, Some("message")),
        Fault::Domain => (PAYLOAD_UNSAFE, Some("types.EIP712Domain")),
        Fault::NoChain => (PAYLOAD_UNSAFE, Some("chainId")),
        Fault::Authorisations(_) => (PAYLOAD_UNSAFE, Some("authorizationList")),
        Fault::NoBlobs => (PAYLOAD_UNSAFE, Some("blobVersionedHashes")),
        Fault::Fees => (PAYLOAD_UNSAFE, Some("gas, maxFeePerGas, maxFeePerBlobGas")),
        Fault::Recovery => (PAYLOAD_UNSAFE, None),
    };
    (page, field.map(str::to_owned))
}

fn of_solana(fault: solana::Fault) -> (&'static Page, Option<String>) {
    use solana::Fault;
    let (page, field) = match fault {
        Fault::NotAMessage => (PAYLOAD_UNREADABLE, None),
        Fault::Version(_) => (PAYLOAD_UNREADABLE, Some("version")),
        Fault::Accounts | Fault::Repeated => (PAYLOAD_UNREADABLE, Some("header, accountKeys")),
        Fault::Lookups => (PAYLOAD_UNSAFE, Some("addressTableLookups")),
        Fault::NotASigner => (NOT_FOR_THIS_KEY, Some("accountKeys")),
    };
    (page, field.map(str::to_owned))
}
