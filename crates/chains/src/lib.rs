//! What a payload would do, and its bytes once it is signed, for each chain that Keymoot signs for.
//!
//! Nodes recompute what they sign: a request carries a payload, never a digest, and each node asks [`inspect`] itself.
//! The answer has what is to be signed, at which path and with which algorithm, and [`Facts`] for a policy and for people.
//! [`assemble`] puts signatures where the chain wants them, and hands nothing out that does not verify.
//! Chains share these two questions and no model: fees, coins and nonces stay at home
//! ([ADR-0026](https://github.com/keymoot/keymoot/blob/main/docs/adr/0026-chains-share-a-question.md)).
//!
//! Pure: no network, clock, randomness or secret. Any bytes may come in; none makes it panic, and the work is bounded by
//! the limits beside each reader. The engine calls it for every signature, at every node.
//!
//! ```
//! # #[cfg(feature = "ethereum")] {
//! use keymoot_chains::{Key, Kind, Payload, inspect};
//! use keymoot_types::Scheme;
//!
//! # // The generator of secp256k1, SEC 2.
//! # let public = [
//! #     0x02, 0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b, 0x07, 0x02, 0x9b,
//! #     0xfc, 0xdb, 0x2d, 0xce, 0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98,
//! # ];
//! let key = Key::new(Scheme::Dkls23, &public, [7; 32])?;
//! let inspection = inspect(&Payload::new(Kind::EvmMessage, b"hello".to_vec())?, &key)?;
//! assert_eq!(inspection.signings.len(), 1);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable
    )
)]

mod assembly;
#[cfg(feature = "bitcoin")]
pub mod bitcoin;
mod chain;
#[cfg(feature = "ethereum")]
pub mod ethereum;
mod facts;
mod inspection;
mod key;
mod payload;
mod plain;
#[cfg(feature = "solana")]
pub mod solana;

pub use assembly::{Signature, Unfit, assemble};
pub use chain::{Detail, Fault, inspect};
pub use facts::{Allowance, Amount, Asset, Danger, Facts, Outflow};
pub use inspection::{Algorithm, Inspection, Prehash, Signing, Unreadable};
pub use key::{Key, KeyError};
pub use keymoot_types::Network;
pub use payload::{Kind, PAYLOAD_MAX, Payload};
pub use plain::{BlindFacts, MessageFacts};
