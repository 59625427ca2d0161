//! Golden bytes: nothing that was ever sent, signed or hashed may change its encoding unnoticed.
//!
//! `vectors/golden/wire.json` holds the encoding of one value of every wire type, `long.json` the length and SHA-256 of
//! those encodings that are longer than 4 KiB, `transcripts.json` the hashed bytes and the digest of one value of every
//! transcript. A change of either is a change of protocol: it needs a new
//! version in the domain or protocol concerned. Only then, `KEYMOOT_BLESS=1 cargo test -p keymoot-protocol --test it
//! golden::` rewrites the files. It never passes, so that it cannot be left switched on.

mod dkls;
mod gg20;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use keymoot_protocol::abort::{Blame, Fault};
use keymoot_protocol::codec::{Malformed, Wire, Writer};
use keymoot_protocol::context::{Committee, Context, Protocol};
use keymoot_protocol::curve::{Curve, Ed25519, Secp256k1, group::Group};
use keymoot_protocol::dkg::{Certify, Commit, Opening, Proofs, Share};
use keymoot_protocol::echo::Echo;
use keymoot_protocol::envelope::{Envelope, Header, Kind};
use keymoot_protocol::evidence::Evidence;
use keymoot_protocol::frost::{Commitments, SignatureShare, Suite};
use keymoot_protocol::identity::IdentityKey;
use keymoot_protocol::key::GroupKey;
use keymoot_protocol::machine::Hello;
use keymoot_protocol::transcript::{
    Body, Commitment, ContextId, Hash, Intent, Joint, NonceName, Ready, SchnorrChallenge, Signed, Ssid,
    Statement, Transcript, View, payload::PayloadHash,
};
use keymoot_protocol::vss;
use keymoot_types::{Epoch, GroupId, KeyId, Party, Path, Quorum, Scheme, Secret, SessionId, Threshold};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::parties::party;
use crate::vectors::dealer::deal;
use crate::vectors::must_load;

/// One value of a wire type.
pub struct Specimen {
    /// The type, and after a comma the curve or the protocol where there are several of it.
    pub name: &'static str,
    /// The value's encoding.
    pub bytes: Vec<u8>,
    /// Decodes a value of the same type and encodes it again.
    pub reencode: fn(&[u8]) -> Result<Vec<u8>, Malformed>,
}

fn specimen<T: Wire>(name: &'static str, value: &T) -> Specimen {
    Specimen {
        name,
        bytes: value.encode().to_vec(),
        reencode: |bytes| T::decode(bytes).map(|value| value.encode().to_vec()),
    }
}

/// The bytes that a transcript hashes, and what comes of it.
type Hashed = BTreeMap<&'static str, String>;

fn digest(transcript: &impl Transcript) -> Hashed {
    let preimage = hex::encode(transcript.preimage().as_bytes());
    BTreeMap::from([("preimage", preimage), ("digest", transcript.digest().to_string())])
}

fn challenge<C: Curve>(transcript: &SchnorrChallenge<'_, C>) -> Hashed {
    let preimage = hex::encode(transcript.preimage().as_bytes());
    BTreeMap::from([
        ("preimage", preimage),
        ("challenge", hex::encode(C::encode_scalar(&transcript.challenge::<C>()))),
    ])
}

fn hash(byte: u8) -> Hash {
    Hash::from_bytes([byte; 32])
}

fn multiple<C: Curve>(factor: u16) -> C::Point {
    C::times_small(&C::Point::generator(), factor)
}

fn identities() -> BTreeMap<Party, Arc<IdentityKey>> {
    (1..4).map(|index| (party(index), Arc::new(IdentityKey::from_seed([index as u8; 32])))).collect()
}

fn committee() -> Arc<Committee> {
    let members = identities().into_iter().map(|(member, identity)| (member, identity.public())).collect();
    let threshold = Threshold::new(2, 3).unwrap();
    Arc::new(Committee::new(GroupId::new([0x0a; 16]), threshold, members).unwrap())
}

fn group_key<S: Suite>(merkle_root: Option<[u8; 32]>) -> GroupKey<S> {
    let coefficients = vec![S::Scalar::from(11), S::Scalar::from(7)];
    let shares = deal::<S>(&committee(), &identities(), coefficients, merkle_root);
    GroupKey::clone(shares[0].group())
}

fn opening<C: Curve>() -> Opening<C> {
    Opening {
        randomness: [0x21; 32],
        chain_code: [0x22; 32],
        blind: [0x23; 32],
        polynomial: vss::Commitments::new(vec![multiple::<C>(2), multiple::<C>(3)]),
        share_proof: multiple::<C>(4),
        constant_proof: multiple::<C>(5),
    }
}

fn commitments<S: Suite>() -> Commitments<S> {
    let mut writer = Writer::new();
    writer.point::<S>(&multiple::<S>(6));
    writer.point::<S>(&multiple::<S>(7));
    Commitments::decode(writer.as_bytes()).unwrap()
}

fn signature_share<S: Suite>() -> SignatureShare<S> {
    let mut writer = Writer::new();
    writer.scalar::<S>(&S::Scalar::from(258));
    SignatureShare::decode(writer.as_bytes()).unwrap()
}

fn header() -> Header {
    Header {
        context: hash(0x30),
        session: hash(0x31),
        round: 3,
        kind: Kind::Body,
        from: party(1),
        to: Some(party(2)),
        view: hash(0x32),
    }
}

fn broadcast(from: u16) -> Envelope {
    let header = Header { round: 1, from: party(from), to: None, ..header() };
    Envelope::sign(&identities()[&party(from)], header, vec![0x41; 3].into())
}

fn evidence() -> Evidence {
    Evidence {
        record: vec![vec![(party(1), vec![0x51]), (party(2), vec![])], vec![]],
        envelopes: vec![broadcast(2)],
        attestations: vec![broadcast(2).attestation(), broadcast(3).attestation()],
    }
}

fn blame(fault: Fault, evidence: Evidence) -> Blame {
    Blame { party: party(2), fault, cites: vec![0, 2], evidence }
}

fn context(protocol: Protocol) -> Context {
    let signing = protocol == Protocol::FrostSign;
    let committee = committee();
    let signers = Quorum::new(committee.threshold(), vec![party(1), party(3)]).unwrap();
    Context {
        session: SessionId::new([0x61; 16]),
        scheme: if signing { Scheme::FrostTaproot } else { Scheme::FrostEd25519 },
        protocol,
        committee,
        key: Some(KeyId::new([0x62; 16])),
        epoch: Epoch(300),
        signers: signing.then_some(signers),
        group_key: signing.then_some(hash(0x63)),
        merkle_root: signing.then_some([0x64; 32]),
        intent: signing.then_some(hash(0x65)),
        batch: None,
    }
}

fn specimens_of_suite<S: Suite>(names: [&'static str; 7], merkle_root: Option<[u8; 32]>) -> [Specimen; 7] {
    let proofs = Proofs::<S> { share: S::Scalar::from(1), constant: S::Scalar::from(65_537) };
    [
        specimen(names[0], &opening::<S>()),
        specimen(names[1], &Share::<S>(Secret::new(S::Scalar::from(5)))),
        specimen(names[2], &proofs),
        specimen(names[3], &group_key::<S>(merkle_root)),
        specimen(names[4], &commitments::<S>()),
        specimen(names[5], &signature_share::<S>()),
        specimen(names[6], &Commit::to(hash(0x31), party(1), &opening::<S>())),
    ]
}

/// One value of every wire type.
pub fn specimens() -> Vec<Specimen> {
    let envelope = Envelope::sign(&identities()[&party(1)], header(), b"golden body".to_vec().into());
    let echo = Echo::new(&[1, 2, 3].map(|from| broadcast(from).attestation()));
    let mut all = vec![
        specimen("Hash", &hash(0x31)),
        specimen("Committee", &*committee()),
        specimen("Header", &header()),
        specimen("Header to all", &Header { kind: Kind::Echo, to: None, round: 0, ..header() }),
        specimen("Attestation", &envelope.attestation()),
        specimen("Envelope", &envelope),
        specimen("Echo", &echo),
        specimen("Evidence", &evidence()),
        specimen("Blame", &blame(Fault::WrongShare, evidence())),
        specimen("Hello", &Hello { nonce: [0x24; 32] }),
        specimen("Certify", &Certify(identities()[&party(1)].sign(&hash(0x31)))),
    ];
    let names = [
        "Opening, ed25519",
        "Share, ed25519",
        "Proofs, ed25519",
        "GroupKey, ed25519",
        "Commitments, ed25519",
        "SignatureShare, ed25519",
        "Commit, ed25519",
    ];
    all.extend(specimens_of_suite::<Ed25519>(names, None));
    let names = [
        "Opening, secp256k1",
        "Share, secp256k1",
        "Proofs, secp256k1",
        "GroupKey, secp256k1",
        "Commitments, secp256k1",
        "SignatureShare, secp256k1",
        "Commit, secp256k1",
    ];
    all.extend(specimens_of_suite::<Secp256k1>(names, Some([0x25; 32])));
    all.extend(dkls::specimens());
    all.extend(gg20::specimens());
    all
}

fn schnorr<C: Curve>() -> Hashed {
    challenge(&SchnorrChallenge::<C> {
        statement: "golden",
        ssid: hash(0x71),
        round: 4,
        prover: party(2),
        joint: hash(0x72),
        public: &multiple::<C>(8),
        commitment: &multiple::<C>(9),
    })
}

/// One value of every transcript.
fn transcripts() -> BTreeMap<String, Hashed> {
    let hashes = [(party(1), hash(0x73)), (party(3), hash(0x74))];
    let path: Path = "m/0/7/2147483647".parse().unwrap();
    let intent = Intent { message: b"message", path: &path, epoch: Epoch(300), output_key: &[0x76; 32] };
    let parts = [(party(1), [0x77; 32]), (party(2), [0x78; 32])];
    let member = identities()[&party(2)].public();
    let all = [
        ("ContextId, key generation", digest(&ContextId(&context(Protocol::Dkg)))),
        ("ContextId, signing", digest(&ContextId(&context(Protocol::FrostSign)))),
        ("Ssid", digest(&Ssid { context: hash(0x79), hellos: &hashes })),
        ("Body", digest(&Body(b"golden body"))),
        ("Body, empty", digest(&Body(b""))),
        ("Signed", digest(&Signed { header: &header(), body: hash(0x7a) })),
        ("View", digest(&View { before: hash(0x7b), round: 2, bodies: &hashes })),
        (
            "Commitment",
            digest(&Commitment { ssid: hash(0x71), round: 1, committer: party(3), opening: b"opening" }),
        ),
        ("Joint", digest(&Joint { purpose: "golden", ssid: hash(0x71), parts: &parts })),
        ("SchnorrChallenge, ed25519", schnorr::<Ed25519>()),
        ("SchnorrChallenge, secp256k1", schnorr::<Secp256k1>()),
        ("Ready, ed25519", digest(&Ready(&group_key::<Ed25519>(None)))),
        ("Ready, secp256k1", digest(&Ready(&group_key::<Secp256k1>(Some([0x25; 32]))))),
        ("Intent", digest(&intent)),
        ("Intent, key itself", digest(&Intent { path: &Path::root(), epoch: Epoch::FIRST, ..intent })),
        ("Statement", digest(&Statement { domain: "golden", bytes: b"statement" })),
        ("NonceName", digest(&NonceName { member, group_key: hash(0x7c), commitments: b"commitments" })),
    ];
    all.into_iter()
        .chain(dkls::transcripts())
        .chain(gg20::transcripts())
        .map(|(name, hashed)| (name.to_owned(), hashed))
        .collect()
}

/// Compares with what is stored, or rewrites it and fails.
pub fn assert_golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    file: &str,
    stored: &str,
    found: &BTreeMap<String, T>,
) {
    if std::env::var_os("KEYMOOT_BLESS").is_some_and(|value| value == "1") {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/golden").join(file);
        let text = serde_json::to_string_pretty(found).expect("maps of text are JSON");
        std::fs::write(path, text + "\n").expect("golden files can be written");
        panic!("{file} has been rewritten: look at what changed, then test again without KEYMOOT_BLESS");
    }
    let stored: BTreeMap<String, T> = must_load(stored);
    assert!(stored.keys().eq(found.keys()), "{file} has other entries: {:?}", found.keys());
    for (name, found) in found {
        assert_eq!(stored[name], *found, "{name} in {file} is not encoded as it was");
    }
}

const WIRE: &str = include_str!("../../vectors/golden/wire.json");
const LONG: &str = include_str!("../../vectors/golden/long.json");
const TRANSCRIPTS: &str = include_str!("../../vectors/golden/transcripts.json");

/// Encodings above this length are kept as their length and SHA-256: nobody reads them, and they would fill the files.
const KEPT_WHOLE: usize = 4096;

fn is_long(specimen: &Specimen) -> bool {
    specimen.bytes.len() > KEPT_WHOLE
}

#[test]
fn golden_bytes_of_every_wire_type_are_unchanged() {
    let short = specimens().into_iter().filter(|one| !is_long(one));
    let found = short.map(|one| (one.name.to_owned(), hex::encode(one.bytes))).collect();
    assert_golden("wire.json", WIRE, &found);
}

#[test]
fn golden_digests_of_every_long_wire_type_are_unchanged() {
    let digest = |one: &Specimen| {
        let (length, sha256) = (one.bytes.len().to_string(), hex::encode(PayloadHash::Sha256.of(&one.bytes)));
        BTreeMap::from([("length".to_owned(), length), ("sha256".to_owned(), sha256)])
    };
    let long = specimens().into_iter().filter(is_long);
    let found = long.map(|one| (one.name.to_owned(), digest(&one))).collect();
    assert_golden("long.json", LONG, &found);
}

#[test]
fn golden_bytes_decode_and_encode_to_themselves() {
    let stored: BTreeMap<String, String> = must_load(WIRE);
    for specimen in specimens() {
        // Of a long one only the digest is stored; that it is the digest of these bytes is tested above.
        let golden =
            if is_long(&specimen) { specimen.bytes } else { hex::decode(&stored[specimen.name]).unwrap() };
        assert_eq!((specimen.reencode)(&golden).expect("golden bytes decode"), golden, "{}", specimen.name);
    }
}

#[test]
fn golden_digests_of_every_transcript_are_unchanged() {
    let owned = |hashed: Hashed| hashed.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let found: BTreeMap<String, BTreeMap<String, String>> =
        transcripts().into_iter().map(|(name, hashed)| (name, owned(hashed))).collect();
    assert_golden("transcripts.json", TRANSCRIPTS, &found);
}

#[test]
fn golden_preimages_all_differ_and_so_do_their_domains() {
    let all = transcripts();
    let preimages: BTreeSet<_> = all.values().map(|hashed| &hashed["preimage"]).collect();
    assert_eq!(preimages.len(), all.len());
    let domain = |preimage: &String| {
        let bytes = hex::decode(preimage).unwrap();
        let length = usize::from(bytes[1]);
        (bytes[0], String::from_utf8(bytes[9..9 + length].to_vec()).unwrap())
    };
    let domains: BTreeSet<_> = preimages.iter().map(|preimage| domain(preimage)).collect();
    let kinds: BTreeSet<_> = all.keys().map(|name| name.split(',').next().unwrap()).collect();
    assert_eq!(domains.len(), kinds.len(), "one domain for each transcript");
    assert!(
        domains
            .iter()
            .all(|(kind, name)| *kind == 8 && name.starts_with("keymoot/") && name.ends_with("/v1"))
    );
}

#[test]
fn fault_numbers_on_the_wire_are_unchanged() {
    let numbers = [
        (0, Fault::Malformed),
        (1, Fault::TooLong),
        (2, Fault::Misrouted),
        (3, Fault::Equivocation),
        (4, Fault::FalseEcho),
        (5, Fault::FalseView),
        (6, Fault::WrongOpening),
        (7, Fault::WrongThreshold),
        (8, Fault::WrongShare),
        (9, Fault::WrongProof),
        (10, Fault::WrongCertificate),
        (11, Fault::WrongSignatureShare),
        (12, Fault::RepeatedPoint),
        (13, Fault::WrongExtension),
        (14, Fault::WrongProduct),
        (15, Fault::WrongNonce),
        (16, Fault::WrongKeyShare),
        (17, Fault::WrongTrees),
        (18, Fault::WrongConfirmation),
        (19, Fault::WrongModulus),
        (20, Fault::WrongInverseShare),
    ];
    assert_eq!(numbers.map(|(_, fault)| fault), Fault::ALL);
    for (number, fault) in numbers {
        let mut expected = Writer::new();
        expected.party(party(2));
        expected.uint(number);
        let found = blame(fault, Evidence::default()).encode();
        assert!(found.starts_with(expected.as_bytes()), "{fault:?}");
        assert_eq!(Blame::decode(&found).unwrap().fault, fault);
    }
}

/// How often each name stands after `wanted for` in all sources.
fn implementors(wanted: &str) -> BTreeMap<String, usize> {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let (mut found, separator) = (BTreeMap::new(), format!(" {wanted} for "));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources are beside the tests") {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(path).expect("a source is text");
            let name =
                |rest: &str| rest.chars().take_while(|letter| letter.is_alphanumeric()).collect::<String>();
            let names = source.split(&separator).skip(1).map(name);
            names.for_each(|name| *found.entry(name).or_default() += 1);
        }
    }
    found
}

/// How many types of each name these are. What follows a comma tells types apart if it is a protocol of
/// DKLs23 or GG20; if not,
/// it tells values of one type apart, or its curves.
fn types<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<String, usize> {
    let mut types: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for name in names {
        let mut parts = name.split(", ");
        let simple = parts.next().and_then(|name| name.split(' ').next()).unwrap();
        let of_protocol = |part: &&str| part.starts_with("dkls23") || part.starts_with("gg20");
        let protocol = parts.next().filter(of_protocol).unwrap_or_default();
        types.entry(simple.to_owned()).or_default().insert(protocol);
    }
    types.into_iter().map(|(name, protocols)| (name, protocols.len())).collect()
}

#[test]
fn no_wire_type_and_no_transcript_is_without_golden_bytes() {
    let mut wire = implementors("Wire");
    assert_eq!(wire.remove("Proof"), Some(7), "the proofs of GG20 are in the messages that carry them");
    assert_eq!(wire, types(specimens().iter().map(|one| one.name)));
    let transcripts = transcripts();
    let names = transcripts.keys().map(|name| name.split(',').next().unwrap());
    assert_eq!(implementors("Transcript"), types(names));
}
