//! A cluster document with the authority's signature: what is handed from machine to machine.

use base64ct::{Base64, Encoding};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::{ClusterDocument, ClusterError};
use crate::authority::{Authority, AuthorityError};
use crate::identity::{authority_key, same_certificate};

/// Before the text, so that no signature of the authority's key under a certificate is one under a document.
const DOMAIN: &[u8] = b"keymoot/cluster-document/v1\n";

/// The exact text of a document, and the authority's signature: ECDSA on P-256 with SHA-256, ASN.1 DER, in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedDocument {
    /// The exact text of the document.
    pub document: String,
    /// The signature.
    pub signature: String,
}

impl SignedDocument {
    /// Signs a document.
    ///
    /// # Errors
    /// The document names another authority; the key does not sign.
    pub fn sign(document: &ClusterDocument, authority: &Authority) -> Result<Self, AuthorityError> {
        if !same_certificate(&document.authority, authority.certificate_pem()) {
            return Err(AuthorityError::OtherAuthority);
        }
        let document = document.to_text();
        let signature = authority.sign(&signed_bytes(&document))?;
        Ok(Self { document, signature: Base64::encode_string(&signature) })
    }

    /// The document, if the authority with this certificate signed it, and it names that authority.
    ///
    /// # Errors
    /// The signature is not the authority's; the document is not valid.
    pub fn verify(&self, authority_pem: &str) -> Result<ClusterDocument, ClusterError> {
        let key = authority_key(authority_pem).map_err(ClusterError::Authority)?;
        let key = VerifyingKey::from_sec1_bytes(&key).map_err(|_| ClusterError::Signature)?;
        let signature = Base64::decode_vec(&self.signature).map_err(|_| ClusterError::Signature)?;
        let signature = Signature::from_der(&signature).map_err(|_| ClusterError::Signature)?;
        // Nothing of the text is looked at before this.
        key.verify(&signed_bytes(&self.document), &signature).map_err(|_| ClusterError::Signature)?;
        let document = ClusterDocument::parse(&self.document)?;
        if same_certificate(&document.authority, authority_pem) {
            Ok(document)
        } else {
            Err(ClusterError::OtherAuthority)
        }
    }

    /// As JSON, for a file.
    ///
    /// # Errors
    /// Never, as far as we know: two strings always have JSON.
    pub fn to_text(&self) -> Result<String, ClusterError> {
        serde_json::to_string_pretty(self).map_err(ClusterError::Json)
    }

    /// Reads the JSON of a file. Verifies nothing yet.
    ///
    /// # Errors
    /// Not JSON, or unknown fields.
    pub fn parse(text: &str) -> Result<Self, ClusterError> {
        serde_json::from_str(text).map_err(ClusterError::Json)
    }
}

fn signed_bytes(document: &str) -> Vec<u8> {
    [DOMAIN, document.as_bytes()].concat()
}
