//! Evidence that convicts a culprit before somebody who was not there, and nobody else.
//!
//! Everything rests on messages that the accused signed. Each of them vouches for the view of all broadcasts its
//! sender had, so the judge needs no signatures of the other parties: the bodies it is handed are the right ones
//! exactly if they hash to the view in the accused's own header. An accuser who is lying cannot build such a case.

use std::collections::BTreeMap;

use keymoot_types::{PARTIES_MAX, Party};

use crate::abort::{Blame, Fault};
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::context::Context;
use crate::echo::Echo;
use crate::envelope::{Attestation, BODY_MAX, Envelope, Kind};
use crate::inbox::ROUNDS_MAX;
use crate::machine::{Machine, RoundSpec, Rounds, Travel};
use crate::record::{Broadcasts, Record};
use crate::transcript::{Body, Hash, Transcript};

/// What a judge is handed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The broadcasts of the session, round by round.
    pub record: Vec<Broadcasts>,
    /// Messages that the accused signed.
    pub envelopes: Vec<Envelope>,
    /// Two statements of the accused for one slot.
    pub attestations: Vec<Attestation>,
}

/// The accusation is not proven. That says nothing about who brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the accusation is not proven")]
pub struct Unproven;

/// A case whose signatures, session and views have been checked.
pub struct Case<'a> {
    /// What the session was about.
    pub context: &'a Context,
    /// The session.
    pub ssid: Hash,
    /// The broadcasts that the accused vouched for.
    pub record: &'a Record,
    /// Who is accused.
    pub accused: Party,
    /// The recipients and bodies of its cited messages, by round.
    pub messages: BTreeMap<u8, (Option<Party>, &'a [u8])>,
}

impl Case<'_> {
    /// The accused's cited message of a round, if it decodes.
    #[must_use]
    pub fn message<T: Wire>(&self, round: u8) -> Option<T> {
        T::decode(self.messages.get(&round)?.1).ok()
    }

    /// Whether a cited message of the round is no legal one.
    #[must_use]
    pub fn is_malformed<T: Wire>(&self, round: u8) -> bool {
        self.messages.get(&round).is_some_and(|(_, body)| T::decode(body).is_err())
    }

    /// Everybody's broadcasts of a round, if all of them decode.
    #[must_use]
    pub fn broadcasts<T: Wire>(&self, round: u8) -> Option<BTreeMap<Party, T>> {
        let bodies = self.record.rounds().get(usize::from(round))?;
        bodies.iter().map(|(party, body)| Some((*party, T::decode(body).ok()?))).collect()
    }
}

/// Checks an accusation from a session of the machine `M` about `context`.
///
/// # Errors
/// The evidence does not prove the fault.
pub fn judge<M: Machine>(context: &Context, blame: &Blame) -> Result<(), Unproven> {
    let record = record_of::<M>(context, blame)?;
    let trial = Trial { context, rounds: M::rounds(context), record: &record, blame };
    let proven = match blame.fault {
        Fault::Equivocation => trial.equivocated(),
        Fault::Misrouted | Fault::TooLong => trial.broke_the_envelope_rules(),
        Fault::FalseEcho => trial.echoed_falsely(),
        Fault::FalseView => trial.vouched_falsely(),
        Fault::Malformed => trial.case(false).is_some_and(|case| M::convicts(&case, blame.fault)),
        Fault::WrongOpening
        | Fault::WrongThreshold
        | Fault::WrongShare
        | Fault::WrongProof
        | Fault::WrongCertificate
        | Fault::WrongSignatureShare
        | Fault::WrongModulus
        | Fault::WrongInverseShare
        | Fault::RepeatedPoint => trial.case(true).is_some_and(|case| M::convicts(&case, blame.fault)),
        Fault::WrongExtension
        | Fault::WrongProduct
        | Fault::WrongNonce
        | Fault::WrongKeyShare
        | Fault::WrongTrees
        | Fault::WrongConfirmation => false,
    };
    if proven { Ok(()) } else { Err(Unproven) }
}

/// Checks an accusation with a check that needs more than the context; `check` sees a case whose signatures and views
/// hold.
///
/// # Errors
/// The evidence does not prove the fault.
pub fn try_case<M: Machine>(
    context: &Context,
    blame: &Blame,
    check: impl FnOnce(&Case<'_>) -> Option<bool>,
) -> Result<(), Unproven> {
    let record = record_of::<M>(context, blame)?;
    let trial = Trial { context, rounds: M::rounds(context), record: &record, blame };
    let case = trial.case(true).ok_or(Unproven)?;
    if check(&case) == Some(true) { Ok(()) } else { Err(Unproven) }
}

/// The record that an accuser presents, if it has the shape of one.
fn record_of<M: Machine>(context: &Context, blame: &Blame) -> Result<Record, Unproven> {
    let participants = context.participants();
    if !participants.contains(&blame.party) || !M::concerns(context) {
        return Err(Unproven);
    }
    let mut record = Record::new(context.id());
    for (bodies, spec) in blame.evidence.record.iter().zip(M::rounds(context).iter()) {
        // Exactly what an honest session records: nothing of a direct round, everybody's word of any other. Whatever
        // else an accuser presents would make a view that the accused never had.
        let sound = match spec.travel {
            Travel::Direct => bodies.is_empty(),
            Travel::Broadcast | Travel::Echoed => bodies.iter().map(|(party, _)| party).eq(&participants),
        };
        if !sound {
            return Err(Unproven);
        }
        record.settle(bodies.clone());
    }
    Ok(record)
}

struct Trial<'a> {
    context: &'a Context,
    rounds: Rounds,
    record: &'a Record,
    blame: &'a Blame,
}

impl<'a> Trial<'a> {
    fn spec(&self, round: u8) -> Option<RoundSpec> {
        self.rounds.get(usize::from(round)).copied()
    }

    fn is_accuseds(&self, attestation: &Attestation) -> bool {
        let header = &attestation.header;
        header.from == self.blame.party
            && header.context == self.record.context()
            && Some(header.session) == self.record.session_of(header.round)
            && self
                .context
                .committee
                .identity(header.from)
                .is_some_and(|identity| attestation.is_signed_by(identity))
    }

    /// The one cited envelope of this kind.
    fn only(&self, kind: Kind) -> Option<&'a Envelope> {
        let mut found = self.blame.evidence.envelopes.iter().filter(|one| one.header.kind == kind);
        let only = found.next().filter(|one| self.is_accuseds(&one.attestation()))?;
        found.next().is_none().then_some(only)
    }

    /// The accused's messages as a case; with `views`, only if the record is what it vouched for.
    fn case(&self, views: bool) -> Option<Case<'a>> {
        let mut messages = BTreeMap::new();
        for envelope in &self.blame.evidence.envelopes {
            let header = &envelope.header;
            let after = self.spec(header.round)?.after;
            let seen = !views || Some(header.view) == self.record.view_after(after);
            // Its view binds the rounds before. Of its own round the record says what it says itself, or nothing.
            let recorded = self.record.body(header.round, header.from);
            let same = recorded.is_none_or(|recorded| recorded == envelope.body());
            if header.kind != Kind::Body || !seen || !same || !self.is_accuseds(&envelope.attestation()) {
                return None;
            }
            messages.insert(header.round, (header.to, envelope.body()));
        }
        let ssid = self.record.ssid().unwrap_or(Hash::from_bytes([0; 32]));
        Some(Case { context: self.context, ssid, record: self.record, accused: self.blame.party, messages })
    }

    fn equivocated(&self) -> bool {
        let [one, other] = self.blame.evidence.attestations.as_slice() else { return false };
        // Round 0 has no session yet: an honest party says it once for every attempt.
        one.header.round > 0
            && one.header.same_slot(&other.header)
            && !one.says_what(other)
            && self.is_accuseds(one)
            && self.is_accuseds(other)
    }

    fn broke_the_envelope_rules(&self) -> bool {
        let Some(envelope) = self.blame.evidence.envelopes.first() else { return false };
        let Some(spec) = self.spec(envelope.header.round) else { return false };
        self.is_accuseds(&envelope.attestation())
            && match self.blame.fault {
                Fault::TooLong => envelope.body().len() > spec.longest(envelope.header.kind),
                _ => spec.misroutes(&envelope.header),
            }
    }

    fn echoed_falsely(&self) -> bool {
        let Some(envelope) = self.only(Kind::Echo) else { return false };
        match Echo::decode(envelope.body()) {
            Ok(echo) => !echo.is_genuine(self.context, &envelope.header),
            Err(_) => true,
        }
    }

    /// The accused's view follows from the session's name and its own echoes of the rounds before.
    fn vouched_falsely(&self) -> bool {
        let envelopes = &self.blame.evidence.envelopes;
        let Some((accused, echoes)) = envelopes.split_first() else { return false };
        let Some(spec) = self.spec(accused.header.round) else { return false };
        let expected = self.record.view_after(spec.after);
        envelopes.iter().all(|one| self.is_accuseds(&one.attestation()))
            && self.binds(spec.after, echoes)
            && expected.is_some_and(|expected| expected != accused.header.view)
    }

    /// Whether the echoes, latest round first, show that the accused had seen the record up to `after`.
    fn binds(&self, after: Option<u8>, echoes: &[Envelope]) -> bool {
        let Some(round) = after.filter(|round| *round > 0) else { return true };
        let Some(spec) = self.spec(round) else { return false };
        let before = round.checked_sub(1);
        match (spec.travel, echoes.split_first()) {
            (Travel::Direct, _) => self.binds(before, echoes),
            (Travel::Echoed, Some((echo, earlier))) => {
                self.is_echo_of(echo, round) && self.binds(before, earlier)
            }
            (Travel::Echoed, None) | (Travel::Broadcast, _) => false,
        }
    }

    fn is_echo_of(&self, envelope: &Envelope, round: u8) -> bool {
        let Ok(echo) = Echo::decode(envelope.body()) else { return false };
        let Some(bodies) = self.record.rounds().get(usize::from(round)) else { return false };
        envelope.header.kind == Kind::Echo
            && envelope.header.round == round
            && echo
                .attestations(&envelope.header)
                .map(|one| (one.header.from, one.body))
                .eq(bodies.iter().map(|(party, body)| (*party, Body(body).digest())))
    }
}

impl Wire for Evidence {
    fn write(&self, writer: &mut Writer) {
        writer.list(self.record.iter(), |writer, bodies| {
            writer.list(bodies.iter(), |writer, (party, body)| {
                writer.party(*party);
                writer.bytes(body);
            });
        });
        writer.list(self.envelopes.iter(), |writer, envelope| envelope.write(writer));
        writer.list(self.attestations.iter(), |writer, attestation| attestation.write(writer));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let parties = usize::from(PARTIES_MAX);
        Ok(Self {
            record: reader.list(ROUNDS_MAX, |reader| {
                reader.list(parties, |reader| Ok((reader.party()?, reader.bytes(BODY_MAX)?.to_vec())))
            })?,
            envelopes: reader.list(ROUNDS_MAX, Envelope::read)?,
            attestations: reader.list(2, Attestation::read)?,
        })
    }
}

impl Wire for Blame {
    fn write(&self, writer: &mut Writer) {
        writer.party(self.party);
        writer.uint(Fault::ALL.iter().position(|fault| *fault == self.fault).unwrap_or_default() as u64);
        writer.list(self.cites.iter(), |writer, round| writer.uint(u64::from(*round)));
        self.evidence.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let party = reader.party()?;
        let number = usize::try_from(reader.uint()?).map_err(|_| Malformed::Choice)?;
        let fault = *Fault::ALL.get(number).ok_or(Malformed::Choice)?;
        let cites =
            reader.list(ROUNDS_MAX, |reader| u8::try_from(reader.uint()?).map_err(|_| Malformed::Integer))?;
        Ok(Self { party, fault, cites, evidence: Evidence::read(reader)? })
    }
}
