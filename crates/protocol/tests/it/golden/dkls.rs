//! One value of every wire type and of every transcript of DKLs23.

use std::collections::BTreeMap;

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
use k256::{AffinePoint, Scalar};
use keymoot_protocol::codec::{Wire, Writer};
use keymoot_protocol::context::{Batch, Context, Protocol};
use keymoot_protocol::curve::Secp256k1;
use keymoot_protocol::dkls23::presign::{self, Confirm, Extension, Open, Product, Replies};
use keymoot_protocol::dkls23::setup::{Confirmation, Correction, Done, Element, Half, Offers, Reply, Trees};
use keymoot_protocol::dkls23::sign::{Approval, Share};
use keymoot_protocol::dkls23::{Bans, KAPPA, Ledger, Public, Tombstone, XI};
use keymoot_protocol::transcript::oblivious::{
    BaseOt, BaseOtKey, BaseOtMask, Domain, PairConfirmation, PairSeed, SetupHedge, SetupName, SetupSeed,
    ZeroSeed,
};
use keymoot_protocol::transcript::presignature::{
    EcdsaIntent, EntropyCommitment, PresignSeed, PresignatureName, Rerandomiser,
};
use keymoot_protocol::transcript::{ContextId, Transcript};
use keymoot_types::{Epoch, Path, Scheme, Secret};

use super::{Hashed, Specimen, context, digest, hash, identities, multiple, specimen};
use crate::parties::party;

/// Words of an extension for one presignature: 4 blocks of rows and 2 of masks, for each of 32 trees.
const WORDS: u128 = 6 * 32;

fn element(factor: u64) -> Element {
    Element::new(RISTRETTO_BASEPOINT_POINT * curve25519_dalek::Scalar::from(factor))
}

fn affine(factor: u16) -> AffinePoint {
    multiple::<Secp256k1>(factor).to_affine()
}

fn scalar(byte: u8) -> [u8; 32] {
    [byte; 32]
}

fn half() -> Half {
    Half(Secret::new([[0xa1; 32], [0xa2; 32]]))
}

fn correction(number: u8) -> Correction {
    let seed = |place: u8| [number.wrapping_mul(10).wrapping_add(place); 32];
    Correction {
        sums: std::array::from_fn(|level| [seed(2 * level as u8), seed(2 * level as u8 + 1)]),
        checks_sum: seed(8),
        checks_digest: seed(9),
    }
}

/// As many corrections as there are; one of them the largest scalar.
fn product() -> Product {
    let mut corrections: Vec<_> = (0..XI * 3).map(|number| scalar((number % 251) as u8)).collect();
    corrections[1] = (-Scalar::ONE).to_bytes().into();
    Product { corrections, opening: Scalar::from(0x0203u64), digest: [0xa3; 32] }
}

fn extension() -> Extension {
    let word = |number: u128| number.wrapping_mul(0x0102_0408_1020_4080_0102_0408_1020_4081);
    Extension {
        corrections: (1..=WORDS).map(word).collect(),
        choices: [1, 1 << 127],
        columns: (0..KAPPA as u128).map(|column| [word(column), !word(column)]).collect(),
    }
}

/// A ledger that counts 258 uses: only a decoded one can, without so many reservations.
fn ledger() -> Ledger {
    let mut writer = Writer::new();
    hash(0x92).write(&mut writer);
    writer.uint(258);
    writer.uint(1);
    (0..2).for_each(|_| writer.list(std::iter::empty::<()>(), |_, ()| ()));
    let mut ledger = Ledger::decode(writer.as_bytes()).unwrap();
    ledger.observe(&BTreeMap::from([(party(2), 255), (party(3), 1)])).unwrap();
    ledger.observe(&BTreeMap::from([(party(2), 257)])).unwrap();
    ledger.burn(party(3));
    ledger
}

fn bans() -> Bans {
    let mut bans = Bans::default();
    identities().values().take(2).for_each(|identity| bans.add(identity.public()));
    bans
}

fn public() -> Public {
    Public {
        ssid: hash(0xa4),
        view: hash(0xa5),
        number: 1023,
        group_key: hash(0xa6),
        epoch: Epoch(300),
        signers: vec![party(1), party(3)],
        nonce: multiple::<Secp256k1>(10).into(),
        entropy: vec![hash(0xa7), hash(0xa8)],
    }
}

fn open() -> Open {
    Open { blind: [0xa9; 32], key: affine(11), nonces: vec![affine(12), affine(13)] }
}

/// One value of every wire type.
pub fn specimens() -> Vec<Specimen> {
    let offers = [(1, 0xaa, 14), (3, 0xab, 15)];
    let offers = offers.map(|(index, byte, factor)| (party(index), hash(byte), element(factor)));
    let answers = (0..KAPPA as u64).map(|number| [element(2 * number + 1), element(2 * number + 2)]);
    let trees = Trees { corrections: (0..32).map(correction).collect(), half: half() };
    let reply = presign::Reply {
        product: product(),
        shares: [affine(16), affine(17)],
        shift: Scalar::from(0x0405u64),
    };
    let share = Share { numerator: Scalar::from(0x0607u64), denominator: -Scalar::ONE };
    vec![
        specimen("Offers, dkls23 setup", &Offers { to: offers.to_vec() }),
        specimen("Reply, dkls23 setup", &Reply(answers.collect())),
        specimen("Correction, dkls23 setup", &correction(7)),
        specimen("Half, dkls23 setup", &half()),
        specimen("Trees, dkls23 setup", &trees),
        specimen("Confirmation, dkls23 setup", &Confirmation(hash(0xad))),
        specimen("Done, dkls23 setup", &Done),
        specimen("Ledger, dkls23", &ledger()),
        specimen("Bans, dkls23", &bans()),
        specimen("Hello, dkls23 presign", &presign::Hello { nonce: [0xae; 32], uses: 258 }),
        specimen(
            "Commit, dkls23 presign",
            &presign::Commit {
                opening: presign::Commit::to(hash(0x31), party(1), &open()),
                entropy: vec![[0xaf; 32], [0xb0; 32]],
            },
        ),
        specimen("Extension, dkls23 presign", &extension()),
        specimen("Open, dkls23 presign", &open()),
        specimen("Product, dkls23 presign", &product()),
        specimen("Replies, dkls23 presign", &Replies(vec![reply])),
        specimen("Confirm, dkls23 presign", &Confirm),
        specimen("Public, dkls23", &public()),
        specimen("Tombstone, dkls23", &Tombstone { presignature: public().id(), request: Some(hash(0xb1)) }),
        specimen("Tombstone, dkls23, unused", &Tombstone { presignature: hash(0xb2), request: None }),
        specimen("Approval, dkls23 sign", &Approval { entropy: [0xb3; 32] }),
        specimen("Share, dkls23 sign", &share),
    ]
}

fn contexts() -> [(&'static str, Hashed); 3] {
    let scheme = Scheme::Dkls23;
    let setup = Context {
        scheme,
        protocol: Protocol::DklsSetup,
        key: None,
        epoch: Epoch::FIRST,
        ..context(Protocol::Dkg)
    };
    let batch = Some(Batch { size: 1024, setup: hash(0xb4) });
    let signing = Context { scheme, merkle_root: None, ..context(Protocol::FrostSign) };
    let presign = Context { protocol: Protocol::DklsPresign, intent: None, batch, ..signing.clone() };
    let sign = Context { protocol: Protocol::DklsSign, ..signing };
    [
        ("ContextId, dkls23 setup", digest(&ContextId(&setup))),
        ("ContextId, dkls23 presign", digest(&ContextId(&presign))),
        ("ContextId, dkls23 sign", digest(&ContextId(&sign))),
    ]
}

fn oblivious() -> [(&'static str, Hashed); 10] {
    let (ssid, one, three) = (hash(0x71), party(1), party(3));
    let domain = Domain { purpose: "golden", ssid, sender: Some(three), receiver: Some(one) };
    let nobodys = Domain { purpose: "golden", ssid, sender: None, receiver: None };
    let place = BaseOt { ssid, sender: three, receiver: one, number: 127, side: 1 };
    let mask = BaseOtMask { place, other: &[0xb5; 32] };
    // What is mapped to the group is longer than a digest.
    let preimage = hex::encode(mask.preimage().as_bytes());
    let mask = BTreeMap::from([("preimage", preimage), ("uniform", hex::encode(mask.uniform()))]);
    let reply = [[0xb6; 32], [0xb7; 32]];
    let key = BaseOtKey { place, offer: &[0xb8; 32], reply: &reply, shared: &[0xb9; 32] };
    let seed = ZeroSeed { ssid, halves: [(one, &[0xba; 32]), (three, &[0xbb; 32])] };
    let context = hash(0xca);
    let drawn = SetupSeed { context, random: &[0xcb; 32], hedge: &[0xcc; 64] };
    let pair = PairSeed { ssid, party: three, peer: one, seed: &[0xcd; 32] };
    let messages = [0xbc, 0xbd, 0xbe, 0xbf].map(hash);
    let confirmation =
        PairConfirmation { ssid, from: three, to: one, seed: &[0xc0; 32], messages: &messages };
    [
        ("Domain", digest(&domain)),
        ("Domain, of no direction", digest(&nobodys)),
        ("BaseOtMask", mask),
        ("BaseOtKey", digest(&key)),
        ("SetupHedge", digest(&SetupHedge { context })),
        ("SetupSeed", digest(&drawn)),
        ("PairSeed", digest(&pair)),
        ("ZeroSeed", digest(&seed)),
        ("PairConfirmation", digest(&confirmation)),
        ("SetupName", digest(&SetupName { ssid, view: hash(0xc1) })),
    ]
}

fn presignatures() -> [(&'static str, Hashed); 6] {
    let path = "m/0/7/2147483647".parse::<Path>().unwrap();
    let public = public();
    let Public { ssid, epoch, ref signers, ref nonce, .. } = public;
    let entropy = EntropyCommitment { ssid, party: party(3), number: 256, entropy: &[0xc2; 32] };
    let (key, child) = (multiple::<Secp256k1>(18), multiple::<Secp256k1>(19));
    let (presignature, message) = (hash(0xc3), &[0xc4; 32]);
    let intent = EcdsaIntent {
        hash: "golden",
        digest: message,
        path: &path,
        epoch,
        public: child.into(),
        presignature,
    };
    let root = Path::root();
    let itself = EcdsaIntent { path: &root, epoch: Epoch::FIRST, public: key.into(), ..intent };
    let factor = Rerandomiser {
        ssid: hash(0x71),
        presignature,
        epoch,
        signers,
        public: key.into(),
        tweak: &Scalar::from(0x0809u64),
        child: child.into(),
        digest: message,
        nonce: *nonce,
        entropy: &[[0xc5; 32], [0xc6; 32]],
    };
    let seed = PresignSeed { setup: hash(0xc7), number: 258, random: &[0xc8; 32], share: &[0xc9; 32] };
    let preimage = hex::encode(factor.preimage().as_bytes());
    let challenge = hex::encode(factor.shift().to_bytes());
    [
        ("EntropyCommitment", digest(&entropy)),
        ("PresignatureName", digest(&PresignatureName(&public))),
        ("PresignSeed", digest(&seed)),
        ("EcdsaIntent", digest(&intent)),
        ("EcdsaIntent, key itself", digest(&itself)),
        ("Rerandomiser", BTreeMap::from([("preimage", preimage), ("challenge", challenge)])),
    ]
}

/// One value of every transcript.
pub fn transcripts() -> Vec<(&'static str, Hashed)> {
    contexts().into_iter().chain(oblivious()).chain(presignatures()).collect()
}
