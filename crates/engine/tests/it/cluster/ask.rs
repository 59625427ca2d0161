//! The client: asks, asks again, and hears the last word.

use std::sync::Arc;

use keymoot_chains::{Kind, Payload};
use keymoot_engine::crypto::{Crypto, Described};
use keymoot_engine::message::{Address, Answer, Invite, Message, What};
use keymoot_engine::outcome::{Outcome, release};
use keymoot_engine::real::{Key, Real};
use keymoot_engine::request::{Ask, ClientId, Request, RequestId, SignedRequest, ToSign};
use keymoot_protocol::codec::Wire;
use keymoot_types::{KeyId, Millis, Party, Path, Scheme, SessionId};

use super::{CLIENT, Cluster, DAWN};

pub fn payload(text: &str) -> Arc<Payload> {
    Arc::new(Payload::new(Kind::Message, text.as_bytes().to_vec()).expect("a message of a test"))
}

/// The name of an encoded request.
pub fn id_of(body: &[u8]) -> RequestId {
    SignedRequest::read_from::<Real>(body).expect("a request").0
}

fn request_of(body: &[u8]) -> Request {
    SignedRequest::read_from::<Real>(body).expect("a request").1.request
}

impl Cluster {
    /// A request that is valid for a minute, signed by the client.
    pub fn request(&mut self, ask: Ask) -> Vec<u8> {
        self.request_by(&self.client(), ask, 60_000)
    }

    pub fn client(&self) -> Real {
        Real::new(Arc::new(keymoot_protocol::identity::IdentityKey::from_seed([0xc1; 32])))
    }

    /// A request that is valid for so many milliseconds, signed by whoever that is.
    pub fn request_by(&mut self, client: &Real, ask: Ask, milliseconds: u64) -> Vec<u8> {
        self.count += 1;
        let created = Millis(DAWN + self.now);
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.count.to_le_bytes());
        let client_id = ClientId::of(&client.identity());
        let expires = created.plus(milliseconds);
        let request = Request { ask, client: client_id, created, expires, nonce };
        request.sign(client).encode().to_vec()
    }

    /// A request for a signature under a key itself.
    pub fn sign_request(&mut self, key: KeyId, text: &str) -> Vec<u8> {
        let ask = Ask::Sign { key, what: ToSign::new(Path::root(), payload(text)) };
        self.request(ask)
    }

    pub fn ask(&mut self, coordinator: u16, body: &[u8]) {
        self.say(CLIENT, Address::Coordinator(coordinator), Message::Ask(body.to_vec()));
    }

    /// The last word on a request: all coordinators are asked, every half second, for two minutes.
    pub fn outcome(&mut self, body: &[u8]) -> Outcome {
        let (id, since) = (id_of(body), self.answers.len());
        for _ in 0..240 {
            (0..2).for_each(|coordinator| self.ask(coordinator, body));
            self.run_for(500);
            let last = self.answers.iter().skip(since).find_map(|(_, of, answer)| match answer {
                Answer::Final(outcome) if *of == id => Some(outcome.clone()),
                _ => None,
            });
            if let Some(outcome) = last {
                return outcome;
            }
        }
        panic!("nobody hears how {id} ended");
    }

    /// A key of this scheme that all nodes hold.
    pub fn key(&mut self, scheme: Scheme) -> Described {
        let body = self.request(Ask::Key(scheme));
        let Outcome::Key(package) = self.outcome(&body) else { panic!("no key") };
        self.run_for(100);
        self.described(&package)
    }

    pub fn described(&self, package: &[u8]) -> Described {
        Real::describe(&Real::decode_key(package, &self.committee).expect("a certified key"))
    }

    fn public_key(&self, key: KeyId) -> Key {
        let mut all = self.seats.values().filter_map(|seat| seat.node.as_ref()).flat_map(|node| node.keys());
        all.find(|one| Real::describe(one).id == key).expect("somebody holds the key")
    }

    /// Asks for a signature and checks it, with its signers' words. Returns who signed, and in which session.
    pub fn must_sign(&mut self, body: &[u8]) -> (Vec<Party>, SessionId) {
        let outcome = self.outcome(body);
        self.check_signed(body, &outcome)
    }

    pub fn check_signed(&self, body: &[u8], outcome: &Outcome) -> (Vec<Party>, SessionId) {
        let Outcome::Signed { signature, session, released } = outcome else { panic!("{outcome:?}") };
        let Ask::Sign { key, what } = request_of(body).ask else { panic!("asks for no signature") };
        let public = self.public_key(key);
        let read = self.client().read(&public, &what).expect("it was signed");
        assert!(Real::is_signature(&public, &read.path, &read.payload, signature));
        let word = release::<Real>(id_of(body), *session);
        for (party, signature) in released {
            assert!(Real::verifies(&self.identities[party].public(), &word, signature), "{party} released");
        }
        assert_eq!(released.len(), 2, "every signer says that it released its share");
        (released.iter().map(|(party, _)| *party).collect(), *session)
    }

    /// Asks for a signature under a key, and returns who made it.
    pub fn sign(&mut self, key: KeyId, text: &str) -> Vec<Party> {
        let body = self.sign_request(key, text);
        self.must_sign(&body).0
    }

    /// The sessions that were called for a request, with those who were invited, in order.
    pub fn called(
        &self,
        body: &[u8],
    ) -> Vec<(SessionId, Vec<Party>, Option<keymoot_protocol::transcript::Hash>)> {
        let mut called: Vec<(SessionId, Vec<Party>, _)> = Vec::new();
        for post in &self.said {
            let Message::Invite(Invite { session, what: What::Sign { request, signers, presignature } }) =
                &post.message
            else {
                continue;
            };
            if request == body && !called.iter().any(|(of, ..)| of == session) {
                called.push((*session, signers.clone(), *presignature));
            }
        }
        called
    }
}
