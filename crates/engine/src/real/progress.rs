//! From what came of a delivery to what the engine is told.
//!
//! What has to be durable before a message leaves is told beside that message, once: our share of a key, or our primes in
//! a table, beside our signature on it, the peers' counts beside the first word that depends on them. A run may pass that point and end in
//! one delivery, if mail has overtaken other mail, so the results are asked too. A run that dies says nothing of it,
//! and then the message does not leave either.

use std::sync::Arc;

use keymoot_protocol::abort::{Abort, Benign, Blames};
use keymoot_protocol::any::{AnyMachine, AnyOutput};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::envelope::Envelope;
use keymoot_protocol::machine::Opening;
use keymoot_protocol::session::{Advance, Session};
use keymoot_types::Millis;

use super::{Presignature, Real, Setup, Share, words};
use crate::crypto::{Accusation, End, Mail, Next, Note, Product, Progress};

/// Begins a session.
pub(super) fn begun(opening: Opening<AnyMachine>) -> Progress<Real> {
    progress(false, Session::open(opening, Millis(u64::MAX)))
}

/// Hands mail to a session.
pub(super) fn delivered(run: Session<AnyMachine>, mail: &[u8]) -> Progress<Real> {
    let told = has_told(run.machine());
    progress(told, run.deliver(mail))
}

fn has_told(machine: &AnyMachine) -> bool {
    machine.is_pending() || machine.counts().is_some()
}

fn progress(told: bool, advance: Advance<AnyMachine>) -> Progress<Real> {
    match advance {
        Advance::Waiting { session, outbox, refused } => Progress {
            notes: note_of(session.machine()).filter(|_| !told).into_iter().collect(),
            mail: mail(&outbox),
            refused: refused.map(words::refusal),
            next: Next::Wait(session),
        },
        Advance::Done { output, outbox } => {
            let (note, next) = done(output);
            let notes = note.filter(|_| !told).into_iter().collect();
            Progress { notes, mail: mail(&outbox), refused: None, next }
        }
        Advance::Dead { abort, outbox } => {
            Progress { notes: Vec::new(), mail: mail(&outbox), refused: None, next: Next::Dead(end(&abort)) }
        }
    }
}

fn mail(outbox: &[Envelope]) -> Vec<Mail> {
    outbox.iter().map(|one| Mail { to: one.header.to, bytes: one.encode().to_vec() }).collect()
}

fn note_of(machine: &AnyMachine) -> Option<Note> {
    let pending = machine.seal_pending().map(|(package, share)| Note::Pending { package, share });
    pending.or_else(|| machine.counts().map(|counts| Note::Counts(counts.clone())))
}

/// What a run that is done leaves, and what it would have told on the way.
fn done(output: AnyOutput) -> (Option<Note>, Next<Real>) {
    match output {
        AnyOutput::ShareSecp256k1(share) => share_done(Share::secp256k1(share)),
        AnyOutput::ShareEd25519(share) => share_done(Share::ed25519(share)),
        AnyOutput::PairSetup(setup) => (None, Next::Done(Product::Setup(Setup::Pairs(Arc::new(setup))))),
        AnyOutput::Presigned(presigned) => {
            let note = Note::Counts(presigned.counts);
            let batch = presigned.presignatures.into_iter().map(|one| Presignature::Dkls23(Box::new(one)));
            (Some(note), Next::Done(Product::Presignatures(batch.collect())))
        }
        AnyOutput::Released => (None, Next::Done(Product::Released)),
        AnyOutput::Moduli(ours) => {
            let note = Note::Pending { package: ours.table().digest(), share: ours.seal() };
            (Some(note), Next::Done(Product::Moduli(Arc::clone(ours.table()))))
        }
        AnyOutput::PresignedGg20(batch) => {
            let batch = batch.into_iter().map(|one| Presignature::Gg20(Box::new(one)));
            (None, Next::Done(Product::Presignatures(batch.collect())))
        }
        AnyOutput::Schnorr(signature) => (None, Next::Done(Product::Signature(signature.to_vec()))),
        AnyOutput::Ecdsa(signature) => {
            (None, Next::Done(Product::Signature(signature.to_recoverable().to_vec())))
        }
    }
}

fn share_done(share: Option<Share>) -> (Option<Note>, Next<Real>) {
    match share {
        Some(share) => {
            let note = Note::Pending { package: share.package(), share: share.seal() };
            (Some(note), Next::Done(Product::Share(share)))
        }
        None => (None, Next::Dead(End::Bug("a key serves a scheme of another curve"))),
    }
}

fn end(abort: &Abort) -> End {
    match abort {
        Abort::Benign(benign) => End::Benign { why: words::benign(benign), pairs: pairs(benign) },
        Abort::Blame(blames) => End::Blame(accusations(blames)),
        Abort::BanAndBurn(_) => End::Ban(abort.culprits()),
        Abort::Bug(what) => End::Bug(what),
    }
}

/// With whom pairs have to be made anew.
fn pairs(benign: &Benign) -> Vec<keymoot_types::Party> {
    match benign {
        Benign::BurntPair { with } => with.clone(),
        Benign::StalePair { from } => vec![*from],
        Benign::TimedOut { .. }
        | Benign::SplitView { .. }
        | Benign::Repeated
        | Benign::Degenerate
        | Benign::ForeignSum
        | Benign::WrongSum => Vec::new(),
    }
}

fn accusations(blames: &Blames) -> Vec<Accusation> {
    let accuse = |blame: &keymoot_protocol::abort::Blame| Accusation {
        party: blame.party,
        fault: blame.fault.to_string(),
        evidence: blame.encode().to_vec(),
    };
    blames.iter().map(accuse).collect()
}
