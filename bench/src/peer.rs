//! The library alone, with keys of its own dealer: the same number of parties, the same messages.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use frost_core::keys::{IdentifierList, KeyPackage, PublicKeyPackage, generate_with_dealer};
use frost_core::round1::{NonceCommitment, SigningCommitments, SigningNonces, commit};
use frost_core::round2::{self, SignatureShare};
use frost_core::{CheaterDetection, Identifier, SigningPackage, aggregate_custom};
use keymoot_protocol::frost::Suite;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const MESSAGE: [u8; 32] = [0x42; 32];

type Named<S, T> = BTreeMap<Identifier<<S as Suite>::Zf>, T>;

type Drawn<S> = (SigningNonces<<S as Suite>::Zf>, SigningCommitments<<S as Suite>::Zf>);

/// A committee of the library's own.
pub struct Zf<S: Suite> {
    keys: Vec<KeyPackage<S::Zf>>,
    public: PublicKeyPackage<S::Zf>,
    rng: ChaCha20Rng,
}

fn ours<E: std::fmt::Debug>(error: E) -> anyhow::Error {
    anyhow!("{error:?}")
}

impl<S: Suite> Zf<S> {
    pub fn new(needed: u16, total: u16) -> Result<Self> {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let (shares, public) =
            generate_with_dealer::<S::Zf, _>(total, needed, IdentifierList::Default, &mut rng)
                .map_err(ours)?;
        let package = |share| KeyPackage::try_from(share).map(|package| S::to_output_share(package, None));
        let keys = shares.into_values().take(usize::from(needed)).map(package).collect::<Result<_, _>>();
        Ok(Self { keys: keys.map_err(ours)?, public: S::to_output_key(public, None), rng })
    }

    fn commit(&mut self) -> Vec<Drawn<S>> {
        let rng = &mut self.rng;
        self.keys.iter().map(|key| commit::<S::Zf, _>(key.signing_share(), rng)).collect()
    }

    fn aggregate(
        &self,
        package: &SigningPackage<S::Zf>,
        shares: &Named<S, SignatureShare<S::Zf>>,
    ) -> Result<()> {
        let signature = aggregate_custom(package, shares, &self.public, CheaterDetection::AllCheaters);
        signature.and_then(|signature| signature.serialize()).map(|_| ()).map_err(ours)
    }

    /// Commit, sign and aggregate, with everything that crosses between parties as bytes.
    pub fn sign_as_bytes(&mut self) -> Result<()> {
        let drawn = self.commit();
        let mut wire = BTreeMap::new();
        for (key, (_, public)) in self.keys.iter().zip(&drawn) {
            let bytes =
                (public.hiding().serialize().map_err(ours)?, public.binding().serialize().map_err(ours)?);
            wire.insert(*key.identifier(), bytes);
        }
        let mut shares = BTreeMap::new();
        for (key, (nonces, own)) in self.keys.iter().zip(&drawn) {
            let mut all = read::<S>(&wire, Some(key.identifier()))?;
            all.insert(*key.identifier(), *own);
            let package = SigningPackage::new(all, &MESSAGE);
            shares.insert(*key.identifier(), round2::sign(&package, nonces, key).map_err(ours)?.serialize());
        }
        let package = SigningPackage::new(read::<S>(&wire, None)?, &MESSAGE);
        let shares =
            shares.iter().map(|(name, bytes)| Ok((*name, SignatureShare::deserialize(bytes).map_err(ours)?)));
        self.aggregate(&package, &shares.collect::<Result<_>>()?)
    }

    /// The same without turning anything into bytes.
    pub fn sign_in_memory(&mut self) -> Result<()> {
        let drawn = self.commit();
        let all: Named<S, _> =
            self.keys.iter().zip(&drawn).map(|(key, (_, public))| (*key.identifier(), *public)).collect();
        let mut shares = BTreeMap::new();
        for (key, (nonces, _)) in self.keys.iter().zip(&drawn) {
            let package = SigningPackage::new(all.clone(), &MESSAGE);
            shares.insert(*key.identifier(), round2::sign(&package, nonces, key).map_err(ours)?);
        }
        let package = SigningPackage::new(all, &MESSAGE);
        self.aggregate(&package, &shares).context("the library's own signing")
    }
}

fn read<S: Suite>(
    wire: &Named<S, (Vec<u8>, Vec<u8>)>,
    except: Option<&Identifier<S::Zf>>,
) -> Result<Named<S, SigningCommitments<S::Zf>>> {
    let others = wire.iter().filter(|(name, _)| Some(*name) != except);
    let decoded = others.map(|(name, (hiding, binding))| {
        let point = |bytes: &[u8]| NonceCommitment::<S::Zf>::deserialize(bytes).map_err(ours);
        Ok((*name, SigningCommitments::new(point(hiding)?, point(binding)?)))
    });
    decoded.collect()
}
