//! Attacks on the pair setup of DKLs23.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::traits::Identity;
use keymoot_protocol::abort::{Abort, Fault};
use keymoot_protocol::codec::{Wire, Writer};
use keymoot_protocol::context::{Committee, Context};
use keymoot_protocol::dkls23::setup::{Confirmation, Element, Offers, Reply, Trees};
use keymoot_protocol::dkls23::{Bans, Freshness, Ledger, PairSetup, Setup, SetupError, Unusable};
use keymoot_protocol::envelope::Kind;
use keymoot_protocol::evidence::judge;
use keymoot_protocol::machine::Outgoing;
use keymoot_protocol::session::Session;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{GroupId, Millis, Party, Quorum};

use crate::net::{Mail, Node, Order, Rogue, Seated, blamed_by, faults, honest, run};
use crate::parties::{DEADLINE, World, party, rng, run_all};

/// A setup in which party 3 lies; the honest ones' seats come back.
fn with_liar(
    world: &mut World,
    lie: impl FnMut(Hash, &mut Vec<Outgoing>),
    adversary: impl FnMut(Mail) -> Vec<Mail>,
) -> (Arc<Context>, BTreeMap<Party, Seated<Setup>>) {
    let context = world.setup_context();
    let mut seats = world.setup_seats(&context);
    let liar = party(3);
    seats.remove(&liar);
    let identity = Arc::clone(&world.identities[&liar]);
    let opening =
        Setup::start(Arc::clone(&context), liar, identity, &Bans::default(), &mut world.rng).unwrap();
    let mut rogue = Seated::new(Some(liar), Session::open(Rogue::opening(opening, lie), DEADLINE));
    let mut nodes: Vec<&mut dyn Node> = seats.values_mut().map(|seat| seat as &mut dyn Node).collect();
    nodes.push(&mut rogue);
    run(&mut nodes, Order::First, adversary);
    (context, seats)
}

fn assert_convicts(context: &Context, seats: &BTreeMap<Party, Seated<Setup>>, fault: Fault) {
    assert_eq!(blamed_by(context, seats.values()), BTreeSet::from([party(3)]), "only the liar is blamed");
    assert_eq!(faults(seats.values()).get(&party(3)), Some(&BTreeSet::from([fault])));
    assert!(seats.values().all(|seat| seat.output.is_none()), "no pair comes of it");
}

/// A lie about one round's messages, to everybody.
fn about<T: Wire>(round: u8, change: impl Fn(&mut T)) -> impl FnMut(Hash, &mut Vec<Outgoing>) {
    move |_, outbox| {
        for message in outbox.iter_mut().filter(|message| message.round == round) {
            let mut decoded = T::decode(&message.body).expect("an honest message");
            change(&mut decoded);
            message.body = decoded.encode();
        }
    }
}

/// Who is banned by anybody, and what for.
fn banned(seats: &BTreeMap<Party, Seated<Setup>>) -> BTreeSet<(Party, Fault)> {
    let mut all = BTreeSet::new();
    for seat in seats.values() {
        if let Some(Abort::BanAndBurn(blames)) = &seat.abort {
            all.extend(blames.iter().map(|blame| (blame.party, blame.fault)));
        }
    }
    all
}

fn assert_bans(context: &Context, seats: &BTreeMap<Party, Seated<Setup>>, fault: Fault) {
    assert_eq!(banned(seats), BTreeSet::from([(party(3), fault)]), "only the liar is banned");
    assert!(blamed_by(context, seats.values()).is_empty(), "there is nothing to show to others");
    assert!(seats.values().all(|seat| seat.output.is_none()), "no pair comes of it");
    for blames in seats.values().filter_map(|seat| match &seat.abort {
        Some(Abort::BanAndBurn(blames)) => Some(blames),
        _ => None,
    }) {
        assert!(blames.iter().all(|blame| judge::<Setup>(context, blame).is_err()), "no judge convicts");
    }
}

#[test]
fn d05_points_outside_the_group_convict() {
    let identity = RistrettoPoint::identity().compress().to_bytes();
    let not_canonical = [0xff; 32];
    for bytes in [identity, not_canonical] {
        let in_a_reply = move |_: Hash, outbox: &mut Vec<Outgoing>| {
            for message in outbox.iter_mut().filter(|message| message.round == 2) {
                let at = message.body.len() - 32;
                message.body[at..].copy_from_slice(&bytes);
            }
        };
        let (context, seats) = with_liar(&mut World::new(2, 3, 500), in_a_reply, honest);
        assert_convicts(&context, &seats, Fault::Malformed);
        let in_an_offer = move |_: Hash, outbox: &mut Vec<Outgoing>| {
            for message in outbox.iter_mut().filter(|message| message.round == 1) {
                let at = message.body.len() - 32;
                message.body[at..].copy_from_slice(&bytes);
            }
        };
        let (context, seats) = with_liar(&mut World::new(2, 3, 501), in_an_offer, honest);
        assert_convicts(&context, &seats, Fault::Malformed);
    }
}

#[test]
fn d05_repeated_points_convict() {
    let element = Element::new(RISTRETTO_BASEPOINT_POINT);
    let all_equal = about(2, move |reply: &mut Reply| reply.0.fill([element; 2]));
    let (context, seats) = with_liar(&mut World::new(2, 3, 502), all_equal, honest);
    assert_convicts(&context, &seats, Fault::RepeatedPoint);
    let one_twice = about(2, |reply: &mut Reply| reply.0[127][1] = reply.0[0][0]);
    let (context, seats) = with_liar(&mut World::new(2, 3, 503), one_twice, honest);
    assert_convicts(&context, &seats, Fault::RepeatedPoint);
    let offers = std::cell::RefCell::new(None);
    let own_offer = |_: Hash, outbox: &mut Vec<Outgoing>| {
        for message in outbox {
            match message.round {
                1 => drop(offers.replace(Some(Offers::decode(&message.body).unwrap()))),
                2 => {
                    let mut reply = Reply::decode(&message.body).unwrap();
                    let offers = offers.borrow();
                    let offers = offers.as_ref().unwrap();
                    reply.0[5][0] = offers.to.iter().find(|offer| Some(offer.0) == message.to).unwrap().2;
                    message.body = reply.encode();
                }
                _ => {}
            }
        }
    };
    let (context, seats) = with_liar(&mut World::new(2, 3, 504), own_offer, honest);
    assert_convicts(&context, &seats, Fault::RepeatedPoint);
}

#[test]
fn d05_the_offer_itself_is_no_reply() {
    // What a rushing replier sees of the honest parties' offers, and sends back.
    let seen = std::cell::RefCell::new(BTreeMap::new());
    let lie = |_: Hash, outbox: &mut Vec<Outgoing>| {
        for message in outbox.iter_mut().filter(|message| message.round == 2) {
            let mut reply = Reply::decode(&message.body).unwrap();
            reply.0[9][1] = seen.borrow()[&message.to.unwrap()];
            message.body = reply.encode();
        }
    };
    let listen = |mail: Mail| {
        let header = mail.header();
        if (header.round, header.kind, mail.to) == (1, Kind::Body, Some(party(3))) {
            let offers = Offers::decode(mail.envelope().body()).unwrap();
            let for_us = offers.to.iter().find(|offer| offer.0 == party(3)).unwrap().2;
            seen.borrow_mut().insert(mail.from, for_us);
        }
        vec![mail]
    };
    let (context, seats) = with_liar(&mut World::new(2, 3, 520), lie, listen);
    assert_convicts(&context, &seats, Fault::RepeatedPoint);
}

#[test]
fn d05_too_few_transfers_or_offers_convict() {
    let short = |_: Hash, outbox: &mut Vec<Outgoing>| {
        for message in outbox.iter_mut().filter(|message| message.round == 2) {
            let reply = Reply::decode(&message.body).unwrap();
            message.body = Reply(reply.0[..127].to_vec()).encode();
        }
    };
    let (context, seats) = with_liar(&mut World::new(2, 3, 505), short, honest);
    assert_convicts(&context, &seats, Fault::Malformed);
    for change in [
        (|offers: &mut Offers| offers.to.truncate(1)) as fn(&mut Offers),
        |offers| offers.to.swap(0, 1),
        |offers| offers.to[0].0 = party(3),
    ] {
        let (context, seats) = with_liar(&mut World::new(2, 3, 506), about(1, change), honest);
        assert_convicts(&context, &seats, Fault::Malformed);
    }
}

#[test]
fn d12_a_seed_half_opened_differently_convicts() {
    let other_half = about(3, |trees: &mut Trees| trees.half.0.expose_mut()[0][0] ^= 1);
    let (context, seats) = with_liar(&mut World::new(2, 3, 507), other_half, honest);
    assert_convicts(&context, &seats, Fault::WrongOpening);
    let other_blind = about(3, |trees: &mut Trees| trees.half.0.expose_mut()[1][31] ^= 1);
    let (context, seats) = with_liar(&mut World::new(2, 3, 508), other_blind, honest);
    assert_convicts(&context, &seats, Fault::WrongOpening);
}

#[test]
fn d05_an_inconsistent_tree_bans() {
    for tree in [0, 31] {
        let every_side = about(3, move |trees: &mut Trees| {
            trees.corrections[tree].sums[3].iter_mut().for_each(|sum| sum[0] ^= 1);
        });
        let (context, seats) = with_liar(&mut World::new(2, 3, 509), every_side, honest);
        assert_bans(&context, &seats, Fault::WrongTrees);
    }
    let digest = about(3, |trees: &mut Trees| trees.corrections[7].checks_digest[31] ^= 0x80);
    let (context, seats) = with_liar(&mut World::new(2, 3, 510), digest, honest);
    assert_bans(&context, &seats, Fault::WrongTrees);
    let sum = about(3, |trees: &mut Trees| trees.corrections[7].checks_sum[0] ^= 1);
    let (context, seats) = with_liar(&mut World::new(2, 3, 511), sum, honest);
    assert_bans(&context, &seats, Fault::WrongTrees);
}

// A lie in a tree is met only by those whose path it touches. Whoever may lie until it is not met knows as many bits of Δ.
#[test]
fn d05_a_guess_of_delta_in_the_trees_passes_or_is_the_last() {
    let mut world = World::new(2, 2, 521);
    let (victim, liar) = (party(1), party(2));
    let guess = |world: &mut World, bans: &Bans| {
        let context = world.setup_context();
        let identity = Arc::clone(&world.identities[&victim]);
        let opening = Setup::start(Arc::clone(&context), victim, identity, bans, &mut world.rng)?;
        let mut seat = Seated::new(Some(victim), Session::open(opening, DEADLINE));
        let mut other = world.setup_seats(&context).remove(&liar).unwrap();
        let identity = Arc::clone(&world.identities[&liar]);
        run(&mut [&mut seat, &mut other], Order::First, |mail| {
            let header = mail.header();
            if (mail.from, header.round, header.kind) != (liar, 3, Kind::Body) {
                return vec![mail];
            }
            // The sum of the left half of a tree: seen by those only whose path is on the right.
            vec![mail.forged(&identity, |_, body| {
                let mut trees = Trees::decode(body).unwrap();
                trees.corrections[..2].iter_mut().for_each(|tree| tree.sums[0][0][0] ^= 1);
                *body = trees.encode().to_vec();
            })]
        });
        let seats = BTreeMap::from([(victim, seat)]);
        Ok::<_, SetupError>(banned(&seats))
    };
    // A node that forgets its bans is asked until its trees pass. What ends that setup is that the liar's machine confirms
    // what it meant to send; a liar to the end confirms what it has sent.
    let mut failures = 0;
    while guess(&mut world, &Bans::default()).unwrap() == BTreeSet::from([(liar, Fault::WrongTrees)]) {
        failures += 1;
        assert!(failures < 60, "two bits are guessed in four attempts on average");
    }
    println!("two bits of Δ after {failures} failures");
    assert!(failures > 0, "this seed takes more than one");
    let last = guess(&mut world, &Bans::default()).unwrap();
    assert!(last.iter().all(|(banned, _)| *banned == liar), "{last:?}");
    let mut bans = Bans::default();
    bans.add(world.identities[&liar].public());
    assert_eq!(guess(&mut world, &bans).err(), Some(SetupError::Banned(liar)));
}

/// The reply of party 1, whose generator is in the same state at every call, and Δ as it keeps it.
fn replied_by_a_repeated_generator(context: &Arc<Context>, world: &World, other: u64) -> (Reply, [u8; 16]) {
    let (mut seats, mut reply) = (BTreeMap::new(), None);
    for (member, seed) in [(party(1), 77), (party(2), other)] {
        let identity = Arc::clone(&world.identities[&member]);
        let opening =
            Setup::start(Arc::clone(context), member, identity, &Bans::default(), &mut rng(seed)).unwrap();
        seats.insert(member, Seated::new(Some(member), Session::open(opening, DEADLINE)));
    }
    run_all(&mut seats, Order::First, |mail| {
        let header = mail.header();
        if (mail.from, header.round, header.kind) == (party(1), 2, Kind::Body) {
            reply = Some(Reply::decode(mail.envelope().body()).unwrap());
        }
        vec![mail]
    });
    let sealed = seats.remove(&party(1)).unwrap().output.unwrap().seal();
    // After Δ, of 16 bytes, come two forests; every string has its type and length before it.
    let delta = sealed.len() - 2 * (512 * 32 + 9) - 16;
    (reply.unwrap(), sealed[delta..][..16].try_into().unwrap())
}

// Of two replies whose random scalars are the same, the elements that stay the same are those not chosen: that is Δ.
#[test]
fn d06_two_setups_with_the_same_randomness_share_nothing() {
    let mut world = World::new(2, 2, 523);
    let (one, another) = (world.setup_context(), world.setup_context());
    let runs = [(&one, 100), (&one, 101), (&another, 100)];
    let said = runs.map(|(context, other)| replied_by_a_repeated_generator(context, &world, other));
    let elements: Vec<_> = said.iter().flat_map(|(reply, _)| reply.0.as_flattened()).collect();
    let distinct: BTreeSet<_> = elements.iter().map(|element| format!("{element:?}")).collect();
    assert_eq!((elements.len(), distinct.len()), (3 * 256, 3 * 256), "no element comes again");
    let deltas: BTreeSet<_> = said.iter().map(|(_, delta)| delta).collect();
    assert_eq!(deltas.len(), 3, "and no Δ");
    // The same session again is the same, bit for bit: nothing else has entered.
    assert_eq!(replied_by_a_repeated_generator(&one, &world, 100), said[0]);
}

#[test]
fn d12_a_false_confirmation_bans() {
    let lie = about(4, |confirmation: &mut Confirmation| confirmation.0 = Hash::from_bytes([1; 32]));
    let (context, seats) = with_liar(&mut World::new(2, 3, 512), lie, honest);
    assert_bans(&context, &seats, Fault::WrongConfirmation);
}

#[test]
fn d04_nothing_that_a_relay_does_to_a_pair_setup_bans_anybody() {
    let mut world = World::new(2, 2, 522);
    let mut earlier: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for (round, steps) in [(1u8, 20), (2, 40), (3, 40), (4, 20), (5, 20)] {
        for step in 0..steps {
            let context = world.setup_context();
            let mut seats = world.setup_seats(&context);
            run_all(&mut seats, Order::First, |mail| {
                let header = mail.header();
                if (mail.from, header.round, header.kind) != (party(2), round, Kind::Body) {
                    return vec![mail];
                }
                let mut changed = mail.clone();
                let at = (changed.bytes.len() * step / steps + step) % changed.bytes.len();
                changed.bytes[at] ^= 1 << (step % 8);
                // With it what the same party has signed for another setup, and its own words to the wrong reader.
                let old = earlier.insert(round, mail.bytes.clone());
                let replayed = old.map(|bytes| Mail { bytes, ..mail.clone() });
                let turned = Mail { from: party(1), to: Some(party(2)), ..mail };
                [changed, turned].into_iter().chain(replayed).collect()
            });
            for seat in seats.values() {
                assert!(seat.abort().is_none(), "round {round}: {:?}", seat.abort());
            }
            let victim = seats.get_mut(&party(1)).unwrap();
            assert!(!victim.is_done() && !victim.refusals.is_empty(), "the relay stalled the setup");
            let abort = victim.take_session().unwrap().check_deadline(Millis(60_000)).err().unwrap();
            assert!(abort.culprits().is_empty(), "silence bans nobody");
        }
    }
}

#[test]
fn d12_zero_shares_add_up_to_zero_for_every_quorum() {
    // Presigning compares the sum of the blinded key shares with the key: an error of sign or order would end it.
    let mut world = World::new(3, 4, 513);
    let mut members = world.ecdsa_members();
    let all: Vec<_> = (1..=4).map(party).collect();
    for left_out in &all {
        let signers: Vec<_> = all.iter().copied().filter(|one| one != left_out).collect();
        assert_eq!(world.presign(&mut members, &signers, 1).len(), 3);
    }
}

#[test]
fn d03_a_banned_identity_does_not_come_back_with_another_index() {
    let mut world = World::new(2, 3, 514);
    let setups = world.set_up();
    let mut bans = Bans::default();
    bans.add(world.identities[&party(3)].public());
    // What is durable survives a restart.
    let bans = Bans::decode(&bans.encode()).unwrap();
    let reserve = |ledger: &mut Ledger, peer| {
        ledger.reserve(&setups[&party(1)], &[party(1), party(peer)], Freshness::Shared, &bans).map(drop)
    };
    let mut ledger = Ledger::new(&setups[&party(1)]);
    assert_eq!(reserve(&mut ledger, 3), Err(Unusable::Banned(party(3))));
    assert_eq!(reserve(&mut ledger, 2), Ok(()));
    // The same node as member 1 of a new committee.
    let members = vec![
        (party(1), world.identities[&party(3)].public()),
        (party(2), world.identities[&party(1)].public()),
    ];
    let threshold = keymoot_types::Threshold::new(2, 2).unwrap();
    let committee = Arc::new(Committee::new(GroupId::new([9; 16]), threshold, members).unwrap());
    let context = Arc::new(Context { committee, ..(*world.setup_context()).clone() });
    let identity = Arc::clone(&world.identities[&party(1)]);
    let start = |context: &Arc<Context>, bans: &Bans, world: &mut World| {
        let identity = Arc::clone(&identity);
        Setup::start(Arc::clone(context), party(2), identity, bans, &mut world.rng).map(drop)
    };
    assert_eq!(start(&context, &bans, &mut world), Err(SetupError::Banned(party(1))));
    let mut pardoned = bans.clone();
    assert!(pardoned.lift(&world.identities[&party(3)].public()));
    assert_eq!(start(&context, &pardoned, &mut world), Ok(()));
}

#[test]
fn d03_a_burnt_pair_stays_burnt_in_both_directions_and_for_all_keys() {
    let mut world = World::new(2, 3, 515);
    let setups = world.set_up();
    let mut ledger = Ledger::new(&setups[&party(1)]);
    ledger.burn(party(2));
    let mut ledger = Ledger::decode(&ledger.encode()).unwrap();
    let bans = Bans::default();
    let mut reserve = |setup: &PairSetup, peer| {
        ledger.reserve(setup, &[party(1), party(peer)], Freshness::Shared, &bans).map(drop)
    };
    assert_eq!(reserve(&setups[&party(1)], 2), Err(Unusable::Burnt(party(2))));
    assert_eq!(reserve(&setups[&party(1)], 3), Ok(()));
    let setup = &setups[&party(1)];
    setup.burn(party(3));
    assert_eq!(reserve(setup, 3), Err(Unusable::NoPair(party(3))));
    let sealed = setup.seal();
    let back = PairSetup::unseal(&sealed, Arc::clone(&world.committee)).unwrap();
    assert_eq!((back.peers().collect::<Vec<_>>(), back.name()), (vec![party(2)], setup.name()));
    for cut in [0, 1, 40, sealed.len() - 1] {
        assert!(PairSetup::unseal(&sealed[..cut], Arc::clone(&world.committee)).is_err());
    }
}

#[test]
fn a_key_can_ask_for_fresh_base_ots_for_each_batch() {
    let mut world = World::new(2, 3, 516);
    let shares = world.generate_ecdsa(2);
    let signers = [party(1), party(2)];
    let quorum = Quorum::new(world.committee.threshold(), signers.to_vec()).unwrap();
    let context = Arc::new(Context { signers: Some(quorum), ..(*world.setup_context()).clone() });
    let mut seats = world.setup_seats(&context);
    assert_eq!(seats.len(), 2, "only the signers set up");
    run_all(&mut seats, Order::First, honest);
    let other = world.set_up().remove(&party(1)).unwrap();
    let bans = Bans::default();
    for (seat, share) in seats.into_values().zip(&shares) {
        let setup = seat.output.expect("an honest setup");
        assert_eq!(setup.party(), share.party());
        let reserve = |ledger: &mut Ledger, setup: &PairSetup, freshness| {
            ledger.reserve(setup, &signers, freshness, &bans).map(drop)
        };
        let mut ledger = Ledger::new(&setup);
        assert_eq!(reserve(&mut ledger, &other, Freshness::Shared), Err(Unusable::WrongLedger));
        assert_eq!(reserve(&mut ledger, &setup, Freshness::EachBatch), Ok(()));
        let mut ledger = Ledger::decode(&ledger.encode()).unwrap();
        for late in [Freshness::EachBatch, Freshness::Shared] {
            assert_eq!(reserve(&mut ledger, &setup, late), Err(Unusable::NotFresh), "it was for one batch");
        }
        let mut used = Ledger::new(&setup);
        assert_eq!(reserve(&mut used, &setup, Freshness::Shared), Ok(()));
        assert_eq!(reserve(&mut used, &setup, Freshness::EachBatch), Err(Unusable::NotFresh));
    }
}

#[test]
fn t19_what_a_setup_stores_needs_its_own_form() {
    let mut writer = Writer::new();
    writer.party(party(1));
    let committee = Arc::clone(&World::new(2, 3, 517).committee);
    assert!(PairSetup::unseal(writer.as_bytes(), committee).is_err());
    let mut world = World::new(2, 3, 518);
    let sealed = world.set_up()[&party(2)].seal();
    let foreign = Arc::clone(&World::new(2, 3, 519).committee);
    assert!(PairSetup::unseal(&sealed, foreign).is_err(), "the pairs of another committee");
    assert!(PairSetup::unseal(&sealed, Arc::clone(&world.committee)).is_ok());
}
