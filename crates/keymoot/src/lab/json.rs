//! The lab as one JSON document, described by `schema/lab-v1.json`. A field that is there stays there.

use std::io::Write;
use std::time::Duration;

use keymoot_types::Party;
use serde::Serialize;

use super::link::Stage;
use super::plan::Plan;
use super::rounds::Work;
use super::scene::{Audience, BatchFacts, Extras, KeyFacts, PairFacts, Refusal, Scene, Signed};
use crate::failure::{Failure, NOT_ENOUGH_SIGNERS};

const SCHEMA: &str = "keymoot/lab/v1";
const WARNING: &str = "LAB: do not put money here. All shares were in one process and ended with it.";

/// Gathers the lab, to be written when it is over: half a document is none.
#[derive(Default, Serialize)]
pub struct Document {
    schema: &'static str,
    version: &'static str,
    warning: &'static str,
    threshold: u16,
    parties: u16,
    left_out: Vec<&'static str>,
    keys: Vec<KeyEntry>,
    #[serde(skip)]
    rounds: Vec<RoundEntry>,
}

#[derive(Serialize)]
struct KeyEntry {
    scheme: &'static str,
    key_id: String,
    output_key: String,
    public_key: Option<String>,
    internal_key: Option<String>,
    address: Option<String>,
    xpub: Option<String>,
    dkg: DkgEntry,
    pair_setups: Vec<PairSetupEntry>,
    presignatures: Vec<BatchEntry>,
    presignatures_discarded: usize,
    signatures: Vec<SignatureEntry>,
    refusal: Option<RefusalEntry>,
}

#[derive(Serialize)]
struct DkgEntry {
    rounds: Vec<RoundEntry>,
    millis: f64,
    certificate_signatures: usize,
    transcript: String,
}

#[derive(Serialize)]
struct PairSetupEntry {
    parties: Vec<u16>,
    pairs: usize,
    rounds: Vec<RoundEntry>,
    millis: f64,
    name: String,
}

#[derive(Serialize)]
struct BatchEntry {
    signers: Vec<u16>,
    size: usize,
    rounds: Vec<RoundEntry>,
    millis: f64,
    pair_setup: String,
}

#[derive(Serialize)]
struct RoundEntry {
    round: u16,
    name: &'static str,
    messages: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct SignatureEntry {
    signers: Vec<u16>,
    message: String,
    digest: Option<String>,
    signature: String,
    recovery_id: Option<u8>,
    der: Option<String>,
    presignature: Option<String>,
    millis: f64,
    verified_by: &'static str,
    verified: bool,
}

#[derive(Serialize)]
struct RefusalEntry {
    code: &'static str,
    needed: u16,
    reachable: usize,
    reachable_parties: Vec<u16>,
    absent_parties: Vec<u16>,
    signed: bool,
    nonces_used: u64,
}

impl Document {
    /// Writes the document and nothing else.
    pub fn write(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let text =
            serde_json::to_string_pretty(self).map_err(Failure::bug("the document cannot be written"))?;
        writeln!(out, "{text}").map_err(Failure::Output)
    }

    fn opening(&mut self, plan: &Plan) {
        self.schema = SCHEMA;
        self.version = env!("CARGO_PKG_VERSION");
        self.warning = WARNING;
        self.threshold = plan.threshold.needed();
        self.parties = plan.threshold.total();
        self.left_out = plan.left_out.iter().map(|scheme| scheme.name()).collect();
    }

    fn key(&mut self, key: &KeyFacts) {
        let (taproot, ecdsa) = match &key.extras {
            Extras::Taproot(taproot) => (Some(taproot), None),
            Extras::Ecdsa(ecdsa) => (None, Some(ecdsa)),
            Extras::Nothing => (None, None),
        };
        let xpub = taproot.map(|taproot| &taproot.xpub).or(ecdsa.map(|ecdsa| &ecdsa.xpub));
        self.keys.push(KeyEntry {
            scheme: key.scheme.name(),
            key_id: key.key.to_string(),
            output_key: hex::encode(key.output_key),
            public_key: ecdsa.map(|ecdsa| hex::encode(ecdsa.public_key)),
            internal_key: taproot.map(|taproot| hex::encode(taproot.internal_key)),
            address: taproot.map(|taproot| taproot.address.clone()),
            xpub: xpub.cloned(),
            dkg: DkgEntry {
                rounds: std::mem::take(&mut self.rounds),
                millis: millis(key.elapsed),
                certificate_signatures: key.certificate,
                transcript: key.transcript.to_string(),
            },
            pair_setups: Vec::new(),
            presignatures: Vec::new(),
            presignatures_discarded: 0,
            signatures: Vec::new(),
            refusal: None,
        });
    }

    fn pairs(&mut self, facts: &PairFacts) -> Result<(), Failure> {
        let entry = PairSetupEntry {
            parties: indices(&facts.parties),
            pairs: facts.pairs(),
            rounds: std::mem::take(&mut self.rounds),
            millis: millis(facts.elapsed),
            name: facts.name.to_string(),
        };
        self.entry(facts.scheme)?.pair_setups.push(entry);
        Ok(())
    }

    fn batch(&mut self, facts: &BatchFacts) -> Result<(), Failure> {
        let entry = BatchEntry {
            signers: indices(&facts.signers),
            size: facts.size,
            rounds: std::mem::take(&mut self.rounds),
            millis: millis(facts.elapsed),
            pair_setup: facts.setup.to_string(),
        };
        self.entry(facts.scheme)?.presignatures.push(entry);
        Ok(())
    }

    /// The entry of a key that was shown before; a lab has one of each scheme.
    fn entry(&mut self, scheme: keymoot_types::Scheme) -> Result<&mut KeyEntry, Failure> {
        let found = self.keys.iter_mut().find(|key| key.scheme == scheme.name());
        found.ok_or(Failure::Broken("a key was asked before it was shown"))
    }
}

impl Audience for Document {
    fn see(&mut self, scene: Scene<'_>) -> Result<(), Failure> {
        match scene {
            Scene::Opening(plan) => self.opening(plan),
            Scene::Stage(work, stage) => self.rounds.push(RoundEntry::of(work, stage)),
            Scene::KeyReady(key) => self.key(key),
            Scene::PairsReady(facts) => self.pairs(facts)?,
            Scene::BatchReady(facts) => self.batch(facts)?,
            Scene::Discarded { scheme, count, .. } => self.entry(scheme)?.presignatures_discarded += count,
            Scene::Signed(signed) => self.entry(signed.scheme)?.signatures.push(SignatureEntry::of(signed)),
            Scene::Refused(refusal) => self.entry(refusal.scheme)?.refusal = Some(RefusalEntry::of(refusal)),
            Scene::KeyBegins(..)
            | Scene::PairsBegin { .. }
            | Scene::BatchBegins { .. }
            | Scene::Asking { .. }
            | Scene::Away { .. }
            | Scene::Closing => {}
        }
        Ok(())
    }
}

impl RoundEntry {
    fn of(work: Work, stage: &Stage) -> Self {
        let (round, _) = stage.slot;
        Self {
            round: u16::from(round),
            name: work.stage_name(stage.slot),
            messages: stage.messages,
            bytes: stage.bytes,
        }
    }
}

impl SignatureEntry {
    fn of(signed: &Signed) -> Self {
        let ecdsa = signed.ecdsa.as_ref();
        Self {
            signers: indices(&signed.signers),
            message: signed.message.clone(),
            digest: signed.digest.as_ref().map(|digested| hex::encode(digested.digest)),
            signature: hex::encode(signed.signature),
            recovery_id: ecdsa.map(|ecdsa| ecdsa.recovery_id),
            der: ecdsa.map(|ecdsa| hex::encode(&ecdsa.der)),
            presignature: ecdsa.map(|ecdsa| ecdsa.presignature.to_string()),
            millis: millis(signed.elapsed),
            verified_by: signed.verifier,
            // There is no value of `Signed` before the verifier has accepted.
            verified: true,
        }
    }
}

impl RefusalEntry {
    fn of(refusal: &Refusal) -> Self {
        Self {
            code: NOT_ENOUGH_SIGNERS,
            needed: refusal.needed,
            reachable: refusal.reachable.len(),
            reachable_parties: indices(&refusal.reachable),
            absent_parties: indices(&refusal.absent),
            // A refusal is what there is instead of a signature.
            signed: false,
            nonces_used: refusal.nonces_used,
        }
    }
}

fn indices(parties: &[Party]) -> Vec<u16> {
    parties.iter().map(|party| party.index()).collect()
}

/// To the microsecond.
fn millis(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1e6).round() / 1e3
}
