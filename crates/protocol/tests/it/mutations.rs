//! Tens of thousands of random mutations: nobody honest is ever blamed, nothing panics, evidence always holds.
//!
//! A corrupt member changes one field of one of its messages and signs the result; or the relay, which has no keys,
//! changes bytes. For every run: the blamed are corrupt, their evidence convinces the judge, whoever finishes has the
//! same key or a valid signature, and where something corrupt was signed that everybody saw, somebody is blamed or
//! the session times out with nobody blamed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_protocol::abort::{Abort, Benign, Blame};
use keymoot_protocol::curve::{Curve, Ed25519, Secp256k1};
use keymoot_protocol::envelope::{Header, Kind};
use keymoot_protocol::frost::Order as SignOrder;
use keymoot_protocol::machine::Machine;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party, Path};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::RngCore;

use crate::net::{Mail, Node, Order, Seated, blamed, blamed_by};
use crate::parties::{Checked, World, party, rng, run_all, signing_keys};
use crate::tokens::mutate;

/// What the adversary of one run does to the one slot it picked.
pub struct Plan {
    pub corrupt: Party,
    pub round: u8,
    pub kind: Kind,
    pub how: How,
    /// The only victim, if not everybody.
    pub victim: Option<Option<Party>>,
    template: Option<(Vec<u8>, Vec<u8>)>,
    pub applied: bool,
}

pub enum How {
    Body,
    Header,
    Relay,
}

impl Plan {
    pub fn draw(world: &mut World, parties: &[Party], rounds: u8) -> Self {
        let mut pick = |count: u32| world.rng.next_u32() % count;
        let corrupt = parties[pick(parties.len() as u32) as usize];
        let how = match pick(10) {
            0..7 => How::Body,
            7 => How::Header,
            _ => How::Relay,
        };
        let others: Vec<_> = parties.iter().filter(|party| **party != corrupt).collect();
        let victim = (pick(3) == 0).then(|| Some(*others[pick(others.len() as u32) as usize]));
        let kind = if pick(5) == 0 { Kind::Echo } else { Kind::Body };
        Self {
            corrupt,
            round: pick(u32::from(rounds)) as u8,
            kind,
            how,
            victim,
            template: None,
            applied: false,
        }
    }

    /// Who is corrupt: nobody, where only the relay acts.
    pub fn corrupt(&self) -> BTreeSet<Party> {
        if matches!(self.how, How::Relay) { BTreeSet::new() } else { BTreeSet::from([self.corrupt]) }
    }

    /// What arrives instead of this piece of mail.
    pub fn apply<C: Curve>(
        &mut self,
        mail: Mail,
        other: &[u8],
        world: &World,
        rng: &mut ChaCha20Rng,
    ) -> Vec<Mail> {
        let header = mail.header();
        let hit = mail.from == self.corrupt && header.round == self.round && header.kind == self.kind;
        if !hit || self.victim.is_some_and(|victim| victim != mail.to) {
            return vec![mail];
        }
        self.applied = true;
        match self.how {
            How::Relay => {
                let mut changed = mail.clone();
                let bit = rng.next_u32() as usize % (changed.bytes.len() * 8);
                changed.bytes[bit / 8] ^= 1 << (bit % 8);
                vec![changed]
            }
            How::Header => vec![mail.forged(world.identity(self.corrupt), |header, _| twist(header, rng))],
            How::Body => {
                let body = mail.envelope().body().to_vec();
                // The same lie to everybody, so that the echo does not end every run.
                let mutated = match &self.template {
                    Some((original, mutated)) if *original == body => mutated.clone(),
                    _ => mutate::<C>(&body, other, rng),
                };
                self.template = Some((body, mutated.clone()));
                vec![mail.forged(world.identity(self.corrupt), |_, body| *body = mutated)]
            }
        }
    }
}

/// What was said in an honest run, for lies that are no noise.
pub type Template = BTreeMap<(u8, Kind), Vec<u8>>;

/// Lets mail pass, and keeps what it says.
pub fn listen(seen: &mut Template, mail: Mail) -> Vec<Mail> {
    let header = mail.header();
    seen.insert((header.round, header.kind), mail.envelope().body().to_vec());
    vec![mail]
}

/// What was said where a plan wants to lie.
pub fn template(seen: &Template, plan: &Plan) -> Vec<u8> {
    seen.get(&(plan.round, plan.kind)).cloned().unwrap_or_else(|| vec![UINT_ZERO, 0, 0, 0, 0, 0, 0, 0, 0])
}

/// What became of many runs.
#[derive(Default)]
pub struct Tally {
    pub runs: u64,
    pub unfinished: u64,
    pub blamed: u64,
    pub banned: u64,
}

impl Tally {
    pub fn tell(&self, what: &str) {
        let Self { runs, unfinished, blamed, banned } = self;
        println!(
            "count: {runs} mutated {what}, {unfinished} unfinished, {blamed} with a convicted and {banned} with a \
             banned culprit, 0 honest parties blamed or banned"
        );
        assert!(blamed + banned > runs / 4, "the mutations reach the checks");
    }

    /// Checks what the seats of those who are not corrupt say when a run is over: nobody else is blamed or banned, all
    /// evidence convinces the judge, and who waits times out without a culprit. Returns the seats that have finished.
    pub fn judge<M: Machine>(
        &mut self,
        seats: BTreeMap<Party, Seated<M>>,
        corrupt: &BTreeSet<Party>,
        seed: u64,
        convicts: impl Fn(&Blame) -> bool,
    ) -> BTreeMap<Party, Seated<M>> {
        let blamed = blamed(seats.values(), convicts);
        let mut banned = BTreeSet::new();
        for seat in seats.values() {
            if let Some(Abort::BanAndBurn(blames)) = &seat.abort {
                banned.extend(blames.iter().map(|blame| blame.party));
            }
        }
        assert!(blamed.is_subset(corrupt), "seed {seed}: honest parties blamed: {blamed:?}");
        assert!(banned.is_subset(corrupt), "seed {seed}: honest parties banned: {banned:?}");
        self.runs += 1;
        self.blamed += u64::from(!blamed.is_empty());
        self.banned += u64::from(!banned.is_empty());
        self.unfinished += u64::from(!seats.values().all(Node::is_done));
        let (done, rest): (BTreeMap<_, _>, BTreeMap<_, _>) =
            seats.into_iter().partition(|(_, seat)| seat.is_done());
        for (_, seat) in rest.into_iter().filter(|(_, seat)| seat.abort().is_none()) {
            assert_times_out(seat);
        }
        done
    }
}

fn twist(header: &mut Header, rng: &mut ChaCha20Rng) {
    match rng.next_u32() % 7 {
        0 => header.round = header.round.wrapping_add(1),
        1 => header.round = rng.next_u32() as u8,
        2 => header.kind = if header.kind == Kind::Body { Kind::Echo } else { Kind::Body },
        3 => header.from = party(1 + (rng.next_u32() % 4) as u16),
        4 => header.to = if header.to.is_none() { Some(party(1)) } else { None },
        5 => header.view = Hash::from_bytes([rng.next_u32() as u8; 32]),
        _ => header.session = Hash::from_bytes([rng.next_u32() as u8; 32]),
    }
}

/// Runs `count` mutated key generations of 2-of-3.
fn mutated_dkgs<C: Checked>(count: u64, salt: u64) {
    let mut reference = World::new(2, 3, salt);
    let context = reference.dkg_context::<C>();
    let mut seen = BTreeMap::new();
    run_all(&mut reference.dkg::<C>(&context), Order::First, |mail| {
        let header = mail.header();
        seen.insert((header.round, header.kind), mail.envelope().body().to_vec());
        vec![mail]
    });
    let (mut aborted, mut convicted) = (0, 0);
    for seed in 0..count {
        let mut world = World::new(2, 3, salt + seed);
        let mut tamper = rng(!seed ^ salt);
        let context = world.dkg_context::<C>();
        let mut seats = world.dkg::<C>(&context);
        let mut plan = Plan::draw(&mut world, &[party(1), party(2), party(3)], 6);
        let other = seen.get(&(plan.round, plan.kind)).cloned().unwrap_or_else(|| vec![UINT_ZERO; 9]);
        run_all(&mut seats, Order::First, |mail| plan.apply::<C>(mail, &other, &world, &mut tamper));
        let corrupt = plan.corrupt();
        let honest: Vec<_> =
            seats.iter().filter(|(party, _)| !corrupt.contains(party)).map(|(_, seat)| seat).collect();
        let blamed = blamed_by(&context, honest.iter().copied());
        assert!(
            blamed.is_subset(&corrupt),
            "seed {seed}: honest parties blamed: {blamed:?}, corrupt {corrupt:?}"
        );
        let done: Vec<_> = honest.iter().filter_map(|seat| seat.output.as_ref()).collect();
        for share in &done {
            assert_eq!(share.group(), done[0].group(), "seed {seed}: two honest parties hold different keys");
            share.group().verify(&world.committee).expect("a finished key is certified");
        }
        // From round 1 on every lie in a body is attributable: a broadcast by its echo, a share by its dealer's opening.
        let attributable = plan.applied && plan.round > 0 && matches!(plan.how, How::Body);
        assert!(
            !attributable || !blamed.is_empty() || done.len() == honest.len(),
            "seed {seed}: nobody was blamed"
        );
        convicted += u64::from(!blamed.is_empty());
        aborted += u64::from(done.len() < honest.len());
        for seat in seats.into_values().filter(|seat| seat.abort().is_none() && seat.output.is_none()) {
            assert_times_out(seat);
        }
    }
    println!(
        "count: {count} mutated key generations on {}, {aborted} without a key, {convicted} with a convicted culprit, 0 honest parties blamed",
        C::LABEL
    );
    assert!(convicted > count / 4, "the mutations reach the checks");
}

const UINT_ZERO: u8 = 2;

pub fn assert_times_out<M: Machine>(mut seat: Seated<M>) {
    let session = seat.take_session().expect("a seat that is neither done nor dead has a session");
    let Err(abort) = session.check_deadline(Millis(60_000)) else { panic!("the deadline has passed") };
    assert!(matches!(&abort, Abort::Benign(Benign::TimedOut { missing }) if !missing.is_empty()));
    assert!(abort.culprits().is_empty(), "silence convicts nobody");
}

/// Runs `count` mutated signings of 2-of-3.
fn mutated_signings<C: Checked>(count: u64, salt: u64) {
    let mut world = World::new(2, 3, salt);
    let shares = world.generate::<C>();
    let keys = signing_keys(&shares, &Path::root());
    let pair = [party(1), party(3)];
    let order = SignOrder::new(Arc::clone(keys[0].public()), pair.to_vec(), C::MESSAGE.to_vec()).unwrap();
    let mut seen = BTreeMap::new();
    world.signing(&order, &keys).run(Order::First, |mail| {
        seen.insert(mail.header().round, mail.envelope().body().to_vec());
        vec![mail]
    });
    let (mut aborted, mut convicted) = (0, 0);
    for seed in 0..count {
        let mut tamper = rng(!seed ^ salt);
        let mut plan = Plan::draw(&mut world, &pair, 2);
        plan.kind = Kind::Body;
        if plan.victim.is_some() && tamper.next_u32().is_multiple_of(2) {
            plan.victim = Some(None);
        }
        let relay_only = matches!(plan.how, How::Relay);
        let mut signing = world.signing(&order, &keys);
        let other = seen[&plan.round].clone();
        signing.run(Order::First, |mail| plan.apply::<C>(mail, &other, &world, &mut tamper));
        let corrupt = plan.corrupt();
        let own = signing.signers.remove(&plan.corrupt).filter(|_| relay_only);
        let mut blamed = signing.blamed();
        signing.signers.extend(own.map(|own| (plan.corrupt, own)));
        blamed.extend(signing.blamed());
        assert!(
            blamed.is_subset(&corrupt),
            "seed {seed}: honest parties blamed: {blamed:?}, corrupt {corrupt:?}"
        );
        match &signing.aggregator.output {
            Some(signature) => assert!(C::verifies(keys[0].public().output_key(), C::MESSAGE, signature)),
            None => aborted += 1,
        }
        let attributable = plan.applied
            && plan.round > 0
            && matches!(plan.how, How::Body)
            && plan.victim.is_none_or(|victim| victim.is_none());
        assert!(
            !attributable || !blamed.is_empty() || signing.aggregator.is_done(),
            "seed {seed}: nobody was blamed"
        );
        convicted += u64::from(!blamed.is_empty());
        if !signing.aggregator.is_done() && signing.aggregator.abort().is_none() {
            assert_times_out(signing.aggregator);
        }
    }
    println!(
        "count: {count} mutated signings on {}, {aborted} without a signature, {convicted} with a convicted culprit, 0 honest parties blamed",
        C::LABEL
    );
    assert!(convicted > count / 4, "the mutations reach the checks");
}

#[test]
fn no_mutation_of_a_dkg_on_secp256k1_frames_anybody() {
    mutated_dkgs::<Secp256k1>(10_000, 1 << 32);
}

#[test]
fn no_mutation_of_a_dkg_on_ed25519_frames_anybody() {
    mutated_dkgs::<Ed25519>(10_000, 2 << 32);
}

#[test]
fn no_mutation_of_a_taproot_signing_frames_anybody() {
    mutated_signings::<Secp256k1>(10_000, 3 << 32);
}

#[test]
fn no_mutation_of_an_ed25519_signing_frames_anybody() {
    mutated_signings::<Ed25519>(10_000, 4 << 32);
}
