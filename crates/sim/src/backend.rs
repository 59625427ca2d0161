//! What a world needs of its cryptography beside the engine's view of it.

mod elsewhere;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use keymoot_engine::crypto::Crypto;
use keymoot_engine::real::{Key, Real};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::dkls23::Payload;
use keymoot_protocol::envelope::{Envelope, Kind};
use keymoot_protocol::gg20::Suite;
use keymoot_protocol::gg20::auxiliary::Signed;
use keymoot_protocol::identity::{IdentityKey, IdentityPublic};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, Path};

use crate::chance::Chance;
use crate::model::{CANARY, Mail, Model};

/// A signature share, as somebody who watches the wire can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// The nonce or presignature that it uses.
    pub used: u64,
    /// The digest that it signs.
    pub digest: u64,
    /// The session's own name.
    pub ssid: u64,
}

/// Cryptography that a world can be built on.
pub trait Backend: Crypto + Clone {
    /// Whether it makes moduli in no time.
    fn has_moduli() -> bool;
    /// Somebody's identity, grown from a number.
    fn person(number: u64) -> Self;
    /// The signature share in a piece of mail, where it can be read.
    fn released(mail: &[u8]) -> Option<Released>;
    /// The count of uses in the first word of presigning, where it can be read.
    fn counted(mail: &[u8]) -> Option<u64>;
    /// For mail of a session about moduli: whether it is a signature, and whether on one of these tables.
    fn signs_one_of(mail: &[u8], by: &IdentityPublic, tables: &BTreeSet<Hash>) -> Option<bool>;
    /// The primes, each as a word, that a session for moduli begins with, where they can be read.
    fn primes(mail: &[u8]) -> Option<Vec<u64>>;
    /// The digest as [`Released`] has it.
    fn digest_word(digest: &[u8]) -> u64;
    /// Whether a secret is in these bytes, where it can be seen.
    fn holds_a_secret(bytes: &[u8]) -> bool;
    /// The mail with something changed in it, signed again by its author.
    fn lie(&self, mail: &[u8], chance: &mut Chance) -> Vec<u8>;
    /// The mail with a check in it that depends on others' secrets spoilt, signed again; `None` where there is none to be seen.
    fn spoil(&self, mail: &[u8]) -> Option<Vec<u8>>;
    /// Whether another implementation takes the signature for good.
    fn is_good_elsewhere(key: &Self::Key, path: &Path, payload: &Payload, signature: &[u8]) -> bool;
}

/// Identities take real keys to make; worlds of the model share a few.
fn identities() -> &'static [IdentityPublic] {
    static ALL: OnceLock<Vec<IdentityPublic>> = OnceLock::new();
    ALL.get_or_init(|| (0..32).map(|number| real_identity(number).public()).collect())
}

fn real_identity(number: u64) -> IdentityKey {
    let mut seed = [0x77; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    IdentityKey::from_seed(seed)
}

impl Backend for Model {
    fn has_moduli() -> bool {
        true
    }

    fn person(number: u64) -> Self {
        let all = identities();
        Self { identity: all[(number as usize) % all.len()] }
    }

    fn released(mail: &[u8]) -> Option<Released> {
        let mail = Mail::decode(mail)?;
        match (mail.said.kind, mail.round, mail.said.words.as_slice()) {
            (4, 1, [_, digest, used, ..]) => Some(Released { used: *used, digest: *digest, ssid: mail.ssid }),
            _ => None,
        }
    }

    fn counted(mail: &[u8]) -> Option<u64> {
        let mail = Mail::decode(mail)?;
        match (mail.said.kind, mail.round, mail.said.words.as_slice()) {
            (3, 0, [_, count, ..]) => Some(*count),
            _ => None,
        }
    }

    fn signs_one_of(mail: &[u8], _: &IdentityPublic, tables: &BTreeSet<Hash>) -> Option<bool> {
        let table = Mail::decode(mail)?.signs_table()?;
        Some(tables.contains(&crate::model::widen(table)))
    }

    fn primes(mail: &[u8]) -> Option<Vec<u64>> {
        let mail = Mail::decode(mail)?;
        match (mail.said.kind, mail.round, mail.said.words.as_slice()) {
            (5, 0, [_, primes @ ..]) => Some(primes.to_vec()),
            _ => None,
        }
    }

    fn digest_word(digest: &[u8]) -> u64 {
        crate::model::mix_bytes(digest)
    }

    fn holds_a_secret(bytes: &[u8]) -> bool {
        let canary = CANARY.to_le_bytes();
        bytes.windows(8).any(|window| window == canary)
    }

    fn lie(&self, mail: &[u8], chance: &mut Chance) -> Vec<u8> {
        let Some(mut lie) = Mail::decode(mail) else { return mail.to_vec() };
        let place = chance.below(lie.said.words.len() as u64) as usize;
        match (chance.below(4), lie.said.words.get_mut(place)) {
            (0, _) => lie.round = lie.round.wrapping_add(1),
            (1, _) => lie.ssid ^= 1,
            (_, Some(word)) => *word ^= 1 << chance.below(64),
            (_, None) => lie.said.words.push(chance.below(9)),
        }
        lie.sign(&self.identity).encode()
    }

    fn spoil(&self, mail: &[u8]) -> Option<Vec<u8>> {
        let mut mail = Mail::decode(mail).filter(Mail::has_a_check)?;
        *mail.said.words.first_mut()? ^= 1;
        Some(mail.sign(&self.identity).encode())
    }

    fn is_good_elsewhere(key: &Self::Key, path: &Path, payload: &Payload, signature: &[u8]) -> bool {
        Self::is_exact_signature(key, path, payload, signature)
    }
}

/// A member's place in an array.
#[must_use]
pub fn place(party: Party) -> usize {
    usize::from(party.index()).saturating_sub(1)
}

impl Backend for Real {
    /// Only with those that anybody could factor. Builds that are shipped have no such moduli.
    fn has_moduli() -> bool {
        Suite::ALL.len() > 1
    }

    fn person(number: u64) -> Self {
        static ALL: OnceLock<Vec<Arc<IdentityKey>>> = OnceLock::new();
        let all = ALL.get_or_init(|| (0..32).map(|number| Arc::new(real_identity(number))).collect());
        let suite = Suite::ALL.last().copied().unwrap_or(Suite::Full);
        Self::new(Arc::clone(&all[(number as usize) % all.len()])).with(suite)
    }

    fn released(_: &[u8]) -> Option<Released> {
        None
    }

    fn counted(_: &[u8]) -> Option<u64> {
        None
    }

    fn signs_one_of(mail: &[u8], by: &IdentityPublic, tables: &BTreeSet<Hash>) -> Option<bool> {
        let envelope = Envelope::decode(mail).ok().filter(|envelope| envelope.header.kind == Kind::Body)?;
        let Signed(signature) = Signed::decode(envelope.body()).ok()?;
        Some(tables.iter().any(|table| by.verifies(table, &signature)))
    }

    fn primes(_: &[u8]) -> Option<Vec<u64>> {
        None
    }

    fn digest_word(digest: &[u8]) -> u64 {
        crate::model::mix_bytes(digest)
    }

    fn holds_a_secret(_: &[u8]) -> bool {
        false
    }

    fn lie(&self, mail: &[u8], chance: &mut Chance) -> Vec<u8> {
        let Ok(envelope) = Envelope::decode(mail) else { return mail.to_vec() };
        let (mut header, mut body) = (envelope.header, envelope.body().to_vec());
        let place = chance.below(body.len() as u64) as usize;
        match (chance.below(4), body.get_mut(place)) {
            (0, _) => header.round = header.round.wrapping_add(1),
            (1, _) => header.to = None,
            (_, Some(byte)) => *byte ^= 1 << chance.below(8),
            (_, None) => body.push(7),
        }
        Envelope::sign(self.key(), header, body.into()).encode().to_vec()
    }

    fn spoil(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn is_good_elsewhere(key: &Key, path: &Path, payload: &Payload, signature: &[u8]) -> bool {
        elsewhere::verifies(key, path, payload, signature).unwrap_or(false)
    }
}
