//! Clients that come by HTTP: with a key of either type, and a text to sign.

use keymoot_engine::request::{ClientKey, HttpRequest};
use keymoot_protocol::dkls23::PayloadHash;
use keymoot_protocol::identity::IdentityKey;
use keymoot_types::signed::{self, Algorithm, Parameters};
use p256::ecdsa::signature::Signer;

use super::{Cluster, DAWN};

/// What a client signs with.
pub enum Pen {
    Ed25519(IdentityKey),
    P256(p256::ecdsa::SigningKey),
}

impl Pen {
    /// Two clients that are enrolled.
    pub fn enrolled() -> [Self; 2] {
        let p256 = p256::ecdsa::SigningKey::from_slice(&[0xc2; 32]).expect("a key of a test");
        [Self::Ed25519(IdentityKey::from_seed([0xc1; 32])), Self::P256(p256)]
    }

    pub fn key(&self) -> ClientKey {
        match self {
            Self::Ed25519(key) => ClientKey::Ed25519(key.public()),
            Self::P256(key) => ClientKey::P256(Box::new(*key.verifying_key())),
        }
    }

    pub fn algorithm(&self) -> Algorithm {
        self.key().algorithm()
    }

    fn sign(&self, base: &str) -> [u8; 64] {
        match self {
            Self::Ed25519(key) => key.sign_text(base).expect("longer than a digest").0,
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(base.as_bytes());
                signature.to_bytes().into()
            }
        }
    }

    /// The request, signed as the parameters say.
    pub fn request(&self, path: &str, body: &str, parameters: &Parameters) -> HttpRequest {
        let digest = signed::content_digest(&PayloadHash::Sha256.of(body.as_bytes()));
        let base = signed::base("POST", path, &digest, parameters).expect("a request of a test");
        HttpRequest {
            method: "POST".to_owned(),
            path: path.to_owned(),
            body: body.as_bytes().to_vec(),
            input: parameters.to_string(),
            signature: self.sign(&base),
        }
    }
}

impl Cluster {
    /// Parameters of a request that is made now and valid for a minute.
    pub fn parameters(&mut self, pen: &Pen) -> Parameters {
        self.count += 1;
        let created = (DAWN + self.now) / 1000;
        let mut nonce = [0xee; 16];
        nonce[..8].copy_from_slice(&self.count.to_le_bytes());
        Parameters {
            created,
            expires: created + 60,
            nonce,
            keyid: pen.key().id().0,
            algorithm: pen.algorithm(),
            tag: signed::tag(self.committee.group()),
        }
    }

    /// A request that is made now.
    pub fn http(&mut self, pen: &Pen, path: &str, body: &str) -> HttpRequest {
        let parameters = self.parameters(pen);
        pen.request(path, body, &parameters)
    }
}
