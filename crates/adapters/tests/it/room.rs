//! Rooms for exams on real files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keymoot_adapters::EmbeddedStore;
use keymoot_ports::conformance::Room;
use keymoot_ports::memory::clock::HandClock;
use keymoot_ports::{Clock, Ttl};
use keymoot_types::Millis;
use tempfile::TempDir;

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(HandClock::default())
}

pub fn ttl() -> Ttl {
    Ttl::new(1000).unwrap()
}

pub async fn must_open(path: &Path, clock: Arc<dyn Clock>) -> EmbeddedStore {
    EmbeddedStore::open(path, clock).await.unwrap()
}

/// Folders that live as long as the exam: a port that was dropped may be closing its file still.
pub struct Folders {
    all: Vec<TempDir>,
    file: &'static str,
}

impl Folders {
    pub const fn new(file: &'static str) -> Self {
        Self { all: Vec::new(), file }
    }

    pub fn fresh(&mut self) -> PathBuf {
        self.all.push(tempfile::tempdir().unwrap());
        self.path()
    }

    pub fn path(&self) -> PathBuf {
        self.all.last().unwrap().path().join(self.file)
    }
}

/// A room for one port of the store.
pub struct StoreRoom<P: ?Sized> {
    clock: HandClock,
    folders: Folders,
    pick: fn(&EmbeddedStore) -> Arc<P>,
}

impl<P: ?Sized> StoreRoom<P> {
    pub fn new(pick: fn(&EmbeddedStore) -> Arc<P>) -> Self {
        Self { clock: HandClock::default(), folders: Folders::new("store.db"), pick }
    }

    async fn open(&self, path: &Path) -> Arc<P> {
        (self.pick)(&must_open(path, Arc::new(self.clock.clone())).await)
    }
}

impl<P: ?Sized> Room for StoreRoom<P> {
    type Port = P;

    async fn fresh(&mut self) -> Arc<P> {
        let path = self.folders.fresh();
        self.open(&path).await
    }

    async fn reopen(&mut self) -> Arc<P> {
        self.open(&self.folders.path()).await
    }

    async fn advance(&mut self, by: Millis) {
        self.clock.advance(by);
    }

    fn ttl(&self) -> Ttl {
        ttl()
    }
}

/// Numbers that look random, the same in every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}
