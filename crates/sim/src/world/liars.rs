//! Nodes that do not keep to the protocol, up to t−1 of them.
//!
//! A liar is an honest core with something between it and the wire: it changes what it says and signs it again, says it
//! twice in two ways, says old things, or keeps quiet. It has its own keys and nobody else's.

use keymoot_engine::message::{Address, Complete, Ended, Invite, Message, SessionMail, Stock, What};
use keymoot_engine::outcome::denial;
use keymoot_engine::refusal::Refusal;
use keymoot_engine::request::SignedRequest;
use keymoot_types::{Party, SessionId};

use super::World;
use crate::backend::Backend;
use crate::coverage::Kind;

/// What a liar keeps in mind, in messages.
pub(super) const MEMORY: usize = 24;

/// The longest mail that a liar makes up, in bytes.
const NOISE_MAX: u64 = 70_000;

impl<B: Backend> World<B> {
    /// Whether it has begun.
    pub(super) fn liars_lie(&self) -> bool {
        !self.frame.liars_wait || self.watch.keys().count() >= self.frame.keys.len()
    }

    pub(super) fn remember(&mut self, place: usize, message: &Message) {
        let memory = &mut self.nodes[place].memory;
        if memory.len() >= MEMORY {
            memory.remove(0);
        }
        memory.push(message.clone());
    }

    /// Whether a liar answers an invitation at once, with something that is not so.
    pub(super) fn answers_falsely(&mut self, place: usize, from: Address, message: &Message) -> bool {
        let Message::Invite(invite) = message else { return false };
        let does = !self.frame.liars_spoil && self.liars_lie() && self.chance.happens(100);
        if does && self.nodes[place].node.is_some() {
            if self.chance.happens(300) {
                let complete = Complete::Setup(B::digest("keymoot/invented/v1", invite.session.as_bytes()));
                self.saw(Kind::CompleteFalsely);
                self.send(
                    Address::Node(self.nodes[place].me),
                    from,
                    Message::Complete(invite.session, complete),
                );
            } else {
                self.refuse_falsely(place, from, invite);
            }
        }
        does
    }

    /// A lying node says something, in its way.
    pub(super) fn lie(&mut self, place: usize, to: Address, message: Message) {
        let from = Address::Node(self.nodes[place].me);
        if self.frame.liars_spoil {
            return self.spoil(place, to, message);
        }
        match self.chance.below(12) {
            0 => self.saw(Kind::Silence),
            1 => {
                self.saw(Kind::OldWord);
                let old = self.chance.pick(&self.nodes[place].memory).cloned();
                self.send(from, to, old.unwrap_or(message));
            }
            2 => {
                self.saw(Kind::Twice);
                self.send(from, to, message.clone());
                self.send(from, to, message);
            }
            3 | 4 => self.change(place, to, message),
            5 => self.end_falsely(from, to, message),
            6 => {
                if let Some(session) = session_of(&message) {
                    self.saw(Kind::RefusedFalsely);
                    self.send(from, to, Message::Refused(session, Refusal::Policy("because".into()), None));
                }
            }
            _ => self.send(from, to, message),
        }
    }

    /// Keeps to everything but the checks that depend on what only the others know.
    fn spoil(&mut self, place: usize, to: Address, message: Message) {
        let from = Address::Node(self.nodes[place].me);
        let spoilt = match &message {
            Message::Mail(mail) if self.chance.happens(600) => self.nodes[place].person.spoil(&mail.bytes),
            _ => None,
        };
        match (message, spoilt) {
            (Message::Mail(mail), Some(bytes)) => {
                self.saw(Kind::CheckSpoilt);
                self.send(from, to, Message::Mail(SessionMail { bytes, ..mail }));
            }
            (message, _) => self.send(from, to, message),
        }
    }

    /// Says another thing of the same sort.
    fn change(&mut self, place: usize, to: Address, message: Message) {
        let from = Address::Node(self.nodes[place].me);
        match message {
            Message::Mail(mail) => self.lie_in_mail(place, to, mail),
            Message::Stock(stock) => {
                let stock = self.other_stock(stock);
                self.send(from, to, Message::Stock(stock));
            }
            Message::Complete(session, complete) => {
                self.saw(Kind::CompleteFalsely);
                let complete = match complete {
                    Complete::Key(mut package) => {
                        self.spoil_bytes(&mut package);
                        Complete::Key(package)
                    }
                    Complete::Setup(_) => {
                        Complete::Setup(B::digest("keymoot/invented/v1", session.as_bytes()))
                    }
                    Complete::Moduli(_) => {
                        Complete::Moduli(B::digest("keymoot/invented/v1", session.as_bytes()))
                    }
                    Complete::Presigned(stock) => Complete::Presigned(self.other_stock(stock)),
                    Complete::Retired { request, mut word } => {
                        word.0[0] ^= 1;
                        Complete::Retired { request, word }
                    }
                };
                self.send(from, to, Message::Complete(session, complete));
            }
            Message::Moduli(mut told) => {
                self.saw(Kind::ModuliInvented);
                match self.chance.below(3) {
                    0 => told.tables.clear(),
                    1 => told.tables.push(B::digest("keymoot/invented/v1", &[told.tables.len() as u8])),
                    _ => told.primes = told.primes.wrapping_mul(7),
                }
                self.send(from, to, Message::Moduli(told));
            }
            Message::Table(mut table) => {
                self.saw(Kind::ModuliInvented);
                self.spoil_bytes(&mut table);
                self.send(from, to, Message::Table(table));
            }
            Message::Witness { to: witness, words, .. } => self.lie_to_witness(place, to, witness, words),
            // Where there is nothing to change, there is something to invent.
            message => {
                self.send(from, to, message);
                self.invent_behind(place, to);
            }
        }
    }

    fn end_falsely(&mut self, from: Address, to: Address, message: Message) {
        let session = session_of(&message);
        let other = self.any_party();
        let blames = self.chance.happens(500);
        let ended = if blames { Ended::Blamed(vec![other]) } else { Ended::Late(vec![other]) };
        self.send(from, to, message);
        if let Some(session) = session {
            self.saw(Kind::EndedFalsely);
            self.send(from, to, Message::Ended(session, ended));
        }
    }

    /// Changes protocol mail, for everybody or for each in another way.
    fn lie_in_mail(&mut self, place: usize, to: Address, mail: SessionMail) {
        let from = Address::Node(self.nodes[place].me);
        let person = self.nodes[place].person.clone();
        if self.chance.happens(100) {
            self.saw(Kind::MailUnreadable);
            let length = self.chance.below(NOISE_MAX) as usize;
            let bytes = vec![length as u8; length];
            self.send(from, to, Message::Mail(SessionMail { bytes, ..mail }));
            return;
        }
        if let Some(mut word) = mail.released.filter(|_| self.chance.happens(500)) {
            // The share is right; that it was given is not said, or not so that anybody could check it.
            self.saw(Kind::WordWithheld);
            word.0[0] ^= 1;
            let released = if self.chance.happens(500) { Some(word) } else { None };
            self.send(from, to, Message::Mail(SessionMail { released, ..mail }));
            return;
        }
        let everybody: Vec<Party> = self.frame.threshold.parties().collect();
        if mail.to.is_none() && self.chance.happens(500) {
            self.saw(Kind::MailInTwoWays);
            for party in everybody {
                let bytes = if self.chance.happens(500) {
                    person.lie(&mail.bytes, &mut self.chance)
                } else {
                    mail.bytes.clone()
                };
                let mail = SessionMail { to: Some(party), bytes, ..mail.clone() };
                self.send(from, to, Message::Mail(mail));
            }
            return;
        }
        self.saw(Kind::MailChanged);
        let bytes = person.lie(&mail.bytes, &mut self.chance);
        self.send(from, to, Message::Mail(SessionMail { bytes, ..mail }));
    }

    /// More than is there, or less.
    fn other_stock(&mut self, mut stock: Stock) -> Stock {
        if self.chance.happens(500) {
            self.saw(Kind::StockWithheld);
            let keep = self.chance.happens(500);
            stock.presignatures.retain(|_| keep);
            stock.setups.pop();
            stock.is_retired ^= self.chance.happens(300);
            return stock;
        }
        self.saw(Kind::StockInvented);
        if let Some(mut one) = self.chance.pick(&stock.presignatures).cloned() {
            self.spoil_bytes(&mut one);
            stock.presignatures.push(one);
        }
        stock.setups.push(B::digest("keymoot/invented/v1", &[stock.setups.len() as u8]));
        stock
    }

    fn spoil_bytes(&mut self, bytes: &mut [u8]) {
        let at = self.chance.below(bytes.len() as u64) as usize;
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << self.chance.below(8);
        }
    }

    /// Refuses for a reason that is none, and signs that it is the last word, if there is a request to be denied.
    fn refuse_falsely(&mut self, place: usize, to: Address, invite: &Invite) {
        let other = self.any_party();
        let reasons = [
            Refusal::Policy("because".into()),
            Refusal::Client,
            Refusal::Key,
            Refusal::Scheme,
            Refusal::Retired,
            Refusal::Generated,
            Refusal::Banned(other),
            Refusal::Seen,
            Refusal::TooMany,
            Refusal::Exhausted,
            Refusal::Presignature,
            Refusal::Setup("because".into()),
            Refusal::Enough,
            Refusal::Unfit("because".into()),
        ];
        let refusal = self.chance.pick(&reasons).cloned().unwrap_or(Refusal::TooMany);
        let request = match &invite.what {
            What::Keygen { request, .. } | What::Sign { request, .. } | What::Retire { request } => {
                SignedRequest::read_from::<B>(request).ok().map(|(id, _)| id)
            }
            What::Setup { .. } | What::Moduli | What::Presign { .. } => None,
        };
        let word = request
            .filter(|_| self.chance.happens(500))
            .map(|request| self.nodes[place].person.sign(&denial::<B>(request, &refusal.to_string())));
        self.saw(if word.is_some() { Kind::RefusedSigned } else { Kind::RefusedFalsely });
        let from = Address::Node(self.nodes[place].me);
        self.send(from, to, Message::Refused(invite.session, refusal, word));
    }

    pub(super) fn any_party(&mut self) -> Party {
        let all: Vec<Party> = self.frame.threshold.parties().collect();
        let first = self.nodes[0].me;
        self.chance.pick(&all).copied().unwrap_or(first)
    }
}

const fn session_of(message: &Message) -> Option<SessionId> {
    match message {
        Message::Mail(mail) => Some(mail.session),
        Message::Refused(session, ..) | Message::Ended(session, _) | Message::Complete(session, _) => {
            Some(*session)
        }
        _ => None,
    }
}
