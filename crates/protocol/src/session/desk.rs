//! The part of a session that does not depend on the machine: mail in, mail out, complete rounds, evidence.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_types::{Millis, Party};
use zeroize::Zeroizing;

use super::{Advance, Refusal};
use crate::abort::{Abort, Benign, Charges, Fault};
use crate::codec::Wire;
use crate::context::Context;
use crate::echo::{Echo, FalseEcho};
use crate::envelope::{Attestation, BODY_SHORT, ENVELOPE_OVERHEAD, Envelope, Header, Kind};
use crate::evidence::Evidence;
use crate::identity::IdentityKey;
use crate::inbox::{EARLY_BYTES, Inbox};
use crate::machine::{Machine, Outgoing, Round, RoundSpec, Rounds, Travel};
use crate::record::{Broadcasts, Record};
use crate::transcript::Hash;

pub(super) enum Trouble {
    Refused(Refusal),
    Over(Abort),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

pub(super) struct Desk {
    context: Arc<Context>,
    participants: Vec<Party>,
    member: Option<(Party, Arc<IdentityKey>)>,
    deadline: Millis,
    rounds: Rounds,
    body_max: usize,
    record: Record,
    inbox: Inbox,
    current: u8,
    outbox: Vec<Envelope>,
}

impl Desk {
    pub(super) fn new(
        context: Arc<Context>,
        member: Option<(Party, Arc<IdentityKey>)>,
        deadline: Millis,
        rounds: Rounds,
    ) -> Self {
        Self {
            participants: context.participants(),
            body_max: rounds.iter().map(|spec| spec.body_max).fold(BODY_SHORT, usize::max),
            record: Record::new(context.id()),
            context,
            member,
            deadline,
            rounds,
            inbox: Inbox::default(),
            current: 0,
            outbox: Vec::new(),
        }
    }

    pub(super) const fn deadline(&self) -> Millis {
        self.deadline
    }

    pub(super) const fn ssid(&self) -> Option<Hash> {
        self.record.ssid()
    }

    pub(super) const fn round_number(&self) -> u8 {
        self.current
    }

    pub(super) fn dead<M: Machine>(mut self, abort: Abort) -> Advance<M> {
        let mut outbox = self.take_outbox();
        outbox.retain(|envelope| envelope.header.kind == Kind::Echo);
        Advance::Dead { abort, outbox }
    }

    pub(super) fn take_outbox(&mut self) -> Vec<Envelope> {
        std::mem::take(&mut self.outbox)
    }

    fn me(&self) -> Option<Party> {
        self.member.as_ref().map(|(party, _)| *party)
    }

    fn spec(&self, round: u8) -> Option<RoundSpec> {
        self.rounds.get(usize::from(round)).copied()
    }

    /// Whether a sender that keeps to the protocol may be that far: what it has settled includes our word of the round
    /// after which it spoke, and that word includes what we had settled.
    fn is_reachable(&self, spec: RoundSpec) -> bool {
        let ours = spec.after.and_then(|after| self.spec(after)).and_then(|spec| spec.after);
        self.record.view_after(ours).is_some()
    }

    // ── mail out ──────────────────────────────────────────────────────────────────────────────────────────────

    pub(super) fn say(&mut self, outgoing: Outgoing) -> Result<(), Abort> {
        self.post(outgoing.round, Kind::Body, outgoing.to, outgoing.body)
    }

    fn post(
        &mut self,
        round: u8,
        kind: Kind,
        to: Option<Party>,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<(), Abort> {
        let (Some((from, identity)), Some(spec)) = (&self.member, self.spec(round)) else {
            return Err(Abort::Bug("an observer, or a round that does not exist, has nothing to say"));
        };
        let (Some(session), Some(view)) = (self.record.session_of(round), self.record.view_after(spec.after))
        else {
            return Err(Abort::Bug("a message was sent before the round it follows"));
        };
        let context = self.record.context();
        let header = Header { context, session, round, kind, from: *from, to, view };
        let envelope = Envelope::sign(identity, header, body);
        if to.is_none() {
            self.inbox.put(envelope.copy_of_broadcast(), envelope.attestation());
        }
        self.outbox.push(envelope);
        Ok(())
    }

    // ── mail in ───────────────────────────────────────────────────────────────────────────────────────────────

    pub(super) fn accept(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        if bytes.len() > self.body_max.saturating_add(ENVELOPE_OVERHEAD) {
            return Err(Refusal::TooLong.into());
        }
        let envelope = Envelope::decode(bytes).map_err(Refusal::Malformed)?;
        let header = &envelope.header;
        if header.context != self.record.context() {
            return Err(Refusal::OtherSession.into());
        }
        if !self.participants.contains(&header.from) {
            return Err(Refusal::Stranger.into());
        }
        if Some(header.from) == self.me() {
            return Err(Refusal::Reflected.into());
        }
        if header.to.is_some() && header.to != self.me() {
            return Err(Refusal::NotForUs.into());
        }
        let spec = self.spec(header.round).ok_or(Refusal::UnknownRound)?;
        match self.record.session_of(header.round) {
            None => self.accept_early(envelope),
            Some(session) if session != header.session => Err(Refusal::OtherSession.into()),
            Some(_) if !self.is_reachable(spec) => Err(Refusal::Premature.into()),
            Some(_) => self.accept_into(envelope, spec),
        }
    }

    fn is_genuine(&self, attestation: &Attestation) -> bool {
        self.context
            .committee
            .identity(attestation.header.from)
            .is_some_and(|identity| attestation.is_signed_by(identity))
    }

    fn accept_early(&mut self, envelope: Envelope) -> Result<(), Trouble> {
        // Whatever a sender may say before it has heard from us follows round 0.
        let first = self.rounds.iter().filter(|spec| spec.after == Some(0)).map(|spec| spec.body_max);
        if self.inbox.refuses_early(&envelope, first.fold(EARLY_BYTES, usize::saturating_add)) {
            return Err(Refusal::TooEarly.into());
        }
        if !self.is_genuine(&envelope.attestation()) {
            return Err(Refusal::Forged.into());
        }
        self.inbox.put_early(envelope);
        Ok(())
    }

    fn accept_into(&mut self, envelope: Envelope, spec: RoundSpec) -> Result<(), Trouble> {
        let before = self.inbox.said(Inbox::slot(&envelope));
        let attestation = envelope.attestation();
        if before.is_some_and(|before| before.says_what(&attestation)) {
            return Err(Refusal::Duplicate.into());
        }
        if !self.is_genuine(&attestation) {
            return Err(Refusal::Forged.into());
        }
        let broken = if spec.misroutes(&envelope.header) {
            Some(Fault::Misrouted)
        } else if envelope.body().len() > spec.longest(envelope.header.kind) {
            Some(Fault::TooLong)
        } else {
            before.map(|_| Fault::Equivocation)
        };
        let Some(fault) = broken else {
            self.inbox.put(envelope, attestation);
            return Ok(());
        };
        if envelope.header.round == 0 && fault == Fault::Equivocation {
            // Nothing fresh is in a first word's header yet, so an honest party whose caller used one session name twice
            // may have signed both.
            return Err(Refusal::OtherAttempt.into());
        }
        let party = envelope.header.from;
        let mut evidence = self.broadcasts();
        match before.filter(|_| fault == Fault::Equivocation) {
            Some(before) => evidence.attestations = vec![before, attestation],
            None => evidence.envelopes.push(envelope),
        }
        Err(Trouble::Over(Abort::blame(party, fault, evidence)))
    }

    // ── complete rounds ───────────────────────────────────────────────────────────────────────────────────────

    /// Whose mail of the current round is missing.
    pub(super) fn missing(&self) -> Vec<Party> {
        let without = |kind| {
            let stored = |party: &&Party| self.inbox.said((self.current, kind, **party)).is_none();
            self.expected().filter(stored).copied().collect::<Vec<_>>()
        };
        let bodies = without(Kind::Body);
        if bodies.is_empty() && self.travel() == Some(Travel::Echoed) { without(Kind::Echo) } else { bodies }
    }

    fn travel(&self) -> Option<Travel> {
        self.spec(self.current).map(|spec| spec.travel)
    }

    fn expected(&self) -> impl Iterator<Item = &Party> {
        let direct = self.travel() == Some(Travel::Direct);
        self.participants.iter().filter(move |party| !(direct && Some(**party) == self.me()))
    }

    /// Whether the current round has all of its mail, echoes included; sends our echo when it is due.
    pub(super) fn complete(&mut self) -> Result<bool, Abort> {
        let Some(spec) = self.spec(self.current) else { return Ok(false) };
        let ours = self.attestations(Kind::Body);
        if ours.len() < self.expected().count() {
            return Ok(false);
        }
        self.check_views(spec, Kind::Body)?;
        if spec.travel != Travel::Echoed {
            return Ok(true);
        }
        if self.me().is_some_and(|me| self.inbox.get((self.current, Kind::Echo, me)).is_none()) {
            self.post(self.current, Kind::Echo, None, Echo::new(&ours).encode())?;
        }
        if self.attestations(Kind::Echo).len() < self.expected().count() {
            return Ok(false);
        }
        self.check_views(spec, Kind::Echo)?;
        self.check_echoes(&ours).map(|()| true)
    }

    fn envelopes(&self, kind: Kind) -> impl Iterator<Item = &Envelope> {
        self.expected().filter_map(move |party| self.inbox.get((self.current, kind, *party)))
    }

    fn attestations(&self, kind: Kind) -> Vec<Attestation> {
        self.expected().filter_map(|party| self.inbox.said((self.current, kind, *party))).collect()
    }

    /// Every sender vouches for the broadcasts it had seen; they must be ours.
    fn check_views(&mut self, spec: RoundSpec, kind: Kind) -> Result<(), Abort> {
        let expected = self.record.view_after(spec.after);
        let other = |envelope: &&Envelope| Some(envelope.header.view) != expected;
        let liars: Vec<_> = self.envelopes(kind).filter(other).map(|envelope| envelope.header.from).collect();
        let Some(from) = liars.first().copied() else { return Ok(()) };
        // In round 0 nothing has been seen, the session's name fixes the view after it, and a later view is fixed by
        // its sender's own echoes. A view over a round that nobody echoed may differ by the relay's doing.
        let Some(echoed) = self.echoed_before(spec.after) else {
            return Err(Abort::Benign(Benign::SplitView { from }));
        };
        let mut charges = Charges::default();
        liars.into_iter().for_each(|from| charges.bring(from, Fault::FalseView, &[]));
        charges.verdict().map_err(|abort| self.with_view_evidence(abort, kind, &echoed))
    }

    fn with_view_evidence(&mut self, mut abort: Abort, kind: Kind, echoed: &[u8]) -> Abort {
        if let Abort::Blame(blames) = &mut abort {
            for blame in blames.iter_mut() {
                blame.evidence = self.broadcasts();
                blame.evidence.envelopes.extend(self.inbox.take((self.current, kind, blame.party)));
                for round in echoed {
                    blame.evidence.envelopes.extend(self.inbox.take((*round, Kind::Echo, blame.party)));
                }
            }
        }
        abort
    }

    /// The echoed rounds up to `after`, latest first; `None` if a broadcast among them was not echoed.
    fn echoed_before(&self, after: Option<u8>) -> Option<Vec<u8>> {
        let later = (1..=after.unwrap_or(0)).rev();
        let broadcasts = later.filter_map(|round| Some((round, self.spec(round)?.travel)));
        broadcasts
            .filter(|(_, travel)| *travel != Travel::Direct)
            .map(|(round, travel)| (travel == Travel::Echoed).then_some(round))
            .collect()
    }

    fn check_echoes(&mut self, ours: &[Attestation]) -> Result<(), Abort> {
        let mut charges = Charges::default();
        let mut proofs = BTreeMap::new();
        for envelope in self.envelopes(Kind::Echo) {
            let author = envelope.header.from;
            let compared = Echo::decode(envelope.body()).map(|echo| echo.compare(&self.context, ours));
            match compared {
                Err(_) | Ok(Err(FalseEcho)) => charges.bring(author, Fault::FalseEcho, &[]),
                Ok(Ok(differences)) => {
                    for theirs in differences {
                        charges.bring(theirs.header.from, Fault::Equivocation, &[]);
                        proofs.entry(theirs.header.from).or_insert(theirs);
                    }
                }
            }
        }
        charges.verdict().map_err(|abort| self.with_echo_evidence(abort, ours, &proofs))
    }

    /// The bodies of the complete round become part of the record.
    pub(super) fn settle(&mut self) -> Result<(), Abort> {
        let direct = self.travel() == Some(Travel::Direct);
        let bodies = if direct {
            Vec::new()
        } else {
            self.envelopes(Kind::Body)
                .map(|envelope| (envelope.header.from, envelope.body().to_vec()))
                .collect()
        };
        self.settle_bodies(bodies)
    }

    pub(super) fn settle_bodies(&mut self, bodies: Broadcasts) -> Result<(), Abort> {
        let first = self.record.ssid().is_none();
        self.record.settle(bodies);
        let Some(ssid) = self.record.ssid().filter(|_| first) else { return Ok(()) };
        for envelope in self.inbox.take_early(ssid) {
            let Some(spec) = self.spec(envelope.header.round) else { continue };
            if let Err(Trouble::Over(abort)) = self.accept_into(envelope, spec) {
                return Err(abort);
            }
        }
        Ok(())
    }

    /// The round that was settled last.
    pub(super) fn round(&self) -> Round<'_> {
        let recorded =
            self.record.rounds().get(usize::from(self.current)).map(Vec::as_slice).unwrap_or_default();
        let bodies = if recorded.is_empty() {
            self.envelopes(Kind::Body).map(|envelope| (envelope.header.from, envelope.body())).collect()
        } else {
            recorded.iter().map(|(party, body)| (*party, body.as_slice())).collect()
        };
        Round {
            ssid: self.record.ssid().unwrap_or(Hash::from_bytes([0; 32])),
            number: self.current,
            view: self.record.latest_view(),
            bodies,
        }
    }

    /// Goes on. The machine has taken what it needs of a direct round, whose bodies may be long and hold secrets; no
    /// later charge cites them.
    pub(super) fn next_round(&mut self) {
        if self.travel() == Some(Travel::Direct) {
            let slots: Vec<_> = self.expected().map(|party| (self.current, Kind::Body, *party)).collect();
            slots.into_iter().for_each(|slot| self.inbox.forget_body(slot));
        }
        self.current = self.current.saturating_add(1);
    }

    // ── evidence ──────────────────────────────────────────────────────────────────────────────────────────────

    fn broadcasts(&self) -> Evidence {
        Evidence { record: self.record.rounds().to_vec(), ..Evidence::default() }
    }

    /// Adds the signed envelopes that the machine's charges cite.
    pub(super) fn with_evidence(&mut self, mut abort: Abort) -> Abort {
        if let Abort::Blame(blames) | Abort::BanAndBurn(blames) = &mut abort {
            for blame in blames.iter_mut() {
                blame.evidence = self.broadcasts();
                for round in &blame.cites {
                    blame.evidence.envelopes.extend(self.inbox.take((*round, Kind::Body, blame.party)));
                }
            }
        }
        abort
    }

    fn with_echo_evidence(
        &mut self,
        mut abort: Abort,
        ours: &[Attestation],
        theirs: &BTreeMap<Party, Attestation>,
    ) -> Abort {
        if let Abort::Blame(blames) = &mut abort {
            for blame in blames.iter_mut() {
                blame.evidence = self.broadcasts();
                if blame.fault == Fault::Equivocation {
                    let mine = ours.iter().find(|one| one.header.from == blame.party);
                    blame.evidence.attestations.extend(mine);
                    blame.evidence.attestations.extend(theirs.get(&blame.party));
                } else {
                    blame.evidence.envelopes.extend(self.inbox.take((self.current, Kind::Echo, blame.party)));
                }
            }
        }
        abort
    }
}
