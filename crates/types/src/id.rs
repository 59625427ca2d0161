//! Identifiers that cannot be confused: each prints and parses with its own prefix.

/// Declares 16-byte identifiers. `KeyId = "key"` prints `key_0f3a…` and parses nothing else.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// An identifier made of these bytes, usually drawn at random by whoever creates the thing.
            #[must_use]
            pub const fn new(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes, as they enter transcripts.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let digits = text.strip_prefix(concat!($prefix, "_")).ok_or(IdError { expected: $prefix })?;
                parse_hex(digits).map(Self).ok_or(IdError { expected: $prefix })
            }
        }
    )*};
}

ids! {
    /// One key, for all its epochs.
    KeyId = "key";
    /// One committee of nodes.
    GroupId = "grp";
    /// One attempt at something; a retry has another.
    SessionId = "ses";
}

/// The text is not an identifier of the kind that is wanted here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of the form `{expected}_` followed by 32 lower-case hex digits")]
pub struct IdError {
    expected: &'static str,
}

fn parse_hex(digits: &str) -> Option<[u8; 16]> {
    let digits: &[u8; 32] = digits.as_bytes().try_into().ok()?;
    let mut bytes = [0u8; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(bytes)
}

pub(crate) const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{GroupId, KeyId};

    #[test]
    fn an_id_parses_only_its_own_print() {
        let key = KeyId::new([0xab; 16]);
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(format!("{key:?}"), format!("key_{}", "ab".repeat(16)));
        assert!(key.to_string().parse::<GroupId>().is_err());
        for bad in
            ["", "key_", "key_zz", &format!("key_{}", "AB".repeat(16)), &format!("key_{}", "ab".repeat(17))]
        {
            assert!(bad.parse::<KeyId>().is_err(), "{bad}");
        }
    }
}
