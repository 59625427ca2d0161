//! Random mutations of GG20, as `mutations.rs` has them for the other protocols: of moduli, presigning and signing.
//!
//! A member that changes what it says does so before its own kernel signs and echoes it. A lie on the way would be
//! an equivocation, and end most runs before any proof is looked at; lies of that kind, false headers and a relay that
//! changes bytes are a part of the runs too.
//!
//! Runs of presigning and of moduli take long, so that there are fewer of them than signings.
//! `KEYMOOT_MUTATIONS=20` has twenty times as many of all.

use std::collections::BTreeMap;
use std::sync::Arc;

use k256::{ProjectivePoint, Scalar};
use keymoot_protocol::abort::Blame;
use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::Secp256k1;
use keymoot_protocol::envelope::Kind;
use keymoot_protocol::gg20::presign::{Sums, convict};
use keymoot_protocol::gg20::{Presignature, Table, auxiliary};
use keymoot_protocol::machine::{Machine, Opening, Outgoing};
use keymoot_protocol::session::Session;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, Path};

use crate::attacks_gg20_presign::{all, scene};
use crate::dkls::{payload, verifies_elsewhere};
use crate::gg20::{Member, order_for, take_first};
use crate::mutations::{How, Plan, Tally, Template, listen, template};
use crate::net::{Order, Rogue, Seated, honest};
use crate::parties::{DEADLINE, World, party, rng, run_all};
use crate::tokens::mutate;

/// Runs of each kind, together 10,000.
const GENERATIONS: u64 = 40;
const OF_TWO: u64 = 600;
const OF_THREE: u64 = 150;
const SIGNINGS: u64 = 9_210;

fn times(runs: u64) -> u64 {
    let more = std::env::var("KEYMOOT_MUTATIONS").ok().map(|count| count.parse().expect("a number"));
    runs * more.unwrap_or(1)
}

type Lie<'a> = Box<dyn FnMut(Hash, &mut Vec<Outgoing>) + 'a>;
type Seats<'a, M> = BTreeMap<Party, Seated<Rogue<M, Lie<'a>>>>;

/// Whether a member lies in what it says to everybody; other plans are about mail.
fn is_spoken(plan: &Plan) -> bool {
    matches!(plan.how, How::Body) && plan.kind == Kind::Body && plan.round > 0 && plan.victim.is_none()
}

/// Runs everybody under one plan. A liar may say something else wrongly `before`, to get to where its lie is due.
fn run_plan<'a, M: Machine>(
    openings: BTreeMap<Party, Opening<M>>,
    plan: &mut Plan,
    before: fn(&mut Outgoing),
    other: &'a [u8],
    (world, seed): (&World, u64),
) -> Seats<'a, M> {
    let (spoken, round, corrupt) = (is_spoken(plan), plan.round, plan.corrupt);
    let seat = |(member, opening): (Party, Opening<M>)| {
        let (lies, mut tamper) = (spoken && member == corrupt, rng(!seed));
        let lie: Lie = Box::new(move |_, outbox| {
            for one in outbox.iter_mut().filter(|_| lies) {
                before(one);
                if one.round == round {
                    one.body = mutate::<Secp256k1>(&one.body, other, &mut tamper).into();
                }
            }
        });
        (member, Seated::new(Some(member), Session::open(Rogue::opening(opening, lie), DEADLINE)))
    };
    let mut seats: Seats<M> = openings.into_iter().map(seat).collect();
    let mut tamper = rng(!seed);
    run_all(&mut seats, Order::First, |mail| match spoken {
        true => vec![mail],
        false => plan.apply::<Secp256k1>(mail, other, world, &mut tamper),
    });
    seats
}

/// Who is judged, and what the corrupt member has come to.
fn judge<'a, M: Machine>(
    mut seats: Seats<'a, M>,
    plan: &Plan,
    seed: u64,
    tally: &mut Tally,
    convicts: impl Fn(&Blame) -> bool,
) -> Option<BTreeMap<Party, M::Output>> {
    let corrupt = plan.corrupt();
    let own = corrupt.iter().filter_map(|party| seats.remove(party)).next();
    let (judged, blamed) = (seats.len(), tally.blamed);
    let done = tally.judge(seats, &corrupt, seed, convicts);
    let is_hidden = is_spoken(plan) && tally.blamed == blamed && done.len() < judged;
    assert!(!is_hidden, "seed {seed}: a lie in round {} ends the run, and nobody is blamed", plan.round);
    let is_whole = done.len() == judged && own.as_ref().is_none_or(|seat| seat.output.is_some());
    let own = own.into_iter().map(|seat| (plan.corrupt, seat));
    let outputs = done.into_iter().chain(own).filter(|_| is_whole);
    let outputs: BTreeMap<_, _> = outputs.filter_map(|(party, seat)| Some((party, seat.output?))).collect();
    is_whole.then_some(outputs)
}

#[test]
fn no_mutation_of_moduli_frames_anybody() {
    let (mut world, mut tally, mut seen) = (World::new(2, 3, 8 << 32), Tally::default(), Template::new());
    let place = world.place(None);
    run_all(&mut world.generation_seats(&place), Order::First, |mail| listen(&mut seen, mail));
    for seed in 0..times(GENERATIONS) {
        let place = world.place(None);
        let openings = world.generation_openings(&place);
        let mut plan = Plan::draw(&mut world, &all(), 5);
        let other = template(&seen, &plan);
        let seats = run_plan(openings, &mut plan, unchanged, &other, (&world, seed));
        let convicts = |blame: &Blame| auxiliary::convict(&place.context, None, blame).is_ok();
        let Some(done) = judge(seats, &plan, seed, &mut tally, convicts) else { continue };
        for one in done.values() {
            assert_eq!(one.table().digest(), done[&party(1)].table().digest(), "seed {seed}");
            let shown = Table::open(&one.table().encode(), &world.committee, |_| true);
            assert!(shown.is_ok(), "seed {seed}: {:?}", shown.err());
        }
    }
    tally.tell("generations of moduli");
}

fn unchanged(_: &mut Outgoing) {}

fn wrong_delta(one: &mut Outgoing) {
    with_sums(one, |sums| sums.0[0].delta += Scalar::ONE);
}

fn wrong_key(one: &mut Outgoing) {
    with_sums(one, |sums| sums.0[0].key += ProjectivePoint::GENERATOR);
}

fn with_sums(one: &mut Outgoing, change: impl Fn(&mut Sums)) {
    if one.round == 5 {
        let mut sums = Sums::decode(&one.body).expect("sums");
        change(&mut sums);
        one.body = sums.encode();
    }
}

/// Batches of one by these signers, each with a mutation; what comes of a batch all the same is signed with.
fn mutated_batches(mut world: World, members: &BTreeMap<Party, Member>, signers: &[Party], runs: u64) {
    let (mut tally, mut seen, mut signed) = (Tally::default(), Template::new(), 0);
    let session = world.new_session();
    let mut seats = world.gg20_presign_seats(members, signers, (session, 1));
    run_all(&mut seats, Order::First, |mail| listen(&mut seen, mail));
    let (table, group) = (members[&party(1)].auxiliary.table(), members[&party(1)].share.group());
    for seed in 0..times(runs) {
        let session = (world.new_session(), 1);
        let opening = |signer: &Party| (*signer, world.gg20_presigner(&members[signer], signers, session));
        let openings: BTreeMap<_, _> = signers.iter().map(opening).collect();
        let context = Arc::clone(openings[&signers[0]].context());
        let mut plan = Plan::draw(&mut world, signers, 7);
        // Only what does not add up is opened in round 6.
        let before = match (plan.round, seed % 3) {
            (6, 1) => wrong_delta,
            (6, 2) => wrong_key,
            _ => unchanged,
        };
        let other = template(&seen, &plan);
        let seats = run_plan(openings, &mut plan, before, &other, (&world, seed));
        let convicts = |blame: &Blame| convict(&context, table, group, blame).is_ok();
        let Some(done) = judge(seats, &plan, seed, &mut tally, convicts) else { continue };
        let presignatures = take_first(&mut done.into_iter().collect());
        signed += u64::from(signs(&mut world, &members[&signers[0]], presignatures, (&plan, seed)));
    }
    println!("count: {signed} of them could be signed with");
    tally.tell(&format!("batches of {} signers", signers.len()));
}

/// Signs with what came of a batch. There is a signature, or the corrupt signer is to blame.
fn signs(
    world: &mut World,
    member: &Member,
    presignatures: BTreeMap<Party, Presignature>,
    (plan, seed): (&Plan, u64),
) -> bool {
    let payload = payload(&seed.to_le_bytes());
    let order = order_for(member, &Path::root(), &payload, &presignatures);
    let mut signing = world.gg20_signing(&order, presignatures);
    signing.run(Order::First, honest);
    signing.signers.retain(|party, _| !plan.corrupt().contains(party));
    let blamed = signing.blamed();
    match &signing.aggregator.output {
        Some(signature) => assert!(verifies_elsewhere(order.key(), &payload, signature), "seed {seed}"),
        None => assert!(!blamed.is_empty() && blamed == plan.corrupt(), "seed {seed}: no signature"),
    }
    signing.aggregator.output.is_some()
}

#[test]
fn no_mutation_of_presigning_by_two_frames_anybody() {
    let mut world = World::new(2, 3, 9 << 32);
    let members = world.gg20_members();
    mutated_batches(world, &members, &[party(1), party(3)], OF_TWO);
}

#[test]
fn no_mutation_of_presigning_by_three_frames_anybody() {
    let (world, members) = scene(10 << 32);
    mutated_batches(world, &members, &all(), OF_THREE);
}

#[test]
fn no_mutation_of_a_gg20_signing_frames_anybody() {
    let (mut world, mut tally, mut seen) = (World::new(2, 3, 11 << 32), Tally::default(), Template::new());
    let (members, signers) = (world.gg20_members(), [party(1), party(3)]);
    let payload = payload(b"mutated");
    // No presignature serves twice; these are copies of sealed ones, and what is signed is the same.
    let mut stock = Vec::new();
    let mut done = world.gg20_presign(&members, &signers, 4);
    while done.values().all(|all| !all.is_empty()) {
        let parts = take_first(&mut done);
        let order = order_for(&members[&party(1)], &Path::root(), &payload, &parts);
        let sealed: BTreeMap<_, _> = parts.iter().map(|(party, part)| (*party, part.seal())).collect();
        stock.push((order, sealed));
    }
    let mut signed = 0;
    for seed in 0..=times(SIGNINGS) {
        let (order, sealed) = &stock[seed as usize % stock.len()];
        let parts = sealed
            .iter()
            .map(|(party, sealed)| (*party, Presignature::unseal(sealed).expect("what was sealed")));
        let mut signing = world.gg20_signing(order, parts.collect());
        if seed == 0 {
            signing.run(Order::First, |mail| listen(&mut seen, mail));
            continue;
        }
        let mut plan = Plan::draw(&mut world, &signers, 2);
        let other = template(&seen, &plan);
        let mut tamper = rng(!seed);
        signing.run(Order::First, |mail| plan.apply::<Secp256k1>(mail, &other, &world, &mut tamper));
        signing.signers.retain(|party, _| !plan.corrupt().contains(party));
        let blamed = signing.blamed();
        assert!(blamed.is_subset(&plan.corrupt()), "seed {seed}: honest parties blamed: {blamed:?}");
        if let Some(signature) = &signing.aggregator.output {
            assert!(
                verifies_elsewhere(order.key(), &payload, signature),
                "seed {seed}: a signature that is none"
            );
            signed += 1;
        }
        tally.runs += 1;
        tally.blamed += u64::from(!blamed.is_empty());
        tally.unfinished += u64::from(signing.aggregator.output.is_none());
    }
    println!("count: {signed} of them ended with a valid signature");
    tally.tell("GG20 signings");
}
