//! Which Bitcoin network is meant. Nothing that is signed says it, so whoever asks does.

use clap::ValueEnum;
use keymoot_chains::Network;

use crate::explain::WRONG_NETWORK;
use crate::failure::{Failure, Trouble};

/// As it is typed. The short names are those that Bitcoin Core calls its external signers with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum NetworkName {
    /// Where coins are worth something.
    #[default]
    #[value(alias = "main")]
    Mainnet,
    /// Testnet 3 and 4.
    #[value(alias = "test", alias = "testnet4")]
    Testnet,
    /// The signed test network.
    Signet,
    /// Everybody's own.
    Regtest,
}

impl From<NetworkName> for Network {
    fn from(name: NetworkName) -> Self {
        match name {
            NetworkName::Mainnet => Self::Mainnet,
            NetworkName::Testnet => Self::Testnet,
            NetworkName::Signet => Self::Signet,
            NetworkName::Regtest => Self::Regtest,
        }
    }
}

/// As people say it.
pub const fn name(network: Network) -> &'static str {
    match network {
        Network::Mainnet => "mainnet",
        Network::Testnet => "testnet",
        Network::Signet => "signet",
        Network::Regtest => "regtest",
    }
}

/// The bytes in front of extended public keys, BIP-32: of mainnet, and of all others.
const MAIN: [u8; 4] = [0x04, 0x88, 0xb2, 0x1e];
const TEST: [u8; 4] = [0x04, 0x35, 0x87, 0xcf];

/// Refuses what is written for another network than this one.
pub fn check(versions: &[[u8; 4]], network: Network) -> Result<(), Failure> {
    let (ours, others) = if network == Network::Mainnet { (MAIN, TEST) } else { (TEST, MAIN) };
    if versions.iter().all(|version| *version == ours) {
        return Ok(());
    }
    let found = if versions.contains(&others) {
        if others == MAIN { "mainnet" } else { "a test network" }
    } else {
        "no network that is known here"
    };
    let what = format!("an extended public key in the PSBT is for {found}, not for {}", name(network));
    Err(Trouble::new(WRONG_NETWORK, what)
        .branch("field  global.xpub")
        .undone("nothing was sent")
        .help("say which network it is for with --network; then ask whoever made it if that is not what you meant")
        .into())
}
