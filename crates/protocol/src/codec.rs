//! The one encoding, for the wire and for everything that is hashed: injective, canonical, bounded.
//!
//! Each field is `type (1 byte) ‖ length (8 bytes, little endian) ‖ bytes`; a list is `LIST ‖ count ‖ items`; an
//! optional field is `NONE` or `SOME` followed by the field. Two different values never have the same bytes, and
//! every value has exactly one encoding: whatever is not that encoding is refused, trailing bytes included.

use zeroize::Zeroizing;

use crate::curve::{Curve, Secp256k1};
use keymoot_types::Party;

const BYTES: u8 = 1;
const UINT: u8 = 2;
const LIST: u8 = 3;
const NONE: u8 = 4;
const SOME: u8 = 5;
const POINT: u8 = 6;
const SCALAR: u8 = 7;
const TEXT: u8 = 8;

/// Bytes in front of every field's content: its type and its length.
pub const FIELD_HEADER: usize = 9;

/// Why bytes are not the canonical encoding of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The input ends inside a field.
    #[error("the input ends inside a field")]
    Truncated,
    /// A field of another type was expected.
    #[error("a field has the wrong type")]
    WrongType,
    /// Bytes are left over.
    #[error("bytes are left over")]
    Trailing,
    /// A field or list is longer or shorter than its type allows.
    #[error("a field has the wrong length")]
    WrongLength,
    /// An integer has leading zeros or does not fit.
    #[error("an integer is not minimal or does not fit")]
    Integer,
    /// A scalar is not below the group order.
    #[error("a scalar is not canonical")]
    Scalar,
    /// A point is the identity, off the curve, outside the prime-order group, or not canonically encoded.
    #[error("a point is not a canonical element of the group")]
    Point,
    /// A party index is outside the committee, or parties are out of order.
    #[error("a party is outside the committee or out of order")]
    Party,
    /// An enumeration has no such value.
    #[error("a value is not one of those defined")]
    Choice,
}

/// Builds an encoding field by field. Its buffer is wiped on drop, because messages may carry shares.
#[derive(Default)]
pub struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// An empty encoding.
    #[must_use]
    pub fn new() -> Self {
        // Room for the messages of a usual committee.
        Self::with_capacity(4096)
    }

    /// An empty encoding with room for `bytes`, so that secrets are not left behind by growth.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    fn field(&mut self, kind: u8, content: &[u8]) {
        self.0.push(kind);
        self.0.extend_from_slice(&(content.len() as u64).to_le_bytes());
        self.0.extend_from_slice(content);
    }

    /// A byte string.
    pub fn bytes(&mut self, content: &[u8]) {
        self.field(BYTES, content);
    }

    /// A text, used for tags.
    pub fn text(&mut self, content: &str) {
        self.field(TEXT, content.as_bytes());
    }

    /// An unsigned integer in minimal big-endian form; zero is empty.
    pub fn uint(&mut self, value: u64) {
        let bytes = value.to_be_bytes();
        let minimal = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        self.field(UINT, bytes.get(minimal..).unwrap_or_default());
    }

    /// A party's index.
    pub fn party(&mut self, party: Party) {
        self.uint(u64::from(party.index()));
    }

    /// A group element.
    pub fn point<C: Curve>(&mut self, point: &C::Point) {
        self.field(POINT, C::encode_point(point).as_ref());
    }

    /// An element of secp256k1 in affine form, which takes no inversion.
    pub fn affine(&mut self, point: &k256::AffinePoint) {
        self.field(POINT, Secp256k1::encode_affine(point).as_ref());
    }

    /// A scalar.
    pub fn scalar<C: Curve>(&mut self, scalar: &C::Scalar) {
        self.field(SCALAR, Zeroizing::new(C::encode_scalar(scalar)).as_ref());
    }

    /// A group element that a library has encoded.
    pub fn point_bytes(&mut self, encoded: &[u8]) {
        self.field(POINT, encoded);
    }

    /// A scalar that a library has encoded.
    pub fn scalar_bytes(&mut self, encoded: &[u8]) {
        self.field(SCALAR, encoded);
    }

    /// A list: its count, then each item as `write` puts it.
    pub fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.0.push(LIST);
        self.0.extend_from_slice(&(items.len() as u64).to_le_bytes());
        items.for_each(|item| write(self, item));
    }

    /// An optional field.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.0.push(NONE),
            Some(value) => {
                self.0.push(SOME);
                write(self, value);
            }
        }
    }

    /// The encoding so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The finished encoding.
    #[must_use]
    pub fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Takes an encoding apart; never allocates by a length it was told.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed::Truncated)
    }

    fn field(&mut self, kind: u8) -> Result<&'a [u8], Malformed> {
        let [found] = self.array()?;
        if found != kind {
            return Err(Malformed::WrongType);
        }
        let length = u64::from_le_bytes(self.array()?);
        self.take(usize::try_from(length).map_err(|_| Malformed::Truncated)?)
    }

    /// A byte string of at most `max` bytes.
    ///
    /// # Errors
    /// Not a byte string, cut short, or longer than `max`.
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8], Malformed> {
        let content = self.field(BYTES)?;
        if content.len() > max { Err(Malformed::WrongLength) } else { Ok(content) }
    }

    /// A text.
    ///
    /// # Errors
    /// Not a text of at most 64 bytes of UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let content = self.field(TEXT)?;
        if content.len() > 64 {
            Err(Malformed::WrongLength)
        } else {
            std::str::from_utf8(content).map_err(|_| Malformed::Choice)
        }
    }

    /// Whether a text comes next.
    #[must_use]
    pub fn is_at_text(&self) -> bool {
        self.0.first() == Some(&TEXT)
    }

    /// A byte string of exactly `N` bytes.
    ///
    /// # Errors
    /// Not a byte string of that length.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.field(BYTES)?.try_into().map_err(|_| Malformed::WrongLength)
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// Leading zeros, or more than 64 bits.
    pub fn uint(&mut self) -> Result<u64, Malformed> {
        let content = self.field(UINT)?;
        if content.len() > 8 || content.first() == Some(&0) {
            return Err(Malformed::Integer);
        }
        Ok(content.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// A party's index.
    ///
    /// # Errors
    /// Not an index of any committee.
    pub fn party(&mut self) -> Result<Party, Malformed> {
        let index = u16::try_from(self.uint()?).map_err(|_| Malformed::Party)?;
        Party::new(index).map_err(|_| Malformed::Party)
    }

    /// A group element.
    ///
    /// # Errors
    /// Anything but the canonical encoding of an element of the prime-order group other than the identity.
    pub fn point<C: Curve>(&mut self) -> Result<C::Point, Malformed> {
        C::decode_point(self.field(POINT)?).ok_or(Malformed::Point)
    }

    /// An element of secp256k1, in affine form.
    ///
    /// # Errors
    /// As [`Reader::point`].
    pub fn affine(&mut self) -> Result<k256::AffinePoint, Malformed> {
        Secp256k1::decode_affine(self.field(POINT)?).ok_or(Malformed::Point)
    }

    /// A scalar.
    ///
    /// # Errors
    /// Not canonical, that is not below the group order.
    pub fn scalar<C: Curve>(&mut self) -> Result<C::Scalar, Malformed> {
        C::decode_scalar(self.field(SCALAR)?).ok_or(Malformed::Scalar)
    }

    /// The bytes of a group element, for a library to decode.
    ///
    /// # Errors
    /// Not marked as one.
    pub fn point_bytes(&mut self) -> Result<&'a [u8], Malformed> {
        self.field(POINT)
    }

    /// The bytes of a scalar, for a library to decode.
    ///
    /// # Errors
    /// Not marked as one.
    pub fn scalar_bytes(&mut self) -> Result<&'a [u8], Malformed> {
        self.field(SCALAR)
    }

    /// A list of at most `max` items.
    ///
    /// # Errors
    /// Not a list, a longer one, or a malformed item.
    pub fn list<T>(
        &mut self,
        max: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let [found] = self.array()?;
        if found != LIST {
            return Err(Malformed::WrongType);
        }
        let count = u64::from_le_bytes(self.array()?);
        if count > max as u64 {
            return Err(Malformed::WrongLength);
        }
        (0..count).map(|_| read(self)).collect()
    }

    /// An optional field.
    ///
    /// # Errors
    /// Neither marker, or a malformed field.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.array()? {
            [NONE] => Ok(None),
            [SOME] => read(self).map(Some),
            _ => Err(Malformed::WrongType),
        }
    }

    /// Whether nothing is left.
    ///
    /// # Errors
    /// Bytes are left over.
    pub const fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Trailing) }
    }
}

/// A value with one canonical encoding.
pub trait Wire: Sized {
    /// Appends the value's fields.
    fn write(&self, writer: &mut Writer);

    /// Reads the value's fields.
    ///
    /// # Errors
    /// Whatever is not the canonical encoding of a valid value.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed>;

    /// The canonical encoding.
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    /// The value with exactly this encoding.
    ///
    /// # Errors
    /// Whatever is not the canonical encoding of a valid value, trailing bytes included.
    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let value = Self::read(&mut reader)?;
        reader.end()?;
        Ok(value)
    }
}
