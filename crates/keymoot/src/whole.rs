//! For tests: a key in one piece, what a service would show of it, and its signatures without a cluster.

use bitcoin::NetworkKind;
use bitcoin::bip32::{ChainCode, ChildNumber, DerivationPath, Fingerprint, Xpriv, Xpub};
use bitcoin::key::{Keypair, TapTweak};
use bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use keymoot_chains::{Algorithm, Signature, Signing, assemble};
use keymoot_wire::rest::{KeyView, ThresholdView};

use crate::failure::Failure;
use crate::proof::{Claim, Read};
use crate::purse::{Owner, Purse};

const CHAIN_CODE: [u8; 32] = [0x5c; 32];

pub struct Whole {
    pub view: KeyView,
    secret: Xpriv,
}

impl Whole {
    /// The same for every run.
    pub fn new(scheme: &str) -> Self {
        let secret = Xpriv {
            network: NetworkKind::Main,
            depth: 0,
            parent_fingerprint: Fingerprint::default(),
            child_number: ChildNumber::Normal { index: 0 },
            private_key: SecretKey::from_slice(&[7; 32]).unwrap(),
            chain_code: ChainCode::from(CHAIN_CODE),
        };
        let public_key = match scheme {
            "frost-ed25519" => {
                hex::encode(ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key().as_bytes())
            }
            _ => hex::encode(Xpub::from_priv(&Secp256k1::new(), &secret).public_key.serialize()),
        };
        let view = KeyView {
            id: "key_000102030405060708090a0b0c0d0e0f".into(),
            name: "hot".into(),
            scheme: scheme.into(),
            public_key,
            chain_code: hex::encode(CHAIN_CODE),
            threshold: ThresholdView { needed: 2, total: 3 },
            ..KeyView::default()
        };
        Self { view, secret }
    }

    pub fn xpub(&self) -> Xpub {
        Xpub::from_priv(&Secp256k1::new(), &self.secret)
    }

    /// A wallet of this key, with what it spends and for whom.
    pub fn purse(&self, inputs: &[(Owner, u64)], outputs: &[(Owner, u64)]) -> Purse {
        Purse { xpub: self.xpub(), inputs: inputs.to_vec(), outputs: outputs.to_vec() }
    }

    /// A payload, as the commands read it.
    pub fn read(&self, kind: &str, payload: &[u8]) -> Result<Read, Failure> {
        Claim { key: &self.view, path: "m", kind, payload }.read(keymoot_chains::Network::Mainnet)
    }

    /// The payload with its signatures.
    pub fn signed(&self, read: &Read) -> Vec<u8> {
        let signatures: Vec<Signature> = read.inspection.signings.iter().map(|one| self.sign(one)).collect();
        assemble(&read.payload, &read.key, &signatures).unwrap()
    }

    fn sign(&self, signing: &Signing) -> Signature {
        let secp = Secp256k1::new();
        let steps = signing.path.steps().iter().map(|index| ChildNumber::Normal { index: *index });
        let path: DerivationPath = steps.collect::<Vec<_>>().into();
        let secret = self.secret.derive_priv(&secp, &path).unwrap().private_key;
        let message = Message::from_digest_slice(&signing.message()).unwrap();
        Signature(match signing.algorithm {
            Algorithm::TaprootKeyPath => {
                let pair = Keypair::from_secret_key(&secp, &secret).tap_tweak(&secp, None).to_keypair();
                secp.sign_schnorr_no_aux_rand(&message, &pair).serialize()
            }
            _ => secp.sign_ecdsa(&message, &secret).serialize_compact(),
        })
    }
}
