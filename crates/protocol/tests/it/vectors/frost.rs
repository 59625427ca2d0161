//! FROST runs published by the IETF and the Zcash Foundation.
//!
//! Ed25519 with small identifiers runs through our sessions. Two files cannot: identifiers above 32 are no parties of
//! ours, and our Taproot keys sign under the BIP-341 output key only, while the vector's key is untweaked (the nonces
//! are hedged with the tweaked share, so that even they differ). Those two are reproduced with the library calls that
//! our signer and aggregator make, carried by our messages.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use frost_core::keys::{KeyPackage, PublicKeyPackage, SigningShare, VerifyingShare};
use frost_core::round1::{SigningNonces, commit};
use frost_core::{Identifier, SigningPackage, VerifyingKey, aggregate, compute_binding_factor_list, round2};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::{Curve, Ed25519, Secp256k1};
use keymoot_protocol::frost::{
    Aggregator, Commitments, Nonces, Order as SignOrder, SignatureShare, Signer, SigningKey, Suite,
};
use keymoot_protocol::rand_core::{CryptoRng, Error, RngCore};
use keymoot_protocol::session::Session;
use keymoot_types::{Party, PartyError, Path, SessionId};
use serde::Deserialize;

use super::dealer::{deal, must_sign};
use super::{Hex, must_load};
use crate::net::Seated;
use crate::parties::{Checked, DEADLINE, Signing, World, party, signing_keys};

const RFC9591: &str = include_str!("../../../vectors/rfc9591_ed25519.json");
const ZF_ED25519: &str = include_str!("../../../vectors/zf_ed25519.json");
const ZF_BIG_IDENTIFIERS: &str = include_str!("../../../vectors/zf_ed25519_big_identifier.json");
const ZF_TAPROOT: &str = include_str!("../../../vectors/zf_secp256k1_tr.json");

#[derive(Deserialize)]
struct Vector {
    inputs: Inputs,
    round_one_outputs: Outputs<Drawn>,
    round_two_outputs: Outputs<Answered>,
    final_output: Final,
}

#[derive(Deserialize)]
struct Inputs {
    participant_list: Vec<u16>,
    group_secret_key: Hex,
    verifying_key_key: Hex,
    message: Hex,
    share_polynomial_coefficients: Vec<Hex>,
    participant_shares: Vec<Dealt>,
}

#[derive(Deserialize)]
struct Outputs<T> {
    outputs: Vec<T>,
}

#[derive(Deserialize)]
struct Dealt {
    identifier: u16,
    participant_share: Hex,
}

#[derive(Deserialize)]
struct Drawn {
    identifier: u16,
    hiding_nonce_randomness: Hex,
    binding_nonce_randomness: Hex,
    hiding_nonce: Hex,
    binding_nonce: Hex,
    hiding_nonce_commitment: Hex,
    binding_nonce_commitment: Hex,
    binding_factor_input: Hex,
    binding_factor: Hex,
}

#[derive(Deserialize)]
struct Answered {
    identifier: u16,
    sig_share: Hex,
}

#[derive(Deserialize)]
struct Final {
    sig: Hex,
}

impl Vector {
    fn must_coefficients<S: Suite>(&self) -> Vec<S::Scalar> {
        let all =
            std::iter::once(&self.inputs.group_secret_key).chain(&self.inputs.share_polynomial_coefficients);
        all.map(Hex::must_scalar::<S>).collect()
    }

    fn must_share(&self, identifier: u16) -> &Hex {
        let share = self.inputs.participant_shares.iter().find(|share| share.identifier == identifier);
        &share.expect("everybody in the vector has a share").participant_share
    }
}

/// The randomness of a vector, and none after it.
struct Replay(VecDeque<u8>);

impl Replay {
    fn new(drawn: &Drawn) -> Self {
        Self(
            drawn
                .hiding_nonce_randomness
                .0
                .iter()
                .chain(&drawn.binding_nonce_randomness.0)
                .copied()
                .collect(),
        )
    }
}

impl CryptoRng for Replay {}

impl RngCore for Replay {
    fn next_u32(&mut self) -> u32 {
        panic!("nonces are drawn byte by byte")
    }
    fn next_u64(&mut self) -> u64 {
        panic!("nonces are drawn byte by byte")
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.0.pop_front().expect("the vector has randomness for two nonces"));
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

fn assert_commitments<S: Suite>(commitments: &Commitments<S>, drawn: &Drawn) {
    assert_eq!(commitments.0.hiding().serialize().unwrap(), drawn.hiding_nonce_commitment.0);
    assert_eq!(commitments.0.binding().serialize().unwrap(), drawn.binding_nonce_commitment.0);
    assert_eq!(
        &Commitments::<S>::decode(&commitments.encode()).unwrap(),
        commitments,
        "they travel unchanged"
    );
}

/// The nonces of the vector, drawn by us.
fn must_draw<S: Suite>(vector: &Vector, keys: &[Arc<SigningKey<S>>]) -> Vec<(Arc<SigningKey<S>>, Nonces<S>)> {
    let draw = |drawn: &Drawn| {
        let key =
            keys.iter().find(|key| key.party() == party(drawn.identifier)).expect("the signer has a key");
        let mut randomness = Replay::new(drawn);
        let nonces = Nonces::draw(key, &mut randomness);
        assert!(randomness.0.is_empty(), "all of the vector's randomness is used");
        assert_commitments(&nonces.commitments(), drawn);
        (Arc::clone(key), nonces)
    };
    vector.round_one_outputs.outputs.iter().map(draw).collect()
}

/// Runs the vector through our sessions.
fn is_reproduced_by_us(json: &str) {
    let vector: Vector = must_load(json);
    let world = World::new(2, 3, 1);
    let shares =
        deal::<Ed25519>(&world.committee, &world.identities, vector.must_coefficients::<Ed25519>(), None);
    for share in &shares {
        assert_eq!(share.expose().to_bytes().as_slice(), vector.must_share(share.party().index()).0);
    }
    assert_eq!(shares[0].group().output_key.as_slice(), vector.inputs.verifying_key_key.0);
    let keys = signing_keys(&shares, &Path::root());
    let signers = vector.inputs.participant_list.iter().map(|index| party(*index)).collect();
    let order =
        SignOrder::new(Arc::clone(keys[0].public()), signers, vector.inputs.message.0.clone()).unwrap();
    let session = SessionId::new([6; 16]);
    let open = |(key, nonces): (Arc<SigningKey<Ed25519>>, Nonces<Ed25519>)| {
        let member = key.party();
        let identity = Arc::clone(&world.identities[&member]);
        let opening = Signer::start(key, order.clone(), session, identity, nonces.burn().1);
        (member, Seated::new(Some(member), Session::open(opening.expect("a legal signer"), DEADLINE)))
    };
    let signers = must_draw(&vector, &keys).into_iter().map(open).collect();
    let aggregator = Session::open(Aggregator::start(order.clone(), session), DEADLINE);
    let signed = must_sign(Signing { session, order, signers, aggregator: Seated::new(None, aggregator) });

    for drawn in &vector.round_one_outputs.outputs {
        assert_commitments(&signed.commitments[&party(drawn.identifier)], drawn);
    }
    for answered in &vector.round_two_outputs.outputs {
        assert_eq!(signed.shares[&party(answered.identifier)].0.serialize(), answered.sig_share.0);
    }
    assert_eq!(signed.shares.len(), vector.round_two_outputs.outputs.len());
    assert_eq!(signed.signature.as_slice(), vector.final_output.sig.0);
    assert_binding_factors::<Ed25519>(&vector, signed.commitments.values());
    assert!(Ed25519::verifies(
        &vector.inputs.verifying_key_key.must_array(),
        &vector.inputs.message.0,
        &signed.signature
    ));
}

/// The binding factors that follow from commitments sent over our wire.
fn assert_binding_factors<'a, S: Suite>(vector: &Vector, all: impl Iterator<Item = &'a Commitments<S>>) {
    let key = VerifyingKey::<S::Zf>::deserialize(&vector.inputs.verifying_key_key.0).unwrap();
    let names =
        vector.round_one_outputs.outputs.iter().map(|drawn| Identifier::try_from(drawn.identifier).unwrap());
    let named = names.zip(all.map(|commitments| commitments.0)).collect();
    let package = SigningPackage::new(named, &vector.inputs.message.0);
    let inputs: BTreeMap<_, _> = package.binding_factor_preimages(&key, &[]).unwrap().into_iter().collect();
    let factors = compute_binding_factor_list(&package, &key, &[]).unwrap();
    for drawn in &vector.round_one_outputs.outputs {
        let name = Identifier::try_from(drawn.identifier).unwrap();
        assert_eq!(inputs[&name], drawn.binding_factor_input.0);
        assert_eq!(factors.get(&name).unwrap().serialize(), drawn.binding_factor.0);
    }
}

type Drawing<S> = (Identifier<<S as Suite>::Zf>, SigningNonces<<S as Suite>::Zf>, Commitments<S>);

fn must_draw_with_the_library<S: Suite>(vector: &Vector, drawn: &Drawn) -> Drawing<S> {
    let share = SigningShare::<S::Zf>::deserialize(&vector.must_share(drawn.identifier).0).unwrap();
    let (nonces, commitments) = commit::<S::Zf, _>(&share, &mut Replay::new(drawn));
    assert_eq!(nonces.hiding().serialize(), drawn.hiding_nonce.0);
    assert_eq!(nonces.binding().serialize(), drawn.binding_nonce.0);
    assert_commitments(&Commitments::<S>::new(commitments), drawn);
    (Identifier::try_from(drawn.identifier).unwrap(), nonces, Commitments::new(commitments))
}

/// Makes the calls that our signer and aggregator make, with the vector's untweaked key.
fn is_reproduced_by_the_library<S: Checked>(json: &str) {
    let vector: Vector = must_load(json);
    let key = VerifyingKey::<S::Zf>::deserialize(&vector.inputs.verifying_key_key.0).unwrap();
    let drawings: Vec<_> = vector
        .round_one_outputs
        .outputs
        .iter()
        .map(|drawn| must_draw_with_the_library::<S>(&vector, drawn))
        .collect();
    assert_binding_factors::<S>(&vector, drawings.iter().map(|(_, _, commitments)| commitments));
    let named = drawings.iter().map(|(name, _, commitments)| (*name, commitments.0)).collect();
    let package = SigningPackage::new(named, &vector.inputs.message.0);

    let (mut shares, mut publics) = (BTreeMap::new(), BTreeMap::new());
    for ((name, nonces, _), answered) in drawings.iter().zip(&vector.round_two_outputs.outputs) {
        let secret = SigningShare::deserialize(&vector.must_share(answered.identifier).0).unwrap();
        let public = VerifyingShare::from(secret);
        let member = KeyPackage::new(*name, secret, public, key, 2);
        let share = SignatureShare::<S>(round2::sign(&package, nonces, &member).unwrap());
        assert_eq!(share.0.serialize(), answered.sig_share.0);
        shares.insert(*name, SignatureShare::<S>::decode(&share.encode()).expect("it travels").0);
        publics.insert(*name, public);
    }
    let signature = aggregate(&package, &shares, &PublicKeyPackage::new(publics, key, Some(2))).unwrap();
    let signature = signature.serialize().unwrap();
    assert_eq!(signature, vector.final_output.sig.0);
    let output_key = vector.inputs.verifying_key_key.0.last_chunk().unwrap();
    assert!(S::verifies(output_key, &vector.inputs.message.0, &signature.try_into().unwrap()));
}

#[test]
fn rfc9591_ed25519_signature_is_reproduced() {
    is_reproduced_by_us(RFC9591);
    is_reproduced_by_the_library::<Ed25519>(RFC9591);
}

#[test]
fn zf_ed25519_signature_is_reproduced() {
    is_reproduced_by_us(ZF_ED25519);
    is_reproduced_by_the_library::<Ed25519>(ZF_ED25519);
}

#[test]
fn zf_secp256k1_tr_signature_is_reproduced_by_the_calls_we_make() {
    is_reproduced_by_the_library::<Secp256k1>(ZF_TAPROOT);
}

#[test]
fn zf_secp256k1_tr_shares_lie_on_our_polynomial() {
    let vector: Vector = must_load(ZF_TAPROOT);
    let world = World::new(2, 3, 2);
    let shares =
        deal::<Secp256k1>(&world.committee, &world.identities, vector.must_coefficients::<Secp256k1>(), None);
    for share in &shares {
        let encoded = Secp256k1::encode_scalar(share.expose());
        assert_eq!(encoded.as_slice(), vector.must_share(share.party().index()).0);
    }
    assert_eq!(shares[0].group().public, vector.inputs.verifying_key_key.must_point::<Secp256k1>());
}

#[test]
fn zf_ed25519_signature_of_two_byte_identifiers_is_reproduced_by_the_calls_we_make() {
    is_reproduced_by_the_library::<Ed25519>(ZF_BIG_IDENTIFIERS);
}

#[test]
fn zf_ed25519_identifiers_above_32_are_no_parties() {
    let vector: Vector = must_load(ZF_BIG_IDENTIFIERS);
    for index in vector.inputs.participant_list {
        assert_eq!(Party::new(index), Err(PartyError(index)));
    }
}
