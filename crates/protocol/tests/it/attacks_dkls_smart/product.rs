//! D02: what a wrong correction in one row gets out of β.

use std::collections::BTreeSet;

use k256::Scalar;
use keymoot_protocol::abort::Fault;
use keymoot_protocol::dkls23::Unusable;

use super::{Duel, Heard, LIAR, VICTIM, pair_of, victim_chooses};
use crate::model::encode::{Reader, list};
use crate::model::extension::{XI, correct, expand, row};
use crate::model::hashes::{Word, bits_of, modulo_q, rows, xor};
use crate::model::multiply::{Challenge, Reply};
use crate::model::setup::{Pair, TREES};
use crate::parties::party;

fn corrections_of(heard: &Heard) -> Vec<u8> {
    Reader(&heard.extension).bytes()
}

/// Another input in row j, and all else as it must be if the victim has not chosen that row.
fn guessing_no(heard: &Heard, pair: &Pair, j: usize, honest: &[u8]) -> Vec<u8> {
    let direction = victim_chooses(heard.ssid);
    let mut replies = Reader(honest).list(Reply::read);
    let reply = &mut replies[0];
    let (q, domain) = (
        correct(&direction, &pair.sending, &pair.delta, &corrections_of(heard)),
        direction.domain("multiply/rows"),
    );
    let zeros: Vec<[Scalar; 3]> = (0..XI).map(|n| rows(&domain, n, &row(&q, n))).collect();
    let one = rows(&domain, 0, &xor(&row(&q, 0), &pair.delta).try_into().unwrap());
    let masked: Vec<Scalar> = reply.masked.chunks(32).map(modulo_q).collect();
    let inputs = [0, 1, 2].map(|i| masked[i] - zeros[0][i] + one[i]);
    let finish = |reply: &mut Reply| {
        let challenge = Challenge::of(&direction, 0, &reply.masked);
        reply.eta = challenge.combine(&inputs);
        reply.mu = challenge.digest(zeros.iter().map(|zero| challenge.combine(zero)));
    };
    // What is not changed comes out as the machine has said it.
    finish(reply);
    assert_eq!(list(&[reply.encode()]), honest);

    let changed = masked[3 * j] + Scalar::ONE;
    reply.masked[96 * j..96 * j + 32].copy_from_slice(&changed.to_bytes());
    finish(reply);
    list(&[reply.encode()])
}

/// One attempt: whether it passes, and whether the victim had chosen row j, which only the test knows.
fn attempt(duel: &mut Duel, j: usize) -> (bool, bool) {
    let pair = pair_of(duel.setup(LIAR), VICTIM);
    let (verdict, heard) = duel.play(|heard, message| {
        if message.round == 4 {
            message.body = guessing_no(heard, &pair, j, &message.body).into();
        }
    });
    if let Err(faults) = &verdict {
        assert_eq!(*faults, BTreeSet::from([Fault::WrongProduct]));
    }
    let corrections = corrections_of(&heard);
    let length = corrections.len() / TREES;
    let words: Vec<Word> = corrections[..length].chunks(16).map(|word| word.try_into().unwrap()).collect();
    let trees = pair_of(duel.setup(VICTIM), LIAR).receiving;
    let (us, _) = expand(&victim_chooses(heard.ssid), &trees[..1], length / 16);
    let beta = xor(&us[0], &bits_of(&words));
    (verdict.is_ok(), beta[j])
}

#[test]
fn d02_a_correction_for_one_row_reveals_one_choice_bit_per_attempt() {
    let mut duel = Duel::new(562);
    let mut passed = 0;
    for session in 0..24 {
        let (passes, chosen) = attempt(&mut duel, 18 * session);
        assert_eq!(passes, !chosen, "session {session} told the choice bit");
        passed += usize::from(passes);
    }
    println!("{passed} of 24 attempts passed");
    assert!((6..=18).contains(&passed), "a choice bit is a coin");

    // With the ban there is one bit more than there are passes, of choices that are thrown away, and then nothing.
    duel.forget();
    let mut attempts = 0;
    let refused = loop {
        if let Err(refused) = duel.may_play() {
            break refused;
        }
        attempts += 1;
        assert!(attempts < 64, "a coin falls on both sides");
        if !attempt(&mut duel, 100 + attempts).0 {
            duel.honour();
        }
    };
    println!("with the ban it ended after {attempts}");
    assert_eq!(refused, Unusable::Burnt(party(LIAR)));
}
