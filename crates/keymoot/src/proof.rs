//! Whether a signature is one, by libraries that have no part in making it. What must have been signed is worked out here
//! from the payload, and never taken from an answer.

use keymoot_chains::{Algorithm, Inspection, Key, Kind, Network, Payload, Signing, inspect};
use keymoot_wire::rest::KeyView;

use crate::explain::{BUG, USAGE};
use crate::failure::{Failure, Trouble};
use crate::{unreadable, wallet};

/// What was to be signed.
pub struct Claim<'a> {
    pub key: &'a KeyView,
    /// As in `m/0/7`.
    pub path: &'a str,
    /// As in `message`.
    pub kind: &'a str,
    pub payload: &'a [u8],
}

/// What the signature must be over, and under which key.
pub struct Expected {
    algorithm: Algorithm,
    verifies_under: Vec<u8>,
    /// A digest of 32 bytes, or the whole message for Ed25519.
    pub message: Vec<u8>,
}

/// A payload that was read here, as every node will read it.
pub struct Read {
    /// At the path of the request.
    pub key: Key,
    pub payload: Payload,
    /// What it would do, and what has to be signed for that.
    pub inspection: Inspection,
}

impl Claim<'_> {
    /// Reads the payload. The network is that of Bitcoin addresses.
    pub fn read(&self, network: Network) -> Result<Read, Failure> {
        let key = wallet::at(self.key, self.path)?.on(network);
        let kind = Kind::parse(self.kind)
            .ok_or_else(|| Trouble::new(USAGE, unknown_kind(self.kind)).undone("nothing was signed"))?;
        let refused = |error| unreadable::failure(&error, kind, self.payload);
        let payload = Payload::new(kind, self.payload.to_vec()).map_err(refused)?;
        let inspection = inspect(&payload, &key).map_err(refused)?;
        Ok(Read { key, payload, inspection })
    }

    /// Works out what must have been signed, where that is one thing.
    pub fn expected(&self, network: Network) -> Result<Expected, Failure> {
        match self.read(network)?.inspection.signings.as_slice() {
            [one] => Ok(Expected::of(one)),
            _ => Err(Trouble::new(BUG, "a payload with several signatures cannot be verified in one").into()),
        }
    }
}

/// All kinds, in words; last the one that is known only to be refused.
pub fn unknown_kind(kind: &str) -> String {
    let signed = Kind::ALL.iter().filter(|kind| **kind != Kind::RawDigest).map(|kind| kind.name());
    let (known, bare) = (signed.collect::<Vec<_>>().join(", "), Kind::RawDigest.name());
    let kind = kind.escape_debug();
    format!(
        "there is no kind `{kind}`; there are {known}; and {bare}, which no node signs: it says nothing of what it is for"
    )
}

impl Expected {
    /// What one signature must be.
    pub fn of(signing: &Signing) -> Self {
        Self {
            algorithm: signing.algorithm,
            verifies_under: signing.verifies_under.clone(),
            message: signing.message(),
        }
    }

    /// The library that verifies.
    pub const fn library(&self) -> &'static str {
        match self.algorithm {
            Algorithm::Ecdsa | Algorithm::TaprootKeyPath => "libsecp256k1",
            Algorithm::Ed25519 => "ed25519-dalek",
        }
    }

    /// Whether this is a signature: 64 bytes, or 65 with the recovery id of ECDSA, which must then be right.
    pub fn verifies(&self, signature: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::Ecdsa => self.ecdsa(signature),
            Algorithm::TaprootKeyPath => self.schnorr(signature),
            Algorithm::Ed25519 => self.ed25519(signature),
        }
    }

    fn ecdsa(&self, signature: &[u8]) -> bool {
        let Some((compact, rest)) = signature.split_first_chunk::<64>() else { return false };
        let Ok(digest) = <[u8; 32]>::try_from(self.message.as_slice()) else { return false };
        let message = secp256k1::Message::from_digest(digest);
        let Ok(key) = secp256k1::PublicKey::from_slice(&self.verifies_under) else { return false };
        let Ok(one) = secp256k1::ecdsa::Signature::from_compact(compact) else { return false };
        let recovers = match rest {
            [] => true,
            [id] => secp256k1::ecdsa::RecoveryId::try_from(i32::from(*id))
                .and_then(|id| secp256k1::ecdsa::RecoverableSignature::from_compact(compact, id))
                .and_then(|signature| signature.recover(message))
                .is_ok_and(|recovered| recovered == key),
            _ => false,
        };
        recovers && secp256k1::SECP256K1.verify_ecdsa(message, &one, &key).is_ok()
    }

    fn schnorr(&self, signature: &[u8]) -> bool {
        let Ok(bytes) = <[u8; 64]>::try_from(signature) else { return false };
        let Ok(key) = <[u8; 32]>::try_from(self.verifies_under.as_slice()) else { return false };
        let signature = secp256k1::schnorr::Signature::from_byte_array(bytes);
        secp256k1::XOnlyPublicKey::from_byte_array(key)
            .is_ok_and(|key| secp256k1::SECP256K1.verify_schnorr(&signature, &self.message, &key).is_ok())
    }

    fn ed25519(&self, signature: &[u8]) -> bool {
        let Ok(bytes) = <[u8; 64]>::try_from(signature) else { return false };
        let Ok(key) = <[u8; 32]>::try_from(self.verifies_under.as_slice()) else { return false };
        let signature = ed25519_dalek::Signature::from_bytes(&bytes);
        ed25519_dalek::VerifyingKey::from_bytes(&key)
            .is_ok_and(|key| key.verify_strict(&self.message, &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use keymoot_wire::rest::{KeyView, ThresholdView};

    use keymoot_chains::Network;

    use super::Claim;

    fn key(scheme: &str, public: &[u8]) -> KeyView {
        KeyView {
            id: "key_0".into(),
            name: "hot".into(),
            scheme: scheme.into(),
            public_key: hex::encode(public),
            chain_code: "00".repeat(32),
            threshold: ThresholdView { needed: 2, total: 3 },
            ..KeyView::default()
        }
    }

    #[test]
    fn a_bare_digest_is_not_offered_as_if_it_could_be_signed() {
        let told = super::unknown_kind("nope");
        let (offered, refused) = told.split_once("; and ").unwrap();
        assert!(offered.contains("evm_typed_data") && !offered.contains("raw_digest"), "{told}");
        assert!(refused.starts_with("raw_digest, which no node signs"), "{told}");
    }

    #[test]
    fn a_signature_verifies_for_its_message_and_no_other() {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let ed25519 = key("frost-ed25519", secret.verifying_key().as_bytes());
        let secp = secp256k1::SecretKey::from_byte_array([7; 32]).unwrap();
        let ecdsa = key("dkls23", &secp.public_key(secp256k1::SECP256K1).serialize());
        for key in [&ed25519, &ecdsa] {
            let claim = |payload| Claim { key, path: "m", kind: "message", payload };
            let expected = claim(b"hello").expected(Network::Mainnet).unwrap();
            let signature = match key.scheme.as_str() {
                "dkls23" => {
                    let digest =
                        secp256k1::Message::from_digest(expected.message.clone().try_into().unwrap());
                    secp256k1::SECP256K1.sign_ecdsa(digest, &secp).serialize_compact().to_vec()
                }
                _ => {
                    use ed25519_dalek::Signer;
                    secret.sign(&expected.message).to_bytes().to_vec()
                }
            };
            assert!(expected.verifies(&signature));
            assert!(!claim(b"hellp").expected(Network::Mainnet).unwrap().verifies(&signature));
            assert!(
                !expected.verifies(&signature[1..])
                    && !expected.verifies(&[])
                    && !expected.verifies(&[0; 66])
            );
        }
        let claim = Claim { key: &ecdsa, path: "m/0/1", kind: "message", payload: b"" };
        assert!(claim.expected(Network::Mainnet).is_ok());
        for (path, kind) in [("m/0'", "message"), ("", "message"), ("m", "no_such_kind"), ("m", "raw_digest")]
        {
            assert!(
                Claim { key: &ecdsa, path, kind, payload: b"" }.expected(Network::Mainnet).is_err(),
                "{path} {kind}"
            );
        }
    }
}
