//! `dkls23/setup` as one participant runs it: "Pair setup" of dkls23.md, from its draws to the seeds it leaves.

use std::collections::BTreeMap;

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as BASE;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_chacha::ChaCha20Rng;

use super::base_ot::Transfers;
use super::encode::{Bytes32, Reader, bytes, element, list, party, text};
use super::hashes::{Grown, Source, Word, bits_of, digest};
use super::session::{ALL, Model, Session};
use super::tree::{Domains, LEVELS, plant, rebuild};

pub const ROUNDS: u8 = 6;
pub const TREES: usize = 32;
/// Columns of the extension, and base transfers.
pub const KAPPA: usize = 128;

/// What one side keeps of a pair.
#[derive(Clone, Default)]
pub struct Pair {
    /// The seeds of the direction in which we are the extension's receiver: all leaves of all trees.
    pub receiving: Vec<Vec<Bytes32>>,
    /// The seeds of the direction in which we are the sender: leaf Δ_g of tree g is missing.
    pub sending: Vec<Vec<Option<Bytes32>>>,
    pub delta: Word,
    pub zero_seed: Bytes32,
}

/// The leaf that the holder of Δ does not know in tree g.
pub fn missing_leaf(delta: &Word, g: usize) -> usize {
    let bits = &bits_of(&[*delta])[LEVELS * g..LEVELS * (g + 1)];
    bits.iter().enumerate().map(|(place, bit)| usize::from(*bit) << place).sum()
}

/// What is drawn for one peer.
struct Draws {
    half: Bytes32,
    blind: Bytes32,
    offer: Scalar,
    seed: Bytes32,
    delta: Word,
    transfers: Vec<(Scalar, Scalar)>,
    roots: Vec<Bytes32>,
}

impl Draws {
    fn draw(rng: &mut Grown) -> Self {
        let (half, blind) = (rng.bytes32(), rng.bytes32());
        let (seed, offer) = (rng.bytes32(), rng.ristretto_scalar());
        Self { half, blind, offer, seed, delta: [0; 16], transfers: vec![], roots: vec![] }
    }

    /// The rest, once the session has a name.
    fn grow(&mut self, ssid: &Bytes32, me: u16, peer: u16) {
        let fields = [bytes(ssid), party(me), party(peer), bytes(&self.seed)];
        let seed = digest("keymoot/dkls23/pair-seed/v1", &fields);
        let (mut replies, mut trees) = (Grown::new(seed, "setup/replies"), Grown::new(seed, "setup/trees"));
        self.delta = replies.word();
        self.transfers =
            (0..KAPPA).map(|_| (replies.ristretto_scalar(), replies.ristretto_scalar())).collect();
        self.roots = (0..TREES).map(|_| trees.bytes32()).collect();
    }
}

pub struct Setup {
    me: u16,
    draws: BTreeMap<u16, Draws>,
    nonce: Bytes32,
    /// The keys of our choices in each peer's transfers.
    chosen: BTreeMap<u16, Vec<Bytes32>>,
    pub pairs: BTreeMap<u16, Pair>,
}

impl Model for Setup {
    fn say(&mut self, round: u8, session: &Session) -> Vec<(u16, Vec<u8>)> {
        let peers: Vec<u16> = self.draws.keys().copied().collect();
        let each =
            |say: &mut dyn FnMut(u16) -> Vec<u8>| peers.iter().map(|peer| (*peer, say(*peer))).collect();
        match round {
            0 => vec![(ALL, bytes(&self.nonce))],
            1 => {
                self.grow(session);
                vec![(ALL, self.offers(session))]
            }
            2 => each(&mut |peer| self.reply(session, peer)),
            3 => each(&mut |peer| self.trees(session, peer)),
            4 => each(&mut |peer| self.confirmation(session, peer)),
            _ => {
                self.check_confirmations(session);
                vec![(ALL, text("done"))]
            }
        }
    }
}

impl Setup {
    /// In a session with this context; the hedge is the identity's signature of [`hedged`].
    pub fn draw(
        (me, participants): (u16, &[u16]),
        context: &Bytes32,
        hedge: &[u8; 64],
        rng: &mut ChaCha20Rng,
    ) -> Self {
        let fields = [bytes(context), bytes(&rng.bytes32()), bytes(hedge)];
        let seed = digest("keymoot/dkls23/setup-seed/v1", &fields);
        let (nonce, mut rng) = (Grown::new(seed, "setup/hello").bytes32(), Grown::new(seed, "setup/draws"));
        let peers = participants.iter().filter(|peer| **peer != me);
        let draws = peers.map(|peer| (*peer, Draws::draw(&mut rng))).collect();
        Self { me, pairs: BTreeMap::new(), draws, nonce, chosen: BTreeMap::new() }
    }

    fn grow(&mut self, session: &Session) {
        for (peer, draws) in &mut self.draws {
            draws.grow(&session.ssid(), self.me, *peer);
            self.pairs.insert(*peer, Pair { delta: draws.delta, ..Pair::default() });
        }
    }

    fn opening(to: u16, half: &Bytes32, blind: &Bytes32) -> Vec<u8> {
        [party(to), bytes(half), bytes(blind)].concat()
    }

    fn offers(&self, session: &Session) -> Vec<u8> {
        let entry = |(peer, draws): (&u16, &Draws)| {
            let opening = Self::opening(*peer, &draws.half, &draws.blind);
            let offer = BASE * draws.offer;
            [party(*peer), bytes(&commitment(session, self.me, &opening)), element(&offer)].concat()
        };
        list(&self.draws.iter().map(entry).collect::<Vec<_>>())
    }

    fn transfers(session: &Session, offerer: u16, chooser: u16) -> Transfers {
        let entries = entries(session, offerer);
        Transfers { ssid: session.ssid(), offerer, chooser, offer: entries[&chooser].1 }
    }

    /// We choose, the peer has offered.
    fn reply(&mut self, session: &Session, peer: u16) -> Vec<u8> {
        let (transfers, draws) = (Self::transfers(session, peer, self.me), &self.draws[&peer]);
        let delta = bits_of(&[draws.delta]);
        let choose = |n: usize| transfers.choose(n, !delta[n], &draws.transfers[n]);
        let (pairs, keys): (Vec<_>, Vec<_>) = (0..KAPPA).map(choose).unzip();
        self.chosen.insert(peer, keys);
        list(&pairs.iter().flatten().map(element).collect::<Vec<_>>())
    }

    /// We have offered, the peer has chosen.
    fn trees(&mut self, session: &Session, peer: u16) -> Vec<u8> {
        let (transfers, draws) = (Self::transfers(session, self.me, peer), &self.draws[&peer]);
        let mut reader = Reader(session.body(2, peer, self.me));
        let points = reader.list(Reader::element);
        reader.end();
        let keys = |n: usize| transfers.keys(n, &[points[2 * n], points[2 * n + 1]], &draws.offer);
        let domains = Domains::new(&transfers.ssid, peer, self.me);
        let plant = |(g, root): (usize, &Bytes32)| {
            plant(&domains, *root, &[0, 1, 2, 3].map(|level| keys(LEVELS * g + 3 - level)))
        };
        let (seeds, corrections): (Vec<_>, Vec<_>) = draws.roots.iter().enumerate().map(plant).unzip();
        self.pairs.get_mut(&peer).unwrap().receiving = seeds;
        let corrections: Vec<_> = corrections.iter().map(|correction| bytes(correction)).collect();
        [list(&corrections), bytes(&draws.half), bytes(&draws.blind)].concat()
    }

    fn confirmation(&mut self, session: &Session, peer: u16) -> Vec<u8> {
        let mut reader = Reader(session.body(3, peer, self.me));
        let corrections = reader.list(Reader::bytes);
        let (half, blind) = (reader.bytes32(), reader.bytes32());
        reader.end();
        let committed = entries(session, peer)[&self.me].0;
        assert_eq!(commitment(session, peer, &Self::opening(self.me, &half, &blind)), committed);
        let domains = Domains::new(&session.ssid(), self.me, peer);
        let (draws, keys) = (&self.draws[&peer], &self.chosen[&peer]);
        let pair = self.pairs.get_mut(&peer).unwrap();
        let rebuild = |(g, correction): (usize, &Vec<u8>)| {
            let keys = [0, 1, 2, 3].map(|level| keys[LEVELS * g + 3 - level]);
            rebuild(&domains, missing_leaf(&draws.delta, g), &keys, correction)
        };
        pair.sending = corrections.iter().enumerate().map(rebuild).collect();
        let mut halves = [(self.me, draws.half), (peer, half)];
        halves.sort_unstable();
        let [(lower, first), (higher, second)] = halves;
        let fields = [bytes(&session.ssid()), party(lower), bytes(&first), party(higher), bytes(&second)];
        pair.zero_seed = digest("keymoot/dkls23/zero-seed/v1", &fields);
        bytes(&self.confirms(session, self.me, peer))
    }

    fn confirms(&self, session: &Session, from: u16, to: u16) -> Bytes32 {
        let (lower, higher) = (from.min(to), from.max(to));
        let peer = if from == self.me { to } else { from };
        let said = |round, from, to| bytes(&session.body_digest(round, from, to));
        let messages =
            [said(2, lower, higher), said(2, higher, lower), said(3, lower, higher), said(3, higher, lower)];
        let seed = bytes(&self.pairs[&peer].zero_seed);
        let fields = [bytes(&session.ssid()), party(from), party(to), seed, list(&messages)];
        digest("keymoot/dkls23/pair-confirmation/v1", &fields)
    }

    fn check_confirmations(&self, session: &Session) {
        for peer in self.draws.keys() {
            let expected = bytes(&self.confirms(session, *peer, self.me));
            assert_eq!(session.body(4, *peer, self.me), expected, "an honest pair agrees");
        }
    }
}

/// What an identity signs to hedge its draws.
pub fn hedged(context: &Bytes32) -> Bytes32 {
    digest("keymoot/dkls23/setup-hedge/v1", &[bytes(context)])
}

/// `keymoot/commitment/v1` of round 1.
pub fn commitment(session: &Session, committer: u16, opening: &[u8]) -> Bytes32 {
    let fields = [bytes(&session.ssid()), party(1), party(committer), bytes(opening)];
    digest("keymoot/commitment/v1", &fields)
}

/// The offers of one party: commitment and point by recipient.
fn entries(session: &Session, from: u16) -> BTreeMap<u16, (Bytes32, RistrettoPoint)> {
    let mut reader = Reader(session.body(1, from, ALL));
    let entries = reader.list(|reader| (reader.party(), (reader.bytes32(), reader.element())));
    reader.end();
    entries.into_iter().collect()
}

/// The name of the setup.
pub fn name(session: &Session) -> Bytes32 {
    let fields = [bytes(&session.ssid()), bytes(&session.view(Some(4)))];
    digest("keymoot/dkls23/setup/v1", &fields)
}
