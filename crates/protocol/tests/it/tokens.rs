//! Mutators for every field of every message, without knowing any message: the encoding describes itself.

use keymoot_protocol::curve::{Curve, ff::Field, group::Group};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::RngCore;

/// One token of an encoded message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A typed field.
    Field(u8, Vec<u8>),
    /// The head of a list.
    List(u64),
    /// The marker of an optional field.
    Option(bool),
}

pub const UINT: u8 = 2;
const LIST: u8 = 3;
const NONE: u8 = 4;
const SOME: u8 = 5;
pub const POINT: u8 = 6;
pub const SCALAR: u8 = 7;

/// Takes an encoding apart.
pub fn parse(mut bytes: &[u8]) -> Vec<Token> {
    let mut tokens = vec![];
    while let Some((kind, rest)) = bytes.split_first() {
        let length = |rest: &[u8]| u64::from_le_bytes(rest[..8].try_into().expect("a whole header"));
        bytes = match *kind {
            NONE | SOME => {
                tokens.push(Token::Option(*kind == SOME));
                rest
            }
            LIST => {
                tokens.push(Token::List(length(rest)));
                &rest[8..]
            }
            kind => {
                let end = 8 + length(rest) as usize;
                tokens.push(Token::Field(kind, rest[8..end].to_vec()));
                &rest[end..]
            }
        };
    }
    tokens
}

/// Puts tokens together again.
pub fn join(tokens: &[Token]) -> Vec<u8> {
    let mut bytes = vec![];
    for token in tokens {
        match token {
            Token::Option(some) => bytes.push(if *some { SOME } else { NONE }),
            Token::List(count) => {
                bytes.push(LIST);
                bytes.extend(count.to_le_bytes());
            }
            Token::Field(kind, content) => {
                bytes.push(*kind);
                bytes.extend((content.len() as u64).to_le_bytes());
                bytes.extend(content);
            }
        }
    }
    bytes
}

/// Changes one token of a message in one way. `other` is a message of the same type by somebody else or of another
/// session. The result always differs from the input.
pub fn mutate<C: Curve>(body: &[u8], other: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
    loop {
        let mut tokens = parse(body);
        let at = rng.next_u32() as usize % tokens.len();
        match rng.next_u32() % 8 {
            0 => drop(tokens.remove(at)),
            1 => tokens.insert(at, tokens[at].clone()),
            2 => {
                if let Some(token) = parse(other).get(at) {
                    tokens[at] = token.clone();
                }
            }
            _ => tokens[at] = change::<C>(&tokens[at], rng),
        }
        let mut mutated = join(&tokens);
        match rng.next_u32() % 40 {
            0 => mutated.push(0),
            1 => drop(mutated.pop()),
            2 if !mutated.is_empty() => {
                let bit = rng.next_u32() as usize % (mutated.len() * 8);
                mutated[bit / 8] ^= 1 << (bit % 8);
            }
            _ => {}
        }
        if mutated != body {
            return mutated;
        }
    }
}

fn change<C: Curve>(token: &Token, rng: &mut ChaCha20Rng) -> Token {
    match token {
        Token::Option(some) => Token::Option(!some),
        Token::List(count) => {
            let counts = [0, count.wrapping_sub(1), count + 1, 33, u64::MAX, 1 << 60];
            Token::List(counts[rng.next_u32() as usize % counts.len()])
        }
        Token::Field(POINT, content) => Token::Field(POINT, point::<C>(content, rng)),
        Token::Field(SCALAR, content) => Token::Field(SCALAR, scalar::<C>(content, rng)),
        Token::Field(UINT, content) => {
            let mut longer = vec![0];
            longer.extend(content);
            let all = [vec![], vec![0], vec![1], vec![33], vec![0xff; 8], vec![0xff; 9], longer];
            Token::Field(UINT, all[rng.next_u32() as usize % all.len()].clone())
        }
        Token::Field(kind, content) => Token::Field(*kind, bytes(content, rng)),
    }
}

fn point<C: Curve>(content: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
    let encode = |point: C::Point| C::encode_point(&point).as_ref().to_vec();
    let valid = C::decode_point(content);
    match rng.next_u32() % 10 {
        0 => encode(C::Point::identity()),
        1 => encode(C::Point::generator()),
        2 => valid.map(|point| encode(-point)).unwrap_or_default(),
        3 => valid.map(|point| encode(point + C::Point::generator())).unwrap_or_default(),
        4 => encode(C::Point::generator() * C::random(rng)),
        5 => vec![0; content.len()],
        6 => vec![0xff; content.len()],
        7 => content[..content.len() - 1].to_vec(),
        8 => [content, &[0]].concat(),
        _ => bytes(content, rng),
    }
}

fn scalar<C: Curve>(content: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
    let encode = |scalar: C::Scalar| C::encode_scalar(&scalar).to_vec();
    let valid = C::decode_scalar(content);
    match rng.next_u32() % 9 {
        0 => encode(C::Scalar::ZERO),
        1 => encode(C::Scalar::ONE),
        2 => encode(-C::Scalar::ONE),
        3 => order::<C>(),
        4 => vec![0xff; 32],
        5 => encode(C::random(rng)),
        6 => valid.map(|scalar| encode(-scalar)).unwrap_or_default(),
        7 => valid.map(|scalar| encode(scalar + C::Scalar::ONE)).unwrap_or_default(),
        _ => content[..content.len() - 1].to_vec(),
    }
}

/// The group order in the curve's byte order: the smallest scalar that is not canonical.
pub fn order<C: Curve>() -> Vec<u8> {
    let mut bytes = C::encode_scalar(&-C::Scalar::ONE).to_vec();
    let last = if C::encode_scalar(&C::Scalar::ONE)[0] == 1 { 0 } else { bytes.len() - 1 };
    bytes[last] += 1;
    bytes
}

fn bytes(content: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
    let mut changed = content.to_vec();
    match rng.next_u32() % 5 {
        0 => changed.clear(),
        1 => drop(changed.pop()),
        2 => changed.push(0),
        3 => rng.fill_bytes(&mut changed),
        _ => {
            if !changed.is_empty() {
                let bit = rng.next_u32() as usize % (changed.len() * 8);
                changed[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
    changed
}
