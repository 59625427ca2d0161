//! A disk in bad weather: it fills up, stops in the middle of a write, and forgets what it could not sync.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

use super::Medium;
use crate::lock;

/// Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Platter>>);

#[derive(Default)]
struct Platter {
    /// What can be read.
    seen: Vec<u8>,
    /// What a power cut leaves.
    durable: Vec<u8>,
    /// What the next sync makes durable.
    dirty: Vec<(usize, Vec<u8>)>,
    free: Option<usize>,
    disturbed: Option<usize>,
    syncs_fail: bool,
    syncs: usize,
}

impl Disk {
    /// From now on the disk takes so many bytes more; `None` lifts the bound.
    pub(crate) fn squeeze(&self, free: Option<usize>) {
        lock(&self.0).free = free;
    }

    /// The next write stops after `keep` bytes, and fails.
    pub(crate) fn disturb(&self, keep: usize) {
        lock(&self.0).disturbed = Some(keep);
    }

    /// The next sync fails, and what it should have written is never tried again.
    pub(crate) fn fail_a_sync(&self) {
        lock(&self.0).syncs_fail = true;
    }

    /// How often something was made durable.
    pub(crate) fn syncs(&self) -> usize {
        lock(&self.0).syncs
    }

    /// Flips one bit. There may be none.
    pub(crate) fn flip(&self, bit: usize) -> bool {
        let flip = |byte: &mut u8| *byte ^= 1 << (bit % 8);
        lock(&self.0).seen.get_mut(bit / 8).map(flip).is_some()
    }

    /// All that is not durable is gone.
    pub(crate) fn cut_power(&self) {
        let platter = &mut *lock(&self.0);
        platter.seen.clone_from(&platter.durable);
        platter.dirty.clear();
    }
}

impl Platter {
    fn put(&mut self, bytes: &[u8], at: usize) {
        self.seen.resize(self.seen.len().max(at + bytes.len()), 0);
        self.seen[at..at + bytes.len()].copy_from_slice(bytes);
        self.dirty.push((at, bytes.to_vec()));
    }
}

impl Medium for Disk {
    fn read_at(&self, space: &mut [u8], from: u64) -> io::Result<usize> {
        let platter = lock(&self.0);
        let rest = platter.seen.get(from as usize..).unwrap_or_default();
        // Short reads, as real disks make them.
        let count = rest.len().min(space.len()).min(1000);
        space[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&mut self, bytes: &[u8], from: u64) -> io::Result<()> {
        let platter = &mut *lock(&self.0);
        if let Some(keep) = platter.disturbed.take() {
            platter.put(&bytes[..keep.min(bytes.len())], from as usize);
            return Err(ErrorKind::Other.into());
        }
        if let Some(free) = &mut platter.free {
            let fits = bytes.len().min(*free);
            *free -= fits;
            if fits < bytes.len() {
                platter.put(&bytes[..fits], from as usize);
                return Err(ErrorKind::StorageFull.into());
            }
        }
        platter.put(bytes, from as usize);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let platter = &mut *lock(&self.0);
        let dirty = std::mem::take(&mut platter.dirty);
        if std::mem::take(&mut platter.syncs_fail) {
            return Err(ErrorKind::Other.into());
        }
        platter.syncs += 1;
        platter.durable.resize(platter.seen.len(), 0);
        for (at, bytes) in dirty {
            let end = platter.durable.len().min(at + bytes.len());
            if at < end {
                platter.durable[at..end].copy_from_slice(&bytes[..end - at]);
            }
        }
        Ok(())
    }

    fn cut(&mut self, byte: u64) -> io::Result<()> {
        let platter = &mut *lock(&self.0);
        let freed = platter.seen.len().saturating_sub(byte as usize);
        platter.seen.truncate(byte as usize);
        platter.free = platter.free.map(|free| free + freed);
        Ok(())
    }
}
