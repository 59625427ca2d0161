//! Bitcoin, against second decoders, another signer, and Bitcoin Core's own script interpreter.

mod hostile;
mod messages;
mod refusals;
mod round_trip;
pub mod wallet;

use keymoot_chains::bitcoin::{Fault, TransactionFacts};
use keymoot_chains::{Detail, Facts, Inspection, Kind, Payload, Unreadable};
use keymoot_types::Scheme;

pub const BOTH: [Scheme; 2] = [Scheme::Dkls23, Scheme::FrostTaproot];

pub fn psbt(bytes: &[u8]) -> Payload {
    Payload::new(Kind::BtcPsbt, bytes.to_vec()).unwrap()
}

pub fn detail(facts: &Facts) -> &TransactionFacts {
    match &facts.detail {
        Detail::BtcPsbt(facts) => facts,
        other => panic!("{other:?}"),
    }
}

pub fn fault(result: Result<Inspection, Unreadable>) -> Fault {
    match result {
        Err(Unreadable::Chain(keymoot_chains::Fault::Bitcoin(fault))) => fault,
        other => panic!("{other:?}"),
    }
}
