//! Reads parameters strictly: what has two readings, or none, is refused by the name of its field. A value that is signed
//! must not depend on which reader looked at it.

use std::fmt;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::refusal::Refusal;

/// The members of an object, each at most once, as the text that they are.
pub struct Fields {
    /// Where the object stands, with a dot behind; empty at the top.
    place: String,
    members: Vec<(String, Box<RawValue>)>,
}

struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom("a member is there twice"));
                    }
                    members.push((name, value));
                    if members.len() > MEMBERS_MAX {
                        return Err(A::Error::custom("too many members"));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Once)
    }
}

/// More than any object of ours has.
const MEMBERS_MAX: usize = 64;

impl Fields {
    /// The members of an object that stands at a place.
    pub fn of(name: &str, raw: &RawValue) -> Result<Self, Refusal> {
        let Members(members) = serde_json::from_str(raw.get())
            .map_err(|_| Refusal::field(name, "is not an object whose members are there once"))?;
        Ok(Self { place: String::new(), members })
    }

    /// The same, for an object inside another.
    pub fn within(place: &str, raw: &RawValue) -> Result<Self, Refusal> {
        Ok(Self { place: format!("{place}."), ..Self::of(place, raw)? })
    }

    /// The name of a member, with its place.
    pub fn name(&self, name: &str) -> String {
        format!("{}{name}", self.place)
    }

    /// A member, which is then read. `null` is as good as nothing.
    pub fn take(&mut self, name: &str) -> Option<Box<RawValue>> {
        let at = self.members.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.members.swap_remove(at);
        (value.get() != "null").then_some(value)
    }

    /// A member, read.
    pub fn read<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str, &RawValue) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        let value = self.take(name);
        value.map(|value| read(&self.name(name), &value)).transpose()
    }

    /// A member that has to be there.
    pub fn must_have<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str, &RawValue) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.read(name, read)?.ok_or_else(|| Refusal::field(&self.name(name), "is missing"))
    }

    /// Refuses what is left: it may have meant something.
    pub fn done(self) -> Result<(), Refusal> {
        match self.members.iter().find(|(_, value)| value.get() != "null") {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                Err(Refusal::field(&self.name(&name), "is not known here"))
            }
        }
    }
}

fn read<T: DeserializeOwned>(name: &str, raw: &RawValue, what: &str) -> Result<T, Refusal> {
    serde_json::from_str(raw.get()).map_err(|_| Refusal::field(name, what))
}

/// A text.
pub fn text(name: &str, raw: &RawValue) -> Result<String, Refusal> {
    read(name, raw, "is not a string")
}

/// A list.
pub fn list(name: &str, raw: &RawValue) -> Result<Vec<Box<RawValue>>, Refusal> {
    read(name, raw, "is not a list")
}

/// A number as Ethereum writes it: hex digits behind 0x, the fewest that say it.
pub fn quantity(name: &str, raw: &RawValue) -> Result<U256, Refusal> {
    let text: String = read(name, raw, "is not a number in hex, as a string")?;
    let digits = digits(&text).ok_or_else(|| Refusal::field(name, "is not a number in hex behind 0x"))?;
    if digits.is_empty() || (digits.starts_with('0') && digits != "0") {
        return Err(Refusal::field(
            name,
            "is not the shortest form of a number: no digits, or leading zeros",
        ));
    }
    if digits.len() > 64 {
        return Err(Refusal::field(name, "overflows 256 bits"));
    }
    U256::from_str_radix(digits, 16).map_err(|_| Refusal::field(name, "is not a number in hex behind 0x"))
}

/// A number of 64 bits.
pub fn word(name: &str, raw: &RawValue) -> Result<u64, Refusal> {
    quantity(name, raw)?.try_into().map_err(|_| Refusal::field(name, "overflows 64 bits"))
}

/// A number of 128 bits: a price.
pub fn price(name: &str, raw: &RawValue) -> Result<u128, Refusal> {
    quantity(name, raw)?.try_into().map_err(|_| Refusal::field(name, "overflows 128 bits"))
}

/// Bytes.
pub fn bytes(name: &str, raw: &RawValue) -> Result<Bytes, Refusal> {
    of_hex(name, &text(name, raw)?).map(Bytes::from)
}

/// Bytes, of their text.
pub fn of_hex(name: &str, text: &str) -> Result<Vec<u8>, Refusal> {
    let digits = digits(text).and_then(|digits| hex::decode(digits).ok());
    digits.ok_or_else(|| Refusal::field(name, "is not hex of whole bytes behind 0x"))
}

/// 32 bytes.
pub fn digest(name: &str, raw: &RawValue) -> Result<B256, Refusal> {
    let bytes = bytes(name, raw)?;
    B256::try_from(bytes.as_ref()).map_err(|_| Refusal::field(name, "has not 32 bytes"))
}

/// An account.
pub fn account(name: &str, raw: &RawValue) -> Result<Address, Refusal> {
    address(name, &text(name, raw)?)
}

/// An address: in small or capital letters, or in both with the checksum of ERC-55.
pub fn address(name: &str, text: &str) -> Result<Address, Refusal> {
    let bytes = of_hex(name, text)?;
    let address = <[u8; 20]>::try_from(bytes).map_err(|_| Refusal::field(name, "has not 20 bytes"))?;
    let address = Address::from(address);
    let is_mixed =
        text.contains(|c: char| matches!(c, 'a'..='f')) && text.contains(|c: char| matches!(c, 'A'..='F'));
    if is_mixed && address.to_checksum(None) != text {
        return Err(Refusal::field(name, "has a wrong checksum: a letter of the address is not right"));
    }
    Ok(address)
}

fn digits(text: &str) -> Option<&str> {
    text.strip_prefix("0x").filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_number_has_one_spelling() {
        let read = |text: &str| quantity("value", &raw(text));
        assert_eq!(read(r#""0x0""#).unwrap(), U256::ZERO);
        assert_eq!(read(r#""0x3E8""#).unwrap(), U256::from(1000));
        assert_eq!(read(&format!("\"0x{}\"", "f".repeat(64))).unwrap(), U256::MAX);
        let overflow = format!("\"0x1{}\"", "0".repeat(64));
        for bad in [
            "\"0x\"", "\"0x00\"", "\"0x01\"", "\"10\"", "10", "\"0X1\"", "\"-0x1\"", "\"0x_1\"", "null",
            &overflow,
        ] {
            let refusal = read(bad).unwrap_err();
            assert_eq!((refusal.number, &refusal.more["field"]), (-32602, &"value".into()), "{bad}");
        }
        assert!(word("gas", &raw("\"0x10000000000000000\"")).unwrap_err().message.contains("64 bits"));
        let wide = format!("\"0x1{}\"", "0".repeat(32));
        assert!(price("gasPrice", &raw(&wide)).unwrap_err().message.contains("128 bits"));
    }

    #[test]
    fn an_address_may_be_in_one_case_and_in_two_only_with_its_checksum() {
        // An example of ERC-55.
        let good = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        let lower = good.to_lowercase();
        let upper = format!("0x{}", good.trim_start_matches("0x").to_uppercase());
        for text in [good, &lower, &upper] {
            assert_eq!(address("from", text).unwrap().to_checksum(None), good);
        }
        let wrong = good.replace("aA", "AA");
        assert!(address("from", &wrong).unwrap_err().message.contains("checksum"));
        assert!(address("from", &good.replace("0x", "0X")).is_err());
        assert!(address("from", &lower.replace("5aae", "5aa")).is_err());
    }

    #[test]
    fn members_are_there_once_and_known() {
        assert!(Fields::of("tx", &raw(r#"{"to":"0x","to":"0x"}"#)).is_err());
        assert!(Fields::of("tx", &raw("[]")).is_err());
        let mut fields = Fields::within("tx", &raw(r#"{"a":null,"b":"x","c":null}"#)).unwrap();
        assert!(fields.take("a").is_none());
        assert_eq!(fields.must_have("a", text).unwrap_err().more["field"], "tx.a");
        assert_eq!(fields.done().unwrap_err().more["field"], "tx.b");
    }
}
