//! The encoding of kernel.md §1, written a second time: nothing here calls the codec of the crate.

use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::ristretto::CompressedRistretto;
use k256::elliptic_curve::ff::PrimeField;
use k256::elliptic_curve::sec1::ToEncodedPoint;
use k256::{ProjectivePoint, PublicKey, Scalar};

/// A digest, a seed, a name: 32 bytes.
pub type Bytes32 = [u8; 32];

fn field(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![kind];
    field.extend_from_slice(&(content.len() as u64).to_le_bytes());
    field.extend_from_slice(content);
    field
}

pub fn bytes(content: &[u8]) -> Vec<u8> {
    field(1, content)
}

/// Big endian without leading zeros, so nothing at all for zero.
pub fn uint(value: u64) -> Vec<u8> {
    let digits: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|digit| *digit == 0).collect();
    field(2, &digits)
}

pub fn party(index: u16) -> Vec<u8> {
    uint(u64::from(index))
}

pub fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let mut list = vec![3];
    list.extend_from_slice(&(items.len() as u64).to_le_bytes());
    list.extend_from_slice(&items.concat());
    list
}

/// Nothing, or some fields one after the other.
pub fn option(fields: Option<Vec<u8>>) -> Vec<u8> {
    match fields {
        None => vec![4],
        Some(fields) => [vec![5], fields].concat(),
    }
}

pub fn point(point: &ProjectivePoint) -> Vec<u8> {
    field(6, &compressed(point))
}

/// An element of ristretto255, RFC 9496.
pub fn element(element: &RistrettoPoint) -> Vec<u8> {
    field(6, element.compress().as_bytes())
}

pub fn scalar(scalar: &Scalar) -> Vec<u8> {
    field(7, &scalar.to_bytes())
}

pub fn text(content: &str) -> Vec<u8> {
    field(8, content.as_bytes())
}

/// SEC 1, 33 bytes.
pub fn compressed(point: &ProjectivePoint) -> Vec<u8> {
    point.to_affine().to_encoded_point(true).as_bytes().to_vec()
}

/// A list of what each party said or committed to.
pub fn by_party<'a>(parts: impl IntoIterator<Item = (u16, &'a Bytes32)>) -> Vec<u8> {
    let part = |(index, part): (u16, &Bytes32)| [party(index), bytes(part)].concat();
    list(&parts.into_iter().map(part).collect::<Vec<_>>())
}

/// Takes an honest encoding apart; whatever is wrong with it is a failed test.
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Vec<u8> {
        let (head, tail) = self.0.split_at(count);
        self.0 = tail;
        head.to_vec()
    }

    fn length(&mut self, kind: u8) -> usize {
        assert_eq!(self.take(1), [kind], "a field of another type");
        u64::from_le_bytes(self.take(8).try_into().unwrap()) as usize
    }

    fn field(&mut self, kind: u8) -> Vec<u8> {
        let length = self.length(kind);
        self.take(length)
    }

    pub fn bytes(&mut self) -> Vec<u8> {
        self.field(1)
    }

    pub fn bytes32(&mut self) -> Bytes32 {
        self.bytes().try_into().expect("32 bytes")
    }

    pub fn party(&mut self) -> u16 {
        self.field(2).into_iter().fold(0, |value, digit| value * 256 + u16::from(digit))
    }

    pub fn point(&mut self) -> ProjectivePoint {
        PublicKey::from_sec1_bytes(&self.field(6)).expect("a point").to_projective()
    }

    pub fn element(&mut self) -> RistrettoPoint {
        let bytes = CompressedRistretto::from_slice(&self.field(6)).expect("32 bytes");
        bytes.decompress().expect("an element")
    }

    pub fn scalar(&mut self) -> Scalar {
        let bytes: Bytes32 = self.field(7).try_into().expect("32 bytes");
        Option::from(Scalar::from_repr(bytes.into())).expect("a scalar below q")
    }

    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.length(3)).map(|_| item(self)).collect()
    }

    pub fn end(&self) {
        assert!(self.0.is_empty(), "bytes are left over");
    }
}
