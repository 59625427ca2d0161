//! The codec's promises: different values have different bytes, every value has one encoding, nothing else decodes.

mod dkls;
mod lists;

use keymoot_protocol::codec::{FIELD_HEADER, Malformed, Reader, Wire, Writer};
use keymoot_protocol::context::Committee;
use keymoot_protocol::curve::{Curve, Ed25519, Secp256k1};
use keymoot_protocol::envelope::{BODY_MAX, ENVELOPE_MAX, Envelope};
use keymoot_protocol::frost::Aggregator;
use keymoot_protocol::key::GroupKey;
use keymoot_protocol::session::{Advance, Refusal, Session};
use keymoot_protocol::transcript::{Hash, Intent, Joint, Transcript};
use keymoot_types::SessionId;
use keymoot_types::{Epoch, Path};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::golden::{Specimen, specimens};
use crate::parties::{DEADLINE, World, party, signing_keys};

const BYTES: u8 = 1;
const UINT: u8 = 2;
const LIST: u8 = 3;
const NONE: u8 = 4;
const SOME: u8 = 5;
const POINT: u8 = 6;
const SCALAR: u8 = 7;
const TEXT: u8 = 8;

/// Anything that a message can be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Bytes(Vec<u8>),
    Text(String),
    Uint(u64),
    Point(Vec<u8>),
    Scalar(Vec<u8>),
    List(Vec<Value>),
    Option(Option<Box<Value>>),
}

impl Value {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Bytes(bytes) => writer.bytes(bytes),
            Self::Text(text) => writer.text(text),
            Self::Uint(value) => writer.uint(*value),
            Self::Point(bytes) => writer.point_bytes(bytes),
            Self::Scalar(bytes) => writer.scalar_bytes(bytes),
            Self::List(items) => writer.list(items.iter(), |writer, item| item.write(writer)),
            Self::Option(value) => writer.option(value.as_ref(), |writer, value| value.write(writer)),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.as_bytes().to_vec()
    }

    /// Reads a value of the same shape.
    fn read_alike(&self, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match self {
            Self::Bytes(_) => Self::Bytes(reader.bytes(usize::MAX)?.to_vec()),
            Self::Text(_) => Self::Text(reader.text()?.to_owned()),
            Self::Uint(_) => Self::Uint(reader.uint()?),
            Self::Point(_) => Self::Point(reader.point_bytes()?.to_vec()),
            Self::Scalar(_) => Self::Scalar(reader.scalar_bytes()?.to_vec()),
            Self::List(items) => {
                let mut shapes = items.iter();
                let read =
                    |reader: &mut Reader<'_>| shapes.next().ok_or(Malformed::WrongLength)?.read_alike(reader);
                Self::List(reader.list(items.len(), read)?)
            }
            Self::Option(Some(shape)) => {
                Self::Option(reader.option(|reader| shape.read_alike(reader))?.map(Box::new))
            }
            Self::Option(None) => Self::Option(reader.option(|_| Err(Malformed::WrongType))?),
        })
    }
}

/// The value with this encoding and what follows it, found without knowing the value's shape.
///
/// Written from the description in `codec.rs` and not from its code.
fn must_take_apart(bytes: &[u8]) -> (Value, &[u8]) {
    let (kind, rest) = bytes.split_first().expect("a field has a type");
    if *kind == NONE {
        return (Value::Option(None), rest);
    }
    if *kind == SOME {
        let (value, rest) = must_take_apart(rest);
        return (Value::Option(Some(Box::new(value))), rest);
    }
    let (length, rest) = rest.split_first_chunk().expect("eight bytes of length");
    let length = u64::from_le_bytes(*length) as usize;
    if *kind == LIST {
        let mut left = rest;
        let item = |_| {
            let (item, rest) = must_take_apart(left);
            left = rest;
            item
        };
        return (Value::List((0..length).map(item).collect()), left);
    }
    let (content, rest) = rest.split_at(length);
    let value = match *kind {
        BYTES => Value::Bytes(content.to_vec()),
        UINT => Value::Uint(content.iter().fold(0, |value, byte| value * 256 + u64::from(*byte))),
        POINT => Value::Point(content.to_vec()),
        SCALAR => Value::Scalar(content.to_vec()),
        TEXT => Value::Text(String::from_utf8(content.to_vec()).expect("a text is UTF-8")),
        other => panic!("there is no type {other}"),
    };
    (value, rest)
}

/// Values of any shape and size.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        vec(any::<u8>(), 0..80).prop_map(Value::Bytes),
        "\\PC{0,16}".prop_map(Value::Text),
        any::<u64>().prop_map(Value::Uint),
        (0u32..64).prop_map(|bits| Value::Uint(1 << bits)),
        vec(any::<u8>(), 33).prop_map(Value::Point),
        vec(any::<u8>(), 32).prop_map(Value::Scalar),
    ];
    nested(leaf)
}

/// Values so small that two random ones are often equal or nearly so; their contents look like headers.
fn small_value() -> impl Strategy<Value = Value> {
    let bytes = || vec(0u8..10, 0..3);
    let leaf = prop_oneof![
        bytes().prop_map(Value::Bytes),
        bytes().prop_map(Value::Point),
        bytes().prop_map(Value::Scalar),
        "[\\x00-\\x09]{0,2}".prop_map(Value::Text),
        (0u64..300).prop_map(Value::Uint),
    ];
    nested(leaf)
}

fn nested(leaf: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    leaf.prop_recursive(4, 24, 4, |inner| {
        let some = inner.clone().prop_map(|value| Value::Option(Some(Box::new(value))));
        prop_oneof![vec(inner, 0..4).prop_map(Value::List), some, Just(Value::Option(None))]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn encoding_is_injective_because_every_encoding_can_be_taken_apart(value in any_value()) {
        let bytes = value.encode();
        let (found, rest) = must_take_apart(&bytes);
        prop_assert!(rest.is_empty());
        prop_assert_eq!(found, value);
    }

    #[test]
    fn encoding_is_injective_on_values_that_look_alike(one in small_value(), other in small_value()) {
        prop_assert_eq!(one == other, one.encode() == other.encode());
    }

    // So that fields can follow each other without anything in between.
    #[test]
    fn encoding_is_injective_in_sequence_because_none_begins_with_another(
        one in small_value(), other in small_value(),
    ) {
        prop_assert_eq!(one == other, one.encode().starts_with(&other.encode()));
    }

    #[test]
    fn what_is_written_is_read(value in any_value()) {
        let bytes = value.encode();
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(value.read_alike(&mut reader), Ok(value));
        prop_assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn t10_whatever_is_read_is_the_only_encoding_of_it(value in small_value(), edits in vec(any_edit(), 1..3)) {
        let mut bytes = value.encode();
        edits.iter().for_each(|edit| edit.apply(&mut bytes));
        let mut reader = Reader::new(&bytes);
        if let (Ok(found), Ok(())) = (value.read_alike(&mut reader), reader.end()) {
            prop_assert_eq!(found.encode(), bytes);
        }
    }

    #[test]
    fn t10_a_changed_message_is_refused_or_encodes_to_its_own_bytes(
        which in any::<prop::sample::Index>(), edits in vec(any_edit(), 1..4),
    ) {
        let all = messages();
        let specimen = which.get(all);
        let mut bytes = specimen.bytes.clone();
        edits.iter().for_each(|edit| edit.apply(&mut bytes));
        if let Ok(again) = (specimen.reencode)(&bytes) {
            prop_assert_eq!(again, bytes, "{}", specimen.name);
        }
    }

    #[test]
    fn t10_random_bytes_are_no_message(bytes in vec(any::<u8>(), 0..200)) {
        for specimen in messages() {
            prop_assert!((specimen.reencode)(&bytes).is_err(), "{}", specimen.name);
        }
    }
}

fn messages() -> &'static [Specimen] {
    static ALL: std::sync::OnceLock<Vec<Specimen>> = std::sync::OnceLock::new();
    ALL.get_or_init(specimens)
}

fn named(name: &str) -> &'static Specimen {
    messages().iter().find(|specimen| specimen.name == name).expect("there is such a message")
}

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Edit {
    Replace(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Repeat(prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 0u8..10).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (at(), 0u8..8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        at().prop_map(Edit::Remove),
        (at(), 1usize..80).prop_map(|(at, length)| Edit::Repeat(at, length)),
        at().prop_map(Edit::Cut),
    ]
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Replace(at, byte) => *at.get_mut(bytes) = *byte,
            Self::Flip(at, bit) => *at.get_mut(bytes) ^= 1 << bit,
            Self::Insert(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
            Self::Remove(at) => drop(bytes.remove(at.index(bytes.len()))),
            Self::Repeat(at, length) => {
                let start = at.index(bytes.len());
                let piece = bytes[start..bytes.len().min(start + length)].to_vec();
                bytes.splice(start..start, piece);
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
}

/// Where the fields of a message start, with their types.
fn fields(bytes: &[u8]) -> Vec<(usize, u8)> {
    let (mut at, mut found) = (0, vec![]);
    while let Some(kind) = bytes.get(at) {
        found.push((at, *kind));
        at += match *kind {
            NONE | SOME => 1,
            LIST => FIELD_HEADER,
            _ => FIELD_HEADER + length_at(bytes, at) as usize,
        };
    }
    found
}

/// Where the fields of a message start, with their types; of a long list of points only the ends, which take a while
/// to decode.
fn some_fields(bytes: &[u8]) -> Vec<(usize, u8)> {
    let mut found = fields(bytes);
    if found.len() > 64 {
        found.drain(8..found.len() - 4);
    }
    found
}

fn length_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at + 1..at + FIELD_HEADER].try_into().unwrap())
}

/// The message with another length or count in the field at `at`.
fn with_length(bytes: &[u8], at: usize, length: u64) -> Vec<u8> {
    [&bytes[..=at], &length.to_le_bytes(), &bytes[at + FIELD_HEADER..]].concat()
}

/// The message with another content of the field at `at`.
fn with_content(bytes: &[u8], at: usize, content: &[u8]) -> Vec<u8> {
    let end = at + FIELD_HEADER + length_at(bytes, at) as usize;
    [&bytes[..=at], &(content.len() as u64).to_le_bytes(), content, &bytes[end..]].concat()
}

// No allocation that the counts below ask for could succeed, so passing shows that none is tried.
#[test]
fn t08_huge_lengths_and_counts_are_refused_wherever_they_stand() {
    let huge = [1 << 30, 1 << 32, 1 << 60, u64::from(u32::MAX), i64::MAX as u64, u64::MAX];
    for specimen in messages() {
        for (at, kind) in fields(&specimen.bytes).into_iter().filter(|(_, kind)| ![NONE, SOME].contains(kind))
        {
            for length in huge {
                let found = (specimen.reencode)(&with_length(&specimen.bytes, at, length));
                let why = if kind == LIST { Malformed::WrongLength } else { Malformed::Truncated };
                assert_eq!(found, Err(why), "{} with {length} at {at}", specimen.name);
            }
        }
    }
}

#[test]
fn t08_megabytes_in_any_field_are_refused() {
    // A multiple of any item's length, so that it is the length that is refused and not an odd end.
    let megabytes = vec![1; BODY_MAX + 32];
    for specimen in messages() {
        for (at, kind) in
            fields(&specimen.bytes).into_iter().filter(|(_, kind)| ![NONE, SOME, LIST].contains(kind))
        {
            let found = (specimen.reencode)(&with_content(&specimen.bytes, at, &megabytes));
            let why = match kind {
                UINT => Malformed::Integer,
                POINT => Malformed::Point,
                SCALAR => Malformed::Scalar,
                _ => Malformed::WrongLength,
            };
            assert_eq!(found, Err(why), "{} at {at}", specimen.name);
        }
    }
}

#[test]
fn t08_a_64_mib_blob_is_no_message_and_no_body() {
    let blob = vec![BYTES; 64 << 20];
    for specimen in messages() {
        assert!((specimen.reencode)(&blob).is_err(), "{}", specimen.name);
    }
    let envelope = named("Envelope");
    let body = *fields(&envelope.bytes).iter().rev().nth(1).unwrap();
    assert_eq!(body.1, BYTES);
    let replaced =
        |size: usize| (envelope.reencode)(&with_content(&envelope.bytes, body.0, &blob[..size])).map(drop);
    assert_eq!(replaced(BODY_MAX), Ok(()));
    assert_eq!(replaced(BODY_MAX + 1), Err(Malformed::WrongLength));
    assert_eq!(replaced(blob.len()), Err(Malformed::WrongLength));
}

#[test]
fn t08_a_session_refuses_64_mib_without_looking_and_lives_on() {
    let mut world = World::new(2, 3, 1);
    let keys = signing_keys(&world.generate::<Ed25519>(), &Path::root());
    let order =
        keymoot_protocol::frost::Order::new(keys[0].public().clone(), vec![party(1), party(2)], vec![1]);
    let order = order.unwrap();
    let opening = Aggregator::start(order, SessionId::new([1; 16]));
    let Advance::Waiting { mut session, .. } = Session::open(opening, DEADLINE) else {
        panic!("an observer waits");
    };
    for size in [ENVELOPE_MAX + 1, 64 << 20] {
        let Advance::Waiting { session: alive, refused, .. } = session.deliver(&vec![BYTES; size]) else {
            panic!("the session lives on");
        };
        assert_eq!(refused, Some(Refusal::TooLong));
        session = alive;
    }
}

#[test]
fn t08_deep_nesting_is_refused_where_it_begins() {
    let lists = [&[LIST][..], &1u64.to_le_bytes()].concat().repeat(100_000);
    let options = vec![SOME; 100_000];
    for specimen in messages() {
        let starts = fields(&specimen.bytes).into_iter().map(|(at, _)| at);
        for at in starts {
            for nested in [&lists, &options] {
                let bytes = [&specimen.bytes[..at], nested].concat();
                let found = (specimen.reencode)(&bytes);
                assert!(
                    matches!(found, Err(Malformed::WrongType | Malformed::WrongLength)),
                    "{} at {at}",
                    specimen.name
                );
            }
        }
    }
}

#[test]
fn t10_no_beginning_of_a_message_is_a_message() {
    for specimen in messages() {
        // Of a long message every eleventh beginning: that cuts the items of a list everywhere, as no item's length is a
        // multiple of eleven.
        let step = if specimen.bytes.len() > 4096 { 11 } else { 1 };
        for end in (0..specimen.bytes.len()).step_by(step) {
            let found = (specimen.reencode)(&specimen.bytes[..end]);
            assert_eq!(found, Err(Malformed::Truncated), "{} cut at {end}", specimen.name);
        }
    }
}

#[test]
fn t10_trailing_bytes_are_refused() {
    for specimen in messages() {
        for byte in 0..=u8::MAX {
            let longer = [&specimen.bytes[..], &[byte]].concat();
            assert_eq!((specimen.reencode)(&longer), Err(Malformed::Trailing), "{}", specimen.name);
        }
        let twice = specimen.bytes.repeat(2);
        assert_eq!((specimen.reencode)(&twice), Err(Malformed::Trailing), "{}", specimen.name);
    }
}

#[test]
fn t10_fields_of_another_or_unknown_type_are_refused() {
    for specimen in messages() {
        for (at, kind) in some_fields(&specimen.bytes) {
            for other in (0..=u8::MAX).filter(|other| *other != kind) {
                let mut bytes = specimen.bytes.clone();
                bytes[at] = other;
                assert!(
                    (specimen.reencode)(&bytes).is_err(),
                    "{}: {other} for {kind} at {at}",
                    specimen.name
                );
            }
        }
    }
}

#[test]
fn t10_additional_fields_are_refused() {
    let extra = Value::Bytes(vec![]).encode();
    for specimen in messages() {
        for at in fields(&specimen.bytes).into_iter().map(|(at, _)| at).chain([specimen.bytes.len()]) {
            let bytes = [&specimen.bytes[..at], &extra, &specimen.bytes[at..]].concat();
            assert!((specimen.reencode)(&bytes).is_err(), "{} at {at}", specimen.name);
        }
    }
}

#[test]
fn t10_integers_that_are_not_minimal_are_refused_wherever_they_stand() {
    for specimen in messages() {
        for (at, _) in fields(&specimen.bytes).into_iter().filter(|(_, kind)| *kind == UINT) {
            let end = at + FIELD_HEADER + length_at(&specimen.bytes, at) as usize;
            let value = &specimen.bytes[at + FIELD_HEADER..end];
            for zeros in 1..9 {
                let padded = with_content(&specimen.bytes, at, &[&vec![0; zeros], value].concat());
                assert_eq!(
                    (specimen.reencode)(&padded),
                    Err(Malformed::Integer),
                    "{} at {at}",
                    specimen.name
                );
            }
            let above = with_content(&specimen.bytes, at, &[1; 9]);
            assert_eq!((specimen.reencode)(&above), Err(Malformed::Integer), "{} at {at}", specimen.name);
        }
    }
}

#[test]
fn t10_integers_have_one_encoding_from_zero_to_the_largest() {
    for value in [0, 1, 255, 256, 65_535, 65_536, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
        let bytes = Value::Uint(value).encode();
        assert_eq!(Reader::new(&bytes).uint(), Ok(value));
        let minimal = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
        assert_eq!(bytes[FIELD_HEADER..], minimal);
    }
}

#[test]
fn t10_parties_out_of_range_or_out_of_order_are_refused() {
    for index in [0, 33, 65_535, 65_536, 65_537, u64::MAX] {
        assert_eq!(Reader::new(&Value::Uint(index).encode()).party(), Err(Malformed::Party), "{index}");
    }
    let committee = named("Committee");
    let parties: Vec<_> =
        fields(&committee.bytes).into_iter().filter(|(_, kind)| *kind == UINT).skip(1).collect();
    assert_eq!(parties.len(), 3);
    for order in [[1, 1, 2], [1, 3, 2], [2, 3, 1], [1, 2, 4], [2, 3, 4]] {
        let mut bytes = committee.bytes.clone();
        parties.iter().zip(order).for_each(|((at, _), index)| bytes[at + FIELD_HEADER] = index);
        assert_eq!(Committee::decode(&bytes).err(), Some(Malformed::Party), "{order:?}");
    }
}

#[test]
fn t10_a_member_listed_twice_under_two_indices_is_refused() {
    let committee = named("Committee");
    let keys: Vec<_> =
        fields(&committee.bytes).into_iter().filter(|(_, kind)| *kind == BYTES).skip(1).collect();
    let content = |(at, _): (usize, u8)| at + FIELD_HEADER..at + FIELD_HEADER + 32;
    let mut bytes = committee.bytes.clone();
    bytes.copy_within(content(keys[0]), content(keys[2]).start);
    assert_eq!(Committee::decode(&bytes).err(), Some(Malformed::Party));
}

#[test]
fn t10_values_outside_their_enumeration_are_refused() {
    let uints = |specimen: &Specimen| -> Vec<usize> {
        fields(&specimen.bytes).into_iter().filter(|(_, kind)| *kind == UINT).map(|(at, _)| at).collect()
    };
    let put = |specimen: &Specimen, which: usize, content: &[u8]| {
        (specimen.reencode)(&with_content(&specimen.bytes, uints(specimen)[which], content)).map(drop)
    };
    assert_eq!(put(named("Header"), 0, &[1, 0]), Err(Malformed::Integer), "round 256");
    assert_eq!(put(named("Header"), 1, &[2]), Err(Malformed::Choice), "a third kind");
    assert_eq!(put(named("Blame"), 1, &[21]), Err(Malformed::Choice), "a twenty-second fault");
    assert_eq!(put(named("Blame"), 1, &[255; 8]), Err(Malformed::Choice), "a fault beyond all");
    assert_eq!(put(named("Blame"), 2, &[1, 0]), Err(Malformed::Integer), "a citation of round 256");
    assert_eq!(put(named("Committee"), 0, &[1]), Err(Malformed::Choice), "one of three");
    assert_eq!(put(named("Committee"), 0, &[4]), Err(Malformed::Choice), "four of three");
    assert_eq!(put(named("Committee"), 0, &[1, 0, 2]), Err(Malformed::Integer), "65,538 of three");
}

#[test]
fn t10_keys_are_read_on_their_own_curve_and_for_its_scheme_only() {
    let (edwards, koblitz) = (&named("GroupKey, ed25519").bytes, &named("GroupKey, secp256k1").bytes);
    assert_eq!(GroupKey::<Secp256k1>::decode(edwards).err(), Some(Malformed::Choice));
    assert_eq!(GroupKey::<Ed25519>::decode(koblitz).err(), Some(Malformed::Choice));
    let scheme = fields(edwards)[1].0;
    for other in ["frost-taproot", "FROST-ED25519", "frost-ed25519 ", "frost", ""] {
        let bytes = with_content(edwards, scheme, other.as_bytes());
        assert_eq!(GroupKey::<Ed25519>::decode(&bytes).err(), Some(Malformed::Choice), "{other}");
    }
    assert_eq!(
        GroupKey::<Ed25519>::decode(&with_content(edwards, scheme, &[0xff])).err(),
        Some(Malformed::Choice)
    );
}

#[test]
fn t10_texts_are_utf8_of_at_most_64_bytes() {
    let read = |text: &str| Reader::new(&Value::Text(text.to_owned()).encode()).text().map(str::to_owned);
    assert_eq!(read(&"x".repeat(64)), Ok("x".repeat(64)));
    assert_eq!(read(&"x".repeat(65)), Err(Malformed::WrongLength));
    let mut bytes = Value::Text("xy".to_owned()).encode();
    bytes[FIELD_HEADER] = 0xc3;
    assert_eq!(Reader::new(&bytes).text(), Err(Malformed::Choice));
}

#[test]
fn an_envelope_of_the_longest_body_fits_an_envelope() {
    let envelope = named("Envelope");
    let overhead = envelope.bytes.len() - Envelope::decode(&envelope.bytes).unwrap().body().len();
    assert!(overhead + BODY_MAX <= ENVELOPE_MAX);
}

/// Two byte strings, as one transcript would hash them.
struct Pair(&'static [&'static [u8]]);

impl Transcript for Pair {
    const DOMAIN: &'static str = "keymoot/test-pair/v1";
    fn fields(&self, writer: &mut Writer) {
        writer.list(self.0.iter(), |writer, item| writer.bytes(item));
    }
}

#[test]
fn lists_of_equal_concatenation_hash_differently() {
    let all: [&[&[u8]]; 6] =
        [&[b"abc"], &[b"ab", b"c"], &[b"a", b"bc"], &[b"abc", b""], &[b"", b"abc"], &[b"a", b"b", b"c"]];
    let digests: std::collections::BTreeSet<Hash> = all.iter().map(|items| Pair(items).digest()).collect();
    assert!(all.iter().all(|items| items.concat() == b"abc"));
    assert_eq!(digests.len(), all.len());
}

#[test]
fn neighbouring_fields_cannot_lend_each_other_bytes() {
    let path = Path::root();
    let intent =
        |message, output_key| Intent { message, path: &path, epoch: Epoch::FIRST, output_key }.digest();
    assert_ne!(intent(b"ab", b"c"), intent(b"a", b"bc"));
    let ssid = Hash::from_bytes([0; 32]);
    let joint = |purpose, parts: &[_]| Joint { purpose, ssid, parts }.digest();
    assert_ne!(joint("a", &[(party(1), [0; 32])]), joint("a", &[(party(2), [0; 32])]));
    assert_ne!(joint("a", &[(party(1), [0; 32])]), joint("a", &[(party(1), [0; 32]), (party(2), [0; 32])]));
    assert_ne!(joint("a", &[]), joint("", &[]));
}

#[test]
fn points_of_one_curve_are_none_of_the_other() {
    let mut writer = Writer::new();
    writer.point::<Ed25519>(&Ed25519::times_small(&curve25519_dalek::constants::ED25519_BASEPOINT_POINT, 3));
    assert_eq!(Reader::new(writer.as_bytes()).point::<Secp256k1>().err(), Some(Malformed::Point));
    let mut writer = Writer::new();
    writer.point::<Secp256k1>(&Secp256k1::times_small(&k256::ProjectivePoint::GENERATOR, 3));
    assert_eq!(Reader::new(writer.as_bytes()).point::<Ed25519>().err(), Some(Malformed::Point));
}
