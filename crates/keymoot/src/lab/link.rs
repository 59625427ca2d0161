//! Links in memory: everything a party says becomes bytes, and bytes are all that arrives at the others.
//!
//! Any order of delivery leads to the same result. These links deliver round by round, so that the run can be
//! watched; [`Stage`] is what there was to see.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use keymoot_protocol::codec::Wire;
use keymoot_protocol::envelope::{Envelope, Kind};
use keymoot_protocol::machine::Machine;
use keymoot_protocol::session::{Advance, Refusal, Session};
use keymoot_types::{Millis, Party};
use zeroize::Zeroizing;

use crate::failure::{Failure, Who};

/// When a session in the lab gives up, on a clock that moves only when no mail is left.
pub const DEADLINE: Millis = Millis(60_000);

/// The part of a round that travels together: first what is said, then the echoes of it.
pub type Slot = (u8, Kind);

/// One end of the links: a party, or the aggregator, which has no index and only listens.
pub trait End {
    fn address(&self) -> Option<Party>;
    fn take_outbox(&mut self) -> Vec<Envelope>;
    fn deliver(&mut self, bytes: &[u8]);
    /// Whether this end awaits nothing more of the slot.
    fn is_past(&self, slot: Slot) -> bool;
}

/// A session that runs at one end.
pub struct Running<M: Machine> {
    address: Option<Party>,
    state: State<M>,
    outbox: Vec<Envelope>,
    refused: Option<Refusal>,
    echoed: Option<u8>,
}

enum State<M: Machine> {
    Waiting(Box<Session<M>>),
    Done(M::Output),
    Dead(keymoot_protocol::abort::Abort),
    /// Inside a delivery.
    Moving,
}

impl<M: Machine> Running<M> {
    pub fn new(address: Option<Party>, start: Advance<M>) -> Self {
        let mut running =
            Self { address, state: State::Moving, outbox: Vec::new(), refused: None, echoed: None };
        running.take(start);
        running
    }

    fn take(&mut self, advance: Advance<M>) {
        let (state, said) = match advance {
            Advance::Waiting { session, outbox, refused } => {
                self.refused = self.refused.or(refused);
                (State::Waiting(Box::new(session)), outbox)
            }
            Advance::Done { output, outbox } => (State::Done(output), outbox),
            Advance::Dead { abort, outbox } => (State::Dead(abort), outbox),
        };
        let echoes = said.iter().filter(|envelope| envelope.header.kind == Kind::Echo);
        self.echoed = echoes.map(|envelope| envelope.header.round).chain(self.echoed).max();
        self.state = state;
        self.outbox.extend(said);
    }

    /// Whether it failed by itself, and not for want of mail from somebody who did.
    fn is_at_odds(&self) -> bool {
        self.refused.is_some() || matches!(self.state, State::Dead(_))
    }

    /// The result, once no mail is left. Who still waits then would wait until its deadline.
    pub fn finish(self, what: &'static str) -> Result<M::Output, Failure> {
        let who = Who(self.address);
        if let Some(refusal) = self.refused {
            return Err(Failure::Dropped { what, who, refusal });
        }
        match self.state {
            State::Done(output) => Ok(output),
            State::Dead(abort) => Err(Failure::Aborted { what, who, abort }),
            State::Waiting(session) => match session.check_deadline(DEADLINE) {
                Err(abort) => Err(Failure::Aborted { what, who, abort }),
                Ok(_) => Err(Failure::Broken("a session outlived its deadline")),
            },
            State::Moving => Err(Failure::Broken("a session was lost while it moved on")),
        }
    }
}

/// The results of all, or the failure of whoever failed first by itself: the others only waited for it.
pub fn finish_all<M: Machine>(
    mut all: Vec<Running<M>>,
    what: &'static str,
) -> Result<Vec<M::Output>, Failure> {
    all.sort_by_key(|running| !running.is_at_odds());
    all.into_iter().map(|running| running.finish(what)).collect()
}

impl<M: Machine> End for Running<M> {
    fn address(&self) -> Option<Party> {
        self.address
    }

    fn take_outbox(&mut self) -> Vec<Envelope> {
        std::mem::take(&mut self.outbox)
    }

    fn deliver(&mut self, bytes: &[u8]) {
        match std::mem::replace(&mut self.state, State::Moving) {
            State::Waiting(session) => self.take(session.deliver(bytes)),
            // Mail for a session that is over, such as the other signers' shares, changes nothing.
            over => self.state = over,
        }
    }

    fn is_past(&self, (round, kind): Slot) -> bool {
        match &self.state {
            State::Waiting(session) => {
                session.round() > round || (kind == Kind::Body && self.echoed == Some(round))
            }
            State::Done(_) => true,
            State::Dead(_) | State::Moving => false,
        }
    }
}

/// What travelled in one slot, and where it left the parties.
pub struct Stage {
    pub slot: Slot,
    /// Counted at each recipient.
    pub messages: u64,
    /// Envelopes with everything in them.
    pub bytes: u64,
    /// Which parties have what they need of it.
    pub past: Vec<(Party, bool)>,
    pub elapsed: Duration,
}

/// Bytes on their way. Wiped when they have arrived, because some of them are shares.
struct Letter {
    to: Option<Party>,
    bytes: Rc<Zeroizing<Vec<u8>>>,
}

#[derive(Default)]
struct Links(BTreeMap<Slot, Vec<Letter>>);

impl Links {
    /// Takes what everybody has to say to the links that it goes over.
    fn collect(&mut self, ends: &mut [&mut dyn End]) {
        let addresses: Vec<_> = ends.iter().map(|end| end.address()).collect();
        for envelope in ends.iter_mut().flat_map(|end| end.take_outbox()) {
            let header = envelope.header;
            let bytes = Rc::new(envelope.encode());
            let hears = |to: &&Option<Party>| match header.to {
                None => **to != Some(header.from),
                recipient => **to == recipient,
            };
            let letters =
                addresses.iter().filter(hears).map(|to| Letter { to: *to, bytes: Rc::clone(&bytes) });
            self.0.entry((header.round, header.kind)).or_default().extend(letters);
        }
    }

    /// Delivers everything in the earliest slot.
    fn deliver(&mut self, ends: &mut [&mut dyn End], since: Instant) -> Option<Stage> {
        let (slot, letters) = self.0.pop_first()?;
        for letter in &letters {
            if let Some(end) = ends.iter_mut().find(|end| end.address() == letter.to) {
                end.deliver(&letter.bytes);
            }
        }
        let past = ends.iter().filter_map(|end| Some((end.address()?, end.is_past(slot)))).collect();
        let count = |lengths: usize| u64::try_from(lengths).unwrap_or(u64::MAX);
        let bytes = letters.iter().map(|letter| count(letter.bytes.len())).sum();
        Some(Stage { slot, messages: count(letters.len()), bytes, past, elapsed: since.elapsed() })
    }
}

/// Runs until no mail is left, and tells of every stage. `since` is when the first one began.
pub fn run(
    ends: &mut [&mut dyn End],
    mut since: Instant,
    mut seen: impl FnMut(&Stage) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut links = Links::default();
    loop {
        links.collect(ends);
        let Some(stage) = links.deliver(ends, since) else { return Ok(()) };
        seen(&stage)?;
        since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keymoot_protocol::curve::Ed25519;
    use keymoot_protocol::dkg::Dkg;
    use keymoot_types::{Scheme, Threshold};
    use rand::rngs::OsRng;

    use super::super::party::{Assembly, new_key_id, new_session_id};
    use super::*;

    /// An end whose link is broken: what arrives is not what was sent.
    struct Broken<'a>(&'a mut dyn End, fn(&mut Vec<u8>));

    impl End for Broken<'_> {
        fn address(&self) -> Option<Party> {
            self.0.address()
        }
        fn take_outbox(&mut self) -> Vec<Envelope> {
            self.0.take_outbox()
        }
        fn deliver(&mut self, bytes: &[u8]) {
            let mut bytes = bytes.to_vec();
            (self.1)(&mut bytes);
            if !bytes.is_empty() {
                self.0.deliver(&bytes);
            }
        }
        fn is_past(&self, slot: Slot) -> bool {
            self.0.is_past(slot)
        }
    }

    /// Key generation among three, with a broken link to party 2; the last stage, and how it all ended.
    fn with_broken_link(spoil: fn(&mut Vec<u8>)) -> (Vec<Stage>, Failure) {
        let assembly = Assembly::gather(Threshold::new(2, 3).unwrap()).unwrap();
        let (session, key) = (new_session_id(), new_key_id());
        let mut running: Vec<Running<Dkg<Ed25519>>> = Vec::new();
        for member in &assembly.members {
            let context = assembly.invite(session, Scheme::FrostEd25519, key).unwrap();
            let identity = Arc::clone(&member.identity);
            let opening = Dkg::start(context, member.party, identity, &mut OsRng).unwrap();
            running.push(Running::new(Some(member.party), Session::open(opening, DEADLINE)));
        }
        let [one, two, three] = running.as_mut_slice() else { panic!("three parties") };
        let mut two = Broken(two, spoil);
        let mut stages = Vec::new();
        run(&mut [one, &mut two, three], Instant::now(), |stage| {
            stages.push(Stage { past: stage.past.clone(), ..*stage });
            Ok(())
        })
        .unwrap();
        (stages, finish_all(running, "key generation").err().expect("no key without all parties"))
    }

    #[test]
    fn a_party_that_hears_nothing_stalls_the_run_and_is_not_ticked() {
        let (stages, failure) = with_broken_link(Vec::clear);
        let hello: Vec<bool> = stages[0].past.iter().map(|(_, past)| *past).collect();
        assert_eq!((stages[0].messages, hello), (6, vec![true, false, true]));
        assert!(
            stages.iter().all(|stage| stage.slot < (2, Kind::Body)),
            "nobody gets beyond the commitments"
        );
        assert_eq!((failure.code(), failure.exit_code()), ("E7001", 70));
        assert!(matches!(failure, Failure::Aborted { .. }), "{failure}");
    }

    #[test]
    fn mail_that_was_changed_on_the_way_is_dropped_and_that_is_told() {
        let (_, failure) = with_broken_link(|bytes| *bytes.last_mut().unwrap() ^= 1);
        assert!(
            matches!(failure, Failure::Dropped { who: Who(Some(party)), .. } if party.index() == 2),
            "{failure}"
        );
        assert_eq!(failure.exit_code(), 70);
    }
}
