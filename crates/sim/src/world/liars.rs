//! Those who do not keep to the protocol: up to t−1 nodes, and a coordinator that somebody has stolen.
//!
//! A liar is an honest core with something between it and the wire: it changes what it says and signs it again, says it
//! twice in two ways, says old things, or keeps quiet. It has its own keys and nobody else's.

use std::sync::Arc;

use keymoot_engine::message::{Address, Answer, Ended, Invite, Message, SessionMail, What};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::refusal::Refusal;
use keymoot_engine::request::{Ask, SignedRequest};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::dkls23::{Payload, PayloadHash};
use keymoot_types::{Party, SessionId};
use rand_core::RngCore;

use super::World;
use crate::backend::Backend;

/// What a liar keeps in mind, in messages.
const MEMORY: usize = 24;

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

    /// A lying node says something, in its way.
    pub(super) fn lie(&mut self, place: usize, to: Address, message: Message) {
        let from = Address::Node(self.nodes[place].me);
        match self.chance.below(12) {
            0 => {}
            1 => {
                let old = self.chance.pick(&self.nodes[place].memory).cloned();
                self.send(from, to, old.unwrap_or(message));
            }
            2 => {
                self.send(from, to, message.clone());
                self.send(from, to, message);
            }
            3 | 4 => self.lie_in_mail(place, to, message),
            5 => {
                let session = session_of(&message);
                let other = self.any_party();
                let ended = if self.chance.happens(500) {
                    Ended::Blamed(vec![other])
                } else {
                    Ended::Late(vec![other])
                };
                self.send(from, to, message);
                if let Some(session) = session {
                    self.send(from, to, Message::Ended(session, ended));
                }
            }
            6 => {
                if let Some(session) = session_of(&message) {
                    self.send(from, to, Message::Refused(session, Refusal::Policy("because"), None));
                }
            }
            _ => self.send(from, to, message),
        }
    }

    /// Changes protocol mail, for everybody or for each in another way.
    fn lie_in_mail(&mut self, place: usize, to: Address, message: Message) {
        let from = Address::Node(self.nodes[place].me);
        let Message::Mail(mail) = message else {
            self.send(from, to, message);
            return;
        };
        let person = self.nodes[place].person.clone();
        let everybody: Vec<Party> = self.frame.threshold.parties().collect();
        if mail.to.is_none() && self.chance.happens(500) {
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
        let bytes = person.lie(&mail.bytes, &mut self.chance);
        self.send(from, to, Message::Mail(SessionMail { bytes, ..mail }));
    }

    fn any_party(&mut self) -> Party {
        let all: Vec<Party> = self.frame.threshold.parties().collect();
        let first = self.nodes[0].me;
        self.chance.pick(&all).copied().unwrap_or(first)
    }

    pub(super) fn thief_hears(&mut self, replica: u16, from: Address, message: &Message) {
        let memory = &mut self.replicas[usize::from(replica)].memory;
        if memory.len() >= MEMORY {
            memory.remove(0);
        }
        memory.push((from, message.clone()));
        if let Message::Ask(body) = message {
            self.replicas[usize::from(replica)].loot.push(body.clone());
            self.abuse(replica, body);
        }
        // What was asked long ago may still be of use. Tried now and then, and not on every answer: each try has answers.
        if matches!(message, Message::Beat) && self.chance.happens(300) {
            let old = self.chance.pick(&self.replicas[usize::from(replica)].loot).cloned();
            self.abuse(replica, &old.unwrap_or_default());
        }
        // What it has carried for others it carries elsewhere, too.
        if let (Message::Mail(mail), true) = (message, self.chance.happens(400)) {
            let everybody: Vec<Party> = self.frame.threshold.parties().collect();
            for party in everybody {
                let mail = SessionMail { to: None, ..mail.clone() };
                self.send(Address::Coordinator(replica), Address::Node(party), Message::Mail(mail));
            }
        }
    }

    /// A request in the wrong hands.
    fn abuse(&mut self, replica: u16, body: &[u8]) {
        let Ok(mut signed) = SignedRequest::decode(body) else { return };
        match self.chance.below(6) {
            0 => {
                if let Ask::Sign { payload, .. } = &mut signed.request.ask {
                    *payload = Arc::new(Payload::new(PayloadHash::Sha256, vec![1, 0xee, 0xee]));
                }
            }
            1 => signed.request.expires = signed.request.expires.plus(60_000),
            2 => self.chance.fill_bytes(&mut signed.request.nonce),
            _ => {}
        }
        let request = signed.encode().to_vec();
        let keys: Vec<_> = self.watch.keys().map(|key| B::describe(key).id).collect();
        if let (Ask::Sign { key, .. }, Some(any)) = (&mut signed.request.ask, self.chance.pick(&keys)) {
            *key = *any;
        }
        let mut name = [0; 16];
        self.chance.fill_bytes(&mut name);
        let session = SessionId::new(name);
        let mut signers: Vec<Party> = self.frame.threshold.parties().collect();
        while signers.len() > self.frame.needed() {
            let out = self.chance.below(signers.len() as u64) as usize;
            signers.remove(out);
        }
        for signer in signers.clone() {
            let what = What::Sign { request: request.clone(), signers: signers.clone(), presignature: None };
            let invite = Message::Invite(Invite { session, what });
            self.send(Address::Coordinator(replica), Address::Node(signer), invite);
        }
    }

    /// A stolen coordinator says something, in its way.
    pub(super) fn steal(&mut self, replica: u16, to: Address, message: Message) {
        let from = Address::Coordinator(replica);
        if matches!(message, Message::Invite(_)) {
            let sent = &mut self.replicas[usize::from(replica)].sent;
            if sent.len() >= MEMORY {
                sent.remove(0);
            }
            sent.push((to, message.clone()));
        }
        match (self.chance.below(10), message) {
            (0, Message::Beat | Message::Mail(_)) => {
                // An old invitation again: whoever has begun anew since may have forgotten it.
                let old = self.chance.pick(&self.replicas[usize::from(replica)].sent).cloned();
                if let Some((to, invite)) = old {
                    self.send(from, to, invite);
                }
            }
            (0, _) => {}
            (1, message) => {
                let memory = &self.replicas[usize::from(replica)].memory;
                let old = self.chance.pick(memory).map(|(_, old)| old.clone());
                self.send(from, to, old.unwrap_or(message));
            }
            (2, Message::Invite(mut invite)) => {
                self.twist(&mut invite);
                self.send(from, to, Message::Invite(invite));
            }
            (3, Message::Invite(invite)) => {
                // The same invitation to everybody, and again under another name.
                let mut again = invite.clone();
                let mut name = [0; 16];
                self.chance.fill_bytes(&mut name);
                again.session = SessionId::new(name);
                self.send(from, to, Message::Invite(invite));
                self.send(from, to, Message::Invite(again));
            }
            (4, Message::Mail(mail)) => {
                let other = Address::Node(self.any_party());
                self.send(from, other, Message::Mail(mail));
            }
            (_, Message::Answer(id, _)) => {
                let lie = Outcome::Failed("because".to_owned());
                self.send(from, to, Message::Answer(id, Answer::Final(lie)));
            }
            (_, message) => self.send(from, to, message),
        }
    }

    fn twist(&mut self, invite: &mut Invite) {
        match &mut invite.what {
            What::Sign { request, signers, presignature } => match self.chance.below(3) {
                0 => {
                    let at = self.chance.below(request.len() as u64) as usize;
                    if let Some(byte) = request.get_mut(at) {
                        *byte ^= 1 << self.chance.below(8);
                    }
                }
                1 => {
                    let party = self.any_party();
                    if !signers.contains(&party) {
                        signers.push(party);
                        signers.sort_unstable();
                    }
                }
                _ => *presignature = None,
            },
            What::Keygen { attempt, .. } => *attempt += 1,
            What::Setup { members } => drop(members.pop()),
            What::Presign { size, .. } => *size = size.wrapping_mul(7),
        }
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
