//! Sessions in progress: mail in, mail out, and what becomes of their ends.

use std::collections::VecDeque;

use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party, SessionId};

use super::keys::Pending;
use super::{Kind, Node};
use crate::crypto::{Crypto, End, Job, Next, Note, Product, Progress, Unfit};
use crate::message::{Address, Complete, Ended, Message, SessionMail};
use crate::outcome::release;
use crate::plan::{Effect, Lane};
use crate::policy::Policy;
use crate::record::{Entry, Record};

/// Mail that may wait while a worker has the session, in messages: more than all rounds of any protocol.
const AWAY_MAX: usize = 4096;

/// Mail that may wait for its invitation, in bytes.
const EARLY_BYTES_MAX: usize = 8 << 20;

/// Ended sessions that are remembered: more than can end while the disk writes once.
const ENDED_MAX: usize = 1024;

/// A session in progress.
pub(super) struct Live<C: Crypto> {
    pub(super) kind: Kind,
    pub(super) members: Vec<Party>,
    pub(super) coordinator: Address,
    pub(super) deadline: Millis,
    pub(super) key: Option<Hash>,
    pub(super) setup: Option<Hash>,
    /// Given up while a worker has the run: its mail is not said, but what it has found out counts.
    pub(super) is_over: bool,
    pub(super) running: Running<C>,
}

/// Where the run is.
pub(super) enum Running<C: Crypto> {
    /// Here.
    Here(C::Run),
    /// With a worker; this has come meanwhile.
    Away(Vec<Vec<u8>>),
}

impl<C: Crypto> Live<C> {
    pub(super) const fn new(kind: Kind, members: Vec<Party>, coordinator: Address, deadline: Millis) -> Self {
        let running = Running::Away(Vec::new());
        Self { kind, members, coordinator, deadline, key: None, setup: None, is_over: false, running }
    }
}

/// Mail that has overtaken its invitation.
#[derive(Default)]
pub(super) struct Early {
    mail: VecDeque<(Address, SessionMail)>,
    bytes: usize,
}

impl Early {
    fn keep(&mut self, from: Address, mail: SessionMail, most: usize) {
        self.bytes = self.bytes.saturating_add(mail.bytes.len());
        self.mail.push_back((from, mail));
        while self.mail.len() > most || self.bytes > EARLY_BYTES_MAX {
            let Some((_, dropped)) = self.mail.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(dropped.bytes.len());
        }
    }

    fn take(&mut self, session: SessionId) -> VecDeque<(Address, SessionMail)> {
        if !self.mail.iter().any(|(_, mail)| mail.session == session) {
            return VecDeque::new();
        }
        let mine = |(_, mail): &(Address, SessionMail)| mail.session == session;
        let (taken, left): (VecDeque<_>, VecDeque<_>) = self.mail.drain(..).partition(mine);
        self.mail = left;
        self.bytes = self.mail.iter().map(|(_, mail)| mail.bytes.len()).sum();
        taken
    }
}

impl<C: Crypto, P: Policy> Node<C, P> {
    pub(super) fn mail(&mut self, from: Address, mail: SessionMail) {
        let session = mail.session;
        let Some(mut live) = self.sessions.remove(&session) else {
            self.early.keep(from, mail, self.config.limits.early);
            return;
        };
        match live.running {
            Running::Away(mut queue) => {
                if queue.len() < AWAY_MAX && !live.is_over {
                    queue.push(mail.bytes);
                }
                live.running = Running::Away(queue);
                self.sessions.insert(session, live);
            }
            Running::Here(run) if live.kind.is_heavy() => {
                live.running = Running::Away(Vec::new());
                self.sessions.insert(session, live);
                let job = Job::Deliver { run, mail: vec![mail.bytes] };
                self.draft.then.push(Effect::Work(session, job));
            }
            Running::Here(run) => {
                live.running = Running::Away(Vec::new());
                let progress = C::deliver(run, &mail.bytes);
                self.advance(session, live, progress);
            }
        }
    }

    /// Delivers what came before the invitation.
    pub(super) fn open_early_mail(&mut self, session: SessionId) {
        for (from, mail) in self.early.take(session) {
            self.mail(from, mail);
        }
    }

    pub(super) fn worked(&mut self, session: SessionId, result: Result<Progress<C>, Unfit>) {
        self.draft.lane = Lane::Session(session);
        let Some(mut live) = self.sessions.remove(&session) else { return };
        let queue = match std::mem::replace(&mut live.running, Running::Away(Vec::new())) {
            Running::Away(queue) => queue,
            Running::Here(_) => return,
        };
        match result {
            Ok(progress) if live.is_over => {
                // A check that has failed has failed, whoever has called the session off meanwhile.
                self.say(session, &live, progress.notes, Vec::new(), None);
                if let Next::Dead(End::Ban(culprits)) = progress.next {
                    self.ban_all(session, culprits);
                }
            }
            Err(_) if live.is_over => {}
            Err(_) => self.send(live.coordinator, Message::Ended(session, Ended::Benign)),
            Ok(Progress { notes, mail, refused, next: Next::Wait(run) }) if !queue.is_empty() => {
                if !self.say(session, &live, notes, mail, None) {
                    return self.send(live.coordinator, Message::Ended(session, Ended::Benign));
                }
                self.refused = self.refused.saturating_add(u64::from(refused.is_some()));
                self.sessions.insert(session, live);
                self.draft.then.push(Effect::Work(session, Job::Deliver { run, mail: queue }));
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
                Note::Pending { package, share } => {
                    let Kind::Keygen(key) = live.kind else { continue };
                    self.persist(Record::sealing(Entry::Pending { key, package }, share.clone()));
                    self.keys.hold(key, Pending { package, share });
                }
                Note::Counts(counts) => {
                    let counted = live.setup.and_then(|setup| self.setups.observe(setup, &counts));
                    let Some((is_fresh, counted)) = counted else { return false };
                    self.persist(counted);
                    if !is_fresh {
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
        if self.would_sign_twice(&live, &progress) {
            self.send(live.coordinator, Message::Ended(session, Ended::Benign));
            return;
        }
        let Progress { notes, mail, refused, next } = progress;
        self.refused = self.refused.saturating_add(u64::from(refused.is_some()));
        if !matches!(next, Next::Wait(_)) {
            self.ended.push_back((session, live.members.clone()));
            if self.ended.len() > ENDED_MAX {
                self.ended.pop_front();
            }
        }
        match next {
            Next::Wait(run) => {
                if !self.say(session, &live, notes, mail, None) {
                    return self.send(live.coordinator, Message::Ended(session, Ended::Benign));
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
                self.draft.silence.push(session);
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
            self.blame(session, culprit, "failed a check that depends on our secrets");
            self.ban(culprit);
        }
    }

    /// Gives a session up. What a worker has of it stays until the worker is done with it.
    pub(super) fn give_up(&mut self, session: SessionId) -> Option<(Address, Vec<Party>)> {
        let live = self.sessions.get_mut(&session).filter(|live| !live.is_over)?;
        let told = match &live.running {
            Running::Here(run) => (live.coordinator, C::missing(run)),
            Running::Away(_) => (live.coordinator, Vec::new()),
        };
        if matches!(live.running, Running::Away(_)) {
            live.is_over = true;
            live.running = Running::Away(Vec::new());
        } else {
            self.sessions.remove(&session);
        }
        Some(told)
    }

    /// Whether this would be our name under a second package for one key. Two generations of it may run at once, when
    /// coordinators take each other's work over or when one of them wants them to; only one of them gets our signature.
    fn would_sign_twice(&self, live: &Live<C>, progress: &Progress<C>) -> bool {
        let signs = progress.notes.iter().any(|note| matches!(note, Note::Pending { .. }));
        matches!(live.kind, Kind::Keygen(key) if signs && self.keys.is_taken(key))
    }

    fn complete(&mut self, session: SessionId, live: &Live<C>, product: Product<C>) {
        let complete = match product {
            Product::Share(share) => {
                let package = C::encode_key(&C::key_of(&share));
                self.learn_key(&package);
                Complete::Key(package)
            }
            Product::Setup(setup) => {
                let name = C::setup_name(&setup);
                let ledger = C::new_ledger(&setup);
                self.persist(Record::sealing(Entry::SetUp { setup: name }, C::seal_setup(&setup)));
                self.setups.add(setup, ledger);
                Complete::Setup(name)
            }
            Product::Presignatures(batch) => {
                self.stock_up(batch);
                let Some(key) = live.key else { return };
                Complete::Presigned(self.stock(key))
            }
            // The coordinator sees it by the mail; an aggregator's product is never a node's.
            Product::Released | Product::Signature(_) => return,
        };
        self.send(live.coordinator, Message::Complete(session, complete));
    }

    fn end(&mut self, session: SessionId, live: &Live<C>, end: End) {
        let ended = match end {
            End::Benign { .. } | End::Bug(_) | End::Ban(_) => Ended::Benign,
            End::Blame(accusations) => {
                for accusation in &accusations {
                    self.blame(session, accusation.party, &accusation.fault);
                }
                Ended::Blamed(accusations.into_iter().map(|accusation| accusation.party).collect())
            }
        };
        self.send(live.coordinator, Message::Ended(session, ended));
    }

    fn blame(&mut self, session: SessionId, party: Party, fault: &str) {
        self.persist(Entry::Blamed { session, party, fault: fault.to_owned() });
    }

    pub(super) fn end_late_sessions(&mut self) {
        let now = self.now.mono;
        let late = self.sessions.iter().filter(|(_, live)| now >= live.deadline && !live.is_over);
        let late: Vec<SessionId> = late.map(|(session, _)| *session).collect();
        for session in late {
            if let Some((coordinator, missing)) = self.give_up(session) {
                self.send(coordinator, Message::Ended(session, Ended::Late(missing)));
            }
        }
    }
}
