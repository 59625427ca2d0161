//! Proofs of knowledge by themselves: complete, sound in every equation, bound to every input of the challenge.

use keymoot_protocol::curve::{Curve, Ed25519, Secp256k1, ff::Field, group::Group};
use keymoot_protocol::proof::{Claim, Prover};
use keymoot_protocol::transcript::Hash;
use keymoot_types::Party;

use crate::parties::{party, rng};

struct Inputs<C: Curve> {
    statement: &'static str,
    ssid: Hash,
    round: u8,
    prover: Party,
    joint: Hash,
    public: C::Point,
}

impl<C: Curve> Inputs<C> {
    fn claim(&self) -> Claim<'_, C> {
        let Self { statement, ssid, round, prover, joint, .. } = *self;
        Claim { statement, ssid, round, prover, joint, public: &self.public }
    }
}

fn inputs<C: Curve>(secret: &C::Scalar) -> Inputs<C> {
    Inputs {
        statement: "dkg/share",
        ssid: Hash::from_bytes([1; 32]),
        round: 4,
        prover: party(1),
        joint: Hash::from_bytes([2; 32]),
        public: C::Point::generator() * secret,
    }
}

fn honest_proofs_hold<C: Curve>() {
    let mut random = rng(600);
    for _ in 0..1_000 {
        let secret = C::random(&mut random);
        let inputs = inputs::<C>(&secret);
        let prover = Prover::<C>::new(&mut random);
        let commitment = *prover.commitment();
        let answer = prover.answer(&inputs.claim(), &secret);
        assert!(inputs.claim().is_proven_by(&commitment, &answer));
    }
}

fn changed_proofs_fail<C: Curve>() {
    let mut random = rng(601);
    let secret = C::random(&mut random);
    let truth = inputs::<C>(&secret);
    let prover = Prover::<C>::new(&mut random);
    let commitment = *prover.commitment();
    let answer = prover.answer(&truth.claim(), &secret);
    let one = C::Point::generator();
    assert!(!truth.claim().is_proven_by(&commitment, &(answer + C::Scalar::ONE)));
    assert!(!truth.claim().is_proven_by(&commitment, &-answer));
    assert!(!truth.claim().is_proven_by(&commitment, &C::Scalar::ZERO));
    assert!(!truth.claim().is_proven_by(&(commitment + one), &answer));
    assert!(!truth.claim().is_proven_by(&-commitment, &answer));
    assert!(!truth.claim().is_proven_by(&C::Point::identity(), &answer));
    let bound = |change: &dyn Fn(&mut Inputs<C>)| {
        let mut changed = inputs::<C>(&secret);
        change(&mut changed);
        !changed.claim().is_proven_by(&commitment, &answer)
    };
    assert!(!bound(&|_| {}));
    assert!(bound(&|inputs| inputs.statement = "dkg/constant"), "bound to the statement");
    assert!(bound(&|inputs| inputs.ssid = Hash::from_bytes([9; 32])), "bound to the session");
    assert!(bound(&|inputs| inputs.round = 5), "bound to the round");
    assert!(bound(&|inputs| inputs.prover = party(2)), "bound to the prover");
    assert!(bound(&|inputs| inputs.joint = Hash::from_bytes([9; 32])), "bound to the joint randomness");
    assert!(bound(&|inputs| inputs.public += one), "bound to the public point");
}

/// Without the challenge's binding to the commitment, an answer could be made up first.
fn invented_proofs_fail<C: Curve>() {
    let mut random = rng(602);
    let truth = inputs::<C>(&C::random(&mut random));
    for _ in 0..100 {
        let (answer, guessed) = (C::random(&mut random), C::random(&mut random));
        let commitment = C::Point::generator() * answer - truth.public * guessed;
        assert!(!truth.claim().is_proven_by(&commitment, &answer));
    }
}

#[test]
fn a_thousand_honest_proofs_hold_on_both_curves() {
    honest_proofs_hold::<Secp256k1>();
    honest_proofs_hold::<Ed25519>();
}

#[test]
fn a_changed_equation_or_challenge_input_fails_on_both_curves() {
    changed_proofs_fail::<Secp256k1>();
    changed_proofs_fail::<Ed25519>();
}

#[test]
fn a_proof_without_the_secret_fails_on_both_curves() {
    invented_proofs_fail::<Secp256k1>();
    invented_proofs_fail::<Ed25519>();
}
