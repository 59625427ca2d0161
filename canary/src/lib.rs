//! An allocator that looks for known secrets in every block it is handed back, and counts what is handed out.
//!
//! What is wiped before it is freed is not found. It sees the heap only: registers and stack are out of its reach.
//! This crate is the only one with `unsafe` code, and no other crate may depend on it (ADR 0012).

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// How many secrets can be looked for at once.
pub const CANARIES: usize = 16;

const WORDS: usize = 4;

static SOUGHT: [[AtomicU64; WORDS]; CANARIES] = [const { [const { AtomicU64::new(0) }; WORDS] }; CANARIES];
static FOUND: [AtomicUsize; CANARIES] = [const { AtomicUsize::new(0) }; CANARIES];
static COUNT: AtomicUsize = AtomicUsize::new(0);
static LOOKING: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, with a look at what comes back.
pub struct Scanner;

#[allow(
    unsafe_code,
    reason = "an allocator cannot be written without it; it only reads blocks that it is handed back"
)]
// SAFETY: memory comes from and goes to the system's allocator with the caller's own layout. Blocks are zeroed when
// handed out, so that reading all of a block that comes back reads initialised memory.
unsafe impl GlobalAlloc for Scanner {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::SeqCst).saturating_add(layout.size());
        PEAK.fetch_max(live, Ordering::SeqCst);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if LOOKING.load(Ordering::SeqCst) {
            look(unsafe { std::slice::from_raw_parts(block, layout.size()) });
        }
        LIVE.fetch_sub(layout.size(), Ordering::SeqCst);
        unsafe { System.dealloc(block, layout) }
    }
}

fn look(block: &[u8]) {
    for (sought, found) in SOUGHT.iter().zip(&FOUND).take(COUNT.load(Ordering::SeqCst)) {
        let mut secret = [0u8; WORDS * 8];
        for (bytes, word) in secret.chunks_exact_mut(8).zip(sought) {
            bytes.copy_from_slice(&word.load(Ordering::SeqCst).to_le_bytes());
        }
        if block.windows(secret.len()).any(|window| window == secret) {
            found.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Runs `work` and returns, for each of the secrets, how many blocks were freed with it inside.
pub fn freed_with(secrets: &[[u8; 32]], work: impl FnOnce()) -> Vec<usize> {
    assert!(secrets.len() <= CANARIES, "too many secrets at once");
    for (secret, (sought, found)) in secrets.iter().zip(SOUGHT.iter().zip(&FOUND)) {
        found.store(0, Ordering::SeqCst);
        for (bytes, word) in secret.chunks_exact(8).zip(sought) {
            word.store(u64::from_le_bytes(bytes.try_into().expect("chunks of eight")), Ordering::SeqCst);
        }
    }
    COUNT.store(secrets.len(), Ordering::SeqCst);
    LOOKING.store(true, Ordering::SeqCst);
    work();
    LOOKING.store(false, Ordering::SeqCst);
    FOUND.iter().take(secrets.len()).map(|found| found.load(Ordering::SeqCst)).collect()
}

/// Runs `work` and returns the most bytes that were handed out at one time, beyond those from before.
pub fn peak_of(work: impl FnOnce()) -> usize {
    let before = LIVE.load(Ordering::SeqCst);
    PEAK.store(before, Ordering::SeqCst);
    work();
    PEAK.load(Ordering::SeqCst).saturating_sub(before)
}
