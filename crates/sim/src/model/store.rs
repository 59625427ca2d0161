//! How the model's values look on disk and between processes.

use std::sync::Arc;

use keymoot_protocol::context::Committee;
use keymoot_types::{KeyId, Party, Scheme};
use zeroize::Zeroizing;

use super::{CANARY, Key, Public, Table};

/// Words in front of each other; nothing else.
#[derive(Default)]
struct Words(Vec<u8>);

impl Words {
    fn put(&mut self, word: u64) -> &mut Self {
        self.0.extend_from_slice(&word.to_le_bytes());
        self
    }
    fn parties(&mut self, parties: impl ExactSizeIterator<Item = Party>) -> &mut Self {
        self.put(parties.len() as u64);
        parties.for_each(|party| {
            self.put(u64::from(party.index()));
        });
        self
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn word(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }
    fn party(&mut self) -> Option<Party> {
        Party::new(u16::try_from(self.word()?).ok()?).ok()
    }
    fn many<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.word()?;
        if count > 4096 {
            return None;
        }
        (0..count).map(|_| read(self)).collect()
    }
    fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

pub(super) fn encode_key(key: &Key) -> Vec<u8> {
    let mut words = Words::default();
    let (low, high) = key.id.as_bytes().split_at(8);
    for half in [low, high] {
        words.0.extend_from_slice(half);
    }
    let scheme = Scheme::ALL.iter().position(|scheme| *scheme == key.scheme).unwrap_or_default();
    words.put(scheme as u64).put(key.public).put(key.view).put(key.certificate.len() as u64);
    key.certificate.iter().for_each(|signature| {
        words.put(*signature);
    });
    words.0
}

pub(super) fn decode_key(bytes: &[u8], committee: &Arc<Committee>) -> Option<Key> {
    let (id, rest) = bytes.split_first_chunk::<16>()?;
    let mut reader = Reader(rest);
    let scheme = *Scheme::ALL.get(usize::try_from(reader.word()?).ok()?)?;
    let (public, view) = (reader.word()?, reader.word()?);
    let certificate = reader.many(Reader::word)?;
    let committee = Arc::clone(committee);
    reader.end(Key { id: KeyId::new(*id), scheme, committee, public, view, certificate })
}

pub(super) fn encode_share(me: Party, key: &Key) -> Zeroizing<Vec<u8>> {
    let mut words = Words::default();
    words.put(CANARY).put(u64::from(me.index())).put(key.digest()).put(key.share_of(me));
    Zeroizing::new(words.0)
}

/// Primes in a table, sealed as a share is.
pub(super) fn encode_primes(me: Party, table: u64) -> Zeroizing<Vec<u8>> {
    let mut words = Words::default();
    words.put(CANARY).put(u64::from(me.index())).put(table).put(0);
    Zeroizing::new(words.0)
}

pub(super) fn encode_table(table: &Table) -> Vec<u8> {
    let mut words = Words::default();
    words.put(table.view).put(table.certificate.len() as u64);
    table.certificate.iter().for_each(|signature| {
        words.put(*signature);
    });
    words.0
}

pub(super) fn decode_table(bytes: &[u8], committee: &Arc<Committee>) -> Option<Table> {
    let mut reader = Reader(bytes);
    let (view, certificate) = (reader.word()?, reader.many(Reader::word)?);
    reader.end(Table { committee: Arc::clone(committee), view, certificate })
}

pub(super) fn decode_share(bytes: &[u8]) -> Option<(Party, u64, u64)> {
    let mut reader = Reader(bytes);
    reader.word().filter(|word| *word == CANARY)?;
    let (me, digest, secret) = (reader.party()?, reader.word()?, reader.word()?);
    reader.end((me, digest, secret))
}

pub(super) fn encode_public(public: &Public) -> Vec<u8> {
    let mut words = Words::default();
    let made = u64::from(public.has_moduli);
    words.put(public.id).put(public.key).put(made).parties(public.signers.iter().copied());
    words.0
}

fn read_public(reader: &mut Reader<'_>) -> Option<Public> {
    let (id, key, made) = (reader.word()?, reader.word()?, reader.word()?);
    let signers = reader.many(Reader::party)?;
    (made < 2).then_some(Public { id, key, signers, has_moduli: made == 1 })
}

pub(super) fn decode_public(bytes: &[u8]) -> Option<Public> {
    let mut reader = Reader(bytes);
    let public = read_public(&mut reader)?;
    reader.end(public)
}
