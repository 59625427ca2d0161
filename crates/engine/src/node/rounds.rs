//! Sessions in progress: mail in, mail out, and what becomes of their ends.

use std::collections::{BTreeMap, VecDeque};

use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party, SessionId};

use super::keys::Pending;
use super::{Kind, Node};
use crate::crypto::{Accusation, Crypto, End, Job, Next, Note, Product, Progress, Unfit};
use crate::message::{Address, Complete, Ended, Message, SessionMail};
use crate::outcome::release;
use crate::plan::{Effect, Lane};
use crate::policy::Policy;
use crate::record::{Entry, Record};

/// Mail that may wait while a worker has the session, in messages: more than all rounds of any protocol.
const AWAY_MAX: usize = 4096;

/// Mail of one session that may wait for a worker, in bytes.
const AWAY_BYTES_MAX: usize = 32 << 20;

/// Mail of all sessions of one coordinator that may wait for workers, in bytes.
const AWAY_BYTES_ALL: usize = 128 << 20;

/// Names of forgotten sessions that are remembered.
const LOST_MAX: usize = 1024;

/// Mail of each coordinator that may wait for its invitation, in bytes.
const EARLY_BYTES_MAX: usize = 8 << 20;

/// For how many times the length of a session a worker is waited for after its end.
const LOST: u64 = 2;

/// Ended sessions that are remembered: more than can end while the disk writes once.
const ENDED_MAX: usize = 1024;

/// A session that has ended lately.
pub(super) struct Gone {
    pub(super) session: SessionId,
    pub(super) members: Vec<Party>,
    /// The key package, where it was about one.
    pub(super) key: Option<Hash>,
}

/// A session in progress.
pub(super) struct Live<C: Crypto> {
    pub(super) kind: Kind,
    pub(super) members: Vec<Party>,
    pub(super) coordinator: Address,
    pub(super) deadline: Millis,
    /// The key package that it signs under or prepares.
    pub(super) key: Option<Hash>,
    pub(super) setup: Option<Hash>,
    /// Given up while a worker has the run: its mail is not said, but what it has found out counts.
    pub(super) is_over: bool,
    /// Something of it was said.
    pub(super) has_spoken: bool,
    pub(super) running: Running<C>,
}

/// Where the run is.
pub(super) enum Running<C: Crypto> {
    /// Here.
    Here(C::Run),
    /// With a worker; this has come meanwhile.
    Away(Queue),
}

/// Mail that waits for a worker.
#[derive(Default)]
pub(super) struct Queue {
    mail: Vec<Vec<u8>>,
    bytes: usize,
}

impl Queue {
    /// Adds a piece, unless there is too much of it, or with so many bytes that wait elsewhere.
    fn put(&mut self, bytes: Vec<u8>, elsewhere: usize) {
        let total = self.bytes.saturating_add(bytes.len());
        let fits = total <= AWAY_BYTES_MAX && total.saturating_add(elsewhere) <= AWAY_BYTES_ALL;
        if self.mail.len() < AWAY_MAX && fits {
            self.bytes = total;
            self.mail.push(bytes);
        }
    }
}

impl<C: Crypto> Running<C> {
    pub(super) const fn away() -> Self {
        Self::Away(Queue { mail: Vec::new(), bytes: 0 })
    }

    /// Bytes that wait for a worker.
    const fn waiting(&self) -> usize {
        match self {
            Self::Here(_) => 0,
            Self::Away(queue) => queue.bytes,
        }
    }
}

impl<C: Crypto> Live<C> {
    pub(super) const fn new(kind: Kind, members: Vec<Party>, coordinator: Address, deadline: Millis) -> Self {
        let running = Running::away();
        let (key, setup, is_over, has_spoken) = (None, None, false, false);
        Self { kind, members, coordinator, deadline, key, setup, is_over, has_spoken, running }
    }
}

/// Mail that has overtaken its invitation: of each coordinator for itself, so that none pushes another's out.
#[derive(Default)]
pub(super) struct Early {
    from: BTreeMap<Address, Waiting>,
}

#[derive(Default)]
struct Waiting {
    mail: VecDeque<SessionMail>,
    bytes: usize,
}

impl Early {
    fn keep(&mut self, from: Address, mail: SessionMail, most: usize) {
        let waiting = self.from.entry(from).or_default();
        waiting.bytes = waiting.bytes.saturating_add(mail.bytes.len());
        waiting.mail.push_back(mail);
        while waiting.mail.len() > most || waiting.bytes > EARLY_BYTES_MAX {
            let Some(dropped) = waiting.mail.pop_front() else { break };
            waiting.bytes = waiting.bytes.saturating_sub(dropped.bytes.len());
        }
    }

    fn take(&mut self, from: Address, session: SessionId) -> VecDeque<SessionMail> {
        let Some(waiting) = self.from.get_mut(&from) else { return VecDeque::new() };
        let (taken, left) = waiting.mail.drain(..).partition(|mail| mail.session == session);
        waiting.mail = left;
        waiting.bytes = waiting.mail.iter().map(|mail| mail.bytes.len()).sum();
        taken
    }
}

impl<C: Crypto, P: Policy> Node<C, P> {
    pub(super) fn mail(&mut self, from: Address, mail: SessionMail) {
        let session = mail.session;
        let Some(mut live) = self.sessions.remove(&session) else {
            // A signer is done when its share is out; the others' shares come all the same.
            if !self.ended.iter().any(|ended| ended.session == session) {
                self.early.keep(from, mail, self.config.limits.early);
            }
            return;
        };
        // Whoever called a session carries its mail, and nobody else.
        if live.coordinator != from {
            self.refused = self.refused.saturating_add(1);
            self.sessions.insert(session, live);
            return;
        }
        match live.running {
            Running::Away(mut queue) => {
                if !live.is_over {
                    let waiting = self.sessions.values().filter(|live| live.coordinator == from);
                    let bytes = waiting.map(|live| live.running.waiting()).fold(0, usize::saturating_add);
                    queue.put(mail.bytes, bytes);
                }
                live.running = Running::Away(queue);
                self.sessions.insert(session, live);
            }
            Running::Here(run) if live.kind.is_heavy() => {
                live.running = Running::away();
                self.sessions.insert(session, live);
                let job = Job::Deliver { run, mail: vec![mail.bytes] };
                self.draft.then.push(Effect::Work(from, session, job));
            }
            Running::Here(run) => {
                live.running = Running::away();
                let progress = C::deliver(run, &mail.bytes);
                self.advance(session, live, progress);
            }
        }
    }

    /// Delivers what came before the invitation.
    pub(super) fn open_early_mail(&mut self, from: Address, session: SessionId) {
        for mail in self.early.take(from, session) {
            self.mail(from, mail);
        }
    }

    pub(super) fn worked(&mut self, session: SessionId, result: Result<Progress<C>, Unfit>) {
        self.draft.lane = Lane::Session(session);
        let is_lost = self.lost.remove(&session);
        let Some(mut live) = self.sessions.remove(&session).filter(|_| !is_lost) else {
            // It is forgotten by now, because the worker took too long.
            if let Ok(Progress { next: Next::Dead(end), .. }) = result {
                self.hold_against(session, end);
            }
            return;
        };
        let queue = match std::mem::replace(&mut live.running, Running::away()) {
            Running::Away(queue) => queue,
            Running::Here(_) => return,
        };
        match result {
            Ok(progress) if live.is_over => {
                self.say(session, &live, progress.notes, Vec::new(), None);
                if let Next::Dead(end) = progress.next {
                    let blamed = self.hold_against(session, end);
                    // Of a session with somebody who is banned nothing is said, now or when the record is durable.
                    if !blamed.is_empty() && self.check_bans(&live.members).is_ok() {
                        self.note_end(session, live.members.clone(), live.key);
                        self.send(live.coordinator, Message::Ended(session, Ended::Blamed(blamed)));
                    }
                }
            }
            Err(_) if live.is_over => {}
            Err(_) => self.end_early(session, &live),
            Ok(Progress { notes, mail, refused, next: Next::Wait(run) }) if !queue.mail.is_empty() => {
                live.has_spoken |= !mail.is_empty();
                if !self.say(session, &live, notes, mail, None) {
                    return self.end_early(session, &live);
                }
                self.refused = self.refused.saturating_add(u64::from(refused.is_some()));
                let job = Job::Deliver { run, mail: queue.mail };
                self.draft.then.push(Effect::Work(live.coordinator, session, job));
                self.sessions.insert(session, live);
            }
            Ok(progress) => self.advance(session, live, progress),
        }
    }

    /// Makes the notes durable and sends the mail, in this order. `false` if a peer's state is an old copy: then nothing is
    /// sent, and the session is over.
    fn say(
        &mut self,
        session: SessionId,
        live: &Live<C>,
        notes: Vec<Note>,
        mail: Vec<crate::crypto::Mail>,
        released: Option<keymoot_protocol::identity::IdentitySignature>,
    ) -> bool {
        for note in notes {
            match note {
                Note::Pending { package, share } => match live.kind {
                    Kind::Keygen(key) => {
                        self.persist(Record::sealing(Entry::Pending { key, package }, share.clone()));
                        self.keys.hold(key, Pending { package, share });
                    }
                    Kind::Moduli => {
                        let entry = Entry::ModuliPending { table: package };
                        self.persist(Record::sealing(entry, share.clone()));
                        self.moduli.hold(package, share);
                    }
                    Kind::Setup | Kind::Presign | Kind::Sign(_) => {}
                },
                Note::Counts(counts) => {
                    if !live.setup.is_some_and(|setup| self.setups.observe(setup, &counts)) {
                        return false;
                    }
                }
            }
        }
        let last = mail.len().saturating_sub(1);
        for (place, mail) in mail.into_iter().enumerate() {
            let released = released.filter(|_| place == last);
            let mail = SessionMail { session, to: mail.to, bytes: mail.bytes, released };
            self.send(live.coordinator, Message::Mail(mail));
        }
        true
    }

    /// What comes of a step of a session.
    pub(super) fn advance(&mut self, session: SessionId, mut live: Live<C>, progress: Progress<C>) {
        let Progress { notes, mail, refused, next } = progress;
        self.refused = self.refused.saturating_add(u64::from(refused.is_some()));
        if !matches!(next, Next::Wait(_)) {
            self.note_end(session, live.members.clone(), live.key);
        }
        match next {
            Next::Wait(run) => {
                live.has_spoken |= !mail.is_empty();
                if !self.say(session, &live, notes, mail, None) {
                    return self.end_early(session, &live);
                }
                live.running = Running::Here(run);
                self.sessions.insert(session, live);
            }
            Next::Done(product) => {
                let released = match (&product, &live.kind) {
                    (Product::Released, Kind::Sign(request)) => {
                        Some(self.crypto.sign(&release::<C>(*request, session)))
                    }
                    _ => None,
                };
                if !self.say(session, &live, notes, mail, released) {
                    return self.send(live.coordinator, Message::Ended(session, Ended::Benign));
                }
                self.complete(session, &live, product);
            }
            Next::Dead(End::Ban(culprits)) => {
                // Nothing of this session is said any more, nor of others with them.
                self.draft.hush(&[session]);
                self.ban_all(session, culprits);
            }
            Next::Dead(end) => {
                self.say(session, &live, notes, mail, None);
                self.end(session, &live, end);
            }
        }
    }

    fn ban_all(&mut self, session: SessionId, culprits: Vec<Party>) {
        for culprit in culprits {
            self.blame(session, culprit, "failed a check that depends on our secrets", Vec::new());
            self.ban(culprit);
        }
    }

    /// A check that has failed has failed, whoever has called the session off meanwhile. Returns who is blamed in public.
    fn hold_against(&mut self, session: SessionId, end: End) -> Vec<Party> {
        match end {
            End::Ban(culprits) => self.ban_all(session, culprits),
            End::Blame(accusations) => return self.blame_all(session, accusations),
            End::Benign { .. } | End::Bug(_) => {}
        }
        Vec::new()
    }

    fn blame_all(&mut self, session: SessionId, accusations: Vec<Accusation>) -> Vec<Party> {
        let one = |Accusation { party, fault, evidence }| {
            self.blame(session, party, &fault, evidence);
            party
        };
        accusations.into_iter().map(one).collect()
    }

    /// A session ends without a result, and nobody here knows whose fault it is.
    fn end_early(&mut self, session: SessionId, live: &Live<C>) {
        self.note_end(session, live.members.clone(), live.key);
        self.send(live.coordinator, Message::Ended(session, Ended::Benign));
    }

    /// Remembers who was in a session whose last words may still wait for the disk.
    fn note_end(&mut self, session: SessionId, members: Vec<Party>, key: Option<Hash>) {
        self.ended.push_back(Gone { session, members, key });
        if self.ended.len() > ENDED_MAX {
            self.ended.pop_front();
        }
    }

    /// Gives a session up. What a worker has begun of it stays until the worker is done with it, or has taken far too long: a check
    /// that fails counts, whoever has called the session off. A check that has not begun has told nobody anything.
    pub(super) fn give_up(&mut self, session: SessionId) -> Option<(Address, Vec<Party>)> {
        let live = self.sessions.get(&session).filter(|live| !live.is_over)?;
        // Of a session that was called and let go before it said anything there is nothing to be silenced.
        if live.has_spoken || matches!(live.running, Running::Here(_)) {
            let (members, key) = (live.members.clone(), live.key);
            self.note_end(session, members, key);
        }
        let live = self.sessions.get_mut(&session)?;
        let told = match &live.running {
            Running::Here(run) => (live.coordinator, C::missing(run)),
            Running::Away(_) => (live.coordinator, Vec::new()),
        };
        if matches!(live.running, Running::Away(_)) {
            live.is_over = true;
            live.running = Running::away();
            self.draft.then.push(Effect::Abandon(session));
        } else {
            self.sessions.remove(&session);
        }
        Some(told)
    }

    fn complete(&mut self, session: SessionId, live: &Live<C>, product: Product<C>) {
        let complete = match product {
            Product::Share(share) => {
                let package = C::encode_key(&C::key_of(&share));
                self.learn_key(&package);
                Complete::Key(package)
            }
            Product::Setup(setup) => Complete::Setup(self.set_up(setup, live.coordinator)),
            Product::Moduli(table) => {
                self.certify_table(&table);
                Complete::Moduli(C::table_name(&table))
            }
            Product::Presignatures(batch) => {
                self.stock_up(batch, live.coordinator);
                let Some(key) = live.key else { return };
                Complete::Presigned(self.stock(key, live.coordinator))
            }
            // The coordinator sees it by the mail; an aggregator's product is never a node's.
            Product::Released | Product::Signature(_) => return,
        };
        self.send(live.coordinator, Message::Complete(session, complete));
    }

    fn end(&mut self, session: SessionId, live: &Live<C>, end: End) {
        let ended = match end {
            // With an old copy of a peer's state, or a liar that pretends to have one.
            End::Benign { pairs, .. } if !pairs.is_empty() => {
                if let Some(setup) = live.setup {
                    self.setups.drop_setup(setup);
                }
                Ended::Late(pairs)
            }
            End::Benign { .. } => Ended::Benign,
            End::Bug(_) | End::Ban(_) => Ended::Benign,
            End::Blame(accusations) => Ended::Blamed(self.blame_all(session, accusations)),
        };
        self.send(live.coordinator, Message::Ended(session, ended));
    }

    fn blame(&mut self, session: SessionId, party: Party, fault: &str, evidence: Vec<u8>) {
        let is_kept = self.blames.keeps(party, fault, evidence.len());
        let evidence = if is_kept { evidence } else { Vec::new() };
        self.blames.note(party, fault, evidence.len());
        self.persist(Entry::Blamed { session, party, fault: fault.to_owned(), evidence });
    }

    pub(super) fn end_late_sessions(&mut self) {
        let now = self.now.mono;
        // A worker that died without a word must not keep others out for ever.
        let lost = self.config.limits.ceremony.saturating_mul(LOST);
        let is_lost = |live: &Live<C>| live.is_over && now >= live.deadline.plus(lost);
        let gone = self.sessions.iter().filter(|(_, live)| is_lost(live)).map(|(session, _)| *session);
        self.lost.extend(gone);
        self.sessions.retain(|_, live| !is_lost(live));
        while self.lost.len() > LOST_MAX {
            self.lost.pop_first();
        }
        let late = self.sessions.iter().filter(|(_, live)| now >= live.deadline && !live.is_over);
        let late: Vec<SessionId> = late.map(|(session, _)| *session).collect();
        for session in late {
            if let Some((coordinator, missing)) = self.give_up(session) {
                self.send(coordinator, Message::Ended(session, Ended::Late(missing)));
            }
        }
    }
}
