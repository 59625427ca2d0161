//! A node's two secrets besides its shares: what it signs with, and what its mail is sealed for. Both live in its vault.

use keymoot_engine::real::Real;
use keymoot_vault::{Class, Fault, Label, Vault};
use keymoot_wire::seal::SealKey;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

/// The file of the identity's seed in the vault.
const IDENTITY: &str = "identity.sealed";

/// The file of the seal key's seed in the vault.
const SEAL: &str = "seal.sealed";

/// What the cluster document says of a node's secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicSides {
    /// The Ed25519 key that its messages are signed with.
    pub identity: [u8; 32],
    /// The X25519 key that its mail is sealed for.
    pub seal: [u8; 32],
}

/// A node's secrets, in memory.
pub(crate) struct Seeds {
    pub(crate) identity: Zeroizing<[u8; 32]>,
    pub(crate) seal: SealKey,
}

fn label(file: &str) -> Label {
    Label::named(Class::Identity, file)
}

/// Draws both secrets and keeps them in the vault. What is there already is kept.
///
/// # Errors
/// The vault does not take or show them.
pub fn create(vault: &Vault, rng: &mut impl CryptoRngCore) -> Result<PublicSides, Fault> {
    for file in [IDENTITY, SEAL] {
        if vault.directory().join(file).exists() {
            continue;
        }
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        vault.keep(file, &label(file), seed.as_ref(), rng)?;
    }
    public(vault)
}

/// The public sides of what the vault holds.
///
/// # Errors
/// It holds none, or does not show them.
pub fn public(vault: &Vault) -> Result<PublicSides, Fault> {
    let seeds = recall(vault)?;
    let identity = Real::from_seed(*seeds.identity).public_bytes();
    Ok(PublicSides { identity, seal: seeds.seal.public() })
}

pub(crate) fn recall(vault: &Vault) -> Result<Seeds, Fault> {
    let seal = one(vault, SEAL)?;
    Ok(Seeds { identity: one(vault, IDENTITY)?, seal: SealKey::from_seed(&seal) })
}

fn one(vault: &Vault, file: &str) -> Result<Zeroizing<[u8; 32]>, Fault> {
    let bytes = vault.recall(file, &label(file))?;
    let seed = <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new);
    seed.map_err(|_| Fault::Refused("a seed has 32 bytes"))
}
