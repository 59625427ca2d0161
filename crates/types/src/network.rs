//! Bitcoin networks. Nothing that Bitcoin signs says which one it is for, so a cluster is for one of them.

use std::fmt;
use std::str::FromStr;

/// A Bitcoin network, named as in every stored record and on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// Where coins are worth something.
    #[default]
    Mainnet,
    /// Testnet 3 and 4; their addresses look the same.
    Testnet,
    /// The signed test network, BIP-325.
    Signet,
    /// Everybody's own.
    Regtest,
}

impl Network {
    /// All networks, in the order in which they are listed to people.
    pub const ALL: [Self; 4] = [Self::Mainnet, Self::Testnet, Self::Signet, Self::Regtest];

    /// The name people type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet => "testnet",
            Self::Signet => "signet",
            Self::Regtest => "regtest",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is not one of [`Network::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a Bitcoin network is mainnet, testnet, signet or regtest")]
pub struct UnknownNetwork;

impl FromStr for Network {
    type Err = UnknownNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|network| network.name() == text).ok_or(UnknownNetwork)
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, UnknownNetwork};

    #[test]
    fn every_network_is_read_by_its_own_name_and_no_other() {
        for network in Network::ALL {
            assert_eq!(network.to_string().parse(), Ok(network));
        }
        for bad in ["", "main", "Mainnet", "testnet4", "regtest "] {
            assert_eq!(bad.parse::<Network>(), Err(UnknownNetwork), "{bad}");
        }
    }
}
