//! What people look up, in the directory: requests as they were admitted, keys, and how requests ended. The book decides
//! nothing; what counts is in the sessions' store.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use keymoot_engine::outcome::Outcome;
use keymoot_engine::real::Real;
use keymoot_engine::request::{Ask, Form, RequestId, SignedRequest};
use keymoot_engine::words::{Committee, Wire};
use keymoot_ports::directory::{Entry, PAGE_MAX};
use keymoot_ports::{Directory, Fault, Name};
use keymoot_types::KeyId;
use serde::{Deserialize, Serialize};

use crate::record::KeyRecord;

/// Keys that are kept in memory. Others are read again.
const KEYS_MAX: usize = 4096;

/// Endings that are kept in memory.
const ENDINGS_MAX: usize = 1024;

/// How a request ended, beside its outcome.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ending {
    pub(crate) finished_ms: u64,
    /// Sessions that were begun for it by the replica that finished it.
    pub(crate) attempts: u32,
    /// Names of nodes that broke the protocol.
    pub(crate) culprits: Vec<String>,
}

/// The kinds of documents.
struct Kinds {
    request: Name,
    /// Requests for keys once more, so that they are found among all the others.
    keygen: Name,
    key: Name,
    ending: Name,
}

/// The book.
pub(crate) struct Book {
    directory: Arc<dyn Directory>,
    committee: Arc<Committee>,
    kinds: Kinds,
    keys: Mutex<BTreeMap<KeyId, Arc<KeyRecord>>>,
    /// The latest endings, which may not be written down yet.
    endings: Mutex<VecDeque<(RequestId, Ending)>>,
}

/// A page of documents, and where the next one begins.
pub(crate) struct Found<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<(u64, String)>,
}

impl Book {
    pub(crate) fn new(directory: Arc<dyn Directory>, committee: Arc<Committee>) -> Option<Self> {
        let [request, keygen, key, ending] =
            ["request", "keygen", "key", "ending"].map(|kind| Name::new(kind).ok());
        let kinds = Kinds { request: request?, keygen: keygen?, key: key?, ending: ending? };
        Some(Self { directory, committee, kinds, keys: Mutex::default(), endings: Mutex::default() })
    }

    /// Writes a request down, as it was admitted.
    pub(crate) async fn note(&self, id: RequestId, body: &[u8]) -> Result<(), Fault> {
        let read = SignedRequest::read_from::<Real>(body);
        let (_, signed) = read.map_err(|_| Fault::Refused("an admitted request cannot be read"))?;
        let order = signed.request.created.0;
        let entry = Entry { id: id.to_string(), order, label: None, bytes: body.into() };
        if matches!(signed.request.ask, Ask::Key(_)) {
            self.directory.put(&self.kinds.keygen, &entry).await?;
        }
        self.directory.put(&self.kinds.request, &entry).await
    }

    /// Bodies of requests for keys, newest first.
    pub(crate) async fn keygens(
        &self,
        before: Option<(u64, &str)>,
        limit: usize,
    ) -> Result<Found<(String, Vec<u8>)>, Fault> {
        let found = self.page(&self.kinds.keygen, before, limit).await?;
        let items = found.items.into_iter().map(|entry| (entry.id, entry.bytes.to_vec())).collect();
        Ok(Found { items, next: found.next })
    }

    /// The body of a request that was admitted.
    pub(crate) async fn body(&self, id: RequestId) -> Result<Option<Vec<u8>>, Fault> {
        let entry = self.directory.get(&self.kinds.request, &id.to_string()).await?;
        Ok(entry.map(|entry| entry.bytes.to_vec()))
    }

    /// Bodies of requests, newest first.
    pub(crate) async fn bodies(
        &self,
        before: Option<(u64, &str)>,
        limit: usize,
    ) -> Result<Found<(String, Vec<u8>)>, Fault> {
        let found = self.page(&self.kinds.request, before, limit).await?;
        let items = found.items.into_iter().map(|entry| (entry.id, entry.bytes.to_vec())).collect();
        Ok(Found { items, next: found.next })
    }

    /// Writes down what a settled outcome leaves to be looked up: a key.
    pub(crate) async fn settled(&self, id: RequestId, outcome: &[u8]) -> Result<(), Fault> {
        let outcome = match Outcome::decode(outcome) {
            Ok(outcome @ (Outcome::Key(_) | Outcome::Retired { .. })) => outcome,
            _ => return Ok(()),
        };
        let Some(body) = self.body(id).await? else { return Ok(()) };
        match outcome {
            Outcome::Key(package) => self.note_key(id, &body, &package).await.map(drop),
            _ => self.note_retired(id, &body).await,
        }
    }

    /// Writes down that a key is retired.
    async fn note_retired(&self, id: RequestId, body: &[u8]) -> Result<(), Fault> {
        let Ok((_, signed)) = SignedRequest::read_from::<Real>(body) else { return Ok(()) };
        let Ask::Retire { key } = signed.request.ask else { return Ok(()) };
        let known = self.key(key).await?.filter(|key| key.retired.is_none());
        if let Some(retired) = known.and_then(|key| key.retired(id, &self.committee)) {
            self.put_key(retired).await?;
        }
        Ok(())
    }

    /// Writes a key down, unless it is there. `None` if it is no key of this committee.
    pub(crate) async fn note_key(
        &self,
        id: RequestId,
        body: &[u8],
        package: &[u8],
    ) -> Result<Option<Arc<KeyRecord>>, Fault> {
        let Ok((_, signed)) = SignedRequest::read_from::<Real>(body) else { return Ok(None) };
        let name = match &signed.form {
            Form::Http(http) => http.key_name().unwrap_or_default(),
            Form::Name => String::new(),
        };
        let Some(key) = KeyRecord::new(id, (&signed.request, name), package, &self.committee) else {
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
        Ok(self.remember(key))
    }

    fn remember(&self, key: KeyRecord) -> Arc<KeyRecord> {
        let key = Arc::new(key);
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS_MAX {
            keys.pop_first();
        }
        keys.insert(key.id, Arc::clone(&key));
        key
    }

    /// The key with this id.
    pub(crate) async fn key(&self, id: KeyId) -> Result<Option<Arc<KeyRecord>>, Fault> {
        let known = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let entry = self.directory.get(&self.kinds.key, &id.to_string()).await?;
        entry.map(|entry| self.read_key(&entry)).transpose()
    }

    fn read_key(&self, entry: &Entry) -> Result<Arc<KeyRecord>, Fault> {
        let key = KeyRecord::from_bytes(&entry.bytes, &self.committee);
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
        let items = found.items.iter().map(|entry| self.read_key(entry)).collect::<Result<_, _>>()?;
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

    /// Writes down how a request ended, beside its outcome.
    pub(crate) async fn note_ending(&self, id: RequestId, ending: &Ending) -> Result<(), Fault> {
        let bytes = serde_json::to_vec(ending).unwrap_or_default();
        let entry = Entry { id: id.to_string(), order: ending.finished_ms, label: None, bytes: bytes.into() };
        self.directory.put(&self.kinds.ending, &entry).await
    }

    /// Keeps in mind how a request ended, until that is written down.
    pub(crate) fn remember_ending(&self, id: RequestId, ending: &Ending) {
        let mut endings = self.endings.lock().unwrap_or_else(PoisonError::into_inner);
        if endings.len() >= ENDINGS_MAX {
            endings.pop_back();
        }
        endings.push_front((id, ending.clone()));
    }

    fn recent_ending(&self, id: RequestId) -> Option<Ending> {
        let endings = self.endings.lock().unwrap_or_else(PoisonError::into_inner);
        endings.iter().find(|(known, _)| *known == id).map(|(_, ending)| ending.clone())
    }

    /// How a request ended, if that was written down.
    pub(crate) async fn ending(&self, id: RequestId) -> Result<Option<Ending>, Fault> {
        if let Some(recent) = self.recent_ending(id) {
            return Ok(Some(recent));
        }
        let entry = self.directory.get(&self.kinds.ending, &id.to_string()).await?;
        Ok(entry.and_then(|entry| serde_json::from_slice(&entry.bytes).ok()))
    }
}
