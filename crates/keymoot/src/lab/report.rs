//! The lab as text, at most 80 columns wide except for what must stay in one piece.

use std::io::Write;
use std::time::Duration;

use keymoot_protocol::envelope::Kind;
use keymoot_types::{Party, Scheme, Threshold};

use super::link::Stage;
use super::names::names;
use super::plan::Plan;
use super::rounds::Work;
use super::scene::{Audience, BatchFacts, Extras, KeyFacts, PairFacts, Refusal, Scene, Signed};
use crate::failure::{Failure, NOT_ENOUGH_SIGNERS};
use crate::ink::Ink;

/// More parties than this are counted, not listed, beside each round.
const LISTED_PARTIES: usize = 6;

/// Tells the lab to a person, line by line as it happens.
pub struct Text<'a> {
    out: &'a mut dyn Write,
    ink: Ink,
    /// Once signing has begun, a line for each pair setup and batch is enough.
    is_brief: bool,
    keys: usize,
    signatures: usize,
    refusals: usize,
}

impl<'a> Text<'a> {
    pub fn new(out: &'a mut dyn Write, ink: Ink) -> Self {
        Self { out, ink, is_brief: false, keys: 0, signatures: 0, refusals: 0 }
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.out, "{line}").map_err(Failure::Output)
    }

    fn lines(&mut self, lines: &[String]) -> Result<(), Failure> {
        lines.iter().try_for_each(|line| self.line(line))
    }

    fn field(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        self.line(&format!("    {name:<11}{value}"))
    }

    fn opening(&mut self, plan: &Plan) -> Result<(), Failure> {
        let title = self.ink.strong(concat!("keymoot ", env!("CARGO_PKG_VERSION")));
        let warning = self.ink.warning("LAB: do not put money here.");
        self.lines(&[
            format!(" {title} · lab · everything in this process, nothing is stored"),
            format!(" {warning} All shares are in one process and end with it."),
            format!(
                " threshold {}: any {} of {} parties sign, fewer cannot",
                plan.threshold,
                plan.threshold.needed(),
                plan.threshold.total()
            ),
        ])?;
        plan.left_out.iter().try_for_each(|scheme| {
            self.line(&format!(
                " {scheme} is left out, being slow with {} signers; see it with --scheme {scheme}",
                plan.threshold.needed()
            ))
        })
    }

    fn table(&mut self, title: &str) -> Result<(), Failure> {
        let title = self.ink.strong(title);
        self.lines(&[
            String::new(),
            format!(" {title}"),
            format!("    {:<12}{:>8}{:>11}{:>10}   moved on", "round", "messages", "bytes", "ms"),
        ])
    }

    fn stage(&mut self, work: Work, stage: &Stage) -> Result<(), Failure> {
        if self.is_brief {
            return Ok(());
        }
        let (round, kind) = stage.slot;
        let number = match kind {
            Kind::Body => round.to_string(),
            Kind::Echo => String::new(),
        };
        let Stage { messages, bytes, .. } = stage;
        let ms = millis(stage.elapsed);
        let marks = self.marks(&stage.past);
        self.line(&format!(
            "    {number:<4}{:<8}{messages:>8}{bytes:>11}{ms:>10}   {marks}",
            work.stage_name(stage.slot)
        ))
    }

    fn marks(&self, past: &[(Party, bool)]) -> String {
        if past.len() > LISTED_PARTIES {
            let count = past.iter().filter(|(_, is_past)| *is_past).count();
            let mark = if count == past.len() { self.ink.good("✓") } else { self.ink.bad("✗") };
            return format!("{count} of {} {mark}", past.len());
        }
        let mark = |(party, is_past): &(Party, bool)| {
            let mark = if *is_past { self.ink.good("✓") } else { self.ink.bad("✗") };
            format!("{} {mark}", party.index())
        };
        past.iter().map(mark).collect::<Vec<_>>().join(" ")
    }

    fn key_ready(&mut self, key: &KeyFacts) -> Result<(), Failure> {
        self.keys += 1;
        let tick = self.ink.good("✓");
        self.lines(&[
            format!("  {tick} key ready in {} ms, nobody ever held the private key", millis(key.elapsed)),
            format!("  {tick} certificate checked, {0} of {0} signatures", key.certificate),
        ])?;
        self.field("key", &key.key.to_string())?;
        self.field("transcript", &key.transcript.to_string())?;
        match &key.extras {
            Extras::Taproot(taproot) => {
                self.field("internal", &hex::encode(taproot.internal_key))?;
                self.field("output", &hex::encode(key.output_key))?;
                self.field("address", &self.ink.strong(&taproot.address))?;
                self.field("xpub", &taproot.xpub)
            }
            Extras::Ecdsa(ecdsa) => {
                self.field("public key", &self.ink.strong(&hex::encode(ecdsa.public_key)))?;
                self.field("xpub", &ecdsa.xpub)
            }
            Extras::Nothing => self.field("public key", &self.ink.strong(&hex::encode(key.output_key))),
        }
    }

    fn pairs_begin(&mut self, scheme: Scheme, parties: &[Party]) -> Result<(), Failure> {
        if self.is_brief {
            return Ok(());
        }
        self.table(&format!("Set up pairs · {scheme} · {}", names(parties)))
    }

    fn pairs_ready(&mut self, facts: &PairFacts) -> Result<(), Failure> {
        let (pairs, ms) = (count(facts.pairs(), "pair"), millis(facts.elapsed));
        if self.is_brief {
            let (scheme, parties) = (facts.scheme, names(&facts.parties));
            return self.line(&format!("  {scheme} · {pairs} of {parties} set up · {ms} ms"));
        }
        let tick = self.ink.good("✓");
        let serves = if facts.is_for_all {
            "good for every batch of every ECDSA key"
        } else {
            "good for one batch of these signers"
        };
        self.line(&format!("  {tick} {pairs} ready in {ms} ms, {serves}"))
    }

    fn batch_begins(&mut self, scheme: Scheme, signers: &[Party], size: u16) -> Result<(), Failure> {
        if self.is_brief {
            return Ok(());
        }
        self.table(&format!("Presign {size} times · {scheme} · {}", names(signers)))
    }

    fn batch_ready(&mut self, facts: &BatchFacts) -> Result<(), Failure> {
        let (made, ms) = (count(facts.size, "presignature"), millis(facts.elapsed));
        if self.is_brief {
            let (scheme, signers) = (facts.scheme, names(&facts.signers));
            return self.line(&format!("  {scheme} · {made} made by {signers} · {ms} ms"));
        }
        let tick = self.ink.good("✓");
        self.line(&format!("  {tick} {made} ready in {ms} ms, before anybody knows what to sign"))
    }

    fn discarded(&mut self, scheme: Scheme, party: Party, number: usize) -> Result<(), Failure> {
        let gone = count(number, "presignature");
        self.line(&format!("  {scheme} · {gone} thrown away: useless without {party}"))
    }

    fn asking(&mut self, threshold: Threshold, message: &str) -> Result<(), Failure> {
        self.is_brief = true;
        let title = self.ink.strong(&format!("Sign {message:?} with {} parties", threshold.needed()));
        self.lines(&[String::new(), format!(" {title}")])
    }

    fn signed(&mut self, signed: &Signed) -> Result<(), Failure> {
        self.signatures += 1;
        let ms = millis(signed.elapsed);
        self.line(&format!("  {} · signers {} · {ms} ms", signed.scheme, names(&signed.signers)))?;
        if let Some(digested) = &signed.digest {
            self.field("digest", &hex::encode(digested.digest))?;
            self.field("", &format!("= {}", digested.rule))?;
        }
        let (first, second) = signed.signature.split_at(32);
        self.field("signature", &hex::encode(first))?;
        self.field("", &hex::encode(second))?;
        if let Some(ecdsa) = &signed.ecdsa {
            let (id, left) = (ecdsa.recovery_id, count(ecdsa.left, "presignature"));
            self.field("", &format!("= r and s, recovery id {id}; {left} left"))?;
        }
        let tick = self.ink.good("✓");
        self.line(&format!("    verified with {} {tick}", signed.verifier))
    }

    fn away(&mut self, away: &[Party], left: &[Party], threshold: Threshold) -> Result<(), Failure> {
        let title = self.ink.strong(&format!("Take {} away; left: {}", names(away), names(left)));
        self.lines(&[String::new(), format!(" {title}")])?;
        if threshold.needed() == threshold.total() {
            self.line(&format!("  every party of {threshold} is needed, so nobody can stand in"))?;
        }
        Ok(())
    }

    fn refused(&mut self, refusal: &Refusal) -> Result<(), Failure> {
        self.refusals += 1;
        let Refusal { scheme, needed, reachable, absent, .. } = refusal;
        let error = self.ink.bad(&format!("error[{NOT_ENOUGH_SIGNERS}]"));
        self.lines(&[
            format!("  {scheme}"),
            format!(
                "  {error}: not enough signers: need {needed}, reachable {} ({})",
                reachable.len(),
                names(reachable)
            ),
        ])?;
        for party in absent {
            self.line(&format!("    ├ {:<9} taken away by this lab, with its share", party.to_string()))?;
        }
        let back = match usize::from(*needed).saturating_sub(reachable.len()) {
            missing if missing >= absent.len() => names(absent),
            1 => format!("one of {}", names(absent)),
            missing => format!("{missing} of {}", names(absent)),
        };
        let spent = match scheme {
            Scheme::FrostTaproot | Scheme::FrostEd25519 => "nonce",
            Scheme::Dkls23 | Scheme::Gg20 => "presignature",
        };
        self.lines(&[
            format!("    = the message was NOT signed and no {spent} was used"),
            format!("    = help: bring {back} back, then ask again"),
        ])
    }

    fn closing(&mut self) -> Result<(), Failure> {
        let tick = self.ink.good("✓");
        let line = format!(
            " {tick} {} · {}, all verified · {}, as planned",
            count(self.keys, "key"),
            count(self.signatures, "signature"),
            count(self.refusals, "refusal"),
        );
        self.lines(&[
            String::new(),
            line,
            " Try: keymoot lab --parties 5 --threshold 3".to_owned(),
            "      keymoot lab --json".to_owned(),
        ])
    }
}

impl Audience for Text<'_> {
    fn see(&mut self, scene: Scene<'_>) -> Result<(), Failure> {
        match scene {
            Scene::Opening(plan) => self.opening(plan),
            Scene::KeyBegins(scheme, threshold) => {
                self.table(&format!("Generate a key · {scheme} · {threshold}"))
            }
            Scene::Stage(work, stage) => self.stage(work, stage),
            Scene::KeyReady(key) => self.key_ready(key),
            Scene::PairsBegin { scheme, parties } => self.pairs_begin(scheme, parties),
            Scene::PairsReady(facts) => self.pairs_ready(facts),
            Scene::BatchBegins { scheme, signers, size } => self.batch_begins(scheme, signers, size),
            Scene::BatchReady(facts) => self.batch_ready(facts),
            Scene::Asking { threshold, message } => self.asking(threshold, message),
            Scene::Signed(signed) => self.signed(signed),
            Scene::Away { away, left, threshold } => self.away(away, left, threshold),
            Scene::Discarded { scheme, party, count } => self.discarded(scheme, party, count),
            Scene::Refused(refusal) => self.refused(refusal),
            Scene::Closing => self.closing(),
        }
    }
}

fn millis(elapsed: Duration) -> String {
    format!("{:.1}", elapsed.as_secs_f64() * 1000.0)
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
