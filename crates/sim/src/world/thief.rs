//! A coordinator that somebody has stolen: it hears what a coordinator hears, and has a coordinator's place on the network.

use std::sync::Arc;

use keymoot_engine::message::{Address, Answer, Invite, Message, SessionMail, What};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::request::{Ask, Form, SignedRequest, ToSign};
use keymoot_ports::sessions::Admission;
use keymoot_ports::{Name, Ttl};
use keymoot_protocol::codec::Wire;
use keymoot_types::{Millis, Party, SessionId};
use rand_core::RngCore;

use super::World;
use super::liars::MEMORY;
use crate::backend::Backend;
use crate::coverage::Kind;

impl<B: Backend> World<B> {
    pub(super) fn thief_hears(&mut self, replica: u16, from: Address, message: &Message) {
        let memory = &mut self.replicas[usize::from(replica)].memory;
        if memory.len() >= MEMORY {
            memory.remove(0);
        }
        memory.push((from, message.clone()));
        if let Message::Ask(body) = message {
            self.replicas[usize::from(replica)].loot.push(body.clone());
            self.abuse(replica, body);
            if !self.is_healed && self.chance.happens(200) {
                self.forge_in_store(body);
            }
        }
        // What was asked long ago may still be of use. Tried now and then, and not on every answer: each try has answers.
        if matches!(message, Message::Beat) && self.chance.happens(300) {
            let old = self.chance.pick(&self.replicas[usize::from(replica)].loot).cloned();
            self.abuse(replica, &old.unwrap_or_default());
        }
        // What it has carried for others it carries elsewhere, too.
        if let (Message::Mail(mail), true) = (message, self.chance.happens(400)) {
            self.saw(Kind::MailMisled);
            let everybody: Vec<Party> = self.frame.threshold.parties().collect();
            for party in everybody {
                let mail = SessionMail { to: None, ..mail.clone() };
                self.send(Address::Coordinator(replica), Address::Node(party), Message::Mail(mail));
            }
        }
    }

    /// Whoever has a replica can write to the store that all of them share.
    fn forge_in_store(&mut self, body: &[u8]) {
        let Ok(mut signed) = SignedRequest::decode(body) else { return };
        self.saw(Kind::StoreForged);
        let ends = self.chance.happens(300);
        if !ends {
            self.chance.fill_bytes(&mut signed.request.nonce);
        }
        let body = signed.encode().to_vec();
        let Ok((id, _)) = SignedRequest::read_from::<B>(&body) else { return };
        let (Ok(thief), Ok(ttl)) = (Name::new("thief"), Ttl::new(1)) else { return };
        let admitted = self.store.admit(*id.0.as_bytes(), &body, &thief, ttl, Millis(self.now));
        if let (Ok(Admission::Fresh { fence }), true) = (admitted, ends) {
            let (signature, released) = (vec![7; 64], Vec::new());
            let session = SessionId::new([7; 16]);
            let outcome = Outcome::Signed { signature, session, released }.encode();
            // Nobody has ended it before, as it is fresh.
            let _ = self.store.finish(*id.0.as_bytes(), fence, &outcome);
        }
    }

    /// A request in the wrong hands.
    fn abuse(&mut self, replica: u16, body: &[u8]) {
        let Ok(mut signed) = SignedRequest::decode(body) else { return };
        match (self.chance.below(6), &mut signed.form) {
            (0..2, Form::Http(http)) => {
                let at = self.chance.below(http.body.len() as u64) as usize;
                if let Some(byte) = http.body.get_mut(at) {
                    *byte ^= 1 << self.chance.below(7);
                }
            }
            (2, Form::Http(http)) => http.input = http.input.replacen("nonce=\"", "nonce=\"f", 1),
            (_, Form::Http(_)) => {}
            (0, Form::Name) => {
                if let Ask::Sign { what: ToSign { payload, .. }, .. } = &mut signed.request.ask {
                    *payload = Arc::new(super::clients::message(vec![1, 0xee, 0xee]));
                }
            }
            (1, Form::Name) => signed.request.expires = signed.request.expires.plus(60_000),
            (2, Form::Name) => self.chance.fill_bytes(&mut signed.request.nonce),
            (_, Form::Name) => {}
        }
        self.saw(Kind::RequestAbused);
        let request = signed.encode().to_vec();
        let retires = matches!(signed.request.ask, Ask::Retire { .. });
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
        // Now and then presignatures, for whatever key there is.
        let keys: Vec<_> = self.watch.keys().map(|key| B::describe(key).digest).collect();
        let key = self.chance.pick(&keys).copied().filter(|_| self.chance.happens(50));
        let setup = B::digest("keymoot/invented/v1", &name);
        for signer in signers.clone() {
            let signing =
                What::Sign { request: request.clone(), signers: signers.clone(), presignature: None };
            let presigning = |key| What::Presign { key, signers: signers.clone(), setup, size: 4 };
            let retiring = What::Retire { request: request.clone() };
            let asked = if retires { retiring } else { signing };
            let what = key.map_or(asked, presigning);
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
            (0, Message::Mail(_)) => {
                // An old invitation again: whoever has begun anew since may have forgotten it.
                self.saw(Kind::InviteRepeated);
                let old = self.chance.pick(&self.replicas[usize::from(replica)].sent).cloned();
                if let Some((to, invite)) = old {
                    self.send(from, to, invite);
                }
            }
            (0, _) => self.saw(Kind::Withheld),
            (1, message) => {
                self.saw(Kind::Replayed);
                let memory = &self.replicas[usize::from(replica)].memory;
                let old = self.chance.pick(memory).map(|(_, old)| old.clone());
                self.send(from, to, old.unwrap_or(message));
            }
            (2, Message::Invite(mut invite)) => {
                self.saw(Kind::InviteTwisted);
                self.twist(&mut invite);
                self.send(from, to, Message::Invite(invite));
            }
            (3, Message::Invite(invite)) => {
                // The same invitation to everybody, and again under another name.
                self.saw(Kind::InviteDoubled);
                let mut again = invite.clone();
                let mut name = [0; 16];
                self.chance.fill_bytes(&mut name);
                again.session = SessionId::new(name);
                self.send(from, to, Message::Invite(invite));
                self.send(from, to, Message::Invite(again));
            }
            (4, Message::Mail(mail)) => {
                self.saw(Kind::MailMisled);
                let other = Address::Node(self.any_party());
                self.send(from, other, Message::Mail(mail));
            }
            (_, Message::Answer(id, _)) => {
                self.saw(Kind::AnswerFalse);
                let lie = Outcome::Failed("because".to_owned());
                self.send(from, to, Message::Answer(id, Answer::Final(lie)));
            }
            (_, message) => self.send(from, to, message),
        }
    }

    fn twist(&mut self, invite: &mut Invite) {
        match &mut invite.what {
            What::Sign { request, signers, presignature } => match self.chance.below(4) {
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
                2 => invite.what = What::Keygen { request: std::mem::take(request), attempt: 0 },
                _ => *presignature = None,
            },
            What::Retire { request } => {
                let at = self.chance.below(request.len() as u64) as usize;
                if let Some(byte) = request.get_mut(at) {
                    *byte ^= 1 << self.chance.below(8);
                }
            }
            What::Keygen { attempt, .. } => *attempt += 1,
            What::Moduli => invite.what = What::Setup { members: vec![self.any_party()] },
            What::Setup { members } => drop(members.pop()),
            What::Presign { size, .. } if self.chance.happens(500) => *size = size.wrapping_mul(7),
            What::Presign { setup, .. } if self.chance.happens(500) => {
                *setup = B::digest("keymoot/invented/v1", setup.as_bytes());
            }
            What::Presign { key, .. } => {
                let keys: Vec<_> = self.watch.keys().map(|key| B::describe(key).digest).collect();
                *key = self.chance.pick(&keys).copied().unwrap_or(*key);
            }
        }
    }
}
