//! One generation of a key, played to its end in advance: what a member draws depends on what it hears and on nothing
//! else, so that all that can ever be said in a generation is known.

use std::sync::Arc;

use keymoot_engine::crypto::{Crypto, Next, Product, Progress, Task};
use keymoot_engine::message::{Invite, Message, SessionMail, What};
use keymoot_engine::request::{Ask, SignedRequest, key_of_attempt};
use keymoot_sim::model::{Mail, Model};
use keymoot_types::{Scheme, SessionId};

use super::desk::{Bytes, party};
use super::life::{Lives, Op};

/// The honest members: parties 1 and 2. Party 3 is not.
pub const HONEST: usize = 2;

/// The round in which members put their names to a key.
pub const READY: u8 = 3;

/// All that is said in a generation.
pub struct Script {
    pub session: SessionId,
    pub invite: u16,
    /// What each honest member says first.
    pub hello: [u16; HONEST],
    /// What each hears from its invitation on, but for the last word before its signature.
    pub drive: [Vec<u16>; HONEST],
    /// What each says before its signature: the last word that the other waits for.
    pub last: [u16; HONEST],
    /// The honest signatures.
    pub ready: [u16; HONEST],
    /// What the third member may say then: the right signature, and another.
    pub lies: [u16; 2],
    /// The package with all signatures.
    pub package: Bytes,
}

/// The protocol mail in a message.
pub fn read(message: &Message) -> Option<Mail> {
    match message {
        Message::Mail(mail) => Mail::decode(&mail.bytes),
        _ => None,
    }
}

/// The third member as far as it keeps to the protocol: it needs no disk, and nobody can make it crash.
struct Third {
    session: SessionId,
    run: Option<<Model as Crypto>::Run>,
    package: Option<Bytes>,
    word: Option<Message>,
}

impl Third {
    fn take(&mut self, progress: Progress<Model>) {
        match progress.next {
            Next::Wait(run) => self.run = Some(run),
            Next::Done(Product::Share(share)) => {
                self.package = Some(Model::encode_key(&Model::key_of(&share)));
            }
            Next::Done(_) | Next::Dead(_) => panic!("the generation of a key ends with a key"),
        }
        for one in progress.mail {
            let mail = SessionMail { session: self.session, to: None, bytes: one.bytes, released: None };
            self.word = Some(Message::Mail(mail));
        }
    }

    fn hear(&mut self, message: &Message) {
        let Message::Mail(mail) = message else { panic!("members say nothing but mail") };
        let run = self.run.take().expect("the generation goes on");
        self.take(Model::deliver(run, &mail.bytes));
    }

    fn word(&self) -> Message {
        self.word.clone().expect("the third member speaks")
    }

    /// What it says, and something else in its place.
    fn lie(&self, lives: &Lives) -> Message {
        let Message::Mail(mut mail) = self.word() else { panic!("members say nothing but mail") };
        let mut said = Mail::decode(&mail.bytes).expect("mail of the model");
        said.said.words[0] ^= 1;
        mail.bytes = said.sign(&lives.cast.identity(party(3))).encode();
        Message::Mail(mail)
    }
}

impl Script {
    /// Plays the generation of the key of this attempt in this session.
    pub fn new(lives: &mut Lives, session: SessionId, attempt: u16) -> Self {
        let request = lives.cast.request(Ask::Key(Scheme::Dkls23));
        let (id, _) = SignedRequest::read_from::<Model>(&request).expect("a request");
        let key = key_of_attempt::<Model>(id, attempt);
        let (committee, identity) = (Arc::clone(&lives.cast.committee), lives.cast.identity(party(3)));
        let task = Task::Keygen { session, committee, key, scheme: Scheme::Dkls23, me: party(3) };
        let begun = Model { identity }.begin(task, &[3; 32]).expect("the third member fits");
        let mut third = Third { session, run: None, package: None, word: None };
        third.take(begun);

        let invite =
            lives.word(&Message::Invite(Invite { session, what: What::Keygen { request, attempt } }));
        let mut nodes = [1, 2].map(|index| lives.begin(party(index), Vec::new(), Vec::new()));
        let hello = [0, 1].map(|who| speak(lives, &mut nodes[who], &[invite]));
        let (mut words, mut last) = (hello, hello);
        let mut drive = [Vec::new(), Vec::new()];
        for _ in 0..READY {
            let word = third.word();
            let strange = lives.word(&word);
            words.iter().for_each(|word| third.hear(lives.message(*word)));
            last = words;
            words = [0, 1].map(|who| speak(lives, &mut nodes[who], &[strange, last[1 - who]]));
            (0..HONEST).for_each(|who| drive[who].extend([strange, last[1 - who]]));
        }
        drive.iter_mut().for_each(|words| words.truncate(words.len() - 1));
        let lies = [third.word(), third.lie(lives)];
        let lies = lies.map(|lie| lives.word(&lie));
        words.iter().for_each(|word| third.hear(lives.message(*word)));
        let package = third.package.expect("the generation of a key ends with a key");
        Self { session, invite, hello, drive, last, ready: words, lies, package }
    }
}

/// What a node says at the end of these, each durable before the next.
fn speak(lives: &mut Lives, node: &mut u32, words: &[u16]) -> u16 {
    let mut said = None;
    for op in words.iter().flat_map(|word| [Op::Hear(*word), Op::Write]) {
        let (next, words) = lives.after(*node, op);
        *node = next;
        said = words.first().copied().or(said);
    }
    said.expect("an answer")
}
