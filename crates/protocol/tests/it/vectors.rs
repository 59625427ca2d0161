//! Published vectors and computed edge cases, reproduced through our own types.
//!
//! `vectors/README.md` says where each file comes from. Loading is plumbing: what cannot be loaded is a defect of
//! the file, so it panics.

pub mod dealer;

mod bad_encodings;
mod bip340;
mod bip341;
mod dkg;
mod frost;
mod rfc8032;

use keymoot_protocol::curve::Curve;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Bytes that a file gives in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Hex(pub Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        hex::decode(text).map(Self)
    }
}

impl Hex {
    pub fn must_array<const N: usize>(&self) -> [u8; N] {
        self.0.as_slice().try_into().unwrap_or_else(|_| panic!("{} has not {N} bytes", hex::encode(&self.0)))
    }

    pub fn must_scalar<C: Curve>(&self) -> C::Scalar {
        C::decode_scalar(&self.0).unwrap_or_else(|| panic!("{} is no scalar", hex::encode(&self.0)))
    }

    pub fn must_point<C: Curve>(&self) -> C::Point {
        C::decode_point(&self.0).unwrap_or_else(|| panic!("{} is no point", hex::encode(&self.0)))
    }
}

pub fn must_load<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).expect("a file of vectors has the shape that its test expects")
}
