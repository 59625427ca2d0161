//! The texts that ports exchange. Names are narrow on purpose: each is at once a DNS label, a segment of an etcd or
//! Consul key, a token of a NATS subject and a part of an AMQP routing key, so no adapter has to escape anything.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest name or role, in bytes: a DNS label.
pub const NAME_BYTES_MAX: usize = 63;

/// The longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 255;

const _: () = assert!(NAME_BYTES_MAX <= ADDRESS_BYTES_MAX, "a name can be an address");

/// The text does not have the form that is wanted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Not a name.
    #[error("a name is 1 to 63 lower-case letters, digits and hyphens, with a letter or digit at either end")]
    Name,
    /// Not an address.
    #[error("an address is 1 to 255 printable ASCII characters without spaces")]
    Address,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $valid:ident or $error:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            #[doc = concat!("This text as a `", stringify!($name), "`.")]
            ///
            /// # Errors
            /// Another form than the one above.
            pub fn new(text: &str) -> Result<Self, TextError> {
                if $valid(text) { Ok(Self(text.into())) } else { Err(TextError::$error) }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    )*};
}

texts! {
    /// A process, as others call it: in the registry, as an address of the bus, as the owner of a lease.
    /// Two lives of one process that must not be taken for each other need two names.
    Name: is_name or Name;
    /// What a process is there for: `node`, `coordinator`.
    Role: is_name or Name;
    /// Where a process can be reached. Only the transport understands it.
    Address: is_address or Address;
}

fn is_name(text: &str) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    text.len() <= NAME_BYTES_MAX
        && text.as_bytes().iter().all(is_inner)
        && text.as_bytes().first().is_some_and(|first| *first != b'-')
        && text.as_bytes().last().is_some_and(|last| *last != b'-')
}

fn is_address(text: &str) -> bool {
    (1..=ADDRESS_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_label_that_every_vendor_takes() {
        for good in ["a", "node-1", "0", &"x".repeat(63)] {
            assert_eq!(Name::new(good).map(|name| name.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "-a", "a-", "a.b", "A", "a b", "a*", "a/b", "ä", &"x".repeat(64)] {
            assert_eq!(bad.parse::<Role>(), Err(TextError::Name), "{bad}");
        }
    }

    #[test]
    fn an_address_is_printable() {
        assert!(Address::new("https://[::1]:7001/x?y=z").is_ok());
        for bad in ["", "a b", "a\n", "ä", &"x".repeat(256)] {
            assert_eq!(Address::new(bad), Err(TextError::Address), "{bad}");
        }
    }
}
