//! Multiplication from transferred rows: "Presigning", step 4. One party's three inputs by the other's χ.

use k256::{ProjectivePoint, Scalar};

use super::encode::{Reader, bytes, point, scalar};
use super::extension::{Column, Direction, XI, row};
use super::hashes::{Grown, Source, Word, domain, long, modulo_q, rows, xor};

/// g_l for all l.
pub fn gadget() -> Vec<Scalar> {
    let mut grown = Grown::new(domain("multiply/gadget", &[0; 32], None), "multiply/gadget");
    (0..XI).map(|_| grown.scalar()).collect()
}

/// χ of multiplication k.
pub fn chosen(gadget: &[Scalar], beta: &Column, k: usize) -> Scalar {
    (0..XI).filter(|l| beta[XI * k + l]).map(|l| gadget[l]).sum()
}

/// What a reply says; ψ beside the product itself.
pub struct Reply {
    pub masked: Vec<u8>,
    pub eta: Scalar,
    pub mu: Vec<u8>,
    pub points: [ProjectivePoint; 2],
    pub psi: Scalar,
}

impl Reply {
    pub fn encode(&self) -> Vec<u8> {
        let [first, second] = &self.points;
        let product = [bytes(&self.masked), scalar(&self.eta), bytes(&self.mu)].concat();
        [product, point(first), point(second), scalar(&self.psi)].concat()
    }

    pub fn read(reader: &mut Reader<'_>) -> Self {
        let (masked, eta, mu) = (reader.bytes(), reader.scalar(), reader.bytes());
        let points = [reader.point(), reader.point()];
        Self { masked, eta, mu, points, psi: reader.scalar() }
    }
}

/// What both sides compute from ã.
pub struct Challenge<'a> {
    direction: &'a Direction,
    k: usize,
    theta: [Scalar; 2],
}

impl<'a> Challenge<'a> {
    pub fn of(direction: &'a Direction, k: usize, masked: &[u8]) -> Self {
        let wide = long(&direction.domain("multiply/challenge"), k as u64, masked, 128);
        Self { direction, k, theta: [modulo_q(&wide[..64]), modulo_q(&wide[64..])] }
    }

    /// x₂ + θ₀·x₀ + θ₁·x₁.
    pub fn combine(&self, x: &[Scalar; 3]) -> Scalar {
        x[2] + self.theta[0] * x[0] + self.theta[1] * x[1]
    }

    pub fn digest(&self, combined: impl Iterator<Item = Scalar>) -> Vec<u8> {
        let all: Vec<u8> = combined.flat_map(|one| one.to_bytes()).collect();
        long(&self.direction.domain("multiply/digest"), self.k as u64, &all, 32)
    }
}

/// Σ_l g_l·x_{l,i} for i = 0, 1.
fn weigh(gadget: &[Scalar], rows: &[[Scalar; 3]]) -> [Scalar; 2] {
    [0, 1].map(|i| gadget.iter().zip(rows).map(|(g, row)| *g * row[i]).sum())
}

/// The sender's side of multiplication k with inputs (a₀, a₁, â): the reply without ψ, and c₀, c₁.
pub fn send(
    direction: &Direction,
    gadget: &[Scalar],
    k: usize,
    q: &[Column],
    delta: &Word,
    inputs: &[Scalar; 3],
) -> (Reply, [Scalar; 2]) {
    let domain = direction.domain("multiply/rows");
    let (mut zeros, mut masked) = (vec![], vec![]);
    for n in XI * k..XI * (k + 1) {
        let q = row(q, n);
        let zero = rows(&domain, n, &q);
        let one = rows(&domain, n, &xor(&q, delta).try_into().unwrap());
        masked.extend([0, 1, 2].map(|i| (zero[i] - one[i] + inputs[i]).to_bytes()).iter().flatten());
        zeros.push(zero);
    }
    let challenge = Challenge::of(direction, k, &masked);
    let shares = weigh(gadget, &zeros).map(|sum| -sum);
    let reply = Reply {
        eta: challenge.combine(inputs),
        mu: challenge.digest(zeros.iter().map(|zero| challenge.combine(zero))),
        points: shares.map(|share| ProjectivePoint::GENERATOR * share),
        psi: Scalar::ZERO,
        masked,
    };
    (reply, shares)
}

/// The receiver's side: d₀, d₁.
pub fn receive(
    direction: &Direction,
    gadget: &[Scalar],
    k: usize,
    t: &[Column],
    beta: &Column,
    reply: &Reply,
) -> [Scalar; 2] {
    let domain = direction.domain("multiply/rows");
    let scalars: Vec<Scalar> = reply.masked.chunks(32).map(modulo_q).collect();
    let d: Vec<[Scalar; 3]> = (0..XI)
        .map(|l| {
            let n = XI * k + l;
            let (gamma, choice) = (rows(&domain, n, &row(t, n)), Scalar::from(u64::from(beta[n])));
            [0, 1, 2].map(|i| gamma[i] + choice * scalars[3 * l + i])
        })
        .collect();
    let challenge = Challenge::of(direction, k, &reply.masked);
    let combined = d.iter().enumerate().map(|(l, d)| {
        let choice = Scalar::from(u64::from(beta[XI * k + l]));
        challenge.combine(d) - choice * reply.eta
    });
    assert_eq!(challenge.digest(combined), reply.mu, "an honest product is consistent");
    weigh(gadget, &d)
}
