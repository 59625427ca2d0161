//! Which inputs and outputs are ours, by derivation.

use bitcoin::bip32::{ChildNumber, DerivationPath, Fingerprint, KeySource};
use bitcoin::key::XOnlyPublicKey;
use bitcoin::psbt;
use bitcoin::secp256k1::PublicKey;
use bitcoin::{Script, TapLeafHash};
use keymoot_types::Path;

use super::account::Form;
use super::{Fault, ORIGINS_MAX, OWN_ORIGINS_MAX};
use crate::inspection::Algorithm;
use crate::key::{Key, STEPS_MAX};

/// A key of ours.
pub(super) struct Own {
    pub path: Path,
    pub point: PublicKey,
    pub form: Form,
}

/// What an input or output says of its keys.
struct Origins<'a> {
    ecdsa: Vec<(&'a PublicKey, &'a KeySource)>,
    taproot: Vec<(&'a XOnlyPublicKey, &'a (Vec<TapLeafHash>, KeySource))>,
}

/// Whose keys are ours.
pub(super) struct Owner<'a> {
    key: &'a Key,
    algorithm: Algorithm,
    fingerprint: Fingerprint,
}

impl<'a> Owner<'a> {
    /// `None` for keys that have no tree.
    pub fn of(key: &'a Key) -> Option<Self> {
        let fingerprint = key.xpub()?.fingerprint();
        Some(Self { key, algorithm: Algorithm::of(key.scheme()), fingerprint })
    }

    /// Our key in an input, and the form in which it is there. `None`: somebody else's input.
    pub fn input(&self, place: usize, input: &psbt::Input, script: &Script) -> Result<Option<Own>, Fault> {
        let origins = Origins {
            ecdsa: input.bip32_derivation.iter().collect(),
            taproot: input.tap_key_origins.iter().collect(),
        };
        let points = self.points(&origins)?;
        if points.is_empty() {
            return Ok(None);
        }
        let own = self.found(points, script).ok_or(Fault::Form(place))?;
        let internal = XOnlyPublicKey::from(own.point);
        let is_right = input.witness_script.is_none()
            && match own.form {
                Form::P2wpkh => input.redeem_script.is_none(),
                Form::P2shP2wpkh => input.redeem_script == Some(Form::P2wpkh.script(&own.point)),
                Form::P2tr => {
                    input.redeem_script.is_none()
                        && input.tap_internal_key == Some(internal)
                        && input.tap_merkle_root.is_none()
                        && input.tap_scripts.is_empty()
                }
            };
        if is_right { Ok(Some(own)) } else { Err(Fault::Form(place)) }
    }

    /// Our key in an output. `None`: it goes to somebody else, or nobody proves that it does not.
    pub fn output(&self, output: &psbt::Output, script: &Script) -> Result<Option<Own>, Fault> {
        let origins = Origins {
            ecdsa: output.bip32_derivation.iter().collect(),
            taproot: output.tap_key_origins.iter().collect(),
        };
        match self.points(&origins) {
            Ok(points) => Ok(self.found(points, script)),
            // It may well be ours, but not for this request to say so.
            Err(Fault::OutsidePath) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// All keys below our fingerprint, each proven by derivation.
    fn points(&self, origins: &Origins<'_>) -> Result<Vec<(Path, PublicKey)>, Fault> {
        if origins.ecdsa.len() > ORIGINS_MAX || origins.taproot.len() > ORIGINS_MAX {
            return Err(Fault::Size);
        }
        let is_ours = |source: &KeySource| source.0 == self.fingerprint;
        let ours = match self.algorithm {
            Algorithm::TaprootKeyPath => {
                origins.taproot.iter().filter(|(_, (_, source))| is_ours(source)).count()
            }
            Algorithm::Ecdsa | Algorithm::Ed25519 => {
                origins.ecdsa.iter().filter(|(_, source)| is_ours(source)).count()
            }
        };
        if ours > OWN_ORIGINS_MAX {
            return Err(Fault::Size);
        }
        let mut points = Vec::new();
        if self.algorithm == Algorithm::TaprootKeyPath {
            for (claimed, (leaves, source)) in &origins.taproot {
                // A key in a leaf is for a script, which we do not sign.
                if is_ours(source) && leaves.is_empty() {
                    points.push(self.derived(&source.1, |point| XOnlyPublicKey::from(*point) == **claimed)?);
                }
            }
        } else {
            for (claimed, source) in &origins.ecdsa {
                if is_ours(source) {
                    points.push(self.derived(&source.1, |point| point == *claimed)?);
                }
            }
        }
        Ok(points)
    }

    fn derived(
        &self,
        path: &DerivationPath,
        is_claimed: impl Fn(&PublicKey) -> bool,
    ) -> Result<(Path, PublicKey), Fault> {
        if path.len() > STEPS_MAX {
            return Err(Fault::FalseOrigin);
        }
        let step = |child: &ChildNumber| match child {
            ChildNumber::Normal { index } => Ok(*index),
            // No place holds what it would take.
            ChildNumber::Hardened { .. } => Err(Fault::FalseOrigin),
        };
        let steps = path.into_iter().map(step).collect::<Result<Vec<_>, _>>()?;
        let point = self.key.point_at(&steps).filter(|point| is_claimed(point)).ok_or(Fault::FalseOrigin)?;
        if !steps.starts_with(self.key.path().steps()) {
            return Err(Fault::OutsidePath);
        }
        Ok((Path::new(steps).map_err(|_| Fault::FalseOrigin)?, point))
    }

    fn found(&self, points: Vec<(Path, PublicKey)>, script: &Script) -> Option<Own> {
        points.into_iter().find_map(|(path, point)| {
            let form =
                Form::of(self.algorithm).iter().find(|form| form.script(&point).as_script() == script)?;
            Some(Own { path, point, form: *form })
        })
    }
}
