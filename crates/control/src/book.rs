//! What people look up, in the directory: keys, and which requests asked for one. The book decides nothing; what counts is
//! in the sessions' store, and requests are looked up there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keymoot_engine::outcome::Outcome;
use keymoot_engine::real::Real;
use keymoot_engine::request::{Ask, Form, RequestId};
use keymoot_engine::words::Committee;
use keymoot_ports::directory::{Entry, PAGE_MAX};
use keymoot_ports::{Bytes, Directory, Fault, Name};
use keymoot_types::KeyId;
use serde::{Deserialize, Serialize};

use crate::answers::Read;
use crate::latest::Latest;
use crate::record::KeyRecord;

/// Keys that are kept in memory. Others are read again.
const KEYS_MAX: usize = 4096;

/// Endings that are kept in memory.
const ENDINGS_MAX: usize = 1024;

/// How a request ended, beside its outcome. It is the last note that the store keeps of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ending {
    pub(crate) finished_ms: u64,
    /// Sessions that were begun for it by the replica that finished it.
    pub(crate) attempts: u32,
    /// Names of nodes that broke the protocol.
    pub(crate) culprits: Vec<String>,
}

impl Ending {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Numbers and names: there is nothing in it that JSON cannot hold.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What the note of a request says; nothing is known of one that ended without.
    pub(crate) fn from_bytes(note: &[u8]) -> Self {
        serde_json::from_slice(note).unwrap_or_default()
    }
}

/// The kinds of documents.
struct Kinds {
    /// The names of requests for keys, so that they are found among all the others.
    keygen: Name,
    key: Name,
}

/// The book.
pub(crate) struct Book {
    directory: Arc<dyn Directory>,
    committee: Arc<Committee>,
    crypto: Real,
    kinds: Kinds,
    keys: Mutex<Latest<KeyId, Arc<KeyRecord>>>,
    /// Those of this replica, so that nobody who has waited for one asks the store for it.
    endings: Mutex<Latest<RequestId, Ending>>,
}

/// A page of documents, and where the next one begins.
pub(crate) struct Found<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<(u64, String)>,
}

impl Book {
    pub(crate) fn new(
        directory: Arc<dyn Directory>,
        committee: Arc<Committee>,
        crypto: Real,
    ) -> Option<Self> {
        let [keygen, key] = ["keygen", "key"].map(|kind| Name::new(kind).ok());
        let kinds = Kinds { keygen: keygen?, key: key? };
        let endings = Mutex::new(Latest::new(ENDINGS_MAX));
        Some(Self { directory, committee, crypto, kinds, keys: Mutex::new(Latest::new(KEYS_MAX)), endings })
    }

    /// Writes down that a request for a key is about to be admitted. If it is not, nobody misses it.
    pub(crate) async fn note_keygen(&self, id: RequestId, created_ms: u64) -> Result<(), Fault> {
        let entry = Entry { id: id.to_string(), order: created_ms, label: None, bytes: Bytes::default() };
        self.directory.put(&self.kinds.keygen, &entry).await
    }

    /// The names of requests for keys, newest first.
    pub(crate) async fn keygens(
        &self,
        before: Option<(u64, &str)>,
        limit: usize,
    ) -> Result<Found<String>, Fault> {
        let found = self.page(&self.kinds.keygen, before, limit).await?;
        Ok(Found { items: found.items.into_iter().map(|entry| entry.id).collect(), next: found.next })
    }

    /// Writes down what an outcome leaves to be looked up: a key, or that one is retired. The outcome must have been proven.
    pub(crate) async fn settled(&self, read: &Read, outcome: &Outcome) -> Result<(), Fault> {
        match outcome {
            Outcome::Key(package) => self.note_key(read, package).await.map(drop),
            Outcome::Retired { .. } => self.note_retired(read).await,
            _ => Ok(()),
        }
    }

    /// Whether an outcome proves itself: whoever has stolen a replica can write to the store as well. `key` is the one that
    /// is to sign.
    pub(crate) fn is_proven(&self, read: &Read, outcome: &Outcome, key: Option<&KeyRecord>) -> bool {
        let key = key.map(|key| &key.key);
        outcome.is_proven(&self.crypto, (read.id, &read.signed.request), &self.committee, key)
    }

    /// Writes down that a key is retired.
    async fn note_retired(&self, read: &Read) -> Result<(), Fault> {
        let Ask::Retire { key } = read.signed.request.ask else { return Ok(()) };
        let known = self.key_now(key).await?.filter(|key| key.retired.is_none());
        if let Some(retired) = known.and_then(|key| key.retired(read.id, &self.committee)) {
            self.put_key(retired).await?;
        }
        Ok(())
    }

    /// Writes a key down, unless it is there. `None` if it is no key of this committee.
    pub(crate) async fn note_key(
        &self,
        read: &Read,
        package: &[u8],
    ) -> Result<Option<Arc<KeyRecord>>, Fault> {
        let name = match &read.signed.form {
            Form::Http(http) => http.key_name().unwrap_or_default(),
            Form::Name => String::new(),
        };
        let Some(key) = KeyRecord::new(read.id, (&read.signed.request, name), package, &self.committee)
        else {
            return Ok(None);
        };
        if let Some(known) = self.key(key.id).await? {
            return Ok(Some(known));
        }
        self.put_key(key).await.map(Some)
    }

    async fn put_key(&self, key: KeyRecord) -> Result<Arc<KeyRecord>, Fault> {
        let entry = Entry {
            id: key.id.to_string(),
            order: key.created_ms,
            label: (!key.name.is_empty()).then(|| key.name.clone()),
            bytes: key.to_bytes().into(),
        };
        self.directory.put(&self.kinds.key, &entry).await?;
        Ok(self.remember(Arc::new(key)))
    }

    fn known(&self, id: KeyId) -> Option<Arc<KeyRecord>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn remember(&self, key: Arc<KeyRecord>) -> Arc<KeyRecord> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id, Arc::clone(&key));
        key
    }

    /// The key with this id. That another replica has had it retired may not be known yet.
    pub(crate) async fn key(&self, id: KeyId) -> Result<Option<Arc<KeyRecord>>, Fault> {
        match self.known(id) {
            Some(known) => Ok(Some(known)),
            None => self.read(id).await,
        }
    }

    /// The key with this id, as it is now. What is retired stays so; until then it is read again.
    pub(crate) async fn key_now(&self, id: KeyId) -> Result<Option<Arc<KeyRecord>>, Fault> {
        match self.known(id).filter(|known| known.retired.is_some()) {
            Some(known) => Ok(Some(known)),
            None => self.read(id).await,
        }
    }

    async fn read(&self, id: KeyId) -> Result<Option<Arc<KeyRecord>>, Fault> {
        let entry = self.directory.get(&self.kinds.key, &id.to_string()).await?;
        match entry {
            Some(entry) => self.read_key(&entry).await.map(Some),
            None => Ok(None),
        }
    }

    /// One that was not known here is verified beside everything else: that costs.
    async fn read_key(&self, entry: &Entry) -> Result<Arc<KeyRecord>, Fault> {
        let known = entry.id.parse().ok().and_then(|id| self.known(id));
        let (is_known, bytes, committee) =
            (known.is_some(), Arc::clone(&entry.bytes), Arc::clone(&self.committee));
        let read = move || KeyRecord::from_bytes(&bytes, known, &committee);
        let key = if is_known {
            read()
        } else {
            tokio::task::spawn_blocking(read).await.map_err(|_| Fault::unavailable())?
        };
        let key = key.filter(|key| key.id.to_string() == entry.id);
        let key = key.ok_or(Fault::Corrupt { what: "the document of a key", cause: None })?;
        Ok(self.remember(key))
    }

    /// The ids of the keys of this name.
    pub(crate) async fn named(&self, name: &str) -> Result<Vec<KeyId>, Fault> {
        let ids = self.directory.find(&self.kinds.key, name).await?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Keys, newest first.
    pub(crate) async fn keys(
        &self,
        before: Option<(u64, &str)>,
        limit: usize,
    ) -> Result<Found<Arc<KeyRecord>>, Fault> {
        let found = self.page(&self.kinds.key, before, limit).await?;
        let mut items = Vec::new();
        for entry in &found.items {
            match self.read_key(entry).await {
                Ok(key) => items.push(key),
                // One bad document hides no other.
                Err(fault) => {
                    let error = &fault as &dyn std::error::Error;
                    tracing::error!(error, key = entry.id, "a key is left out of the list");
                }
            }
        }
        Ok(Found { items, next: found.next })
    }

    async fn page(
        &self,
        kind: &Name,
        before: Option<(u64, &str)>,
        limit: usize,
    ) -> Result<Found<Entry>, Fault> {
        let limit = limit.clamp(1, PAGE_MAX);
        let items = self.directory.list(kind, before, limit).await?;
        let is_full = items.len() >= limit;
        let next = items.last().filter(|_| is_full).map(|last| (last.order, last.id.clone()));
        Ok(Found { items, next })
    }

    fn endings(&self) -> MutexGuard<'_, Latest<RequestId, Ending>> {
        self.endings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps in mind how a request ended.
    pub(crate) fn remember_ending(&self, id: RequestId, ending: Ending) {
        self.endings().insert(id, ending);
    }

    /// How a request ended, if that is still in mind.
    pub(crate) fn recent_ending(&self, id: RequestId) -> Option<Ending> {
        self.endings().get(&id).cloned()
    }
}
