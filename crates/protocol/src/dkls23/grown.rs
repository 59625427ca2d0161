//! Randomness that grows from a seed drawn earlier: a machine is handed chance only when it starts.

use rand_core::{CryptoRng, RngCore};

use crate::transcript::oblivious::Stream;

/// The stream of one secret seed, as a source of randomness. Each seed is grown once, for one purpose.
pub(super) struct Grown {
    stream: Stream,
    next: u64,
}

impl Grown {
    pub(super) fn from(seed: &[u8; 32]) -> Self {
        Self { stream: Stream::new(seed), next: 0 }
    }
}

impl RngCore for Grown {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        for part in out.chunks_mut(64) {
            let mut words = zeroize::Zeroizing::new([0u128; 4]);
            let Some(words) = words.get_mut(..part.len().div_ceil(16)) else { return };
            self.stream.fill(self.next, words);
            self.next = self.next.saturating_add(words.len() as u64);
            for (part, word) in part.chunks_mut(16).zip(words) {
                part.iter_mut().zip(word.to_le_bytes()).for_each(|(out, byte)| *out = byte);
            }
        }
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for Grown {}
