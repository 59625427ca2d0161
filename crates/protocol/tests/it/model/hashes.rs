//! The hashes and sources of randomness of kernel.md §2 and of the notation in dkls23.md.

use std::ops::Range;

use aes::cipher::{BlockEncrypt, KeyInit};
use k256::Scalar;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::RngCore;
use sha2::{Digest, Sha256, Sha512};

use super::encode::{Bytes32, bytes, option, party, text};

/// 16 bytes: an AES block, or 128 bits, the lowest bit of the first byte first.
pub type Word = [u8; 16];

pub fn digest(domain: &str, fields: &[Vec<u8>]) -> Bytes32 {
    Sha256::digest([text(domain), fields.concat()].concat()).into()
}

pub fn challenge(domain: &str, fields: &[Vec<u8>]) -> Scalar {
    modulo_q(&Sha512::digest([text(domain), fields.concat()].concat()))
}

/// A big-endian integer of any number of 16-byte digits, modulo q.
pub fn modulo_q(integer: &[u8]) -> Scalar {
    let two_to_128 = Scalar::from(u128::MAX) + Scalar::ONE;
    let digit = |bytes: &[u8]| Scalar::from(u128::from_be_bytes(bytes.try_into().expect("a digit")));
    integer.chunks(16).fold(Scalar::ZERO, |value, bytes| value * two_to_128 + digit(bytes))
}

/// D(purpose, S, R).
pub fn domain(purpose: &str, ssid: &Bytes32, parties: Option<(u16, u16)>) -> Bytes32 {
    let sender = option(parties.map(|(sender, _)| party(sender)));
    let receiver = option(parties.map(|(_, receiver)| party(receiver)));
    digest("keymoot/dkls23/domain/v1", &[text(purpose), bytes(ssid), sender, receiver])
}

pub fn branch(domain: &Bytes32, n: u32, seed: &Bytes32) -> Bytes32 {
    Sha256::digest([domain.as_slice(), &[0; 32], &n.to_le_bytes(), seed].concat()).into()
}

pub fn long(domain: &Bytes32, n: u64, input: &[u8], length: usize) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new_keyed(domain);
    hasher.update(&n.to_le_bytes());
    hasher.update(input);
    let mut output = vec![0; length];
    hasher.finalize_xof().fill(&mut output);
    output
}

pub fn keyed(domain: &Bytes32, seed: &Bytes32) -> Scalar {
    modulo_q(&[branch(domain, 0, seed), branch(domain, 1, seed)].concat())
}

pub fn aes_128(key: &Word, block: &Word) -> Word {
    let mut block = (*block).into();
    aes::Aes128::new(key.into()).encrypt_block(&mut block);
    block.into()
}

/// These blocks of `stream(seed)`.
pub fn stream(seed: &Bytes32, blocks: Range<usize>) -> Vec<Word> {
    let key: Word = seed[..16].try_into().unwrap();
    blocks.map(|block| aes_128(&key, &(block as u128).to_le_bytes())).collect()
}

/// Three scalars of a row.
pub fn rows(domain: &Bytes32, n: usize, x: &Word) -> [Scalar; 3] {
    let key = u128::from_le_bytes(domain[..16].try_into().unwrap()) ^ n as u128;
    let block = |b: u128| {
        let input = u128::from_le_bytes(*x) ^ b;
        u128::from_le_bytes(aes_128(&key.to_le_bytes(), &input.to_le_bytes())) ^ input
    };
    let two_to_128 = Scalar::from(u128::MAX) + Scalar::ONE;
    [0, 1, 2].map(|c| Scalar::from(block(2 * c + 1)) * two_to_128 + Scalar::from(block(2 * c)))
}

/// Where random bytes come from: a participant's own generator, or a seed that is grown.
pub trait Source {
    fn take(&mut self, count: usize) -> Vec<u8>;

    fn bytes32(&mut self) -> Bytes32 {
        self.take(32).try_into().unwrap()
    }

    fn scalar(&mut self) -> Scalar {
        modulo_q(&self.take(64))
    }

    /// Modulo the order of ristretto255.
    fn ristretto_scalar(&mut self) -> curve25519_dalek::Scalar {
        curve25519_dalek::Scalar::from_bytes_mod_order_wide(&self.take(64).try_into().unwrap())
    }

    /// 128 bits as two 64-bit little-endian integers, the high one first.
    fn word(&mut self) -> Word {
        let (high, low) = (self.take(8), self.take(8));
        [low, high].concat().try_into().unwrap()
    }
}

impl Source for ChaCha20Rng {
    fn take(&mut self, count: usize) -> Vec<u8> {
        let mut taken = vec![0; count];
        self.fill_bytes(&mut taken);
        taken
    }
}

/// `grow(seed, purpose)`.
pub struct Grown {
    seed: Bytes32,
    purpose: &'static str,
    used: usize,
}

impl Grown {
    pub const fn new(seed: Bytes32, purpose: &'static str) -> Self {
        Self { seed, purpose, used: 0 }
    }
}

impl Source for Grown {
    fn take(&mut self, count: usize) -> Vec<u8> {
        let mut output = blake3::Hasher::new_keyed(&self.seed).update(self.purpose.as_bytes()).finalize_xof();
        output.set_position(self.used as u64);
        self.used += count;
        let mut taken = vec![0; count];
        output.fill(&mut taken);
        taken
    }
}

/// Bit i of the result is bit i of the words.
pub fn bits_of(words: &[Word]) -> Vec<bool> {
    words.concat().iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).collect()
}

pub fn words_of(bits: &[bool]) -> Vec<Word> {
    let byte = |bits: &[bool]| (0..8).fold(0u8, |byte, bit| byte | u8::from(bits[bit]) << bit);
    let bytes: Vec<u8> = bits.chunks(8).map(byte).collect();
    bytes.chunks(16).map(|word| word.try_into().expect("whole words")).collect()
}

pub fn xor<T: Copy + std::ops::BitXor<Output = T>>(a: &[T], b: &[T]) -> Vec<T> {
    assert_eq!(a.len(), b.len(), "only equal lengths can be added");
    a.iter().zip(b).map(|(a, b)| *a ^ *b).collect()
}

pub fn xor32(a: &Bytes32, b: &Bytes32) -> Bytes32 {
    xor(a, b).try_into().unwrap()
}
