//! Known answers: `vectors/golden/dkls23.json` holds one run of everything, from fixed seeds, for other implementations
//! and for later versions of this one. It is written from the model; model and machines must both reproduce it.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::drive::{Batched, Both, Committee, Signed};
use super::encode::{Bytes32, compressed};
use super::session::{ALL, Bodies};
use crate::golden::assert_golden;
use crate::parties::party;

const STORED: &str = include_str!("../../../vectors/golden/dkls23.json");
const SEED: u64 = 84;
const SIGNERS: [u16; 2] = [1, 3];
const BATCH: u16 = 33;
const PATH: &str = "m/0/7";
const PAYLOAD: &str = "a payload for two of three";

/// Bodies up to this length are stored as they are, longer ones as a digest.
const SHORT: usize = 256;

type Entries = BTreeMap<String, String>;

fn describe(bodies: &Bodies) -> Entries {
    let describe = |((round, from, to), body): (&(u8, u16, u16), &Vec<u8>)| {
        let to = if *to == ALL { "all".to_owned() } else { to.to_string() };
        let digest = || format!("sha256 {} of {} bytes", hex::encode(Sha256::digest(body)), body.len());
        let content = if body.len() <= SHORT { hex::encode(body) } else { digest() };
        (format!("round {round}, {from} to {to}"), content)
    };
    bodies.iter().map(describe).collect()
}

/// What was fixed before anything was said.
fn inputs(committee: &Committee) -> Entries {
    let group = committee.members[&party(1)].share.group();
    let mut inputs: Entries = [
        ("group id", hex::encode([1; 16])),
        ("threshold", "2 of 3".to_owned()),
        ("key id", hex::encode(group.key.as_bytes())),
        ("epoch", group.epoch.0.to_string()),
        ("public key", hex::encode(compressed(&group.public))),
        ("chain code", hex::encode(group.chain_code)),
        ("package digest", group.digest().to_string()),
        ("path", PATH.to_owned()),
        ("payload, hashed with keccak256", PAYLOAD.to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    for (party, member) in &committee.members {
        let identity = committee.world.identities[party].public();
        inputs.insert(format!("identity of {party}"), hex::encode(identity.as_bytes()));
        inputs.insert(format!("hedge of {party} in setup"), hex::encode(committee.hedges[party]));
        inputs.insert(format!("share of {party}"), hex::encode(member.share.expose().to_bytes()));
        for (protocol, seed) in [("setup", SEED), ("presigning", 10 * SEED + 1)] {
            let seed = 1_000 * seed + u64::from(party.index());
            let generator = format!("ChaCha20Rng::seed_from_u64({seed})");
            inputs.insert(format!("randomness of {party} in {protocol}"), generator);
        }
    }
    inputs
}

fn names(both: &Both) -> Entries {
    [
        ("session id", hex::encode(both.id.as_bytes())),
        ("context", hex::encode(both.model.context)),
        ("ssid", hex::encode(both.model.ssid())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn presignatures(names: &[Bytes32]) -> Entries {
    names.iter().enumerate().map(|(k, name)| (format!("presignature {k:02}"), hex::encode(name))).collect()
}

/// The run, as models or as machines have it.
fn run(committee: &Committee, batch: &Batched, signed: &Signed, model: bool) -> BTreeMap<String, Entries> {
    let said = |both: &Both| {
        let bodies = describe(if model { &both.model.bodies } else { &both.heard.bodies });
        bodies.into_iter().chain(names(both)).collect::<Entries>()
    };
    let (setup, signature, ids) = if model {
        let ids = presignatures(&batch.by_models[&SIGNERS[0]]);
        (committee.name, &signed.by_models, ids)
    } else {
        let member = &committee.members[&party(SIGNERS[0])];
        let ids = presignatures(&batch.by_machines[&SIGNERS[0]]);
        (*member.setup.name().as_bytes(), &signed.by_machines, ids)
    };
    let results = [("setup", hex::encode(setup)), ("signature r, s, recovery id", hex::encode(signature))];
    let results = results.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(ids).collect();
    BTreeMap::from([
        ("inputs".to_owned(), inputs(committee)),
        ("setup".to_owned(), said(&committee.setup)),
        ("presigning".to_owned(), said(&batch.both)),
        ("signing".to_owned(), said(&signed.both)),
        ("results".to_owned(), results),
    ])
}

#[test]
fn golden_dkls23_is_what_the_model_and_the_machines_say() {
    let mut committee = Committee::set_up(2, 3, SEED);
    let mut batch = committee.presign(&SIGNERS.map(party), BATCH);
    let signed = committee.sign(&mut batch, PATH, PAYLOAD.as_bytes());
    for model in [true, false] {
        assert_golden("dkls23.json", STORED, &run(&committee, &batch, &signed, model));
    }
}
