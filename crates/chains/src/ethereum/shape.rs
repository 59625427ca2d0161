//! The types that typed data declares, checked before a library resolves them.
//!
//! Resolving writes every struct out wherever it is used, so thirty types that use each other twice are a thousand
//! million. Names are put together into the string whose hash is signed, so a name with a bracket could spell another
//! type. Both end here.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Fault;

/// The most struct types, `EIP712Domain` included.
pub const TYPES_MAX: usize = 32;

/// The most members of all types together.
pub const MEMBERS_MAX: usize = 256;

/// The most values that the primary type may have once every struct is written out, arrays counted as one element.
pub const EXPANDED_MAX: usize = 1024;

const NAME_MAX: usize = 64;
const DIMENSIONS_MAX: usize = 3;

/// One member of a struct.
#[derive(Deserialize)]
pub(super) struct Member {
    name: String,
    #[serde(rename = "type")]
    of: String,
}

/// The member `types` of typed data.
pub(super) type Types = BTreeMap<String, Vec<Member>>;

/// Whether these types can be resolved without harm, from the primary one.
pub(super) fn check(types: &Types, primary: &str) -> Result<(), Fault> {
    let members = types.values().map(Vec::len).sum::<usize>();
    if types.len() > TYPES_MAX || members > MEMBERS_MAX {
        return Err(Fault::TooLarge);
    }
    for (name, members) in types {
        if !is_type_name(name) || is_elementary(name) {
            return Err(Fault::Name(name.clone()));
        }
        for (place, member) in members.iter().enumerate() {
            let is_repeated = members.iter().take(place).any(|earlier| earlier.name == member.name);
            if !is_name(&member.name) || is_repeated {
                return Err(Fault::Name(member.name.clone()));
            }
            let stem = stem(&member.of)?;
            if !is_elementary(stem) && !types.contains_key(stem) {
                return Err(Fault::Name(stem.to_owned()));
            }
        }
    }
    if !types.contains_key(primary) {
        return Err(Fault::Name(primary.to_owned()));
    }
    let mut sizes = BTreeMap::new();
    expanded(types, primary, &mut sizes).map(drop)
}

/// How many values a type has when it is written out. `None` in `sizes`: it is being counted, so it contains itself.
fn expanded<'a>(
    types: &'a Types,
    name: &'a str,
    sizes: &mut BTreeMap<&'a str, Option<usize>>,
) -> Result<usize, Fault> {
    match sizes.get(name) {
        Some(Some(size)) => return Ok(*size),
        Some(None) => return Err(Fault::TooLarge),
        None => {}
    }
    let Some(members) = types.get(name) else { return Ok(1) };
    sizes.insert(name, None);
    let mut total: usize = 1;
    for member in members {
        let inner = expanded(types, stem(&member.of)?, sizes)?;
        total = total.checked_add(inner).filter(|sum| *sum <= EXPANDED_MAX).ok_or(Fault::TooLarge)?;
    }
    sizes.insert(name, Some(total));
    Ok(total)
}

/// A type without its array brackets.
fn stem(of: &str) -> Result<&str, Fault> {
    let wrong = || Fault::Name(of.to_owned());
    let (stem, brackets) = of.find('[').map_or((of, ""), |at| of.split_at(at));
    let mut rest = brackets;
    for _ in 0..DIMENSIONS_MAX {
        let Some(inside) = rest.strip_prefix('[') else { break };
        let (size, after) = inside.split_once(']').ok_or_else(wrong)?;
        // No leading zero: `uint[01]` would be another string for the same type.
        if size.len() > 4 || size.starts_with('0') || !size.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(wrong());
        }
        rest = after;
    }
    if rest.is_empty() && is_type_name(stem) { Ok(stem) } else { Err(wrong()) }
}

fn is_name(name: &str) -> bool {
    let mut letters = name.bytes();
    let is_letter = |letter: u8| letter.is_ascii_alphabetic() || letter == b'_' || letter == b'$';
    name.len() <= NAME_MAX
        && letters.next().is_some_and(is_letter)
        && letters.all(|letter| is_letter(letter) || letter.is_ascii_digit())
}

/// Some protocols put a name space and a colon before the name.
fn is_type_name(name: &str) -> bool {
    name.len() <= NAME_MAX && name.splitn(2, ':').all(is_name)
}

/// The types that EIP-712 knows without a declaration. `uint` and `int` are not: their strings differ from those of
/// `uint256` and `int256`, and implementations disagree on what is then hashed.
fn is_elementary(name: &str) -> bool {
    let width = |prefix: &str| name.strip_prefix(prefix).and_then(|digits| digits.parse::<usize>().ok());
    let is_canonical = |prefix: &str, width: usize| format!("{prefix}{width}") == name;
    let is_sized = |prefix: &str, most: usize, step: usize| {
        width(prefix).is_some_and(|width| {
            width > 0 && width <= most && width.is_multiple_of(step) && is_canonical(prefix, width)
        })
    };
    matches!(name, "bool" | "address" | "string" | "bytes")
        || is_sized("uint", 256, 8)
        || is_sized("int", 256, 8)
        || is_sized("bytes", 32, 1)
}

#[cfg(test)]
mod tests {
    use super::{Types, check};
    use crate::ethereum::Fault;
    use serde_json::json;

    fn judged(types: serde_json::Value, primary: &str) -> Result<(), Fault> {
        check(&serde_json::from_value::<Types>(types).unwrap(), primary)
    }

    fn one(name: &str, of: &str) -> serde_json::Value {
        json!({ "A": [{ "name": name, "type": of }] })
    }

    #[test]
    fn members_have_names_and_known_types() {
        for of in ["uint256", "int8", "bytes", "bytes32", "A1[]", "string[3][][2]", "N:A1"] {
            let mut types = one("a", of);
            types["A1"] = json!([]);
            types["N:A1"] = json!([]);
            assert_eq!(judged(types, "A"), Ok(()), "{of}");
        }
        for of in [
            "uint",
            "int",
            "uint7",
            "uint264",
            "uint08",
            "bytes0",
            "bytes33",
            "B",
            "(bool,bool)",
            "bool[",
            "bool[-1]",
            "bool[01]",
            "bool[99999]",
            "bool[][][][]",
            "bool[]x",
            "",
            "function",
            "x y",
            "uint256 ",
        ] {
            assert!(matches!(judged(one("a", of), "A"), Err(Fault::Name(_))), "{of}");
        }
        for name in ["", "a b", "a)", "0a", "a,b", &"a".repeat(65)] {
            assert!(matches!(judged(one(name, "bool"), "A"), Err(Fault::Name(_))), "{name}");
        }
        let twice = json!({ "A": [{ "name": "a", "type": "bool" }, { "name": "a", "type": "bool" }] });
        assert!(matches!(judged(twice, "A"), Err(Fault::Name(_))));
        assert!(matches!(judged(json!({ "uint256": [] }), "uint256"), Err(Fault::Name(_))));
        assert!(matches!(judged(json!({ "A(B": [] }), "A(B"), Err(Fault::Name(_))));
        assert!(matches!(judged(one("a", "bool"), "B"), Err(Fault::Name(_))));
    }

    #[test]
    fn types_that_contain_themselves_are_refused() {
        assert_eq!(judged(one("a", "A"), "A"), Err(Fault::TooLarge));
        assert_eq!(judged(one("a", "A[]"), "A"), Err(Fault::TooLarge));
        let pair = json!({ "A": [{ "name": "b", "type": "B" }], "B": [{ "name": "a", "type": "A" }] });
        assert_eq!(judged(pair, "B"), Err(Fault::TooLarge));
    }

    #[test]
    fn types_that_double_at_every_step_are_refused() {
        let mut types = json!({ "T0": [] });
        for step in 1..20 {
            let inner = format!("T{}", step - 1);
            types[format!("T{step}")] =
                json!([{ "name": "a", "type": inner }, { "name": "b", "type": format!("{inner}[]") }]);
        }
        assert_eq!(judged(types.clone(), "T4"), Ok(()), "2⁴ is not too many");
        assert_eq!(judged(types, "T19"), Err(Fault::TooLarge));
    }

    #[test]
    fn types_and_members_are_counted() {
        let types = |count: usize| {
            (0..count).map(|i| (format!("T{i}"), json!([]))).collect::<serde_json::Map<_, _>>()
        };
        assert_eq!(judged(types(32).into(), "T0"), Ok(()));
        assert_eq!(judged(types(33).into(), "T0"), Err(Fault::TooLarge));
        let members = |count: usize| {
            (0..count).map(|i| json!({ "name": format!("m{i}"), "type": "bool" })).collect::<Vec<_>>()
        };
        assert_eq!(judged(json!({ "A": members(256) }), "A"), Ok(()));
        assert_eq!(judged(json!({ "A": members(257) }), "A"), Err(Fault::TooLarge));
    }
}
