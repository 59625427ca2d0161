//! Base OT of Masny and Rindal over ristretto255, as in "Pair setup", step 2.

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as BASE;
use curve25519_dalek::{RistrettoPoint, Scalar};
use sha2::{Digest, Sha512};

use super::encode::{Bytes32, bytes, element, party, text};
use super::hashes::digest;

/// All transfers in which one party offers and the other chooses.
pub struct Transfers {
    pub ssid: Bytes32,
    pub offerer: u16,
    pub chooser: u16,
    /// The offerer's A.
    pub offer: RistrettoPoint,
}

impl Transfers {
    fn place(&self, n: usize, side: usize) -> Vec<u8> {
        let place = bytes(&[n as u8, side as u8]);
        [bytes(&self.ssid), party(self.offerer), party(self.chooser), place].concat()
    }

    /// H(place(n, side), other).
    fn mask(&self, n: usize, side: usize, other: &RistrettoPoint) -> RistrettoPoint {
        let transcript = [text("keymoot/dkls23/base-ot-mask/v1"), self.place(n, side), element(other)];
        RistrettoPoint::from_uniform_bytes(&Sha512::digest(transcript.concat()).into())
    }

    fn key(&self, n: usize, side: usize, pair: &[RistrettoPoint; 2], shared: &RistrettoPoint) -> Bytes32 {
        let fields = [
            self.place(n, side),
            element(&self.offer),
            element(&pair[0]),
            element(&pair[1]),
            element(shared),
        ];
        digest("keymoot/dkls23/base-ot-key/v1", &fields)
    }

    /// What the chooser says about transfer n, and the key of its choice.
    pub fn choose(
        &self,
        n: usize,
        choice: bool,
        secrets: &(Scalar, Scalar),
    ) -> ([RistrettoPoint; 2], Bytes32) {
        let (ours, other) = (usize::from(choice), usize::from(!choice));
        let mut pair = [BASE; 2];
        pair[other] = BASE * secrets.1;
        pair[ours] = BASE * secrets.0 - self.mask(n, ours, &pair[other]);
        (pair, self.key(n, ours, &pair, &(self.offer * secrets.0)))
    }

    /// Both keys of transfer n.
    pub fn keys(&self, n: usize, pair: &[RistrettoPoint; 2], secret: &Scalar) -> [Bytes32; 2] {
        [0, 1].map(|side| {
            let shared = (pair[side] + self.mask(n, side, &pair[1 - side])) * secret;
            self.key(n, side, pair, &shared)
        })
    }
}
