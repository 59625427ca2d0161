//! `dkls23/presign` as one signer runs it: "Presigning" of dkls23.md, from its draws to its presignatures.

use std::collections::BTreeMap;

use k256::{ProjectivePoint, Scalar};
use rand_chacha::ChaCha20Rng;

use super::encode::{Bytes32, Reader, bytes, list, party, point, scalar, text, uint};
use super::extension::{Column, Direction, accepts, blocks_of, check, correct, expand, flat};
use super::hashes::{Grown, Source, bits_of, digest, domain, keyed, xor};
use super::multiply::{Reply, chosen, gadget, receive, send};
use super::polyval::dot;
use super::session::{ALL, Model, Session};
use super::setup::{Pair, commitment};

/// Presignatures of one round of replies.
const CHUNK: usize = 32;

/// The rounds of a batch.
pub const fn rounds_of(batch: usize) -> u8 {
    5 + batch.div_ceil(CHUNK) as u8
}

/// What a signer brings along.
#[derive(Clone)]
pub struct Key {
    /// x_i.
    pub secret: Scalar,
    /// Y.
    pub public: ProjectivePoint,
    pub package: Bytes32,
    pub epoch: u64,
    /// The count of uses that the ledger has given this session.
    pub uses: u64,
    /// The name of the pair setup.
    pub setup: Bytes32,
    pub pairs: BTreeMap<u16, Pair>,
}

/// One presignature, in the open.
#[derive(Clone)]
pub struct Presigned {
    pub name: Bytes32,
    pub nonce: ProjectivePoint,
    pub u: Scalar,
    pub v: Scalar,
    pub phi: Scalar,
    pub entropy: Bytes32,
}

/// What is drawn and computed for one peer.
struct Peer {
    beta: Column,
    check_inputs: Vec<Scalar>,
    /// As the extension's receiver.
    t: Vec<Column>,
    /// As its sender.
    q: Vec<Column>,
    /// c₀, c₁ of each multiplication in which we send.
    shares: Vec<[Scalar; 2]>,
}

impl Peer {
    fn draw(rng: &mut Grown, batch: usize) -> Self {
        let words: Vec<_> = (0..blocks_of(batch)).map(|_| rng.word()).collect();
        let check_inputs = (0..batch).map(|_| rng.scalar()).collect();
        // The seed of factors for combined checks, which nothing that is sent depends on.
        let _ = rng.bytes32();
        Self { beta: bits_of(&words), check_inputs, t: vec![], q: vec![], shares: vec![] }
    }
}

pub struct Presign {
    me: u16,
    signers: Vec<u16>,
    key: Key,
    nonce: Bytes32,
    r: Vec<Scalar>,
    phi: Vec<Scalar>,
    entropy: Vec<Bytes32>,
    blind: Bytes32,
    peers: BTreeMap<u16, Peer>,
}

impl Model for Presign {
    fn say(&mut self, round: u8, session: &Session) -> Vec<(u16, Vec<u8>)> {
        let peers: Vec<u16> = self.peers.keys().copied().collect();
        let last = rounds_of(self.batch()) - 1;
        match round {
            0 => vec![(ALL, [bytes(&self.nonce), uint(self.key.uses)].concat())],
            1 => vec![(ALL, self.commit(session))],
            2 => peers.iter().map(|peer| (*peer, self.extension(session, *peer))).collect(),
            3 => vec![(ALL, self.open(session))],
            _ if round == last => vec![(ALL, text("presigned"))],
            _ => peers.iter().map(|peer| (*peer, self.replies(session, *peer, round))).collect(),
        }
    }
}

impl Presign {
    pub fn draw(me: u16, signers: &[u16], key: Key, batch: usize, rng: &mut ChaCha20Rng) -> Self {
        let fields = [bytes(&key.setup), uint(key.uses), bytes(&rng.bytes32()), scalar(&key.secret)];
        let seed = digest("keymoot/dkls23/presign-seed/v1", &fields);
        let nonce = Grown::new(seed, "presign/hello").bytes32();
        let rng = &mut Grown::new(seed, "presign/draws");
        let r = (0..batch).map(|_| rng.scalar()).collect();
        let phi = (0..batch).map(|_| rng.scalar()).collect();
        let entropy = (0..batch).map(|_| rng.bytes32()).collect();
        let blind = rng.bytes32();
        let peers = signers.iter().filter(|peer| **peer != me);
        let peers = peers.map(|peer| (*peer, Peer::draw(rng, batch))).collect();
        Self { me, signers: signers.to_vec(), key, nonce, r, phi, entropy, blind, peers }
    }

    fn batch(&self) -> usize {
        self.r.len()
    }

    /// sk_i = λ_i·x_i + ζ_i.
    fn key_share(&self, session: &Session) -> Scalar {
        let at = |index: u16| Scalar::from(u64::from(index));
        let others = || self.signers.iter().filter(|other| **other != self.me);
        let above: Scalar = others().map(|other| at(*other)).product();
        let below: Scalar = others().map(|other| at(*other) - at(self.me)).product();
        let domain = domain("presign/zero", &session.ssid(), None);
        let zero = |peer: &u16| keyed(&domain, &self.key.pairs[peer].zero_seed);
        let plus: Scalar = others().filter(|peer| **peer > self.me).map(zero).sum();
        let minus: Scalar = others().filter(|peer| **peer < self.me).map(zero).sum();
        above * below.invert().unwrap() * self.key.secret + plus - minus
    }

    fn open(&self, session: &Session) -> Vec<u8> {
        let generator = ProjectivePoint::GENERATOR;
        let nonces: Vec<_> = self.r.iter().map(|r| point(&(generator * r))).collect();
        [bytes(&self.blind), point(&(generator * self.key_share(session))), list(&nonces)].concat()
    }

    fn commit(&self, session: &Session) -> Vec<u8> {
        let entropy = |(k, entropy): (usize, &Bytes32)| {
            digest(
                "keymoot/dkls23/entropy/v1",
                &[bytes(&session.ssid()), party(self.me), uint(k as u64), bytes(entropy)],
            )
        };
        let entropy: Vec<_> = self.entropy.iter().enumerate().map(entropy).collect();
        let commitment = commitment(session, self.me, &self.open(session));
        [bytes(&commitment), bytes(&entropy.concat())].concat()
    }

    /// The direction in which we are the extension's receiver.
    fn receiving(&self, session: &Session, peer: u16) -> Direction {
        Direction { ssid: session.ssid(), sender: peer, receiver: self.me }
    }

    fn sending(&self, session: &Session, peer: u16) -> Direction {
        Direction { ssid: session.ssid(), sender: self.me, receiver: peer }
    }

    fn extension(&mut self, session: &Session, to: u16) -> Vec<u8> {
        let (direction, blocks) = (self.receiving(session, to), blocks_of(self.batch()));
        let peer = self.peers.get_mut(&to).unwrap();
        let (us, t) = expand(&direction, &self.key.pairs[&to].receiving, blocks);
        let corrections: Vec<Column> = us.iter().map(|u| xor(u, &peer.beta)).collect();
        let corrections = flat(&corrections);
        let check = check(dot, &direction.keys(&corrections), &peer.beta, &t);
        peer.t = t;
        [bytes(&corrections), bytes(&check)].concat()
    }

    /// Q, from what the peer has said in round 2.
    fn take_extension(&mut self, session: &Session, from: u16) {
        let (direction, pair) = (self.sending(session, from), &self.key.pairs[&from]);
        let mut reader = Reader(session.body(2, from, self.me));
        let (corrections, check) = (reader.bytes(), reader.bytes());
        reader.end();
        let q = correct(&direction, &pair.sending, &pair.delta, &corrections);
        let keys = direction.keys(&corrections);
        assert!(accepts(dot, &keys, &pair.delta, &q, &check), "an honest extension is consistent");
        self.peers.get_mut(&from).unwrap().q = q;
    }

    fn replies(&mut self, session: &Session, to: u16, round: u8) -> Vec<u8> {
        if self.peers[&to].q.is_empty() {
            self.take_extension(session, to);
        }
        let first = CHUNK * usize::from(round - 4);
        let (direction, gadget) = (self.sending(session, to), gadget());
        let key_share = self.key_share(session);
        let peer = self.peers.get_mut(&to).unwrap();
        let mut replies = vec![];
        for k in first..self.r.len().min(first + CHUNK) {
            let inputs = [self.r[k], key_share, peer.check_inputs[k]];
            let (reply, shares) = send(&direction, &gadget, k, &peer.q, &self.key.pairs[&to].delta, &inputs);
            let psi = self.phi[k] - chosen(&gadget, &peer.beta, k);
            replies.push(Reply { psi, ..reply }.encode());
            peer.shares.push(shares);
        }
        list(&replies)
    }

    /// The presignatures, once everybody has confirmed.
    pub fn finish(&self, session: &Session) -> Vec<Presigned> {
        let opened: Vec<_> = self.signers.iter().map(|party| (*party, Opened::of(session, *party))).collect();
        let keys: ProjectivePoint = opened.iter().map(|(_, opened)| opened.key).sum();
        assert_eq!(keys, self.key.public, "the shares are those of the key");
        let opened: BTreeMap<u16, Opened> = opened.into_iter().collect();
        let products: BTreeMap<u16, Vec<Product>> =
            self.peers.keys().map(|peer| (*peer, self.products(session, *peer, &opened[peer]))).collect();
        let key_share = self.key_share(session);
        let presignature = |k: usize| {
            let product = || products.values().map(|all| &all[k]);
            let phi = self.phi[k] + product().map(|one| one.psi).sum::<Scalar>();
            let sum = |i: usize| product().map(|one| one.sums[i]).sum::<Scalar>();
            let nonce = opened.values().map(|opened| opened.nonces[k]).sum();
            Presigned {
                name: self.name(session, k, &nonce),
                nonce,
                u: self.r[k] * phi + sum(0),
                v: key_share * phi + sum(1),
                phi: self.phi[k],
                entropy: self.entropy[k],
            }
        };
        (0..self.batch()).map(presignature).collect()
    }

    /// c + d with one peer, for all multiplications.
    fn products(&self, session: &Session, from: u16, opened: &Opened) -> Vec<Product> {
        let (direction, gadget) = (self.receiving(session, from), gadget());
        let (peer, last) = (&self.peers[&from], rounds_of(self.batch()) - 1);
        let mut replies = vec![];
        for round in 4..last {
            let mut reader = Reader(session.body(round, from, self.me));
            replies.extend(reader.list(Reply::read));
            reader.end();
        }
        let product = |(k, reply): (usize, &Reply)| {
            let d = receive(&direction, &gadget, k, &peer.t, &peer.beta, reply);
            let chi = chosen(&gadget, &peer.beta, k);
            let point = |i: usize| ProjectivePoint::GENERATOR * d[i] + reply.points[i];
            assert_eq!(opened.nonces[k] * chi, point(0), "an honest nonce");
            assert_eq!(opened.key * chi, point(1), "an honest key share");
            Product { psi: reply.psi, sums: [0, 1].map(|i| peer.shares[k][i] + d[i]) }
        };
        replies.iter().enumerate().map(product).collect()
    }

    /// The entropy commitments of presignature k, by signer.
    fn name(&self, session: &Session, k: usize, nonce: &ProjectivePoint) -> Bytes32 {
        let last = rounds_of(self.batch()) - 1;
        let signers: Vec<_> = self.signers.iter().map(|signer| party(*signer)).collect();
        let entropy = |signer: &u16| {
            let mut reader = Reader(session.body(1, *signer, ALL));
            let (_, all) = (reader.bytes32(), reader.bytes());
            bytes(&all[32 * k..32 * (k + 1)])
        };
        let entropies: Vec<_> = self.signers.iter().map(entropy).collect();
        let fields = [
            bytes(&session.ssid()),
            bytes(&session.view(Some(last - 1))),
            uint(k as u64),
            bytes(&self.key.package),
            uint(self.key.epoch),
            list(&signers),
            point(nonce),
            list(&entropies),
        ];
        digest("keymoot/dkls23/presignature/v1", &fields)
    }
}

/// With one peer, in one multiplication.
struct Product {
    psi: Scalar,
    sums: [Scalar; 2],
}

/// What one signer has opened.
struct Opened {
    key: ProjectivePoint,
    nonces: Vec<ProjectivePoint>,
}

impl Opened {
    fn of(session: &Session, from: u16) -> Self {
        let opening = session.body(3, from, ALL);
        let committed = Reader(session.body(1, from, ALL)).bytes32();
        assert_eq!(commitment(session, from, opening), committed, "an honest opening");
        let mut reader = Reader(opening);
        let (_, key, nonces) = (reader.bytes32(), reader.point(), reader.list(Reader::point));
        reader.end();
        Self { key, nonces }
    }
}
