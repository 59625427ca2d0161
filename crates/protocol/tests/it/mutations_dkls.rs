//! Random mutations of DKLs23, as `mutations.rs` has them for the other protocols: nobody honest is ever blamed or
//! banned, nothing panics, all evidence that claims to be transferable holds, and what does not end a session leaves
//! everybody able to go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_protocol::context::Context;
use keymoot_protocol::curve::Secp256k1;
use keymoot_protocol::dkls23::{Order as SignOrder, PairSetup, Presignature};
use keymoot_protocol::evidence::judge;
use keymoot_protocol::machine::Machine;
use keymoot_protocol::session::Session;
use keymoot_types::{Party, Path};

use crate::dkls::{Member, payload, take_first, verifies_elsewhere, verifying_key};
use crate::mutations::{Plan, Tally, Template, listen, template};
use crate::net::{Node, Order, Seated};
use crate::parties::{DEADLINE, World, party, rng, run_all};

/// Runs seats under one plan, and checks what they say in the end. Returns those who are not corrupt and have finished.
fn judge_run<M: Machine>(
    context: &Context,
    mut seats: BTreeMap<Party, Seated<M>>,
    plan: &mut Plan,
    other: &[u8],
    (world, seed): (&World, u64),
    tally: &mut Tally,
) -> BTreeMap<Party, Seated<M>> {
    let mut tamper = rng(!seed);
    run_all(&mut seats, Order::First, |mail| plan.apply::<Secp256k1>(mail, other, world, &mut tamper));
    let corrupt = plan.corrupt();
    seats.retain(|party, _| !corrupt.contains(party));
    tally.judge(seats, &corrupt, seed, |blame| judge::<M>(context, blame).is_ok())
}

#[test]
fn no_mutation_of_a_pair_setup_frames_anybody() {
    let (mut seen, mut tally) = (Template::new(), Tally::default());
    let mut world = World::new(2, 2, 5 << 32);
    let context = world.setup_context();
    run_all(&mut world.setup_seats(&context), Order::First, |mail| listen(&mut seen, mail));
    for seed in 0..600 {
        let context = world.setup_context();
        let seats = world.setup_seats(&context);
        let mut plan = Plan::draw(&mut world, &[party(1), party(2)], 6);
        let other = template(&seen, &plan);
        judge_run(&context, seats, &mut plan, &other, (&world, seed), &mut tally);
    }
    tally.tell("pair setups");
}

/// The seats of a batch, and what its session is about.
fn presigning(
    world: &mut World,
    members: &mut BTreeMap<Party, Member>,
    signers: &[Party],
    size: u16,
) -> (Arc<Context>, BTreeMap<Party, Seated<keymoot_protocol::dkls23::Presigner>>) {
    let session = world.new_session();
    let mut context = None;
    let mut seat = |signer: &Party| {
        let opening = world.presigner(members.get_mut(signer).unwrap(), signers, (session, size));
        context = Some(Arc::clone(opening.context()));
        (*signer, Seated::new(Some(*signer), Session::open(opening, DEADLINE)))
    };
    let seats = signers.iter().map(&mut seat).collect();
    (context.expect("somebody signs"), seats)
}

#[test]
fn no_mutation_of_presigning_frames_anybody() {
    let (mut seen, mut tally) = (Template::new(), Tally::default());
    let mut world = World::new(2, 3, 6 << 32);
    let mut members = world.ecdsa_members();
    let signers = [party(1), party(3)];
    let (_, mut seats) = presigning(&mut world, &mut members, &signers, 1);
    run_all(&mut seats, Order::First, |mail| listen(&mut seen, mail));
    let sealed: BTreeMap<_, _> =
        members.iter().map(|(party, member)| (*party, member.setup.seal())).collect();
    for seed in 0..4_500 {
        // A failed check burns the pair; the next run starts from what was stored before.
        for (party, member) in &mut members {
            let setup = PairSetup::unseal(&sealed[party], Arc::clone(&world.committee));
            member.setup = Arc::new(setup.unwrap());
        }
        let size = if seed % 50 == 0 { 33 } else { 1 };
        let (context, seats) = presigning(&mut world, &mut members, &signers, size);
        let mut plan = Plan::draw(&mut world, &signers, if size == 1 { 6 } else { 7 });
        let other = template(&seen, &plan);
        let done = judge_run(&context, seats, &mut plan, &other, (&world, seed), &mut tally);
        for (party, seat) in done {
            let presigned = seat.output.expect("it is done");
            assert_eq!(presigned.presignatures.len(), usize::from(size), "seed {seed}, {party}");
        }
    }
    tally.tell("batches");
}

#[test]
fn no_mutation_of_an_ecdsa_signing_frames_anybody() {
    let (mut seen, mut tally) = (Template::new(), Tally::default());
    let mut world = World::new(2, 3, 7 << 32);
    let mut members = world.ecdsa_members();
    let signers = [party(1), party(3)];
    let key = verifying_key(&members[&party(1)], &Path::root());
    let payload = payload(b"mutated");
    let mut signed = 0;
    let mut stock: Vec<BTreeMap<Party, Presignature>> = Vec::new();
    for seed in 0..5_000_u64 {
        if stock.is_empty() {
            let mut done = world.presign(&mut members, &signers, 500);
            stock = (0..500).map(|_| take_first(&mut done)).collect();
        }
        let parts = stock.pop().expect("the stock was filled");
        let public = Arc::new(parts[&party(1)].public().clone());
        let order = SignOrder::new(Arc::clone(&key), Arc::clone(&payload), public).unwrap();
        let mut signing = world.ecdsa_signing(&order, parts);
        if seed == 0 {
            signing.run(Order::First, |mail| listen(&mut seen, mail));
            continue;
        }
        let mut plan = Plan::draw(&mut world, &signers, 2);
        let other = template(&seen, &plan);
        let mut tamper = rng(!seed);
        signing.run(Order::First, |mail| plan.apply::<Secp256k1>(mail, &other, &world, &mut tamper));
        let corrupt = plan.corrupt();
        signing.signers.retain(|party, _| !corrupt.contains(party));
        let blamed = signing.blamed();
        assert!(blamed.is_subset(&corrupt), "seed {seed}: honest parties blamed: {blamed:?}");
        if let Some(signature) = &signing.aggregator.output {
            assert!(verifies_elsewhere(&key, &payload, signature), "seed {seed}: a signature that is none");
            signed += 1;
        }
        tally.runs += 1;
        tally.blamed += u64::from(!blamed.is_empty());
        tally.unfinished += u64::from(!signing.aggregator.is_done());
    }
    println!("count: {signed} of them ended with a valid signature");
    tally.tell("ECDSA signings");
}
