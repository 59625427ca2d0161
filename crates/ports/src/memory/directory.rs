//! A directory in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::lock;
use crate::directory::{Directory, Entry, PAGE_MAX, admit};
use crate::{Answer, Fault, Name};

/// The most documents of one kind a twin keeps.
pub const DOCUMENTS_MAX: usize = 1 << 20;

/// Documents in maps. Clones are the same directory.
#[derive(Clone, Default)]
pub struct Twin(Arc<Mutex<BTreeMap<Name, Shelf>>>);

/// All documents of one kind.
#[derive(Default)]
struct Shelf {
    entries: BTreeMap<String, Entry>,
    /// From old to new.
    places: BTreeSet<(u64, String)>,
    labels: BTreeMap<String, BTreeSet<(u64, String)>>,
}

impl Shelf {
    fn put(&mut self, entry: &Entry) -> Result<(), Fault> {
        admit(entry)?;
        if self.entries.len() >= DOCUMENTS_MAX && !self.entries.contains_key(&entry.id) {
            return Err(Fault::Full);
        }
        if let Some(before) = self.entries.insert(entry.id.clone(), entry.clone()) {
            let place = (before.order, before.id);
            self.places.remove(&place);
            if let Some(label) = before.label
                && let Some(places) = self.labels.get_mut(&label)
            {
                places.remove(&place);
                if places.is_empty() {
                    self.labels.remove(&label);
                }
            }
        }
        let place = (entry.order, entry.id.clone());
        if let Some(label) = &entry.label {
            self.labels.entry(label.clone()).or_default().insert(place.clone());
        }
        self.places.insert(place);
        Ok(())
    }

    fn list(&self, before: Option<(u64, &str)>, limit: usize) -> Vec<Entry> {
        let limit = limit.min(PAGE_MAX);
        let ids = |place: &(u64, String)| self.entries.get(&place.1).cloned();
        match before {
            Some((order, id)) => {
                self.places.range(..(order, id.to_owned())).rev().filter_map(ids).take(limit).collect()
            }
            None => self.places.iter().rev().filter_map(ids).take(limit).collect(),
        }
    }

    fn find(&self, label: &str) -> Vec<String> {
        let places = self.labels.get(label).into_iter().flatten().rev();
        places.take(PAGE_MAX).map(|(_, id)| id.clone()).collect()
    }
}

impl Directory for Twin {
    fn put<'a>(&'a self, kind: &'a Name, entry: &'a Entry) -> Answer<'a, ()> {
        Box::pin(async move { lock(&self.0).entry(kind.clone()).or_default().put(entry) })
    }

    fn get<'a>(&'a self, kind: &'a Name, id: &'a str) -> Answer<'a, Option<Entry>> {
        Box::pin(async move { Ok(lock(&self.0).get(kind).and_then(|shelf| shelf.entries.get(id).cloned())) })
    }

    fn list<'a>(
        &'a self,
        kind: &'a Name,
        before: Option<(u64, &'a str)>,
        limit: usize,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            Ok(lock(&self.0).get(kind).map(|shelf| shelf.list(before, limit)).unwrap_or_default())
        })
    }

    fn find<'a>(&'a self, kind: &'a Name, label: &'a str) -> Answer<'a, Vec<String>> {
        Box::pin(
            async move { Ok(lock(&self.0).get(kind).map(|shelf| shelf.find(label)).unwrap_or_default()) },
        )
    }
}
