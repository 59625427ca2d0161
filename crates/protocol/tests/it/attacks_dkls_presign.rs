//! Attacks on presigning.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k256::{AffinePoint, ProjectivePoint, Scalar};
use keymoot_protocol::abort::{Abort, Benign, Fault};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Committee;
use keymoot_protocol::dkls23::presign::{Commit, Extension, Hello, Open, Replies};
use keymoot_protocol::dkls23::{
    Bans, Freshness, Ledger, Order as SignOrder, PresignRefused, Presignature, PresignaturePool, Presigned,
    Presigner, Unusable, ban_and_burn,
};
use keymoot_protocol::envelope::Kind;
use keymoot_protocol::machine::Outgoing;
use keymoot_protocol::session::{Refusal, Session};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{GroupId, Millis, Party, SessionId};

use crate::dkls::{Member, payload, take_first, verifying_key};
use crate::net::{Mail, Node, Order, Rogue, Seated, blamed_by, faults, honest, run};
use crate::parties::{DEADLINE, World, party, run_all};

type Members = BTreeMap<Party, Member>;
type Seats = BTreeMap<Party, Seated<Presigner>>;
type Lie = Box<dyn FnMut(Hash, &mut Vec<Outgoing>)>;

/// The same world and members once more, to see what somebody will say.
fn twin(world: &World, members: &Members) -> (World, Members) {
    let again = World {
        committee: Arc::clone(&world.committee),
        identities: world.identities.clone(),
        rng: world.rng.clone(),
        session: world.session,
    };
    let copy = |member: &Member| Member {
        share: Arc::clone(&member.share),
        setup: Arc::clone(&member.setup),
        ledger: member.ledger.clone(),
    };
    (again, members.iter().map(|(party, member)| (*party, copy(member))).collect())
}

/// The openings that the signers will send in the next honest batch.
fn openings(world: &World, members: &Members, signers: &[Party], size: u16) -> BTreeMap<Party, Open> {
    let (mut world, mut members) = twin(world, members);
    let mut found = BTreeMap::new();
    let mut seats = world.presign_seats(&mut members, signers, size);
    run_all(&mut seats, Order::First, |mail| {
        let header = mail.header();
        if (header.round, header.kind) == (3, Kind::Body) {
            found.insert(mail.from, Open::decode(mail.envelope().body()).unwrap());
        }
        vec![mail]
    });
    found
}

/// A batch in which some lie, each in its own way; the honest ones' seats come back.
pub fn with_liars(
    world: &mut World,
    members: &mut Members,
    (signers, size): (&[Party], u16),
    lies: BTreeMap<Party, Lie>,
) -> Seats {
    with_liars_parts(world, members, (signers, size), lies).0
}

/// As [`with_liars`], with what the liars have in the end.
fn with_liars_parts(
    world: &mut World,
    members: &mut Members,
    (signers, size): (&[Party], u16),
    mut lies: BTreeMap<Party, Lie>,
) -> (Seats, BTreeMap<Party, Presigned>) {
    let session = world.new_session();
    let (mut honest_seats, mut rogues) = (BTreeMap::new(), Vec::new());
    for signer in signers {
        let opening = world.presigner(members.get_mut(signer).unwrap(), signers, (session, size));
        match lies.remove(signer) {
            None => {
                let seat = Seated::new(Some(*signer), Session::open(opening, DEADLINE));
                honest_seats.insert(*signer, seat);
            }
            Some(lie) => {
                let opening = Rogue::opening(opening, lie);
                rogues.push(Seated::new(Some(*signer), Session::open(opening, DEADLINE)));
            }
        }
    }
    let mut nodes: Vec<&mut dyn Node> = honest_seats.values_mut().map(|seat| seat as &mut dyn Node).collect();
    nodes.extend(rogues.iter_mut().map(|seat| seat as &mut dyn Node));
    run(&mut nodes, Order::First, honest);
    let parts = rogues.into_iter().filter_map(|seat| Some((seat.address().unwrap(), seat.output?)));
    let parts = parts.collect();
    (honest_seats, parts)
}

/// A lie about one round's messages.
fn about<T: Wire + 'static>(round: u8, change: impl Fn(&mut T) + 'static) -> Lie {
    Box::new(move |_, outbox| {
        for message in outbox.iter_mut().filter(|message| message.round == round) {
            let mut decoded = T::decode(&message.body).expect("an honest message");
            change(&mut decoded);
            message.body = decoded.encode();
        }
    })
}

/// Opens something else, and has committed to it.
fn opens(liar: Party, changed: Open) -> Lie {
    Box::new(move |ssid, outbox| {
        for message in outbox {
            match message.round {
                1 => {
                    let honest = Commit::decode(&message.body).unwrap();
                    message.body = Commit { opening: Commit::to(ssid, liar, &changed), ..honest }.encode();
                }
                3 => message.body = changed.encode(),
                _ => {}
            }
        }
    })
}

/// Who is banned by anybody, and what for.
pub fn banned<'a>(
    seats: impl IntoIterator<Item = &'a Seated<Presigner>>,
) -> BTreeMap<Party, BTreeSet<Fault>> {
    let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for seat in seats {
        if let Some(Abort::BanAndBurn(blames)) = &seat.abort {
            for blame in blames.iter() {
                all.entry(blame.party).or_default().insert(blame.fault);
            }
        }
    }
    all
}

fn ready(needed: u16, total: u16, seed: u64) -> (World, Members) {
    let mut world = World::new(needed, total, seed);
    let members = world.ecdsa_members();
    (world, members)
}

fn one_lies(seed: u64, size: u16, lie: Lie) -> (World, Members, Seats) {
    let (mut world, mut members) = ready(3, 3, seed);
    let signers = [party(1), party(2), party(3)];
    let seats = with_liars(&mut world, &mut members, (&signers, size), BTreeMap::from([(party(3), lie)]));
    (world, members, seats)
}

fn assert_banned(seats: &Seats, fault: Fault) {
    assert_eq!(banned(seats.values()), BTreeMap::from([(party(3), BTreeSet::from([fault]))]));
    assert!(seats.values().all(|seat| matches!(seat.abort, Some(Abort::BanAndBurn(_)))), "by everybody");
    assert!(seats.values().all(|seat| seat.output.is_none()), "no presignature comes of it");
}

#[test]
fn d01_an_inconsistent_extension_bans() {
    // Every tree's correction wrong in one row: only a Δ of all zeros would not notice.
    let all_trees = about(2, |extension: &mut Extension| {
        let blocks = extension.corrections.len() / 32;
        extension.corrections.iter_mut().step_by(blocks).for_each(|word| *word ^= 1 << 9);
    });
    let (_, _, seats) = one_lies(520, 2, all_trees);
    assert_banned(&seats, Fault::WrongExtension);
    let (_, _, seats) = one_lies(521, 1, about(2, |extension: &mut Extension| extension.columns[3][1] ^= 1));
    assert_banned(&seats, Fault::WrongExtension);
    let choices = about(2, |extension: &mut Extension| extension.choices[0] ^= 1);
    let (_, _, seats) = one_lies(522, 33, choices);
    assert_banned(&seats, Fault::WrongExtension);
}

#[test]
fn d01_after_a_ban_there_is_no_second_attempt_and_running_sessions_are_known() {
    let (mut world, mut members) = ready(2, 3, 523);
    let (honest_one, liar) = (party(1), party(3));
    let signers = [honest_one, liar];
    let beside = world.presign_seats(&mut members, &signers, 1);
    let unrelated = world.presign_seats(&mut members, &[honest_one, party(2)], 1);
    let lie = about(2, |extension: &mut Extension| extension.columns[0][0] ^= 1);
    let seats = with_liars(&mut world, &mut members, (&signers, 1), BTreeMap::from([(liar, lie)]));
    let culprits = seats[&honest_one].abort.as_ref().unwrap().culprits();
    assert_eq!(culprits, [liar]);
    // What whoever runs the machine does with it, from what it has.
    let member = members.get_mut(&honest_one).unwrap();
    let mut bans = Bans::default();
    for culprit in culprits {
        let identity = *world.committee.identity(culprit).unwrap();
        bans.add(identity);
        member.ledger.burn(culprit);
        assert!(beside[&honest_one].session().unwrap().machine().involves(&identity), "must be dropped");
        assert!(!unrelated[&honest_one].session().unwrap().machine().involves(&identity), "may go on");
    }
    let retry = |ledger: &mut Ledger, bans: &Bans, setup| {
        ledger.reserve(setup, &signers, Freshness::Shared, bans).map(drop)
    };
    let mut restarted = Ledger::decode(&member.ledger.encode()).unwrap();
    assert_eq!(retry(&mut restarted, &bans, &member.setup), Err(Unusable::Burnt(liar)));
    let mut unburnt = Ledger::new(&member.setup);
    assert_eq!(retry(&mut unburnt, &bans, &member.setup), Err(Unusable::Banned(liar)));
}

#[test]
fn d01_one_failure_ends_all_batches_that_wait_for_a_check_with_the_same_secrets() {
    let (mut world, mut members) = ready(2, 2, 551);
    let (victim, liar) = (party(1), party(2));
    let signers = [victim, liar];
    // Eight batches at once, each with its own guess, all delivered up to the check and then together.
    let mut batches: Vec<_> = (0..8).map(|_| world.presign_seats(&mut members, &signers, 1)).collect();
    let mut extensions = Vec::new();
    for seats in &mut batches {
        let identity = Arc::clone(&world.identities[&liar]);
        run_all(seats, Order::First, |mail| {
            let header = mail.header();
            if (mail.from, header.round, header.kind) != (liar, 2, Kind::Body) {
                return vec![mail];
            }
            let forged = mail.forged(&identity, |_, body| {
                let mut extension = Extension::decode(body).unwrap();
                extension.columns[0][0] ^= 1;
                *body = extension.encode().to_vec();
            });
            extensions.push(forged);
            Vec::new()
        });
    }
    assert_eq!(extensions.len(), 8);
    let mut ends = Vec::new();
    for (seats, extension) in batches.iter_mut().zip(&extensions) {
        let seat = seats.get_mut(&victim).unwrap();
        seat.deliver(&extension.bytes);
        ends.push(match seat.abort() {
            Some(Abort::BanAndBurn(_)) => "ban",
            Some(Abort::Benign(Benign::BurntPair { with })) if *with == [liar] => "burnt",
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(ends, ["ban", "burnt", "burnt", "burnt", "burnt", "burnt", "burnt", "burnt"]);
}

/// Everything in one pool that a batch has left with party 1.
fn pooled(done: &mut BTreeMap<Party, Presigned>, pool: &mut PresignaturePool) {
    for presignature in std::mem::take(&mut done.get_mut(&party(1)).unwrap().presignatures) {
        pool.add(presignature, Millis(1)).unwrap();
    }
}

/// The same node as party 1 of two committees, and the same liar as party 2 of the first and party 3 of the second.
fn two_committees() -> (World, World) {
    let (first, mut second) = (World::new(2, 2, 552), World::new(2, 3, 553));
    for (here, there) in [(1, 1), (2, 3)] {
        second.identities.insert(party(there), Arc::clone(&first.identities[&party(here)]));
    }
    let members = second.identities.iter().map(|(party, key)| (*party, key.public())).collect();
    let threshold = second.committee.threshold();
    second.committee = Arc::new(Committee::new(GroupId::new([7; 16]), threshold, members).unwrap());
    (first, second)
}

#[test]
fn d03_a_ban_takes_the_pairs_and_presignatures_of_all_committees_and_nobody_elses() {
    let (mut first, mut second) = two_committees();
    let liar = first.identities[&party(2)].public();
    let (mut here, mut there) = (first.ecdsa_members(), second.ecdsa_members());
    let mut pool = PresignaturePool::default();
    pooled(&mut first.presign(&mut here, &[party(1), party(2)], 1), &mut pool);
    pooled(&mut second.presign(&mut there, &[party(1), party(2)], 2), &mut pool);
    pooled(&mut second.presign(&mut there, &[party(1), party(3)], 3), &mut pool);
    let setup_of = |world: &mut World| {
        let context = world.setup_context();
        world.setup_seats(&context).remove(&party(1)).unwrap()
    };
    let running = [setup_of(&mut first), setup_of(&mut second)];
    assert!(running.iter().all(|seat| seat.session().unwrap().machine().involves(&liar)), "dropped");
    let counted = {
        let node = there.get_mut(&party(1)).unwrap();
        let signers = [party(1), party(3)];
        node.ledger.reserve(&node.setup, &signers, Freshness::Shared, &Bans::default()).unwrap()
    };

    let mut bans = Bans::default();
    let nodes = [here.get_mut(&party(1)).unwrap(), there.get_mut(&party(1)).unwrap()];
    let setups = nodes.into_iter().map(|node| (&*node.setup, &mut node.ledger));
    let tombstones = ban_and_burn(&liar, setups, &mut bans, &mut pool);
    assert!(bans.contains(&liar));
    let (one, other) = (&here[&party(1)], &there[&party(1)]);
    let keys = [one, other].map(|node| node.share.group().digest());
    assert_eq!((tombstones.len(), pool.left(keys[0], &[party(1), party(2)])), (1 + 3, 0));
    assert_eq!(pool.left(keys[1], &[party(1), party(3)]), 0, "the liar's");
    assert_eq!(
        pool.left(keys[1], &[party(1), party(2)]),
        2,
        "those of another who has the liar's index elsewhere"
    );
    assert!(one.ledger.is_burnt(party(2)) && one.setup.peers().next().is_none());
    assert!(other.ledger.is_burnt(party(3)) && other.setup.peers().eq([party(2)]));
    assert!(!other.ledger.is_burnt(party(2)));
    // A use that was counted before opens no session any more.
    let (share, setup) = (Arc::clone(&other.share), Arc::clone(&other.setup));
    let (batch, identity) = ((SessionId::new([8; 16]), 1), Arc::clone(&second.identities[&party(1)]));
    let late = Presigner::start(share, setup, counted, batch, identity, &bans, &mut second.rng);
    assert_eq!(late.err(), Some(PresignRefused::Banned(party(3))));
}

#[test]
fn d02_an_inconsistent_reply_bans() {
    for change in [
        (|replies: &mut Replies| replies.0[0].product.digest[5] ^= 1) as fn(&mut Replies),
        |replies| replies.0[0].product.opening += Scalar::ONE,
        |replies| replies.0[0].product.corrections.iter_mut().for_each(|one| one[31] ^= 1),
    ] {
        let (_, _, seats) = one_lies(524, 1, about(4, change));
        assert_banned(&seats, Fault::WrongProduct);
    }
    // Hidden in the last of a batch, and in a later chunk.
    let last = about(5, |replies: &mut Replies| replies.0.last_mut().unwrap().product.digest[0] ^= 1);
    let (_, _, seats) = one_lies(525, 40, last);
    assert_banned(&seats, Fault::WrongProduct);
}

#[test]
fn d04_no_byte_that_a_relay_changes_bans_anybody() {
    let (mut world, mut members) = ready(2, 2, 526);
    let signers = [party(1), party(2)];
    let mut longest = BTreeMap::new();
    for round in [1u8, 2, 3, 4, 5] {
        for step in 0..40 {
            let mut seats = world.presign_seats(&mut members, &signers, 1);
            run_all(&mut seats, Order::First, |mail| {
                let (header, mut changed) = (mail.header(), mail.clone());
                if header.round == round && header.kind == Kind::Body && mail.from == party(2) {
                    let length = changed.bytes.len();
                    longest.insert(round, length);
                    // The whole of a short message, an even sample of a long one; every bit of a byte in turn.
                    let at = (length * step / 40 + step) % length;
                    changed.bytes[at] ^= 1 << (step % 8);
                }
                vec![changed]
            });
            for seat in seats.values_mut() {
                assert!(seat.abort().is_none(), "round {round}: {:?}", seat.abort());
            }
            let victim = seats.get_mut(&party(1)).unwrap();
            assert!(!victim.is_done() && !victim.refusals.is_empty(), "the relay stalled the batch");
            let abort = victim.take_session().unwrap().check_deadline(Millis(60_000)).err().unwrap();
            assert!(abort.culprits().is_empty(), "silence bans nobody");
        }
    }
    assert!(longest[&4] > 40_000 && longest[&2] > 5_000);
}

#[test]
fn d06_no_two_uses_share_a_session_name_even_if_randomness_repeats() {
    let (world, mut members) = ready(2, 2, 527);
    let signers = [party(1), party(2)];
    let mut names = BTreeSet::new();
    for crash in 0..50 {
        // Randomness, request and peer are the same each time; the node comes back from its durable ledger.
        let (mut world, mut others) = twin(&world, &members);
        let member = others.get_mut(&party(1)).unwrap();
        let opening = world.presigner(member, &signers, (SessionId::new([5; 16]), 1));
        let durable = member.ledger.encode();
        let hello = Hello::decode(&opening.into_parts().1.unwrap()).unwrap();
        assert!(names.insert((hello.nonce, hello.uses)), "crash {crash}: a name came again");
        members.get_mut(&party(1)).unwrap().ledger = Ledger::decode(&durable).unwrap();
    }
    let nonces: BTreeSet<_> = names.iter().map(|(nonce, _)| nonce).collect();
    assert_eq!(nonces.len(), 50, "the count enters everything that is drawn");
}

#[test]
fn d07_a_peer_that_restored_old_state_is_refused_and_not_blamed() {
    let (mut world, mut members) = ready(2, 2, 528);
    let signers = [party(1), party(2)];
    let yesterday = members[&party(2)].ledger.clone();
    world.presign(&mut members, &signers, 1);
    world.presign(&mut members, &signers, 1);
    members.get_mut(&party(2)).unwrap().ledger = yesterday;
    let mut seats = world.presign_seats(&mut members, &signers, 1);
    run_all(&mut seats, Order::First, honest);
    let abort = seats[&party(1)].abort().unwrap();
    assert!(matches!(abort, Abort::Benign(Benign::StalePair { from }) if *from == party(2)), "{abort}");
    assert!(abort.culprits().is_empty());
    assert!(seats.values().all(|seat| !seat.is_done()));
}

#[test]
fn d07_of_two_batches_at_once_with_one_count_the_second_is_stale() {
    let (mut world, mut members) = ready(2, 2, 554);
    let signers = [party(1), party(2)];
    let old = members[&party(2)].ledger.clone();
    let mut batches = Vec::new();
    for _ in 0..2 {
        // Rolled back, it comes with count 1 again, and both batches begin before either has heard of it.
        members.get_mut(&party(2)).unwrap().ledger = old.clone();
        batches.push(world.presign_seats(&mut members, &signers, 1));
    }
    let ledger = &mut members.get_mut(&party(1)).unwrap().ledger;
    let mut verdicts = Vec::new();
    for seats in &mut batches {
        let mut hellos_only = |mail: Mail| if mail.header().round == 0 { vec![mail] } else { Vec::new() };
        run_all(seats, Order::First, &mut hellos_only);
        let counts = seats[&party(1)].session().unwrap().machine().counts().unwrap();
        verdicts.push(ledger.observe(counts));
    }
    assert_eq!(verdicts, [Ok(()), Err(Unusable::Stale(party(2)))], "the session ends here");
    // The peers' next counts are taken all the same, in any order.
    let next = |count| BTreeMap::from([(party(2), count)]);
    assert_eq!([3, 2, 3].map(|count| ledger.observe(&next(count)).is_ok()), [true, true, false]);
    let mut restored = Ledger::decode(&ledger.encode()).unwrap();
    assert_eq!(restored.observe(&next(2)), Err(Unusable::Stale(party(2))));
}

#[test]
fn d08_a_split_opening_is_equivocation_and_another_one_a_wrong_opening() {
    let (mut world, mut members) = ready(3, 3, 529);
    let signers = [party(1), party(2), party(3)];
    for round in [1, 3] {
        let mut seats = world.presign_seats(&mut members, &signers, 1);
        let context = seats[&party(1)].session().map(|_| ());
        assert!(context.is_some());
        let (liar, key) = (seats.remove(&party(3)), Arc::clone(&world.identities[&party(3)]));
        let mut liar = liar.unwrap();
        let mut nodes: Vec<&mut dyn Node> = seats.values_mut().map(|seat| seat as &mut dyn Node).collect();
        nodes.push(&mut liar);
        run(&mut nodes, Order::First, |mail| {
            let header = mail.header();
            let hit = mail.from == party(3) && header.round == round && header.kind == Kind::Body;
            if hit && mail.to == Some(party(1)) {
                return vec![mail.forged(&key, |_, body| {
                    let at = body.len() - 1;
                    body[at] ^= 1;
                })];
            }
            vec![mail]
        });
        let all = faults(seats.values());
        assert_eq!(all.keys().collect::<Vec<_>>(), [&party(3)]);
        assert!(all[&party(3)].is_subset(&BTreeSet::from([Fault::Equivocation, Fault::Malformed])));
    }
    let blind = about(3, |open: &mut Open| open.blind[0] ^= 1);
    let seats = with_liars(&mut world, &mut members, (&signers, 1), BTreeMap::from([(party(3), blind)]));
    assert_eq!(faults(seats.values()), BTreeMap::from([(party(3), BTreeSet::from([Fault::WrongOpening]))]));
}

fn shifted(point: &AffinePoint, by: i8) -> AffinePoint {
    let point = ProjectivePoint::from(*point);
    let generator = ProjectivePoint::GENERATOR;
    if by > 0 { point + generator } else { point - generator }.to_affine()
}

#[test]
fn d08_a_nonce_that_was_not_multiplied_bans() {
    let signers = [party(1), party(2), party(3)];
    for (size, place) in [(1, 0), (35, 34)] {
        let (mut world, mut members) = ready(3, 3, 530);
        let mut open = openings(&world, &members, &signers, size).remove(&party(3)).unwrap();
        open.nonces[place] = shifted(&open.nonces[place], 1);
        let lie = opens(party(3), open);
        let seats = with_liars(&mut world, &mut members, (&signers, size), BTreeMap::from([(party(3), lie)]));
        assert_banned(&seats, Fault::WrongNonce);
    }
}

#[test]
fn d09_a_key_share_that_is_not_the_keys_ends_the_batch_or_bans() {
    let (mut world, mut members) = ready(3, 3, 531);
    let signers = [party(1), party(2), party(3)];
    let mut open = openings(&world, &members, &signers, 1);
    let mut alone = open[&party(3)].clone();
    alone.key = shifted(&alone.key, 1);
    let lie = opens(party(3), alone);
    let (mut again, mut copies) = twin(&world, &members);
    let seats = with_liars(&mut again, &mut copies, (&signers, 1), BTreeMap::from([(party(3), lie)]));
    for seat in seats.values() {
        assert!(matches!(seat.abort, Some(Abort::Benign(Benign::ForeignSum))), "{:?}", seat.abort);
    }
    // Two whose errors cancel out are caught one by one.
    let lies = [(2, 1), (3, -1)].map(|(liar, by)| {
        let mut open = open.remove(&party(liar)).unwrap();
        open.key = shifted(&open.key, by);
        (party(liar), opens(party(liar), open))
    });
    let seats = with_liars(&mut world, &mut members, (&signers, 1), BTreeMap::from(lies));
    let both = [2, 3].map(|liar| (party(liar), BTreeSet::from([Fault::WrongKeyShare])));
    assert_eq!(banned(seats.values()), BTreeMap::from(both));
}

#[test]
fn d10_points_of_other_shares_ban() {
    for (which, fault) in [(0, Fault::WrongNonce), (1, Fault::WrongKeyShare)] {
        let lie = about(4, move |replies: &mut Replies| {
            let point = &mut replies.0[0].shares[which];
            *point = shifted(point, 1);
        });
        let (_, _, seats) = one_lies(532, 3, lie);
        assert_banned(&seats, fault);
    }
}

#[test]
fn d10_a_wrong_shift_spoils_the_signature_and_nothing_else() {
    let (mut world, mut members) = ready(3, 3, 533);
    let signers = [party(1), party(2), party(3)];
    let lie = about(4, |replies: &mut Replies| replies.0[0].shift += Scalar::ONE);
    let lies = BTreeMap::from([(party(3), lie)]);
    let (seats, mut done) = with_liars_parts(&mut world, &mut members, (&signers, 2), lies);
    assert!(seats.values().all(Node::is_done), "nobody can tell yet");
    done.extend(seats.into_iter().map(|(party, seat)| (party, seat.output.unwrap())));
    let key = verifying_key(&members[&party(1)], &keymoot_types::Path::root());
    let (bad, good) = (take_first(&mut done), take_first(&mut done));
    let order = |parts: &BTreeMap<Party, Presignature>| {
        let public = Arc::new(parts[&party(1)].public().clone());
        SignOrder::new(Arc::clone(&key), payload(b"shifted"), public).unwrap()
    };
    let mut signing = world.ecdsa_signing(&order(&bad), bad);
    signing.run(Order::First, honest);
    assert!(matches!(signing.aggregator.abort, Some(Abort::Benign(Benign::WrongSum))));
    assert!(signing.blamed().is_empty());
    let mut signing = world.ecdsa_signing(&order(&good), good);
    signing.run(Order::First, honest);
    assert!(signing.aggregator.is_done(), "the next presignature of the batch is as good as ever");
}

#[test]
fn d13_every_batch_has_its_own_challenges_whatever_a_rushing_party_says() {
    // A rushing party sees all other nonces first; its own enters the session's name through a hash.
    let (mut world, mut members) = ready(2, 2, 534);
    let signers = [party(1), party(2)];
    let mut names = BTreeSet::new();
    for _ in 0..200 {
        let mut seats = world.presign_seats(&mut members, &signers, 1);
        let rushing = Order::Rushing(party(2));
        let mut stop = false;
        run_all(&mut seats, rushing, |mail| {
            let keep = mail.header().round == 0 && !stop;
            stop |= mail.header().round > 0;
            if keep { vec![mail] } else { Vec::new() }
        });
        names.extend(seats.values().filter_map(|seat| seat.session()?.ssid()));
    }
    assert_eq!(names.len(), 200, "one name for each batch, the same for both signers");
}

#[test]
fn d06_a_session_cannot_be_replayed_into_another() {
    let (mut world, mut members) = ready(2, 2, 535);
    let signers = [party(1), party(2)];
    let mut recorded: Vec<Mail> = Vec::new();
    let mut seats = world.presign_seats(&mut members, &signers, 1);
    run_all(&mut seats, Order::First, |mail| {
        recorded.push(mail.clone());
        vec![mail]
    });
    let mut seats = world.presign_seats(&mut members, &signers, 1);
    for mail in &recorded {
        seats.get_mut(&mail.to.unwrap()).unwrap().deliver(&mail.bytes);
    }
    for seat in seats.values() {
        assert_eq!(seat.refusals.len(), recorded.len() / 2);
        assert!(seat.refusals.iter().all(|why| *why == Refusal::OtherSession));
        assert!(seat.abort().is_none());
    }
}

#[test]
fn malformed_messages_of_every_round_convict() {
    let rounds = [1u8, 2, 3, 4, 5, 6];
    for round in rounds {
        let lie: Lie = Box::new(move |_, outbox| {
            for message in outbox.iter_mut().filter(|message| message.round == round) {
                let at = message.body.len() - 1;
                message.body.truncate(at);
            }
        });
        let (mut world, mut members) = ready(2, 3, 540 + u64::from(round));
        let signers = [party(1), party(3)];
        let context = {
            let (mut world, mut members) = twin(&world, &members);
            let session = world.new_session();
            let opening = world.presigner(members.get_mut(&party(1)).unwrap(), &signers, (session, 33));
            Arc::clone(opening.context())
        };
        let seats = with_liars(&mut world, &mut members, (&signers, 33), BTreeMap::from([(party(3), lie)]));
        assert_eq!(blamed_by(&context, seats.values()), BTreeSet::from([party(3)]), "round {round}");
    }
}

#[test]
fn the_key_at_a_path_is_that_of_the_share() {
    let (_, members) = ready(2, 2, 550);
    let key = verifying_key(&members[&party(1)], &keymoot_types::Path::root());
    assert_eq!(*key.public(), members[&party(2)].share.group().public);
}
