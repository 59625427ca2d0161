//! What an attacker gets where a check, a ban or a record is left out, and that it gets nothing where they are.
//!
//! Each attack is carried out to its end, by a cheater that computes all it can with the reference model from its own
//! secrets. The victim is the real machine. A ban is ignored by taking the pair setup out of the store again for each session, a
//! record by keeping a copy of a presignature; where a check of the machine itself must be left out, the victim is the
//! model instead. Nothing in the crate can be switched off.

mod extension;
mod presignature;
mod product;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_protocol::abort::{Abort, Fault};
use keymoot_protocol::dkls23::{Bans, Freshness, PairSetup, Presigner, Unusable};
use keymoot_protocol::envelope::Kind;
use keymoot_protocol::machine::Outgoing;
use keymoot_protocol::session::Session;
use keymoot_protocol::transcript::Hash;
use keymoot_types::Party;

use crate::dkls::Member;
use crate::model::encode::{Bytes32, Reader};
use crate::model::extension::Direction;
use crate::model::setup::{Pair, missing_leaf};
use crate::model::tree::LEVELS;
use crate::net::{Order, Rogue, Seated, run};
use crate::parties::{DEADLINE, World, party};

const VICTIM: u16 = 1;
const LIAR: u16 = 3;

/// The two of one pair of a committee, who presign as often as it takes.
struct Duel {
    world: World,
    members: BTreeMap<Party, Member>,
    bans: Bans,
    /// The pair setups as they lie in the stores.
    stores: BTreeMap<u16, PairSetup>,
}

/// What went from the victim to the liar in one session, as far as the attacks need it.
#[derive(Default)]
struct Heard {
    ssid: Bytes32,
    /// The victim's extension, as encoded.
    extension: Vec<u8>,
}

impl Duel {
    fn new(seed: u64) -> Self {
        let mut world = World::new(2, 3, seed);
        let members = world.ecdsa_members();
        let copy =
            |member: &Member| PairSetup::unseal(&member.setup.seal(), Arc::clone(&world.committee)).unwrap();
        let stores = members.iter().map(|(party, member)| (party.index(), copy(member))).collect();
        Self { world, members, bans: Bans::default(), stores }
    }

    fn setup(&self, index: u16) -> &PairSetup {
        &self.stores[&index]
    }

    /// One session with one presignature, whoever is banned: what the victim held against the liar, if anything.
    ///
    /// `lie` may change the liar's messages, and knows what the liar has heard.
    fn play(&mut self, mut lie: impl FnMut(&Heard, &mut Outgoing)) -> (Result<(), BTreeSet<Fault>>, Heard) {
        let (signers, session) = ([party(VICTIM), party(LIAR)], self.world.new_session());
        self.forget();
        let [victim, liar] = signers.map(|signer| {
            let member = self.members.get_mut(&signer).unwrap();
            self.world.presigner(member, &signers, (session, 1))
        });
        let heard = RefCell::new(Heard::default());
        let mut lies = |ssid: Hash, outbox: &mut Vec<Outgoing>| {
            heard.borrow_mut().ssid = *ssid.as_bytes();
            outbox.iter_mut().for_each(|message| lie(&heard.borrow(), message));
        };
        let mut liar =
            Seated::new(Some(party(LIAR)), Session::open(Rogue::opening(liar, &mut lies), DEADLINE));
        let mut victim = Seated::new(Some(party(VICTIM)), Session::open(victim, DEADLINE));
        run(&mut [&mut victim, &mut liar], Order::First, |mail| {
            let header = mail.header();
            if (header.round, header.kind, mail.from) == (2, Kind::Body, party(VICTIM)) {
                heard.borrow_mut().extension = mail.envelope().body().to_vec();
            }
            vec![mail]
        });
        drop(liar);
        (verdict(victim), heard.into_inner())
    }

    /// The victim's pair setup as it lies in the store, where nothing says yet that a check has failed.
    fn forget(&mut self) {
        let committee = Arc::clone(&self.world.committee);
        let stored = PairSetup::unseal(&self.stores[&VICTIM].seal(), committee).unwrap();
        self.members.get_mut(&party(VICTIM)).unwrap().setup = Arc::new(stored);
    }

    /// What a node does that honours its bans, after a failure and before a session.
    fn honour(&mut self) {
        let member = self.members.get_mut(&party(VICTIM)).unwrap();
        member.ledger.burn(party(LIAR));
        self.bans.add(*self.world.committee.identity(party(LIAR)).unwrap());
    }

    fn may_play(&self) -> Result<(), Unusable> {
        let member = &self.members[&party(VICTIM)];
        let signers = [party(VICTIM), party(LIAR)];
        let mut probe = member.ledger.clone();
        probe.reserve(&member.setup, &signers, Freshness::Shared, &self.bans).map(drop)
    }
}

/// Accepted to the end, or banned; nothing else may happen to the victim.
fn verdict(victim: Seated<Presigner>) -> Result<(), BTreeSet<Fault>> {
    match (victim.output, victim.abort) {
        (Some(_), None) => Ok(()),
        (None, Some(Abort::BanAndBurn(blames))) => {
            assert!(blames.iter().all(|blame| blame.party == party(LIAR)));
            Err(blames.iter().map(|blame| blame.fault).collect())
        }
        (_, abort) => panic!("neither accepted nor banned: {abort:?}"),
    }
}

/// The direction in which the victim holds Δ and the liar chooses.
const fn liar_chooses(ssid: Bytes32) -> Direction {
    Direction { ssid, sender: VICTIM, receiver: LIAR }
}

/// The direction in which the liar multiplies and the victim chooses.
const fn victim_chooses(ssid: Bytes32) -> Direction {
    Direction { ssid, sender: LIAR, receiver: VICTIM }
}

/// One side of a pair, out of its sealed store.
fn pair_of(setup: &PairSetup, peer: u16) -> Pair {
    let sealed = setup.seal();
    // Ahead of it the committee: group, threshold, members.
    let mut reader = Reader(&sealed);
    let _committee = (reader.bytes(), reader.party(), reader.list(|reader| (reader.party(), reader.bytes())));
    let _whose = (reader.party(), reader.bytes32());
    let pairs = reader.list(|reader| {
        let peer = reader.party();
        (peer, [reader.bytes(), reader.bytes(), reader.bytes(), reader.bytes()])
    });
    reader.end();
    let (_, [zero, delta, punctured, leaves]) = pairs.into_iter().find(|(one, _)| *one == peer).unwrap();
    let delta = delta.try_into().unwrap();
    // Place z of a punctured tree has leaf z ⊕ Δ_g.
    let known = |(g, tree): (usize, Vec<Bytes32>)| {
        let missing = missing_leaf(&delta, g);
        (0..1 << LEVELS).map(|y| (y != missing).then_some(tree[y ^ missing])).collect()
    };
    let sending = forest(&punctured).into_iter().enumerate().map(known).collect();
    Pair { receiving: forest(&leaves), sending, delta, zero_seed: zero.try_into().unwrap() }
}

fn forest(bytes: &[u8]) -> Vec<Vec<Bytes32>> {
    let seed = |seed: &[u8]| seed.try_into().unwrap();
    bytes.chunks(32 << LEVELS).map(|tree| tree.chunks(32).map(seed).collect()).collect()
}
