//! Clients: they ask, wait, ask again somewhere else, and check what they are told.

use std::sync::Arc;

use keymoot_chains::{Kind as PayloadKind, Payload};
use keymoot_engine::message::{Address, Answer, Message};
use keymoot_engine::outcome::{Outcome, release, retirement, retirements_needed};
use keymoot_engine::request::{Ask, RequestId, SignedRequest, ToSign, VALIDITY_MAX};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{KeyId, Party, Path, Scheme};

use super::nodes::{FORBIDDEN, UNLOVED};
use super::{Happening, PATIENCE, World};
use crate::backend::Backend;
use crate::coverage::Kind;
use crate::frame::Time;
use crate::watch::Violation;

/// Between two times that a client asks for the same thing.
const AGAIN: Time = 900;

/// More than a request may ask to be valid for, in milliseconds.
const TOO_LONG: u64 = VALIDITY_MAX + 1;

/// Keys that are probed.
const PROBES_MAX: usize = 2;

/// How often clients may ask again where somebody lies.
const EXTENSIONS_MAX: u32 = 4;

/// A payload of these few bytes.
pub(super) fn message(bytes: Vec<u8>) -> Payload {
    Payload::new(PayloadKind::Message, bytes)
        .unwrap_or_else(|error| unreachable!("some bytes are a message: {error}"))
}

/// Something a client wants.
pub struct Wish {
    client: usize,
    what: Want,
    /// The request's name; nothing was asked yet while this is zero.
    pub id: RequestId,
    body: Vec<u8>,
    asked_at: Option<Time>,
    is_done: bool,
    /// Made when all was well again: has to be granted.
    is_probe: bool,
}

enum Want {
    Key(Scheme),
    /// A signature under one of the keys that exist by then.
    Signature {
        first: u8,
        second: u8,
        lasts: u64,
    },
    /// That one of the keys that exist by then never signs again.
    Retirement,
}

impl Wish {
    fn new(client: usize, what: Want, is_probe: bool) -> Self {
        let id = RequestId(Hash::from_bytes([0; 32]));
        Self { client, what, id, body: Vec::new(), asked_at: None, is_done: false, is_probe }
    }

    pub(super) fn is_of(&self, client: u16) -> bool {
        self.client == usize::from(client)
    }

    /// The key that it wants to be signed with.
    fn signs_with(&self) -> Option<KeyId> {
        match SignedRequest::decode(&self.body).ok()?.request.ask {
            Ask::Sign { key, .. } => Some(key),
            Ask::Key(_) | Ask::Retire { .. } => None,
        }
    }

    /// The key that it wants to have retired.
    fn retires(&self) -> Option<KeyId> {
        match SignedRequest::decode(&self.body).ok()?.request.ask {
            Ask::Retire { key } => Some(key),
            Ask::Key(_) | Ask::Sign { .. } => None,
        }
    }

    pub(super) fn in_words(&self) -> String {
        let what = match &self.what {
            Want::Key(scheme) => format!("a {scheme} key"),
            Want::Signature { first, second, lasts } => {
                format!("a signature of {first:02x}{second:02x} for {lasts} ms")
            }
            Want::Retirement => "the end of a key".to_owned(),
        };
        let asked =
            self.asked_at.map_or_else(String::new, |at| format!(", asked at {at} ms as {:?}", self.id));
        let done = if self.is_done { ", is content" } else { "" };
        format!("{what}{asked}{done}")
    }
}

impl<B: Backend> World<B> {
    pub(super) fn make_wishes(&mut self) {
        for scheme in self.frame.keys.clone() {
            self.wish(0, Want::Key(scheme), false);
        }
        if self.frame.sceptic.is_some() {
            self.wish(0, Want::Key(Scheme::Gg20), false);
        }
        for number in 0..self.frame.signatures {
            let at = self.chance.between(1_500, self.frame.heal_at);
            let (first, second) = match self.chance.below(10) {
                0 => (FORBIDDEN, 0),
                1 => (UNLOVED, self.chance.between(1, 7) as u8),
                _ => (1, number as u8),
            };
            let lasts = match self.chance.below(20) {
                0..5 => self.chance.between(200, 4_000),
                5 => TOO_LONG,
                _ => 600_000,
            };
            self.wish(at, Want::Signature { first, second, lasts }, false);
        }
        if self.chance.happens(250) {
            let at = self.chance.between(3_000, self.frame.heal_at);
            self.wish(at, Want::Retirement, false);
        }
    }

    /// The keys that clients were told of, and that nobody wants to have retired.
    fn lasting_keys(&self) -> Vec<KeyId> {
        self.watch.told_keys().into_iter().filter(|key| !self.doomed.contains(key)).collect()
    }

    fn wish(&mut self, after: Time, what: Want, is_probe: bool) {
        let client = self.chance.below(self.clients.len() as u64) as usize;
        self.wishes.push(Wish::new(client, what, is_probe));
        self.push(after, Happening::Client(self.wishes.len() - 1));
    }

    /// What has to work when everything works.
    pub(super) fn make_probes(&mut self) {
        let keys = self.lasting_keys().len();
        for number in 0..keys.min(PROBES_MAX) {
            let what = Want::Signature { first: 2, second: number as u8, lasts: 600_000 };
            // Clocks that were set right are believed after five seconds.
            self.wish(6_000, what, true);
        }
    }

    pub(super) fn client_acts(&mut self, number: usize) {
        if self.wishes[number].is_done || !self.has_asked(number) {
            return;
        }
        let coordinators = u64::from(self.frame.coordinators);
        // Now and then two at once.
        let times = if self.chance.happens(100) { 2 } else { 1 };
        for _ in 0..times {
            let to = Address::Coordinator(self.chance.below(coordinators) as u16);
            let wish = &self.wishes[number];
            let (from, body) = (Address::Client(wish.client as u16), wish.body.clone());
            self.send(from, to, Message::Ask(body));
        }
        self.push(AGAIN, Happening::Client(number));
    }

    /// Makes the request when the time has come: a signature needs a key.
    fn has_asked(&mut self, number: usize) -> bool {
        if self.wishes[number].asked_at.is_some() {
            return true;
        }
        let Some((ask, lasts)) = self.draw_ask(number) else { return false };
        let (id, body) = self.ask_for(self.wishes[number].client, ask, lasts);
        let now = self.now;
        let wish = &mut self.wishes[number];
        (wish.id, wish.body, wish.asked_at) = (id, body, Some(now));
        true
    }

    /// What is asked for, and for how long; nothing while there is no key, or any more.
    fn draw_ask(&mut self, number: usize) -> Option<(Ask, u64)> {
        let wish = &self.wishes[number];
        let keys = if wish.is_probe { self.lasting_keys() } else { self.watch.told_keys() };
        let (first, second, lasts) = match &wish.what {
            Want::Key(scheme) => return Some((Ask::Key(*scheme), 600_000)),
            // What has to work when all is well is not to be undone then.
            Want::Retirement if self.is_healed => {
                self.wishes[number].is_done = true;
                return None;
            }
            Want::Retirement => {
                let key = self.chance.pick(&keys).copied();
                if key.is_none() {
                    self.push(AGAIN, Happening::Client(number));
                }
                self.doomed.extend(key);
                return key.map(|key| (Ask::Retire { key }, 600_000));
            }
            Want::Signature { first, second, lasts } => (*first, *second, *lasts),
        };
        let key = if wish.is_probe { keys.get(usize::from(second)) } else { self.chance.pick(&keys) };
        let Some(key) = key.copied() else {
            self.push(AGAIN, Happening::Client(number));
            return None;
        };
        let path = self.draw_path(key);
        let payload = Arc::new(message(vec![first, second, number as u8]));
        self.saw([Kind::AtRoot, Kind::OneStep, Kind::TwoSteps][path.steps().len().min(2)]);
        // The payload needs one signature. A client may say so.
        let signing = self.chance.happens(100).then_some(0);
        Some((Ask::Sign { key, what: ToSign { path, payload, signing } }, lasts))
    }

    /// Some path below a key: none, one or two steps, where its scheme has them. Where it has none, a client errs now and then.
    fn draw_path(&mut self, key: KeyId) -> Path {
        let scheme = self.watch.scheme_of(key);
        let errs = self.chance.happens(50);
        if scheme == Some(Scheme::FrostEd25519) && (!errs || self.is_healed) {
            return Path::root();
        }
        let last = u64::from(keymoot_types::key::HARDENED - 1);
        let far = self.chance.below(last + 1);
        let choices = [0, 1, far, last];
        let steps = (0..self.chance.below(3)).filter_map(|_| self.chance.pick(&choices).copied());
        let steps = steps.map(|step| step as u32).collect();
        Path::new(steps).unwrap_or_else(|_| Path::root())
    }

    pub(super) fn client_hears(&mut self, from: Address, message: Message) -> Result<(), Violation> {
        let (id, outcome) = match message {
            Message::Answer(id, Answer::Final(outcome)) => (id, outcome),
            Message::Answer(id, Answer::Refused(_)) => {
                self.turned_away(id);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let is_stolen = matches!(from, Address::Coordinator(one) if self.frame.stolen == Some(one));
        // Whoever has stolen a coordinator says what he likes; only what proves itself counts.
        if is_stolen && !self.proves_itself(id, &outcome) {
            return Ok(());
        }
        if let Some(wish) = self.wishes.iter_mut().find(|wish| wish.id == id) {
            wish.is_done = true;
        }
        Ok(())
    }

    /// A client that has asked for too much does not ask again.
    fn turned_away(&mut self, id: RequestId) {
        let is_futile =
            |wish: &&mut Wish| wish.id == id && matches!(wish.what, Want::Signature { lasts: TOO_LONG, .. });
        if let Some(wish) = self.wishes.iter_mut().find(is_futile) {
            wish.is_done = true;
        }
    }

    fn proves_itself(&self, id: RequestId, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Signed { released, session, .. } => {
                let statement = release::<B>(id, *session);
                let good = |party, word| {
                    self.committee.identity(party).is_some_and(|who| B::verifies(who, &statement, word))
                };
                released.len() >= self.frame.needed()
                    && released.iter().all(|(party, word)| good(*party, word))
            }
            Outcome::Retired { words } => {
                let key = self.wishes.iter().find(|wish| wish.id == id).and_then(Wish::retires);
                let Some(key) = key else { return false };
                let statement = retirement::<B>(id, key);
                let good = |party, word| {
                    self.committee.identity(party).is_some_and(|who| B::verifies(who, &statement, word))
                };
                words.len() >= usize::from(retirements_needed(self.committee.threshold()))
                    && words.iter().all(|(party, word)| good(*party, word))
            }
            _ => false,
        }
    }

    /// After healing and patience: everything has an end, and what had to be granted was.
    pub(super) fn all_is_well(&mut self) -> Result<bool, Violation> {
        let well = self.nodes.iter().filter(|slot| slot.is_well()).count();
        let coordinators = usize::from(self.frame.coordinators) - usize::from(self.frame.stolen.is_some());
        if coordinators == 0 {
            return Ok(true);
        }
        self.invariant_i05_everything_ends()?;
        self.invariant_i05_no_session_is_kept()?;
        self.watch.invariant_i07_the_rolled_back_are_silent(self.frame.heal_at)?;
        let unheard = self.unheard_probes();
        if well >= self.frame.needed() && !unheard.is_empty() {
            // Liars can spoil one presigning after the other, each for as long as a session may take. Then a request may end
            // with that reason, and the client asks again.
            let is_hopeless = self.extensions >= EXTENSIONS_MAX;
            if is_hopeless && self.frame.liars.len() > 1 {
                // Of many quorums one is honest; finding it may take longer than a world lasts.
                return Ok(true);
            }
            if self.frame.liars.is_empty() || is_hopeless {
                return Self::invariant_i05_the_healthy_sign(&unheard);
            }
            self.extensions += 1;
            self.make_probes();
            self.push(PATIENCE, Happening::Ends);
            return Ok(false);
        }
        self.watch.invariant_i07_everything_is_covered()?;
        Ok(true)
    }

    /// I5: whatever was admitted has an outcome.
    fn invariant_i05_everything_ends(&self) -> Result<(), Violation> {
        for (id, _) in self.store.requests() {
            let id = RequestId(Hash::from_bytes(*id));
            // Whoever was turned away for some time has its time from when it was taken.
            let fresh = self.admitted.get(&id).is_some_and(|at| at + PATIENCE > self.now);
            if self.store.outcome(id.0.as_bytes()).is_none() && !fresh {
                let what = format!("{id:?} was admitted and has no outcome {PATIENCE} ms after healing");
                return Err(Violation { invariant: "I5", what });
            }
        }
        Ok(())
    }

    /// I5: what nodes have given up, they have forgotten.
    fn invariant_i05_no_session_is_kept(&self) -> Result<(), Violation> {
        for slot in self.nodes.iter().filter(|slot| !slot.is_liar) {
            let Some(node) = &slot.node else { continue };
            let kept = node.view().sessions.into_iter().find(|one| self.now > one.deadline.0 + 5_000);
            if let Some(kept) = kept {
                let what = format!("{} is over, and still lives at {}", kept.session, slot.me);
                return Err(Violation { invariant: "I5", what });
            }
        }
        Ok(())
    }

    /// The last probes, one for each key, that were not answered with a signature.
    fn unheard_probes(&self) -> Vec<String> {
        let probes: Vec<&Wish> =
            self.wishes.iter().filter(|wish| wish.is_probe && wish.asked_at.is_some()).collect();
        let keys = self.lasting_keys().len().min(PROBES_MAX);
        let last = &probes[probes.len().saturating_sub(keys)..];
        let can_sign = self.moduli_can_be_there();
        let is_due = |wish: &&&Wish| {
            let scheme = wish.signs_with().and_then(|key| self.watch.scheme_of(key));
            can_sign || scheme.is_none_or(|scheme| !scheme.has_moduli())
        };
        let outcome = |wish: &Wish| {
            self.store.outcome(wish.id.0.as_bytes()).and_then(|bytes| Outcome::decode(bytes).ok())
        };
        let unheard = last.iter().filter(is_due);
        let unheard = unheard.filter(|wish| !matches!(outcome(wish), Some(Outcome::Signed { .. })));
        unheard.map(|wish| format!("{:?}: {:?}", wish.id, outcome(wish))).collect()
    }

    /// Whether enough have moduli, or all are there to make them: that needs everybody, and liars do not have to help.
    fn moduli_can_be_there(&self) -> bool {
        let well: Vec<Party> = self.nodes.iter().filter(|slot| slot.is_well()).map(|slot| slot.me).collect();
        well.len() == self.frame.nodes() || self.watch.share_a_table(&well) >= self.frame.needed()
    }

    /// I5: enough healthy nodes sign.
    fn invariant_i05_the_healthy_sign(unheard: &[String]) -> Result<bool, Violation> {
        let what = format!("was asked when all was well, and not signed: {}", unheard.join(", "));
        Err(Violation { invariant: "I5", what })
    }
}
