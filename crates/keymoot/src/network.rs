//! Which Bitcoin network is meant. Nothing that is signed says it, so the cluster is for one, by its document; whoever asks may say
//! which one that should be.

use clap::ValueEnum;
use keymoot_chains::Network;

use crate::explain::WRONG_NETWORK;
use crate::failure::{Failure, Trouble};
use crate::remote::Remote;

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

impl Remote {
    /// The network of the cluster, if what was said is that one or nothing.
    pub fn network(&self, said: Option<NetworkName>) -> Result<Network, Failure> {
        check(self.document.bitcoin, said)
    }
}

/// Refuses another network than that of the cluster.
pub fn check(home: Network, said: Option<NetworkName>) -> Result<Network, Failure> {
    match said.map(Network::from).filter(|said| *said != home) {
        None => Ok(home),
        Some(said) => {
            let what = format!("the cluster is for Bitcoin's {home}, not for {said}");
            let help = "leave the network out to go by the cluster; for another network, use a cluster of that network";
            Err(Trouble::new(WRONG_NETWORK, what).undone("nothing was sent").help(help).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NetworkName, check};
    use keymoot_chains::Network;

    #[test]
    fn a_cluster_is_for_one_network() {
        for (name, home) in [
            (NetworkName::Mainnet, Network::Mainnet),
            (NetworkName::Testnet, Network::Testnet),
            (NetworkName::Signet, Network::Signet),
            (NetworkName::Regtest, Network::Regtest),
        ] {
            assert_eq!(check(home, None).unwrap(), home);
            assert_eq!(check(home, Some(name)).unwrap(), home);
            let other = if home == Network::Signet { NetworkName::Testnet } else { NetworkName::Signet };
            assert_eq!(check(home, Some(other)).unwrap_err().code(), "E2704");
        }
    }
}
