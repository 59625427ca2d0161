//! Keys of a cluster, as signers of Bitcoin transactions.

use bitcoin::bip32::{ChildNumber, DerivationPath, Xpub};
use bitcoin::secp256k1::Secp256k1;
use keymoot_chains::bitcoin::{Form, address};
use keymoot_chains::{Algorithm, Key, Network};
use keymoot_types::Path;
use keymoot_wire::rest::KeyView;
use serde_json::{Value, json};

use super::refusal::{BAD_ARGUMENT, DEVICE_CONN_ERROR, NO_DEVICE_TYPE, Refusal};
use crate::failure::Failure;
use crate::proof::Read;
use crate::wallet;

/// Who has the keys.
pub trait Cluster {
    /// The Bitcoin network that it is for.
    fn network(&self) -> Network;

    /// The key of this id or name; without one, all.
    async fn keys(&self, key: Option<&str>) -> Result<Vec<KeyView>, Failure>;

    /// A payload with all its signatures, verified.
    async fn sign(&self, key: &KeyView, read: &Read) -> Result<Vec<u8>, Failure>;
}

/// One key that signs Bitcoin transactions.
pub struct Signer {
    pub view: KeyView,
    pub key: Key,
    /// Of depth 0: the key is the root of its own tree.
    pub xpub: Xpub,
}

impl Signer {
    /// All that there are.
    pub async fn all(
        cluster: &impl Cluster,
        key: Option<&str>,
        network: Network,
    ) -> Result<Vec<Self>, Failure> {
        let views = cluster.keys(key).await?;
        let live = views.into_iter().filter(|view| !view.retired);
        let all = live.map(|view| Self::of(view, network)).collect::<Result<Vec<_>, _>>()?;
        Ok(all.into_iter().flatten().collect())
    }

    /// `None`: the key signs for another chain.
    fn of(view: KeyView, network: Network) -> Result<Option<Self>, Failure> {
        let key = wallet::at(&view, "m")?.on(network);
        Ok(key.xpub().map(|xpub| Self { view, xpub, key }))
    }

    /// The one that is meant.
    pub fn chosen(all: Vec<Self>, fingerprint: Option<&str>) -> Result<Self, Refusal> {
        let is_meant =
            |one: &Self| fingerprint.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&one.fingerprint()));
        let mut meant = all.into_iter().filter(is_meant);
        match (meant.next(), meant.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(Refusal::new(
                DEVICE_CONN_ERROR,
                "there is no key with this fingerprint that signs for Bitcoin",
            )),
            (Some(_), Some(_)) => Err(Refusal::new(
                NO_DEVICE_TYPE,
                "there are several signers: say which one with --fingerprint or --key",
            )),
        }
    }

    pub fn fingerprint(&self) -> String {
        self.xpub.fingerprint().to_string()
    }

    /// The forms in which it holds coins, the usual one first.
    pub fn forms(&self) -> &'static [Form] {
        Form::of(Algorithm::of(self.key.scheme()))
    }

    /// As a device in a list.
    pub fn document(&self) -> Value {
        json!({
            "type": "keymoot", "model": format!("keymoot {}", self.view.name), "label": self.view.name,
            "path": self.view.id, "fingerprint": self.fingerprint(),
            "needs_pin_sent": false, "needs_passphrase_sent": false,
        })
    }

    /// The extended public key at a path.
    pub fn xpub_at(&self, path: &Path) -> Result<Xpub, Refusal> {
        let none = |_| Refusal::new(BAD_ARGUMENT, "there is no key at this path");
        let steps = path.steps().iter().map(|step| ChildNumber::from_normal_idx(*step));
        let steps: DerivationPath = steps.collect::<Result<Vec<_>, _>>().map_err(none)?.into();
        self.xpub.derive_pub(&Secp256k1::verification_only(), &steps).map_err(none)
    }

    /// The address at a path.
    pub fn address(&self, path: Path, form: Form) -> Result<String, Refusal> {
        let there =
            self.key.clone().at(path).map_err(|error| Refusal::new(BAD_ARGUMENT, error.to_string()))?;
        address(&there, form)
            .ok_or(Refusal::new(BAD_ARGUMENT, "the key does not sign for addresses of this form"))
    }
}

/// A path as it is typed.
pub fn path(text: &str) -> Result<Path, Refusal> {
    text.parse().map_err(|_| {
        let why = "a path is as m/0/7: hardened steps need the whole private key, which is in no place";
        Refusal::new(BAD_ARGUMENT, why)
    })
}
