//! Typed data: the example of EIP-712, and random types against a second implementation.

use keymoot_chains::ethereum::{Fault, TypedDataFacts};
use keymoot_chains::{Danger, Detail, Inspection, Kind, Unreadable, inspect};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{keccak, local, payload};
use crate::local::Local;

pub fn read(data: &Value) -> Result<Inspection, Unreadable> {
    inspect(&payload(Kind::EvmTypedData, data.to_string().as_bytes()), &local().key())
}

pub fn detail(inspection: &Inspection) -> &TypedDataFacts {
    match &inspection.facts.detail {
        Detail::EvmTypedData(facts) => facts,
        other => panic!("{other:?}"),
    }
}

fn mail() -> Value {
    json!({
        "types": {
            "EIP712Domain": [
                { "name": "name", "type": "string" },
                { "name": "version", "type": "string" },
                { "name": "chainId", "type": "uint256" },
                { "name": "verifyingContract", "type": "address" }
            ],
            "Person": [{ "name": "name", "type": "string" }, { "name": "wallet", "type": "address" }],
            "Mail": [
                { "name": "from", "type": "Person" },
                { "name": "to", "type": "Person" },
                { "name": "contents", "type": "string" }
            ]
        },
        "primaryType": "Mail",
        "domain": {
            "name": "Ether Mail",
            "version": "1",
            "chainId": 1,
            "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"
        },
        "message": {
            "from": { "name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826" },
            "to": { "name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB" },
            "contents": "Hello, Bob!"
        }
    })
}

/// EIP-712, the example in its assets (Example.js): the key is the hash of "cow".
#[test]
fn the_example_of_eip_712() {
    let inspection = read(&mail()).unwrap();
    assert_eq!(
        hex::encode(inspection.signings[0].message()),
        "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    );
    let facts = detail(&inspection);
    assert_eq!(facts.domain_hash, "0xf2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f");
    assert_eq!(facts.message_hash, "0xc52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e");
    let encoded = "Mail(Person from,Person to,string contents)Person(string name,address wallet)";
    assert_eq!((facts.encoded_type.as_str(), facts.meaning.as_ref()), (encoded, None));
    assert_eq!(facts.message["to"]["wallet"], "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB");
    assert_eq!(inspection.facts.dangers.iter().copied().collect::<Vec<_>>(), [Danger::UnknownTypedData]);
    let cow = Local::new(keymoot_types::Scheme::Dkls23, keccak(b"cow"));
    let payload = payload(Kind::EvmTypedData, mail().to_string().as_bytes());
    let signature = cow.round(&payload, &cow.key());
    assert_eq!(
        keymoot_chains::ethereum::address(&cow.key()).unwrap(),
        "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"
    );
    // As in the example's signature.
    assert_eq!(signature[64], 28);
}

#[test]
fn what_is_not_hashed_is_not_shown() {
    let mut data = mail();
    data["message"]["attachment"] = json!("not a member of the type");
    let with = read(&data).unwrap();
    assert_eq!(with, read(&mail()).unwrap());
    assert!(!detail(&with).message.to_string().contains("attachment"));
}

#[test]
fn typed_data_that_wallets_would_hash_in_another_way_is_refused() {
    let refused = |change: fn(&mut Value)| {
        let mut data = mail();
        change(&mut data);
        match read(&data) {
            Err(Unreadable::Chain(keymoot_chains::Fault::Ethereum(fault))) => fault,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(|data| data["types"]["EIP712Domain"] = json!([])), Fault::Domain);
    assert_eq!(
        refused(|data| drop(data["domain"].as_object_mut().unwrap().remove("version"))),
        Fault::Domain
    );
    assert_eq!(refused(|data| data["primaryType"] = json!("EIP712Domain")), Fault::NotTypedData);
    assert_eq!(refused(|data| data["primaryType"] = json!(7)), Fault::NotTypedData);
    assert_eq!(refused(|data| data["primaryType"] = json!("Person[]")), Fault::Name("Person[]".into()));
    assert_eq!(refused(|data| drop(data.as_object_mut().unwrap().remove("types"))), Fault::NotTypedData);
    assert_eq!(refused(|data| data["domain"]["chainId"] = json!("one")), Fault::NotTypedData);
    assert_eq!(refused(|data| data["message"]["contents"] = json!(1)), Fault::Mismatch);
    assert_eq!(refused(|data| drop(data["message"].as_object_mut().unwrap().remove("to"))), Fault::Mismatch);
    assert_eq!(refused(|data| data["message"]["to"]["wallet"] = json!("0xbb")), Fault::Mismatch);
}

#[test]
fn a_domain_without_a_chain_is_good_on_every_chain() {
    let mut data = mail();
    data["domain"].as_object_mut().unwrap().remove("chainId");
    data["types"]["EIP712Domain"].as_array_mut().unwrap().remove(2);
    assert!(read(&data).unwrap().facts.dangers.contains(&Danger::AnyChain));
}

/// A member's type with a value for it.
fn members() -> impl Strategy<Value = (String, Value)> {
    let number = |bits: u32| any::<u128>().prop_map(move |n| (n >> (128 - bits)).to_string());
    let bytes = |size: std::ops::Range<usize>| {
        prop::collection::vec(any::<u8>(), size).prop_map(|bytes| format!("0x{}", hex::encode(bytes)))
    };
    prop_oneof![
        number(128).prop_map(|n| ("uint256".into(), json!(n))),
        number(8).prop_map(|n| ("uint8".into(), json!(n))),
        number(120).prop_map(|n| ("int256".into(), json!(format!("-{n}")))),
        any::<u32>().prop_map(|n| ("uint64".into(), json!(n))),
        any::<bool>().prop_map(|bit| ("bool".into(), json!(bit))),
        bytes(20..21).prop_map(|text| ("address".into(), json!(text))),
        bytes(32..33).prop_map(|text| ("bytes32".into(), json!(text))),
        bytes(3..4).prop_map(|text| ("bytes3".into(), json!(text))),
        bytes(0..70).prop_map(|text| ("bytes".into(), json!(text))),
        "\\PC{0,20}".prop_map(|text| ("string".into(), json!(text))),
    ]
}

/// `Outer` with elementary members, a struct, a list of structs, and lists of lists.
fn data() -> impl Strategy<Value = Value> {
    let list = || prop::collection::vec(members(), 1..6);
    (list(), list(), prop::option::of(any::<u32>()), prop::collection::vec(any::<u8>(), 2..5)).prop_map(
        |(outer, inner, chain, numbers)| {
            let shape = |list: &[(String, Value)]| {
                let each = list.iter().enumerate();
                each.map(|(i, (of, _))| json!({ "name": format!("m{i}"), "type": of })).collect::<Vec<_>>()
            };
            let value = |list: &[(String, Value)]| {
                let each = list.iter().enumerate();
                each.map(|(i, (_, value))| (format!("m{i}"), value.clone()))
                    .collect::<serde_json::Map<_, _>>()
            };
            let (mut members, mut message) = (shape(&outer), value(&outer));
            for (name, of, value) in [
                ("one", "Inner", json!(value(&inner))),
                ("many", "Inner[]", json!([value(&inner), value(&inner)])),
                ("two", "Inner[2]", json!([value(&inner), value(&inner)])),
                ("lists", "uint8[][]", json!([numbers, []])),
            ] {
                members.push(json!({ "name": name, "type": of }));
                message.insert(name.into(), value);
            }
            let (mut domain, mut of_domain) =
                (json!({ "name": "x" }), json!([{ "name": "name", "type": "string" }]));
            if let Some(chain) = chain {
                domain["chainId"] = json!(chain);
                of_domain.as_array_mut().unwrap().push(json!({ "name": "chainId", "type": "uint256" }));
            }
            json!({
                "types": { "EIP712Domain": of_domain, "Outer": members, "Inner": shape(&inner) },
                "primaryType": "Outer", "domain": domain, "message": message,
            })
        },
    )
}

proptest! {
    #[test]
    fn random_types_hash_as_in_a_second_implementation(data in data()) {
        let types = &data["types"];
        let domain = hash_struct(types, "EIP712Domain", &data["domain"]);
        let message = hash_struct(types, "Outer", &data["message"]);
        let expected = keccak(&[b"\x19\x01".as_slice(), &domain, &message].concat());
        prop_assert_eq!(read(&data).unwrap().signings[0].message(), expected.to_vec());
    }
}

/// EIP-712's `hashStruct`, from its text, on JSON.
fn hash_struct(types: &Value, name: &str, value: &Value) -> [u8; 32] {
    let mut encoded = keccak(encode_type(types, name).as_bytes()).to_vec();
    for member in types[name].as_array().unwrap() {
        let (name, of) = (member["name"].as_str().unwrap(), member["type"].as_str().unwrap());
        encoded.extend(word(types, of, &value[name]));
    }
    keccak(&encoded)
}

fn encode_type(types: &Value, name: &str) -> String {
    let mut found = std::collections::BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(next) = open.pop() {
        for member in types[&next].as_array().unwrap() {
            let stem = member["type"].as_str().unwrap().split('[').next().unwrap().to_owned();
            if stem != name && types.get(&stem).is_some() && found.insert(stem.clone()) {
                open.push(stem);
            }
        }
    }
    let spell = |name: &String| {
        let members = types[name].as_array().unwrap().iter();
        let each: Vec<_> = members
            .map(|one| format!("{} {}", one["type"].as_str().unwrap(), one["name"].as_str().unwrap()))
            .collect();
        format!("{name}({})", each.join(","))
    };
    std::iter::once(&name.to_owned()).chain(&found).map(spell).collect()
}

fn word(types: &Value, of: &str, value: &Value) -> [u8; 32] {
    if let Some((inner, _)) = of.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        let words: Vec<_> = value.as_array().unwrap().iter().map(|one| word(types, inner, one)).collect();
        return keccak(&words.concat());
    }
    if types.get(of).is_some() {
        return hash_struct(types, of, value);
    }
    let text = || value.as_str().unwrap();
    let bytes = || hex::decode(&text()[2..]).unwrap();
    let mut word = [0; 32];
    match of {
        "string" => return keccak(text().as_bytes()),
        "bytes" => return keccak(&bytes()),
        "bool" => word[31] = u8::from(value.as_bool().unwrap()),
        "address" => word[12..].copy_from_slice(&bytes()),
        _ if of.starts_with("bytes") => word[..bytes().len()].copy_from_slice(&bytes()),
        _ if of.starts_with("uint") => {
            let number: u128 = value.as_u64().map_or_else(|| text().parse().unwrap(), u128::from);
            word[16..].copy_from_slice(&number.to_be_bytes());
        }
        _ => {
            let number: i128 = text().parse().unwrap();
            word = [if number < 0 { 0xff } else { 0 }; 32];
            word[16..].copy_from_slice(&number.to_be_bytes());
        }
    }
    word
}
