//! Reads one parameter after the other, each in the one spelling it has.

use super::{INTEGER_MAX, SignedTextError};
use crate::id::nibble;

/// What is left of the text.
pub(super) struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// `;name=123`: no sign, no leading zero.
    pub(super) fn number(&mut self, name: &'static str) -> Result<u64, SignedTextError> {
        self.named(name)?;
        let end = self.0.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at_checked(end).ok_or(SignedTextError::Parameter(name))?;
        self.0 = rest;
        match digits.parse() {
            Ok(number) if number <= INTEGER_MAX && (digits == "0" || !digits.starts_with('0')) => Ok(number),
            _ => Err(SignedTextError::Parameter(name)),
        }
    }

    /// `;name="text"`, where the text needs no escapes.
    pub(super) fn quoted(&mut self, name: &'static str) -> Result<&'a str, SignedTextError> {
        self.named(name)?;
        let inside = self.0.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let (text, rest) = inside.ok_or(SignedTextError::Parameter(name))?;
        self.0 = rest;
        Ok(text)
    }

    /// `;name="0f3a"`: so many bytes in lower-case hex digits.
    pub(super) fn digits<const N: usize>(&mut self, name: &'static str) -> Result<[u8; N], SignedTextError> {
        let refused = SignedTextError::Parameter(name);
        let (pairs, rest) = self.quoted(name)?.as_bytes().as_chunks::<2>();
        if pairs.len() != N || !rest.is_empty() {
            return Err(refused);
        }
        let mut bytes = [0; N];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high).ok_or(refused)? << 4 | nibble(*low).ok_or(refused)?;
        }
        Ok(bytes)
    }

    pub(super) const fn end(self) -> Result<(), SignedTextError> {
        if self.0.is_empty() { Ok(()) } else { Err(SignedTextError::Trailing) }
    }

    fn named(&mut self, name: &'static str) -> Result<(), SignedTextError> {
        let rest = self.0.strip_prefix(';').and_then(|rest| rest.strip_prefix(name));
        self.0 = rest.and_then(|rest| rest.strip_prefix('=')).ok_or(SignedTextError::Parameter(name))?;
        Ok(())
    }
}
