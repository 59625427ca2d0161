//! Where chains know a key: addresses, the extended public key, descriptors. For people and wallets; no decision depends on
//! any of it.

use keymoot_chains::bitcoin::{self, Form};
use keymoot_chains::{Key, KeyError, Network, ethereum, solana};
use keymoot_types::Path;

use crate::real::KeyDetails;

/// An address of a key on one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainAddress {
    /// `ethereum`, `bitcoin` or `solana`.
    pub chain: &'static str,
    /// The network, where addresses differ by it; empty otherwise.
    pub network: &'static str,
    /// `account`, `p2wpkh` or `p2tr`.
    pub form: &'static str,
    /// The address.
    pub address: String,
}

/// All addresses of a key at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The public key at the path: 33 bytes compressed on secp256k1, 32 on Ed25519.
    pub public_key: Vec<u8>,
    /// The addresses, those of chains that the scheme cannot sign for left out.
    pub addresses: Vec<ChainAddress>,
}

/// The extended public key of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedKey {
    /// As in `xpub6…`.
    pub xpub: String,
    /// The fingerprint of the key.
    pub fingerprint: [u8; 4],
    /// Output descriptors with checksums, of the forms that the scheme can spend.
    pub descriptors: Vec<String>,
}

/// Why there is nothing to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// No such network.
    #[error("a network is mainnet, testnet, signet or regtest")]
    Network,
    /// The cluster is for another one: coins at such an address could not be spent from here.
    #[error("this cluster is for Bitcoin's {0}, and signs for no other network")]
    OtherNetwork(Network),
    /// There is no key at this path.
    #[error("the key has nothing at this path")]
    Path(#[source] KeyError),
    /// Keys of this scheme have no extended public key.
    #[error("a key of this scheme has no extended public key")]
    NoPaths,
}

/// The forms of Bitcoin that are shown, with their names.
const FORMS: [(Form, &str); 2] = [(Form::P2wpkh, "p2wpkh"), (Form::P2tr, "p2tr")];

/// The addresses of a key at a path, in a cluster that is for the network `home`. An empty name of a network means that one.
///
/// # Errors
/// Another network, or a path that the key does not have.
pub fn addresses(
    details: &KeyDetails,
    path: &Path,
    network: &str,
    home: Network,
) -> Result<Addresses, NoAddress> {
    let network = network_of(network, home)?;
    let key = key(details, network)?.at(path.clone()).map_err(NoAddress::Path)?;
    let on_bitcoin = FORMS.into_iter().filter_map(|(form, name)| {
        let address = bitcoin::address(&key, form)?;
        Some(ChainAddress { chain: "bitcoin", network: network.name(), form: name, address })
    });
    let account = |chain, address: Option<String>| {
        address.map(|address| ChainAddress { chain, network: "", form: "account", address })
    };
    let accounts = [account("ethereum", ethereum::address(&key)), account("solana", solana::address(&key))];
    let addresses = accounts.into_iter().flatten().chain(on_bitcoin).collect();
    Ok(Addresses { public_key: key.public_key(), addresses })
}

/// The extended public key of a key, in a cluster that is for the network `home`. An empty name of a network means that one.
///
/// # Errors
/// Another network, or a scheme without paths.
pub fn extended(details: &KeyDetails, network: &str, home: Network) -> Result<ExtendedKey, NoAddress> {
    let network = network_of(network, home)?;
    let key = key(details, network)?;
    let xpub = key.xpub().ok_or(NoAddress::NoPaths)?;
    let descriptors = FORMS.into_iter().filter_map(|(form, _)| bitcoin::descriptor(&key, form)).collect();
    Ok(ExtendedKey { xpub: xpub.to_string(), fingerprint: xpub.fingerprint().to_bytes(), descriptors })
}

fn key(details: &KeyDetails, network: Network) -> Result<Key, NoAddress> {
    let key = Key::new(details.scheme, &details.public_key, details.chain_code);
    key.map(|key| key.on(network)).map_err(NoAddress::Path)
}

/// The cluster's own network, which may be said.
fn network_of(name: &str, home: Network) -> Result<Network, NoAddress> {
    match name.parse::<Network>() {
        _ if name.is_empty() => Ok(home),
        Ok(network) if network == home => Ok(home),
        Ok(_) => Err(NoAddress::OtherNetwork(home)),
        Err(_) => Err(NoAddress::Network),
    }
}

#[cfg(test)]
mod tests {
    use super::{NoAddress, addresses, extended};
    use crate::real::KeyDetails;
    use keymoot_protocol::transcript::Hash;
    use keymoot_types::{Epoch, KeyId, Network, Path, Scheme};

    fn details(scheme: Scheme, public_key: &str) -> KeyDetails {
        KeyDetails {
            id: KeyId::new([1; 16]),
            scheme,
            epoch: Epoch::FIRST,
            public_key: hex::decode(public_key).unwrap(),
            chain_code: [7; 32],
            digest: Hash::from_bytes([0; 32]),
        }
    }

    /// The generator: the public key of the private key 1, which every explorer knows.
    const ONE: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    #[test]
    fn a_key_is_shown_where_its_scheme_can_sign() {
        let shown = addresses(&details(Scheme::Dkls23, ONE), &Path::root(), "", Network::Mainnet).unwrap();
        let found: Vec<_> = shown.addresses.iter().map(|one| (one.chain, one.address.as_str())).collect();
        assert_eq!(
            found,
            [
                ("ethereum", "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"),
                ("bitcoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
            ]
        );
        assert_eq!(hex::encode(shown.public_key), ONE);
        let hot = details(Scheme::FrostTaproot, ONE);
        let taproot = addresses(&hot, &Path::root(), "", Network::Regtest).unwrap();
        assert!(taproot.addresses.len() == 1 && taproot.addresses[0].address.starts_with("bcrt1p"));
        let below = addresses(&hot, &"m/0/7".parse().unwrap(), "", Network::Mainnet).unwrap();
        assert_ne!(hex::encode(below.public_key), ONE);
    }

    #[test]
    fn what_a_key_does_not_have_is_not_shown() {
        let edwards = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let cold = details(Scheme::FrostEd25519, edwards);
        let shown = addresses(&cold, &Path::root(), "", Network::Mainnet).unwrap();
        assert_eq!(shown.addresses.iter().map(|one| one.chain).collect::<Vec<_>>(), ["solana"]);
        assert!(matches!(
            addresses(&cold, &"m/0".parse().unwrap(), "", Network::Mainnet),
            Err(NoAddress::Path(_))
        ));
        assert_eq!(extended(&cold, "", Network::Mainnet), Err(NoAddress::NoPaths));
        let hot = details(Scheme::Dkls23, ONE);
        assert_eq!(extended(&hot, "moonnet", Network::Mainnet), Err(NoAddress::Network));
        let own = extended(&hot, "mainnet", Network::Mainnet).unwrap();
        assert!(own.xpub.starts_with("xpub") && own.descriptors.len() == 1);
        assert!(own.descriptors[0].starts_with("wpkh("));
        assert!(extended(&hot, "", Network::Testnet).unwrap().xpub.starts_with("tpub"));
    }

    #[test]
    fn nothing_is_shown_for_another_network_than_the_clusters() {
        let hot = details(Scheme::Dkls23, ONE);
        for (asked, home) in
            [("mainnet", Network::Regtest), ("regtest", Network::Mainnet), ("signet", Network::Testnet)]
        {
            assert_eq!(extended(&hot, asked, home), Err(NoAddress::OtherNetwork(home)));
            assert_eq!(addresses(&hot, &Path::root(), asked, home), Err(NoAddress::OtherNetwork(home)));
        }
    }
}
