//! Every proof: complete, bound to its place and statement, and void when anything in it changes.

use k256::elliptic_curve::Field;
use k256::{ProjectivePoint, Scalar};
use keymoot_types::Party;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::factored::Factored;
use super::number::{Natural, limbs_for};
use super::paillier::{PublicKey, SecretKey};
use super::pedersen::{Pedersen, Trapdoor};
use super::proofs::{Claim, affine, encryption, equal, exponent, factors, hold_together, modulus, setup};
use super::suite::Suite;
use crate::transcript::Hash;
use crate::transcript::paillier::Place;

pub(super) const SUITE: Suite = Suite::Small;

pub(super) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(super) fn party(index: u16) -> Party {
    Party::new(index).unwrap()
}

pub(super) fn hex_number(text: &str) -> Natural {
    Natural::from_be(&hex::decode(text.trim_start_matches("0x")).unwrap())
}

/// A prime of the vectors.
pub(super) fn prime(number: usize) -> Natural {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../vectors/gg20_primes.json")).unwrap();
    hex_number(all["small"][number].as_str().unwrap())
}

pub(super) fn factored(first: usize) -> Factored {
    Factored::from_numbers(&prime(first), &prime(first + 1)).unwrap()
}

/// One member's keys.
pub(super) struct Keys {
    pub(super) secret: SecretKey,
    pub(super) setup: Pedersen,
    pub(super) trapdoor: Trapdoor,
}

pub(super) fn keys(member: usize) -> Keys {
    let (setup, trapdoor) = Pedersen::draw(SUITE, factored(4 * member + 2), &mut rng(member as u64)).unwrap();
    Keys { secret: SecretKey::from_factored(factored(4 * member)).unwrap(), setup, trapdoor }
}

pub(super) fn place() -> Place {
    Place {
        suite: SUITE.name(),
        ssid: Hash::from_bytes([1; 32]),
        joint: Hash::from_bytes([2; 32]),
        round: 3,
        prover: party(1),
        verifier: Some(party(2)),
        number: 4,
    }
}

/// Every place that differs from ours in one thing.
pub(super) fn other_places() -> Vec<Place> {
    let here = place();
    vec![
        Place { suite: "another", ..here },
        Place { ssid: Hash::from_bytes([9; 32]), ..here },
        Place { joint: Hash::from_bytes([9; 32]), ..here },
        Place { round: 4, ..here },
        Place { prover: party(2), ..here },
        Place { verifier: Some(party(3)), ..here },
        Place { verifier: None, ..here },
        Place { number: 5, ..here },
    ]
}

/// What liars put instead of a number modulo n.
pub(super) fn wrong_numbers(n: &Natural, number: &Natural) -> Vec<Natural> {
    let one = Natural::small(1, 1);
    let square = n.times(n);
    vec![
        Natural::small(0, 1),
        one.clone(),
        number.plus(&one),
        number.plus(n),
        number.plus(&square),
        n.minus(&one),
        n.clone(),
        n.plus(&one),
        square.clone(),
        n.minus(&number.resized(n.width())),
        Natural::from_limbs(vec![u64::MAX; 128]),
    ]
}

#[test]
fn decryption_undoes_encryption_for_both_ways_to_encrypt() {
    let (key, mut rng) = (keys(0).secret, rng(1));
    for _ in 0..5 {
        let message = Natural::random_below(key.public().number(), &mut rng);
        let root = key.public().random_root(&mut rng);
        let ciphertext = key.encrypt(&message, &root);
        assert!(ciphertext == key.public().encrypt(&message, &root), "with and without the primes");
        assert!(*key.decrypt(&ciphertext) == message);
        assert!(*key.root_of(&ciphertext).unwrap() == root);
        let drawn = key.draw(&mut rng).unwrap();
        assert!(key.encrypt_with(&message, &drawn) == key.public().encrypt(&message, &drawn.number));
    }
}

#[test]
fn products_of_ciphertexts_are_sums() {
    let (key, mut rng) = (keys(0).secret, rng(2));
    let number = |value| Natural::small(value, 1);
    let root = key.public().random_root(&mut rng);
    let ciphertext = key.encrypt(&number(1_000_003), &root);
    let combined = affine::combine(key.public(), &ciphertext, &number(77), &number(5), &root);
    assert!(*key.decrypt(&combined) == number(77 * 1_000_003 + 5));
}

#[test]
fn g04_primes_too_near_to_each_other_are_refused() {
    let p = prime(0);
    assert!(Factored::from_numbers(&p, &p).is_none(), "the same prime twice");
    let near = p.plus(&Natural::small(2, 1)).resized(p.width());
    assert!(Factored::from_numbers(&p, &near).is_none());
}

struct Encrypted {
    prover: Keys,
    verifier: Keys,
    k: Scalar,
    opening: Scalar,
    root: Natural,
    ciphertext: Natural,
    base: ProjectivePoint,
    commitment: [ProjectivePoint; 2],
    rng: ChaCha20Rng,
}

impl Encrypted {
    fn new(seed: u64) -> Self {
        let (prover, verifier, mut rng) = (keys(0), keys(1), rng(seed));
        let (k, opening) = (Scalar::random(&mut rng), Scalar::random(&mut rng));
        let root = prover.secret.public().random_root(&mut rng);
        let ciphertext = prover.secret.encrypt(&super::proofs::number_of(&k), &root);
        let base = ProjectivePoint::GENERATOR * Scalar::random(&mut rng);
        let commitment = encryption::commit(&base, &k, &opening);
        Self { prover, verifier, k, opening, root, ciphertext, base, commitment, rng }
    }

    fn statement(&self) -> encryption::Statement<'_> {
        encryption::Statement {
            suite: SUITE,
            key: self.prover.secret.public(),
            setup: &self.verifier.setup,
            ciphertext: &self.ciphertext,
            base: &self.base,
            commitment: &self.commitment,
        }
    }

    fn proof(&mut self) -> encryption::Proof {
        let mut rng = self.rng.clone();
        let witness = encryption::Witness {
            key: &self.prover.secret,
            plain: &self.k,
            root: &self.root,
            opening: &self.opening,
        };
        encryption::Proof::prove(&place(), &self.statement(), &witness, &mut rng).unwrap()
    }
}

#[test]
fn g18_an_encryption_proof_is_bound_to_its_prover_verifier_and_session() {
    for seed in 0..8 {
        let mut run = Encrypted::new(seed);
        let proof = run.proof();
        assert!(proof.verify(&place(), &run.statement()));
        for other in other_places() {
            assert!(!proof.verify(&other, &run.statement()));
        }
    }
}

#[test]
fn g19_no_number_of_an_encryption_proof_can_be_another() {
    let mut run = Encrypted::new(1);
    let (proof, statement) = (run.proof(), run.statement());
    let n = run.prover.secret.public().number();
    type Field = fn(&mut encryption::Proof) -> &mut Natural;
    let fields: [Field; 6] =
        [|p| &mut p.s, |p| &mut p.d, |p| &mut p.t, |p| &mut p.z1, |p| &mut p.z2, |p| &mut p.z3];
    for field in fields {
        let mut changed = proof.clone();
        let number = field(&mut changed).clone();
        for wrong in wrong_numbers(n, &number) {
            *field(&mut changed) = wrong;
            assert!(!changed.verify(&place(), &statement));
        }
    }
    for wrong in wrong_numbers(n, &run.ciphertext) {
        let changed = encryption::Statement { ciphertext: &wrong, ..run.statement() };
        assert!(!proof.verify(&place(), &changed));
    }
    let mut changed = proof.clone();
    changed.w += Scalar::ONE;
    assert!(!changed.verify(&place(), &statement));
    changed = proof.clone();
    changed.points.swap(0, 1);
    assert!(!changed.verify(&place(), &statement));
}

#[test]
fn g11_a_proof_for_one_verifier_is_none_for_another() {
    let mut run = Encrypted::new(2);
    let proof = run.proof();
    let other = keys(2);
    let statement = encryption::Statement { setup: &other.setup, ..run.statement() };
    assert!(!proof.verify(&place(), &statement));
}

#[test]
fn g11_a_number_out_of_range_has_no_proof() {
    // The prover follows the protocol, but for a number of half the modulus: its response does not fit.
    let run = Encrypted::new(3);
    let mut rng = run.rng.clone();
    let huge = Natural::random(SUITE.modulus_bits() - 2, &mut rng);
    let ciphertext = run.prover.secret.encrypt(&huge, &run.root);
    let (setup, key) = (&run.verifier.setup, &run.prover.secret);
    let (alpha, mu) =
        (Natural::random(SUITE.scalar_range(), &mut rng), Natural::random(SUITE.blind(), &mut rng));
    let gamma = Natural::random(SUITE.blind_range(), &mut rng);
    let k = super::proofs::scalar_of(&huge);
    let commitment = encryption::commit(&run.base, &k, &run.opening);
    let statement =
        encryption::Statement { ciphertext: &ciphertext, commitment: &commitment, ..run.statement() };
    let r = key.public().random_root(&mut rng);
    let (s, t) = (setup.commit(&huge, &mu), setup.commit(&alpha, &gamma));
    let d = key.encrypt(&alpha, &r);
    let beta = Scalar::random(&mut rng);
    let points = [
        run.base * beta + ProjectivePoint::GENERATOR * super::proofs::scalar_of(&alpha),
        ProjectivePoint::GENERATOR * beta,
    ];
    let e = encryption::challenge(&place(), &statement, (&s, &d, &t), &points);
    let mut proof = encryption::Proof {
        z1: super::proofs::response(&alpha, e, &huge),
        w: super::proofs::challenge_as_scalar(e) * run.opening + beta,
        z2: encryption::scaled_root(key.public(), &r, &run.root, e),
        z3: super::proofs::response(&gamma, e, &mu),
        s,
        d,
        t,
        points,
    };
    assert!(!proof.z1.fits(SUITE.scalar_range()));
    assert!(!proof.verify(&place(), &statement), "out of range");
    // The equations hold: it is the bound, and only the bound, that stops this prover.
    assert!(statement.setup.holds((&proof.z1, &proof.z3), &proof.t, (&proof.s, e)));
    // Reducing the response does not help.
    proof.z1 = proof.z1.divided(key.public().number()).unwrap().1;
    assert!(!proof.verify(&place(), &statement));
}

struct Affine {
    prover: Keys,
    verifier: Keys,
    factor: Scalar,
    mask: Natural,
    roots: [Natural; 2],
    ciphertext: Natural,
    plain: Natural,
    product: Natural,
    masked: Natural,
    point: ProjectivePoint,
}

impl Affine {
    fn new(seed: u64, mask_bits: usize) -> (Self, affine::Proof, ChaCha20Rng) {
        let (prover, verifier, mut rng) = (keys(0), keys(1), rng(seed));
        let factor = Scalar::random(&mut rng);
        let plain = Natural::random(256, &mut rng);
        let ciphertext = verifier.secret.encrypt(&plain, &verifier.secret.public().random_root(&mut rng));
        let mask = Natural::random(mask_bits, &mut rng);
        let roots =
            [verifier.secret.public().random_root(&mut rng), prover.secret.public().random_root(&mut rng)];
        let number = super::proofs::number_of(&factor);
        let product = affine::combine(verifier.secret.public(), &ciphertext, &number, &mask, &roots[0]);
        let masked = prover.secret.encrypt(&mask, &roots[1]);
        let point = ProjectivePoint::GENERATOR * factor;
        let run = Self { prover, verifier, factor, mask, roots, ciphertext, plain, product, masked, point };
        let witness = affine::Witness {
            key: &run.prover.secret,
            factor: &run.factor,
            mask: &run.mask,
            product_root: &run.roots[0],
            mask_root: &run.roots[1],
        };
        let proof = affine::Proof::prove(&place(), &run.statement(), &witness, &mut rng).unwrap();
        (run, proof, rng)
    }

    fn statement(&self) -> affine::Statement<'_> {
        affine::Statement {
            suite: SUITE,
            verifier: self.verifier.secret.public(),
            setup: &self.verifier.setup,
            prover: self.prover.secret.public(),
            ciphertext: &self.ciphertext,
            product: &self.product,
            mask: &self.masked,
            point: &self.point,
        }
    }
}

#[test]
fn g18_an_affine_proof_is_bound_to_its_prover_verifier_and_session() {
    for seed in 0..4 {
        let (run, proof, _) = Affine::new(seed, SUITE.lengths().mask);
        assert!(proof.verify(&place(), &run.statement()));
        let [theirs, _] = proof.check(&place(), &run.statement()).unwrap();
        assert!(theirs.holds_for_owner(
            &run.verifier.secret,
            &run.verifier.secret.decrypt(&theirs.ciphertext),
            &run.plain
        ));
        for other in other_places() {
            assert!(!proof.verify(&other, &run.statement()));
        }
    }
}

#[test]
fn g19_no_number_of_an_affine_proof_can_be_another() {
    let (run, proof, _) = Affine::new(5, SUITE.lengths().mask);
    let statement = run.statement();
    let n = run.verifier.secret.public().number();
    type Field = fn(&mut affine::Proof) -> &mut Natural;
    let fields: [Field; 12] = [
        |p| &mut p.a,
        |p| &mut p.by,
        |p| &mut p.commitments[0],
        |p| &mut p.commitments[1],
        |p| &mut p.commitments[2],
        |p| &mut p.commitments[3],
        |p| &mut p.z[0],
        |p| &mut p.z[1],
        |p| &mut p.z[2],
        |p| &mut p.z[3],
        |p| &mut p.w,
        |p| &mut p.wy,
    ];
    for field in fields {
        let mut changed = proof.clone();
        let number = field(&mut changed).clone();
        for wrong in wrong_numbers(n, &number) {
            *field(&mut changed) = wrong;
            assert!(!changed.verify(&place(), &statement));
        }
    }
    for wrong in wrong_numbers(n, &run.product) {
        assert!(!proof.verify(&place(), &affine::Statement { product: &wrong, ..run.statement() }));
        assert!(!proof.verify(&place(), &affine::Statement { mask: &wrong, ..run.statement() }));
        assert!(!proof.verify(&place(), &affine::Statement { ciphertext: &wrong, ..run.statement() }));
    }
}

#[test]
fn g12_a_mask_out_of_range_has_no_proof() {
    // y of two bits more than its bound, by a prover that follows the protocol otherwise; in both directions: there is no
    // sign, so that what is negative is a number near a modulus.
    let (run, proof, _) = Affine::new(6, SUITE.mask_range() + 2);
    assert!(!proof.verify(&place(), &run.statement()));
    assert!(!proof.z[1].fits(SUITE.mask_range()));
    let (run, mut proof, _) = Affine::new(6, SUITE.lengths().mask);
    let n = run.verifier.secret.public().number();
    proof.z[1] = n.minus(&proof.z[1].resized(n.width()));
    assert!(!proof.verify(&place(), &run.statement()), "the negative of a response");
}

#[test]
fn g13_another_factor_than_that_of_the_point_has_no_proof() {
    let (run, proof, _) = Affine::new(7, SUITE.lengths().mask);
    let other = run.point + ProjectivePoint::GENERATOR;
    assert!(!proof.verify(&place(), &affine::Statement { point: &other, ..run.statement() }));
}

#[test]
fn the_owner_of_a_key_sees_no_more_than_everybody_does() {
    // What fails for the owner fails for a judge; only a wrong root passes, which changes no plaintext.
    let (run, proof, mut rng) = Affine::new(8, SUITE.lengths().mask);
    let (key, public) = (&run.verifier.secret, run.verifier.secret.public());
    let claim = || {
        let [theirs, _] = proof.check(&place(), &run.statement()).unwrap();
        theirs
    };
    let other = key.encrypt(&Natural::small(7, 1), &public.random_root(&mut rng));
    for change in [0, 1, 2] {
        let mut wrong = claim();
        match change {
            0 => wrong.commitment = other.clone(),
            1 => wrong.ciphertext = other.clone(),
            _ => wrong.message = wrong.message.plus(&Natural::small(1, 1)),
        }
        assert!(
            !wrong.holds_for_owner(key, &key.decrypt(&wrong.ciphertext), &run.plain) && !wrong.holds(public)
        );
    }
    let wrong = Claim { root: public.random_root(&mut rng), ..claim() };
    assert!(wrong.holds_for_owner(key, &key.decrypt(&wrong.ciphertext), &run.plain) && !wrong.holds(public));
}

#[test]
fn one_false_claim_among_many_is_seen() {
    let mut rng = rng(9);
    let key = keys(0).secret;
    let claim = |rng: &mut ChaCha20Rng| {
        let (message, mask) = (Natural::random(256, rng), Natural::random(400, rng));
        let (root, r) = (key.public().random_root(rng), key.public().random_root(rng));
        let challenge = 0x1234_5678_9abc_def0_1234_5678_9abc_def1;
        Claim {
            commitment: key.encrypt(&mask, &r),
            ciphertext: key.encrypt(&message, &root),
            challenge,
            message: super::proofs::response(&mask, challenge, &message),
            root: encryption::scaled_root(key.public(), &r, &root, challenge),
            factor: None,
        }
    };
    let mut claims: Vec<_> = (0..5).map(|_| claim(&mut rng)).collect();
    assert!(claims.iter().all(|claim| claim.holds(key.public())));
    assert!(hold_together(key.public(), &claims, &mut rng));
    claims[3].message = claims[3].message.plus(&Natural::small(1, 1));
    assert!(!claims[3].holds(key.public()));
    assert!(!hold_together(key.public(), &claims, &mut rng));
}

#[test]
fn proofs_about_points_are_complete_and_bound() {
    let mut rng = rng(10);
    let (k, a, y, h) = (
        Scalar::random(&mut rng),
        Scalar::random(&mut rng),
        ProjectivePoint::GENERATOR * Scalar::random(&mut rng),
        ProjectivePoint::GENERATOR * Scalar::random(&mut rng),
    );
    let (commitment, power) = (encryption::commit(&y, &k, &a), h * k);
    let statement = exponent::Statement { commitment: &commitment, base: &y, other: &h, power: &power };
    let proof = exponent::Proof::prove(&place(), &statement, (&k, &a), &mut rng);
    assert!(proof.verify(&place(), &statement));
    let wrong = power + h;
    assert!(!proof.verify(&place(), &exponent::Statement { power: &wrong, ..statement }));
    assert!(!exponent::Proof { z: proof.z + Scalar::ONE, ..proof }.verify(&place(), &statement));
    assert!(!exponent::Proof { u: proof.u + Scalar::ONE, ..proof }.verify(&place(), &statement));
    let two = (ProjectivePoint::GENERATOR * k, h * k);
    let same = equal::Statement { other: &h, powers: [&two.0, &two.1] };
    let equal = equal::Proof::prove(&place(), &same, &k, &mut rng);
    assert!(equal.verify(&place(), &same));
    assert!(!equal.verify(&place(), &equal::Statement { other: &h, powers: [&two.0, &wrong] }));
    for other in other_places() {
        assert!(!proof.verify(&other, &statement) && !equal.verify(&other, &same));
    }
}

#[test]
fn a_setup_proof_is_complete_and_bound_to_its_place() {
    let keys = keys(0);
    let proof = setup::Proof::prove(&place(), &keys.setup, &keys.trapdoor, &mut rng(11)).unwrap();
    assert!(proof.verify(&place(), &keys.setup));
    for other in other_places() {
        assert!(!proof.verify(&other, &keys.setup));
    }
}

#[test]
fn g09_a_setup_proof_has_exactly_so_many_repetitions() {
    let keys = keys(0);
    let proof = setup::Proof::prove(&place(), &keys.setup, &keys.trapdoor, &mut rng(12)).unwrap();
    for count in [0, 1, 127, 129] {
        let mut all = proof.0.clone();
        all.resize(count, proof.0[0].clone());
        assert!(!setup::Proof(all).verify(&place(), &keys.setup), "{count} repetitions");
    }
}

#[test]
fn g07_s_outside_of_the_powers_of_t_has_no_proof() {
    // −s is no square, so that it is no power of t; half of the challenges catch it, in each of 128 repetitions.
    let keys = keys(0);
    let n = keys.setup.number();
    let s = n.minus(keys.setup.s());
    let wrong = Pedersen::new(SUITE, n, &s, keys.setup.t()).unwrap();
    let proof = setup::Proof::prove(&place(), &wrong, &keys.trapdoor, &mut rng(13)).unwrap();
    assert!(!proof.verify(&place(), &wrong));
    // With one challenge for all, as large as one likes, every even challenge passes: that is why there is no such proof.
}

#[test]
fn g07_degenerate_parameters_are_refused() {
    let keys = keys(0);
    let (n, s, t) = (keys.setup.number(), keys.setup.s(), keys.setup.t());
    let (zero, one) = (Natural::small(0, 1), Natural::small(1, 1));
    let factor = keys.trapdoor.factored.sides()[0].prime.expose().clone();
    for bad in [zero, one.clone(), n.minus(&one), n.clone(), n.plus(&one), factor] {
        assert!(Pedersen::new(SUITE, n, &bad, t).is_none());
        assert!(Pedersen::new(SUITE, n, s, &bad).is_none());
    }
    assert!(Pedersen::new(SUITE, n, t, t).is_none(), "s = t");
}

#[test]
fn a_modulus_proof_is_complete_and_bound_to_its_place() {
    let key = keys(0).secret;
    let proof = modulus::Proof::prove(&place(), &key, &mut rng(14)).unwrap();
    assert!(proof.verify(&place(), key.public().number()));
    assert!(!proof.verify(&place(), keys(1).secret.public().number()));
    for other in other_places() {
        assert!(!proof.verify(&other, key.public().number()));
    }
}

#[test]
fn g09_a_modulus_proof_has_exactly_so_many_repetitions() {
    let key = keys(0).secret;
    let proof = modulus::Proof::prove(&place(), &key, &mut rng(15)).unwrap();
    for count in [0, 1, 127, 129] {
        let mut answers = proof.answers.clone();
        answers.resize(count, proof.answers[0].clone());
        let w = proof.w.clone();
        assert!(!modulus::Proof { w, answers }.verify(&place(), key.public().number()), "{count}");
    }
}

#[test]
fn a_factor_proof_is_complete_and_bound_to_its_place() {
    let (prover, verifier) = (keys(0), keys(1));
    let [p, q] = prover.secret.factored().sides();
    let primes = (p.prime.expose(), q.prime.expose());
    let n = prover.secret.public().number();
    let proof = factors::Proof::prove(&place(), SUITE, &verifier.setup, primes, &mut rng(16));
    assert!(proof.verify(&place(), SUITE, &verifier.setup, n));
    assert!(!proof.verify(&place(), SUITE, &keys(2).setup, n), "another verifier's");
    assert!(!proof.verify(&place(), SUITE, &verifier.setup, keys(2).secret.public().number()));
    for other in other_places() {
        assert!(!proof.verify(&other, SUITE, &verifier.setup, n));
    }
    for at in 0..10 {
        let mut changed = proof.clone();
        let number = match at {
            0..5 => &mut changed.commitments[at],
            5 | 6 => &mut changed.z[at - 5],
            7 | 8 => &mut changed.w[at - 7],
            _ => &mut changed.v,
        };
        for wrong in wrong_numbers(verifier.setup.number(), &number.clone()) {
            *match at {
                0..5 => &mut changed.commitments[at],
                5 | 6 => &mut changed.z[at - 5],
                7 | 8 => &mut changed.w[at - 7],
                _ => &mut changed.v,
            } = wrong;
            assert!(!changed.verify(&place(), SUITE, &verifier.setup, n));
        }
    }
}

#[test]
fn g01_a_small_factor_has_no_factor_proof() {
    // N = p·q with a p of a sixteenth of the length: the response for q is beyond its bound.
    let verifier = keys(1);
    let mut rng = rng(17);
    let small = Natural::random(64, &mut rng);
    let large = Natural::random(SUITE.modulus_bits() - 64, &mut rng);
    let n = small.times(&large).resized(limbs_for(SUITE.modulus_bits()));
    let proof = factors::Proof::prove(&place(), SUITE, &verifier.setup, (&small, &large), &mut rng);
    assert!(!proof.verify(&place(), SUITE, &verifier.setup, &n));
}

#[test]
fn keys_of_the_wrong_shape_are_refused() {
    for bits in [1022, 512, 64] {
        assert!(PublicKey::new(&Natural::random(bits, &mut rng(18)).times(&Natural::small(2, 1))).is_none());
    }
}
