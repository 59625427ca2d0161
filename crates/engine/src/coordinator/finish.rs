//! What comes back from the nodes: mail to be carried and added up, refusals, and ends.

use keymoot_protocol::identity::IdentitySignature;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, SessionId};
use rand_core::CryptoRngCore;

use super::select::{COSTLY, PROVEN};
use super::{Aim, Coordinator, Deed, StoreCall};
use crate::crypto::{Crypto, End, Next, Product};
use crate::message::{Address, Complete, Ended, Message, SessionMail};
use crate::outcome::{Outcome, denial, release};
use crate::refusal::Refusal;
use crate::request::RequestId;

/// Within this time, in milliseconds, whoever does not want to take part in a preparation says so.
const PROMPT: u64 = 2_000;

/// So many attempts at one request may fail by reasons that are nobody's fault, before those who give them are doubted.
const BELIEVED: u16 = 3;

impl<C: Crypto> Coordinator<C> {
    /// Passes mail on, and adds it up where this coordinator aggregates.
    pub(super) fn carry(&mut self, from: Party, mail: SessionMail) {
        let SessionMail { session, to, bytes, released } = mail;
        let Some(run) = self.runs.get_mut(&session) else { return };
        if !run.members.contains(&from) {
            return;
        }
        let others = run.members.len().saturating_sub(1);
        let (pieces, amount) = run.aim.allowance();
        let carried = run.carried.entry(from).or_default();
        carried.0 = carried.0.saturating_add(1);
        carried.1 = carried.1.saturating_add(bytes.len());
        if carried.0 > pieces.saturating_mul(others) || carried.1 > amount.saturating_mul(others) {
            return self.members.suspect(from, 1);
        }
        if run.heard.insert(from) {
            self.members.took(from, self.now.mono.0.saturating_sub(run.began.0));
        }
        if let (Aim::Sign(request, _), Some(word)) = (&run.aim, released) {
            let statement = release::<C>(*request, session);
            let identity = self.config.committee.identity(from);
            if identity.is_some_and(|identity| C::verifies(identity, &statement, &word)) {
                run.released.insert(from, word);
            }
        }
        let others: Vec<Party> = run
            .members
            .iter()
            .copied()
            .filter(|one| *one != from && to.is_none_or(|to| to == *one))
            .collect();
        let aggregator = if to.is_none() { run.aggregator.take() } else { None };
        for member in others {
            let mail = SessionMail { session, to: None, bytes: bytes.clone(), released: None };
            self.send(Address::Node(member), Message::Mail(mail));
        }
        let Some(aggregator) = aggregator else { return };
        match C::deliver(aggregator, &bytes).next {
            Next::Wait(aggregator) => {
                if let Some(run) = self.runs.get_mut(&session) {
                    run.aggregator = Some(aggregator);
                }
            }
            Next::Done(product) => self.added_up(session, product),
            Next::Dead(end) => self.fell_apart(session, &end),
        }
    }

    fn added_up(&mut self, session: SessionId, product: Product<C>) {
        let Some(run) = self.runs.get(&session) else { return };
        let (Aim::Sign(request, order), Product::Signature(signature)) = (&run.aim, product) else { return };
        if !C::is_signature(&order.key, &order.path, &order.payload, &signature) {
            return self.fail(session, "the signature does not verify");
        }
        // Whoever keeps its word back would make of a good signature an outcome that proves nothing.
        let silent = run.members.iter().filter(|party| !run.released.contains_key(party));
        let silent: Vec<Party> = silent.copied().collect();
        if !silent.is_empty() {
            silent.into_iter().for_each(|party| self.members.suspect(party, PROVEN));
            return self.fail(session, "a signer does not say that it has signed");
        }
        let released = run.released.iter().map(|(party, word)| (*party, *word)).collect();
        let request = *request;
        self.runs.remove(&session);
        self.conclude(request, Outcome::Signed { signature, session, released });
    }

    fn fell_apart(&mut self, session: SessionId, end: &End) {
        let members = self.runs.get(&session).map(|run| run.members.clone()).unwrap_or_default();
        match end {
            End::Blame(accusations) => {
                accusations.iter().for_each(|one| self.members.suspect(one.party, PROVEN));
                let request = self.runs.get(&session).and_then(|run| run.aim.request());
                if let Some(drive) = request.and_then(|request| self.drives.get_mut(&request)) {
                    drive.found_out.extend(accusations.iter().map(|one| one.party));
                }
            }
            // Somebody's share was wrong, and nobody can tell whose.
            End::Benign { .. } | End::Ban(_) | End::Bug(_) => {
                members.iter().for_each(|party| self.members.suspect(*party, 1));
            }
        }
        self.fail(session, "the shares did not add up");
    }

    pub(super) fn refused(
        &mut self,
        from: Party,
        session: SessionId,
        refusal: &Refusal,
        word: Option<IdentitySignature>,
        rng: &mut impl CryptoRngCore,
    ) {
        // No two sessions have one name: our invitation has come twice, and the first is being served or was.
        if *refusal == Refusal::Seen {
            return;
        }
        let Some(run) = self.runs.get(&session).filter(|run| run.members.contains(&from)) else {
            return self.refused_late(from, session, refusal, word, rng);
        };
        let aim = (run.aim.request(), run.aim.key(), run.aim.setup());
        let is_plausible = is_plausible(refusal, &run.aim);
        let (members, took) = (run.members.clone(), self.now.mono.0.saturating_sub(run.began.0));
        let attempts = aim.0.and_then(|request| self.drives.get(&request)).map_or(0, |drive| drive.attempt);
        let is_denied = match (aim.0, refusal.is_final(), word) {
            (Some(request), true, Some(word)) => self.denied(request, from, refusal, word),
            _ => false,
        };
        if let (Some(request), Refusal::Exhausted) = (aim.0, refusal) {
            self.spent(request, from);
        }
        if refusal.is_final() && !is_denied {
            // Nobody who means it says so without signing it.
            self.members.suspect(from, 1);
        }
        self.learn_from(from, session, refusal, (aim.1, aim.2));
        if attempts > BELIEVED {
            self.members.suspect(from, 1);
        }
        let spoils = aim.0.is_none() && (took > PROMPT || !is_plausible);
        let is_nonsense =
            matches!(refusal, Refusal::Banned(other) if *other == from || !members.contains(other));
        if spoils || is_nonsense {
            self.members.suspect(from, COSTLY);
        }
        // Where each word counts for itself, one that does not give it keeps nobody from giving theirs.
        match self.runs.get(&session).map(|run| &run.aim) {
            Some(Aim::Retire(..)) => self.has_answered(from, session),
            _ => self.fail(session, "a node refused"),
        }
        self.advance_all(rng);
    }

    /// A last word on a request that comes when its session is over already: another was faster to refuse.
    fn refused_late(
        &mut self,
        from: Party,
        session: SessionId,
        refusal: &Refusal,
        word: Option<IdentitySignature>,
        rng: &mut impl CryptoRngCore,
    ) {
        let past = self.past.iter_mut().find(|past| past.session == session && past.unheard.contains(&from));
        let Some(past) = past else { return };
        past.unheard.retain(|member| *member != from);
        let Some(request) = past.request else { return };
        match (refusal, word) {
            (Refusal::Exhausted, _) => self.spent(request, from),
            (_, Some(word)) if refusal.is_final() => {
                self.denied(request, from, refusal, word);
            }
            _ => return,
        }
        self.close(request, rng);
    }

    fn spent(&mut self, request: RequestId, party: Party) {
        if let Some(drive) = self.drives.get_mut(&request) {
            drive.spent.insert(party);
        }
    }

    /// What a refusal says beside that it is one.
    fn learn_from(
        &mut self,
        from: Party,
        session: SessionId,
        refusal: &Refusal,
        (key, setup): (Option<Hash>, Option<Hash>),
    ) {
        let is_moduli = self.runs.get(&session).is_some_and(|run| matches!(run.aim, Aim::Moduli));
        match refusal {
            Refusal::Key => {
                // It may have lost its share for good. Others are asked first until it has shown that it holds one.
                self.members.suspect(from, 1);
                if let Some(package) = key.and_then(|digest| self.package(digest)) {
                    self.send(Address::Node(from), Message::Key(package));
                }
            }
            Refusal::Generated => {
                if let Some(Aim::Keygen(_, key)) = self.runs.get(&session).map(|run| &run.aim) {
                    let key = *key;
                    self.query_key(key);
                }
            }
            Refusal::Presignature => key.into_iter().for_each(|key| self.members.disown(from, key)),
            Refusal::Setup(_) => {
                self.members.suspect(from, 1);
                self.moduli.forget(from, setup);
                // Whoever has no moduli has its pairs all the same.
                if !is_moduli {
                    self.members.forget_setup(from, setup);
                    self.members.ask_again(from);
                }
            }
            Refusal::Banned(other) => self.members.part(from, *other),
            Refusal::TooMany => self.members.suspect(from, 1),
            // If it means it, it has signed it, and that is counted above.
            Refusal::Policy(_) | Refusal::Client => {}
            Refusal::Enough
            | Refusal::Request(_)
            | Refusal::Scheme
            | Refusal::NotServed
            | Refusal::Signers
            | Refusal::Seen
            | Refusal::Unfit(_)
            | Refusal::Conflict
            | Refusal::Exhausted
            | Refusal::Retired => self.members.suspect(from, 1),
        }
    }

    /// Whether that is the node's own last word on the request.
    fn denied(
        &mut self,
        request: RequestId,
        from: Party,
        refusal: &Refusal,
        word: IdentitySignature,
    ) -> bool {
        let reason = refusal.to_string();
        let statement = denial::<C>(request, &reason);
        let identity = self.config.committee.identity(from);
        let is_its_word = identity.is_some_and(|identity| C::verifies(identity, &statement, &word));
        if let Some(drive) = self.drives.get_mut(&request).filter(|_| is_its_word) {
            drive.denials.insert(from, (reason, word));
        }
        is_its_word
    }

    pub(super) fn ended(
        &mut self,
        from: Party,
        session: SessionId,
        ended: &Ended,
        rng: &mut impl CryptoRngCore,
    ) {
        let past = self.past.iter_mut().find(|past| past.session == session);
        let (members, by, paid) = match (self.runs.get(&session), past) {
            (Some(run), _) => (run.members.clone(), run.aim.cost(), 0),
            // Others' reports of a session that has failed: each counts once.
            (None, Some(past)) if past.unheard.contains(&from) => {
                let before = past.unheard.clone();
                let paid = past.hears(from, ended);
                (before, past.weight, paid)
            }
            (None, _) => return,
        };
        if !members.contains(&from) {
            return;
        }
        // One word stands against the others here; the evidence, if there is any, is with the node.
        let accused = match ended {
            Ended::Benign => members.as_slice(),
            Ended::Late(accused) | Ended::Blamed(accused) => accused,
        };
        let doubted = |party: &&Party| **party != from && accused.contains(party);
        let doubted: Vec<Party> = members.iter().filter(doubted).copied().collect();
        doubted.iter().for_each(|party| self.members.suspect(*party, by));
        // Nobody hands out more than it takes upon itself.
        let weight = u32::try_from(doubted.len()).unwrap_or(u32::MAX).max(1);
        self.members.suspect(from, by.saturating_mul(weight).saturating_sub(paid));
        // Where we add up ourselves, we have seen who is missing.
        let aggregator = self.runs.get(&session).and_then(|run| run.aggregator.as_ref());
        let missing = aggregator.map(C::missing).unwrap_or_default();
        missing.into_iter().for_each(|party| self.members.suspect(party, 1));
        self.fail(session, "a node gave up");
        if let Some(past) = self.past.iter_mut().find(|past| past.session == session) {
            past.hears(from, ended);
        }
        self.advance_all(rng);
    }

    pub(super) fn completed(
        &mut self,
        from: Party,
        session: SessionId,
        complete: Complete,
        rng: &mut impl CryptoRngCore,
    ) {
        match complete {
            Complete::Key(package) => {
                self.learn_key(&package);
            }
            Complete::Setup(name) => self.members.set_up(from, name),
            Complete::Moduli(name) => self.moduli.made(from, name, self.now.mono),
            Complete::Retired { request, word } => {
                return self.has_retired(from, (session, request), word, rng);
            }
            Complete::Presigned(stock) => {
                let is_new = self.runs.get(&session).is_some_and(|run| {
                    let is_its_batch = matches!(run.aim, Aim::Presign(key, _) if key == stock.key);
                    is_its_batch && run.members.contains(&from) && !run.complete.contains(&from)
                });
                if self.packages.contains_key(&stock.key) && is_new {
                    self.members.add_stock(from, &stock, self.now.mono);
                } else if self.packages.contains_key(&stock.key) {
                    self.members.restock(from, &stock, self.now.mono);
                }
            }
        }
        let Some(run) = self.runs.get_mut(&session).filter(|run| run.members.contains(&from)) else { return };
        run.complete.insert(from);
        if run.complete.len() == run.members.len() {
            let (members, is_supply) = (run.members.clone(), run.aim.request().is_none());
            match run.aim {
                Aim::Presign(key, _) => {
                    let took = self.now.mono.0.saturating_sub(run.began.0);
                    self.batch_took(key, &members, took);
                    self.members.doubt_batch(key, &members);
                }
                Aim::Setup => self.members.note_setup(&members),
                Aim::Keygen(..) | Aim::Moduli => {}
                // Nobody honest says that of these. The request must not wait for what is not there any more.
                Aim::Sign(..) | Aim::Retire(..) => {
                    return self.fail(session, "it was called complete and is not");
                }
            }
            self.runs.remove(&session);
            if is_supply {
                self.fill_up(rng);
            }
        }
        // A session whose end makes a request's outcome is not waited for any longer.
        let done = self.runs.iter().filter_map(|(session, run)| match run.aim {
            Aim::Keygen(request, key) if self.keys.contains_key(&key) => Some((*session, request)),
            Aim::Keygen(..)
            | Aim::Setup
            | Aim::Moduli
            | Aim::Presign(..)
            | Aim::Sign(..)
            | Aim::Retire(..) => None,
        });
        let done: Vec<_> = done.collect();
        for (session, request) in done {
            self.runs.remove(&session);
            if let Some(drive) = self.drives.get_mut(&request) {
                drive.session = None;
            }
        }
        self.hurry(|_| true, rng);
    }

    /// The outcome of a request, stored first and told then.
    pub(super) fn conclude(&mut self, request: RequestId, outcome: Outcome) {
        if let Outcome::Key(package) = &outcome {
            for member in self.members.all() {
                self.send(Address::Node(member), Message::Key(package.clone()));
            }
        }
        let now = self.now.mono;
        if let (Outcome::Key(package), true) = (&outcome, self.drives.contains_key(&request)) {
            let key = C::decode_key(package, &self.config.committee).map(|key| C::describe(&key));
            let key = key.filter(|described| described.scheme.presigns());
            if let Some(described) = key {
                let pool = self.pace(described.scheme).pool;
                self.supply.use_key(described.digest, pool, now);
            }
        }
        let Some(drive) = self.drives.get_mut(&request) else { return };
        let call = StoreCall::finish(request, drive.fence, &outcome);
        (drive.outcome, drive.session) = (Some(outcome), None);
        self.deeds.push(Deed::Store(call));
    }

    fn package(&self, digest: Hash) -> Option<Vec<u8>> {
        self.keys.get(self.packages.get(&digest)?).map(C::encode_key)
    }
}

/// Whether an honest node can give this reason for not taking part in a batch, in a pair setup, or in the making of moduli.
const fn is_plausible<C: Crypto>(refusal: &Refusal, aim: &Aim<C>) -> bool {
    match refusal {
        Refusal::TooMany | Refusal::Banned(_) => true,
        Refusal::Setup(_) => matches!(aim, Aim::Presign(..) | Aim::Moduli),
        Refusal::Key | Refusal::Retired => matches!(aim, Aim::Presign(..)),
        _ => false,
    }
}
