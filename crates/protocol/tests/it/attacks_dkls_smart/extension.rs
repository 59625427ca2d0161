//! D01: what an inconsistent extension gets out of Δ.

use std::collections::BTreeSet;

use k256::Scalar;
use keymoot_protocol::abort::Fault;
use keymoot_protocol::dkls23::Unusable;
use rand_chacha::ChaCha20Rng;

use super::{Duel, LIAR, VICTIM, liar_chooses, pair_of};
use crate::model::encode::{Bytes32, Reader, bytes};
use crate::model::extension::{Column, Direction, XI, accepts, blocks_of, check, correct, expand, flat, row};
use crate::model::hashes::{Source, Word, bits_of, modulo_q, rows, xor};
use crate::model::multiply::{Challenge, Reply, gadget, send};
use crate::model::polyval::dot;
use crate::model::setup::{Pair, TREES, missing_leaf};
use crate::model::tree::LEVELS;
use crate::parties::{party, rng};

/// A row that no multiplication of a batch of one uses, so that a cheater who is not caught leaves no trace at all.
const UNUSED: usize = 460;

/// Another choice in one row of one tree, and the hashes that fit if Δ has these four bits there.
fn guessing(direction: &Direction, pair: &Pair, (g, guess): (usize, usize), honest: &[u8]) -> Vec<u8> {
    let mut reader = Reader(honest);
    let (corrections, honest_check) = (reader.bytes(), reader.bytes());
    let length = corrections.len() / TREES;
    let (us, mut t) = expand(direction, &pair.receiving, length / 16);
    let words: Vec<Word> = corrections[..length].chunks(16).map(|word| word.try_into().unwrap()).collect();
    let beta = xor(&us[0], &bits_of(&words));
    let mut columns: Vec<Column> = us.iter().map(|u| xor(u, &beta)).collect();
    assert_eq!(flat(&columns), corrections, "the model knows what the machine said");
    assert_eq!(check(dot, &direction.keys(&corrections), &beta, &t), honest_check);

    columns[g][UNUSED] ^= true;
    let corrections = flat(&columns);
    // The hash is linear: where Δ has the bit, the sender's column is off by this row, and so must ours be.
    for b in (0..LEVELS).filter(|b| guess >> b & 1 == 1) {
        t[LEVELS * g + b][UNUSED] ^= true;
    }
    // The keys depend on the corrections, which do not depend on them.
    let check = check(dot, &direction.keys(&corrections), &beta, &t);
    [bytes(&corrections), bytes(&check)].concat()
}

/// One attempt: whether the guess passes.
fn attempt(duel: &mut Duel, pair: &Pair, g: usize, guess: usize) -> bool {
    let (verdict, _) = duel.play(|heard, message| {
        if message.round == 2 {
            let direction = liar_chooses(heard.ssid);
            message.body = guessing(&direction, pair, (g, guess), &message.body).into();
        }
    });
    if let Err(faults) = &verdict {
        assert_eq!(*faults, BTreeSet::from([Fault::WrongExtension]));
    }
    verdict.is_ok()
}

#[test]
fn d01_with_the_ban_ignored_delta_leaks_and_with_it_the_second_attempt_is_refused() {
    let mut duel = Duel::new(560);
    let pair = pair_of(duel.setup(LIAR), VICTIM);
    let delta = pair_of(duel.setup(VICTIM), LIAR).delta;

    // Of all sixteen guesses one passes, and it is the truth.
    let passing: Vec<usize> = (0..16).filter(|guess| attempt(&mut duel, &pair, 9, *guess)).collect();
    assert_eq!(passing, [missing_leaf(&delta, 9)]);

    // So who may try again until it passes reads Δ tree by tree, in eight and a half attempts each on average.
    let mut attempts = 0;
    for g in [0, 17, 31] {
        let read = (0..16).find(|guess| {
            attempts += 1;
            attempt(&mut duel, &pair, g, *guess)
        });
        assert_eq!(read, Some(missing_leaf(&delta, g)), "tree {g}");
    }
    println!("{attempts} attempts for three trees");
    assert!((3..=48).contains(&attempts));

    // With the ban, the first failure is the last.
    let wrong = missing_leaf(&delta, 5) ^ 1;
    assert_eq!(duel.may_play(), Ok(()));
    assert!(!attempt(&mut duel, &pair, 5, wrong));
    duel.honour();
    assert_eq!(duel.may_play(), Err(Unusable::Burnt(party(LIAR))));
}

/// The reference model's honest sender, whose check can be left out.
struct Sender {
    direction: Direction,
    trees: Vec<Vec<Option<Bytes32>>>,
    delta: Word,
    inputs: [Scalar; 3],
}

impl Sender {
    fn answer(&self, is_checked: bool, corrections: &[u8], check: &[u8]) -> Option<Vec<Reply>> {
        let Self { direction, trees, delta, inputs } = self;
        let q = correct(direction, trees, delta, corrections);
        if is_checked && !accepts(dot, &direction.keys(corrections), delta, &q, check) {
            return None;
        }
        let gadget = gadget();
        Some((0..TREES).map(|k| send(direction, &gadget, k, &q, delta, inputs).0).collect())
    }
}

/// A sender, and the trees of its receiver.
fn two_sides(rng: &mut ChaCha20Rng) -> (Sender, Vec<Vec<Bytes32>>) {
    let direction = liar_chooses(rng.bytes32());
    let delta = rng.word();
    let trees: Vec<Vec<_>> = (0..TREES).map(|_| (0..16).map(|_| rng.bytes32()).collect()).collect();
    let known = |(g, tree): (usize, &Vec<Bytes32>)| {
        let missing = missing_leaf(&delta, g);
        tree.iter().enumerate().map(|(y, seed)| (y != missing).then_some(*seed)).collect()
    };
    let punctured = trees.iter().enumerate().map(known).collect();
    let inputs = [rng.scalar(), rng.scalar(), rng.scalar()];
    (Sender { direction, trees: punctured, delta, inputs }, trees)
}

/// Which bits of Δ in tree k the first pad of multiplication k has in it: its digest says so.
fn nibble(direction: &Direction, t: &[Column], k: usize, reply: &Reply) -> Word {
    let (domain, challenge) = (direction.domain("multiply/rows"), Challenge::of(direction, k, &reply.masked));
    let pad = |n: usize, row: &Word| challenge.combine(&rows(&domain, n, row));
    let others: Vec<Scalar> = (XI * k + 1..XI * (k + 1)).map(|n| pad(n, &row(t, n))).collect();
    let mut found = (0..16_u128).map(|guess| (guess << (LEVELS * k)).to_le_bytes()).filter(|guess| {
        let first = pad(XI * k, &xor(&row(t, XI * k), guess).try_into().unwrap());
        challenge.digest([first].into_iter().chain(others.iter().copied())) == reply.mu
    });
    let bits = found.next().expect("one of sixteen");
    assert!(found.next().is_none(), "and no other");
    bits
}

#[test]
fn d01_without_the_check_a_cheater_reads_delta_without_being_seen() {
    let (sender, trees) = two_sides(&mut rng(561));
    let direction = &sender.direction;
    // No choices at all, but in row 0 of multiplication k another one in tree k: that row of Q has four bits of Δ in it.
    let (us, t) = expand(direction, &trees, blocks_of(TREES));
    let none: Column = vec![false; us[0].len()];
    let mut columns = us.clone();
    (0..TREES).for_each(|g| columns[g][XI * g] ^= true);
    let corrections = flat(&columns);
    let hashes = check(dot, &direction.keys(&corrections), &none, &t);

    let replies = sender.answer(false, &corrections, &hashes).expect("nobody looks");
    let bits = replies.iter().enumerate().map(|(k, reply)| nibble(direction, &t, k, reply));
    let delta: Word = bits.fold([0; 16], |delta, bits| xor(&delta, &bits).try_into().unwrap());
    assert_eq!(delta, sender.delta, "all of it, in one session");
    // And with Δ both pads of every row, so the inputs: nonce share and key share.
    let domain = direction.domain("multiply/rows");
    let (zero, one) = (row(&t, 1), xor(&row(&t, 1), &delta).try_into().unwrap());
    let [zero, one] = [zero, one].map(|row| rows(&domain, 1, &row));
    let masked: Vec<Scalar> = replies[0].masked.chunks(32).skip(3).take(3).map(modulo_q).collect();
    assert_eq!([0, 1, 2].map(|i| masked[i] - zero[i] + one[i]), sender.inputs);

    // The sender that looks says nothing, and answers who is honest.
    assert!(sender.answer(true, &corrections, &hashes).is_none());
    let corrections = flat(&us);
    let hashes = check(dot, &direction.keys(&corrections), &none, &t);
    assert!(sender.answer(true, &corrections, &hashes).is_some());
}
