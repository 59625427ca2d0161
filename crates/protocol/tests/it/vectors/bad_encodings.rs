//! Points and scalars that every decoder of ours must refuse, in every message that carries one.

use std::sync::Arc;

use keymoot_protocol::codec::{Malformed, Reader, Wire, Writer};
use keymoot_protocol::curve::{Curve, Ed25519, Secp256k1, group::Group};
use keymoot_protocol::dkg::{Opening, Proofs, Share};
use keymoot_protocol::frost::{Commitments, SignatureShare, Suite};
use keymoot_protocol::identity::IdentityPublic;
use keymoot_protocol::key::GroupKey;
use keymoot_protocol::vss;
use serde::Deserialize;

use super::dealer::deal;
use super::{Hex, must_load};
use crate::parties::World;

#[derive(Deserialize)]
struct Case {
    hex: Hex,
    why: String,
}

#[derive(Deserialize)]
struct EdwardsPoints {
    small_order: Vec<Case>,
    mixed_order: Vec<Case>,
    non_canonical: Vec<Case>,
}

#[derive(Deserialize)]
struct ScalarCase {
    curve: String,
    hex: Hex,
    ok: bool,
    why: String,
}

fn edwards_points() -> EdwardsPoints {
    must_load(include_str!("../../../vectors/ed25519_small_order.json"))
}

fn secp256k1_points() -> Vec<Case> {
    must_load(include_str!("../../../vectors/secp256k1_bad_points.json"))
}

/// Whether bytes are a message, with the reason if they are none.
type Decoder = fn(&[u8]) -> Result<(), Malformed>;

fn decoder<T: Wire>() -> Decoder {
    |bytes| T::decode(bytes).map(drop)
}

/// A field of a message, beside the message and its decoder.
struct Place {
    name: &'static str,
    message: Vec<u8>,
    field: Vec<u8>,
    decode: Decoder,
}

impl Place {
    fn new<T: Wire>(name: &'static str, message: &T, field: Vec<u8>) -> Self {
        let message = message.encode().to_vec();
        Self { name, message, field, decode: decoder::<T>() }
    }

    /// The message with another field in this place.
    fn with(&self, field: &[u8]) -> Vec<u8> {
        let found: Vec<_> =
            (0..self.message.len()).filter(|at| self.message[*at..].starts_with(&self.field)).collect();
        let [at] = found.as_slice() else {
            panic!("{}: the field is in the message {} times", self.name, found.len())
        };
        [&self.message[..*at], field, &self.message[at + self.field.len()..]].concat()
    }
}

fn multiple<C: Curve>(factor: u16) -> C::Point {
    C::times_small(&C::Point::generator(), factor)
}

fn encoded(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    write(&mut writer);
    writer.as_bytes().to_vec()
}

/// Every place for a point, in every message.
fn places_of_points<S: Suite>() -> Vec<Place> {
    let opening = Opening::<S> {
        randomness: [1; 32],
        chain_code: [2; 32],
        blind: [3; 32],
        polynomial: vss::Commitments::new(vec![multiple::<S>(2), multiple::<S>(3)]),
        share_proof: multiple::<S>(4),
        constant_proof: multiple::<S>(5),
    };
    let point = |factor| encoded(|writer| writer.point::<S>(&multiple::<S>(factor)));
    let commitments = encoded(|writer| (2..4).for_each(|factor| writer.point::<S>(&multiple::<S>(factor))));
    let commitments = Commitments::<S>::decode(&commitments).expect("two points are commitments");
    let key = key::<S>();
    let (public, first) = (key.public, key.shares[0]);
    vec![
        Place::new("opening, first coefficient", &opening, point(2)),
        Place::new("opening, last coefficient", &opening, point(3)),
        Place::new("opening, proof of the share", &opening, point(4)),
        Place::new("opening, proof of the constant", &opening, point(5)),
        Place::new("hiding commitment", &commitments, point(2)),
        Place::new("binding commitment", &commitments, point(3)),
        Place::new("public key", &key, encoded(|writer| writer.point::<S>(&public))),
        Place::new("public share", &key, encoded(|writer| writer.point::<S>(&first))),
    ]
}

fn key<S: Suite>() -> GroupKey<S> {
    let world = World::new(2, 3, 1);
    let coefficients = vec![S::Scalar::from(11), S::Scalar::from(7)];
    let shares = deal::<S>(&world.committee, &world.identities, coefficients, None);
    GroupKey::clone(Arc::as_ref(shares[0].group()))
}

/// Every place for a scalar, in every message.
fn places_of_scalars<S: Suite>() -> Vec<Place> {
    let (one, two) = (S::Scalar::from(1), S::Scalar::from(2));
    let scalar = |value: &S::Scalar| encoded(|writer| writer.scalar::<S>(value));
    let proofs = Proofs::<S> { share: one, constant: two };
    let share = Share::<S>(keymoot_types::Secret::new(one));
    let answer = SignatureShare::<S>::decode(&scalar(&one)).expect("a scalar is a signature share");
    vec![
        Place::new("dealt share", &share, scalar(&one)),
        Place::new("proof of the share", &proofs, scalar(&one)),
        Place::new("proof of the constant", &proofs, scalar(&two)),
        Place::new("signature share", &answer, scalar(&one)),
    ]
}

fn is_refused_as_a_point<S: Suite>(places: &[Place], case: &Case) {
    assert!(S::decode_point(&case.hex.0).is_none(), "{}", case.why);
    let field = encoded(|writer| writer.point_bytes(&case.hex.0));
    assert_eq!(Reader::new(&field).point::<S>().err(), Some(Malformed::Point), "{}", case.why);
    for place in places {
        assert_eq!(
            (place.decode)(&place.with(&field)),
            Err(Malformed::Point),
            "{}: {}",
            place.name,
            case.why
        );
    }
}

fn scalar_is_judged_as_listed<S: Suite>(cases: &[ScalarCase]) {
    let places = places_of_scalars::<S>();
    for case in cases.iter().filter(|case| case.curve == S::LABEL) {
        let expected = if case.ok { Ok(()) } else { Err(Malformed::Scalar) };
        assert_eq!(S::decode_scalar(&case.hex.0).is_some(), case.ok, "{}", case.why);
        let field = encoded(|writer| writer.scalar_bytes(&case.hex.0));
        assert_eq!(Reader::new(&field).scalar::<S>().map(drop), expected, "{}", case.why);
        for place in &places {
            assert_eq!((place.decode)(&place.with(&field)), expected, "{}: {}", place.name, case.why);
        }
    }
}

/// Whatever has not 32 bytes, zero in front or behind included.
fn scalars_of_other_lengths_are_refused<S: Suite>() {
    let whole = S::encode_scalar(&S::Scalar::from(1));
    let others = [
        vec![],
        vec![0],
        whole[..31].to_vec(),
        whole[1..].to_vec(),
        [&whole[..], &[0]].concat(),
        [&[0], &whole[..]].concat(),
        [whole, [0; 32]].concat(),
    ];
    for other in others {
        let field = encoded(|writer| writer.scalar_bytes(&other));
        assert!(S::decode_scalar(&other).is_none());
        for place in places_of_scalars::<S>() {
            assert_eq!(
                (place.decode)(&place.with(&field)),
                Err(Malformed::Scalar),
                "{}: {other:?}",
                place.name
            );
        }
    }
}

fn untouched_messages_decode<S: Suite>() {
    for place in places_of_points::<S>().into_iter().chain(places_of_scalars::<S>()) {
        assert_eq!((place.decode)(&place.with(&place.field)), Ok(()), "{}", place.name);
    }
}

#[test]
fn messages_with_good_points_and_scalars_are_accepted() {
    untouched_messages_decode::<Ed25519>();
    untouched_messages_decode::<Secp256k1>();
}

#[test]
fn s12_ed25519_points_of_small_order_are_refused_in_every_message() {
    let places = places_of_points::<Ed25519>();
    let cases = edwards_points().small_order;
    assert_eq!(cases.len(), 14);
    cases.iter().for_each(|case| is_refused_as_a_point::<Ed25519>(&places, case));
}

#[test]
fn s12_ed25519_points_with_a_torsion_component_are_refused_in_every_message() {
    let places = places_of_points::<Ed25519>();
    let cases = edwards_points().mixed_order;
    assert_eq!(cases.len(), 14);
    cases.iter().for_each(|case| is_refused_as_a_point::<Ed25519>(&places, case));
}

#[test]
fn s12_ed25519_points_with_y_above_the_field_prime_are_refused_in_every_message() {
    let places = places_of_points::<Ed25519>();
    let cases = edwards_points().non_canonical;
    assert_eq!(cases.len(), 20);
    cases.iter().for_each(|case| is_refused_as_a_point::<Ed25519>(&places, case));
}

#[test]
fn s12_identities_outside_the_prime_order_group_are_refused() {
    let points = edwards_points();
    for case in points.small_order.into_iter().chain(points.mixed_order).chain(points.non_canonical) {
        assert_eq!(IdentityPublic::from_bytes(case.hex.must_array()), None, "{}", case.why);
    }
}

#[test]
fn t09_ed25519_points_of_other_lengths_are_refused_in_every_message() {
    let places = places_of_points::<Ed25519>();
    let whole = Ed25519::encode_point(&multiple::<Ed25519>(9));
    let others = [vec![], whole[..31].to_vec(), [&whole[..], &[0]].concat(), [&[0], &whole[..]].concat()];
    for other in others {
        let why = format!("{} bytes", other.len());
        is_refused_as_a_point::<Ed25519>(&places, &Case { hex: Hex(other), why });
    }
}

#[test]
fn t09_secp256k1_points_not_in_canonical_form_are_refused_in_every_message() {
    let places = places_of_points::<Secp256k1>();
    let cases = secp256k1_points();
    assert_eq!(cases.len(), 42);
    cases.iter().for_each(|case| is_refused_as_a_point::<Secp256k1>(&places, case));
}

#[test]
fn t09_the_identity_is_encoded_as_something_that_no_decoder_takes() {
    assert!(Ed25519::decode_point(&Ed25519::encode_point(&multiple::<Ed25519>(0))).is_none());
    assert!(Secp256k1::decode_point(&Secp256k1::encode_point(&multiple::<Secp256k1>(0))).is_none());
}

#[test]
fn t09_scalars_at_or_above_the_order_are_refused_in_every_message_and_lower_ones_taken() {
    let cases: Vec<ScalarCase> = must_load(include_str!("../../../vectors/bad_scalars.json"));
    assert_eq!(cases.iter().filter(|case| case.ok).count(), 8);
    assert_eq!(cases.iter().filter(|case| !case.ok).count(), 15);
    scalar_is_judged_as_listed::<Ed25519>(&cases);
    scalar_is_judged_as_listed::<Secp256k1>(&cases);
}

#[test]
fn t09_scalars_of_other_lengths_are_refused_in_every_message() {
    scalars_of_other_lengths_are_refused::<Ed25519>();
    scalars_of_other_lengths_are_refused::<Secp256k1>();
}
