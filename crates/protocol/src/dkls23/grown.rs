//! Randomness that grows from a seed drawn earlier: a machine is handed chance only when it starts.

use rand_core::{CryptoRng, RngCore};

use crate::transcript::oblivious::Growth;

/// What one secret seed grows into, as a source of randomness. Each seed is grown once for each purpose.
pub(crate) struct Grown(Growth);

impl Grown {
    pub(crate) fn new(seed: &[u8; 32], purpose: &'static str) -> Self {
        Self(Growth::new(seed, purpose))
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
        self.0.fill(out);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for Grown {}

#[cfg(test)]
mod tests {
    use rand_core::RngCore;

    use super::Grown;

    fn grown(seed: [u8; 32], purpose: &'static str) -> [u8; 64] {
        let mut out = [0; 64];
        Grown::new(&seed, purpose).fill_bytes(&mut out);
        out
    }

    #[test]
    fn every_bit_of_the_seed_and_the_purpose_count() {
        let mut all = std::collections::BTreeSet::from([grown([0; 32], "one"), grown([0; 32], "two")]);
        for bit in 0..256 {
            let mut seed = [0; 32];
            seed[bit / 8] ^= 1 << (bit % 8);
            assert!(all.insert(grown(seed, "one")), "bit {bit} changes nothing");
        }
    }

    #[test]
    fn requests_take_what_follows() {
        let (whole, mut parts) = (grown([7; 32], "one"), Grown::new(&[7; 32], "one"));
        let mut pieces = Vec::new();
        pieces.extend(parts.next_u32().to_le_bytes());
        pieces.extend(parts.next_u64().to_le_bytes());
        let mut rest = [0; 52];
        parts.fill_bytes(&mut rest);
        assert_eq!([&*pieces, &rest].concat(), whole);
    }
}
