//! Attacks by the relay and on the envelope: rows T01–T16, T19 and K01–K04 of the attack table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_protocol::abort::{Abort, Benign, Fault};
use keymoot_protocol::codec::{Malformed, Wire};
use keymoot_protocol::context::{Committee, Context};
use keymoot_protocol::curve::{Ed25519, Secp256k1};
use keymoot_protocol::dkg::Dkg;
use keymoot_protocol::echo::Echo;
use keymoot_protocol::envelope::{BODY_SHORT, ENVELOPE_MAX, Kind};
use keymoot_protocol::frost::{BurntNonces, NoncePool, Nonces, Signer, SigningKey};
use keymoot_protocol::identity::IdentityKey;
use keymoot_protocol::key::KeyShare;
use keymoot_protocol::proof::Prover;
use keymoot_protocol::session::{Refusal, Session};
use keymoot_protocol::transcript::Hash;
use keymoot_protocol::vss::Polynomial;
use keymoot_types::{GroupId, Millis, Party, Secret, SessionId, Threshold};
use rand_chacha::rand_core::RngCore;

use crate::net::{Mail, Node, Order, Seated, blamed_by, faults, honest};
use crate::parties::{DEADLINE, World, party, rng, run_all};

type Seats = BTreeMap<Party, Seated<Dkg<Ed25519>>>;

/// A key generation of 2-of-3 under an adversary.
fn dkg(world: &mut World, adversary: impl FnMut(Mail) -> Vec<Mail>) -> (Arc<Context>, Seats) {
    let context = world.dkg_context::<Ed25519>();
    let mut seats = world.dkg::<Ed25519>(&context);
    run_all(&mut seats, Order::First, adversary);
    (context, seats)
}

/// As [`dkg`], with one corrupt member that forges the mail `hit` names.
fn forged(
    seed: u64,
    hit: impl Fn(&Mail) -> bool,
    change: impl Fn(&mut keymoot_protocol::envelope::Header, &mut Vec<u8>),
) -> (Arc<Context>, Seats) {
    let mut world = World::new(2, 3, seed);
    let identity = Arc::clone(&world.identities[&party(3)]);
    dkg(&mut world, |mail| {
        if mail.from == party(3) && hit(&mail) { vec![mail.forged(&identity, &change)] } else { vec![mail] }
    })
}

fn everything_said(world: &mut World) -> Vec<Mail> {
    let mut all = vec![];
    dkg(world, |mail| {
        all.push(mail.clone());
        vec![mail]
    });
    all
}

fn refusals(seats: &Seats) -> BTreeSet<String> {
    seats.values().flat_map(|seat| &seat.refusals).map(|refusal| format!("{refusal:?}")).collect()
}

#[test]
fn t01_the_same_envelope_twice_changes_nothing() {
    let (_, seats) = dkg(&mut World::new(2, 3, 300), |mail| vec![mail.clone(), mail]);
    assert!(seats.values().all(Node::is_done));
    assert_eq!(refusals(&seats), BTreeSet::from(["Duplicate".to_owned()]));
}

#[test]
fn t01_another_body_for_the_same_slot_convicts_its_signer() {
    for (round, kind) in
        [(1, Kind::Body), (1, Kind::Echo), (2, Kind::Body), (3, Kind::Body), (4, Kind::Echo), (4, Kind::Body)]
    {
        let mut world = World::new(2, 3, 301);
        let identity = Arc::clone(&world.identities[&party(3)]);
        let (context, mut seats) = dkg(&mut world, |mail| {
            let header = mail.header();
            if (header.from, header.round, header.kind) != (party(3), round, kind) {
                return vec![mail];
            }
            let second = mail.forged(&identity, |_, body| *body.last_mut().unwrap() ^= 1);
            vec![mail, second]
        });
        seats.remove(&party(3));
        assert_eq!(blamed_by(&context, seats.values()), BTreeSet::from([party(3)]), "{round} {kind:?}");
        assert!(faults(seats.values())[&party(3)].contains(&Fault::Equivocation));
    }
}

#[test]
fn t01_two_first_words_prove_nothing() {
    // An honest member may run two attempts under one context; its two first words must not convict it.
    let mut world = World::new(2, 3, 302);
    let identity = Arc::clone(&world.identities[&party(3)]);
    let (_, seats) = dkg(&mut world, |mail| {
        if mail.from != party(3) || mail.header().round != 0 {
            return vec![mail];
        }
        let second = mail.forged(&identity, |_, body| *body.last_mut().unwrap() ^= 1);
        vec![mail, second]
    });
    assert!(seats.values().all(Node::is_done));
    assert_eq!(refusals(&seats), BTreeSet::from(["OtherAttempt".to_owned()]));
}

#[test]
fn t02_mail_of_other_sessions_is_dropped() {
    // Every message of: an earlier attempt, another key, another committee, the other curve.
    let mut others = everything_said(&mut World::new(2, 3, 303));
    others.extend(everything_said(&mut World::new(3, 3, 304)));
    let mut world = World::new(2, 3, 305);
    let context = world.dkg_context::<Secp256k1>();
    run_all(&mut world.dkg::<Secp256k1>(&context), Order::First, |mail| {
        others.push(mail.clone());
        vec![mail]
    });
    let mut world = World::new(2, 3, 303);
    (world.rng, world.session) = (rng(9), SessionId::new([9; 16]));
    let (context, seats) = dkg(&mut world, |mail| {
        let mut all = vec![mail.clone()];
        all.extend(others.iter().filter(|other| other.to == mail.to).cloned());
        all
    });
    assert!(blamed_by(&context, seats.values()).is_empty());
    let keys: Vec<_> =
        seats.values().map(|seat| seat.output.as_ref().expect("nothing stops them").group()).collect();
    assert!(keys.iter().all(|key| *key == keys[0]));
    // Mail that overtakes the session's name waits, or is dropped if too much of it does; nothing else is even looked at.
    let expected = ["Forged", "NotForUs", "OtherSession", "TooEarly"].map(str::to_owned);
    assert!(refusals(&seats).is_subset(&BTreeSet::from(expected)), "{:?}", refusals(&seats));
}

#[test]
fn t04_mail_from_the_future_is_bounded() {
    // A member signs ten thousand envelopes ahead of its first word; eight wait, the others are dropped.
    let mut world = World::new(2, 3, 306);
    let context = world.dkg_context::<Ed25519>();
    let mut seats = world.dkg::<Ed25519>(&context);
    let identity = Arc::clone(&world.identities[&party(3)]);
    let mut first = None;
    run_all(&mut seats, Order::First, |mail| {
        first.get_or_insert(mail);
        vec![]
    });
    let template = Mail { from: party(3), to: Some(party(1)), ..first.unwrap() };
    let victim = seats.get_mut(&party(1)).unwrap();
    // Genuine mail of other sessions takes no place of this one's.
    for other in everything_said(&mut World { session: SessionId::new([4; 16]), ..World::new(2, 3, 306) }) {
        if other.to == Some(party(1)) {
            victim.deliver(&other.bytes);
        }
    }
    assert!(victim.refusals.iter().all(|refusal| *refusal == Refusal::OtherSession));
    for number in 0..10_000u32 {
        let mail = template.forged(&identity, |header, body| {
            (header.from, header.round) = (party(3), 1);
            let mut session = [0; 32];
            session[..4].copy_from_slice(&number.to_le_bytes());
            header.session = Hash::from_bytes(session);
            *body = vec![0; 64];
        });
        victim.deliver(&mail.bytes);
    }
    let dropped = victim.refusals.iter().filter(|refusal| **refusal == Refusal::TooEarly).count();
    assert_eq!(dropped, 10_000 - keymoot_protocol::inbox::EARLY_MAX);
    assert!(victim.abort.is_none());
}

#[test]
fn t05_nobody_speaks_for_somebody_else() {
    let mut world = World::new(2, 3, 307);
    let identity = Arc::clone(&world.identities[&party(3)]);
    let (_, seats) = dkg(&mut world, |mail| {
        if mail.from != party(3) {
            return vec![mail];
        }
        // In the name of party 1 or 2 with party 3's signature; in the name of a stranger; in one's own to oneself.
        let spoof = |from| mail.forged(&identity, |header, _| header.from = party(from));
        vec![spoof(1), spoof(2), spoof(4), mail]
    });
    assert!(seats.values().all(Node::is_done));
    // Echoes are alike, so one in somebody else's name may be what that member said anyway.
    let expected = ["Duplicate", "Forged", "Reflected", "Stranger"].map(str::to_owned);
    assert_eq!(refusals(&seats), BTreeSet::from(expected));
}

#[test]
fn t06_a_message_for_somebody_else_is_dropped() {
    let (_, seats) = dkg(&mut World::new(2, 3, 308), |mail| {
        let other =
            |to: Option<Party>| (1..=3).map(party).find(|other| Some(*other) != to && *other != mail.from);
        let stray = Mail { to: other(mail.to), ..mail.clone() };
        if mail.header().to.is_some() { vec![stray, mail] } else { vec![mail] }
    });
    assert!(seats.values().all(Node::is_done));
    assert_eq!(refusals(&seats), BTreeSet::from(["NotForUs".to_owned()]));
}

#[test]
fn t07_a_message_in_the_wrong_slot_convicts_its_signer() {
    for (round, audience, fault) in [(3, None, Fault::Misrouted), (1, Some(party(1)), Fault::Misrouted)] {
        let (context, mut seats) = forged(
            309,
            |mail| {
                mail.header().round == round && mail.header().kind == Kind::Body && mail.to == Some(party(1))
            },
            |header, _| header.to = audience,
        );
        seats.remove(&party(3));
        assert_eq!(blamed_by(&context, seats.values()), BTreeSet::from([party(3)]));
        assert!(faults(seats.values())[&party(3)].contains(&fault));
    }
    // The bytes of one round as another round's message are malformed there.
    let (context, mut seats) = forged(
        310,
        |mail| mail.header().round == 3,
        |_, body| *body = vec![1, 32, 0, 0, 0, 0, 0, 0, 0].into_iter().chain([7; 32]).collect(),
    );
    seats.remove(&party(3));
    assert_eq!(blamed_by(&context, seats.values()), BTreeSet::from([party(3)]));
    assert!(faults(seats.values())[&party(3)].contains(&Fault::Malformed));
}

#[test]
fn t08_oversized_mail_is_refused_unread() {
    let mut world = World::new(2, 3, 311);
    let context = world.dkg_context::<Ed25519>();
    let mut seats = world.dkg::<Ed25519>(&context);
    let victim = seats.get_mut(&party(1)).unwrap();
    victim.deliver(&vec![0xff; 64 << 20]);
    victim.deliver(&vec![0; ENVELOPE_MAX + 1]);
    assert_eq!(victim.refusals, [Refusal::TooLong, Refusal::TooLong]);
    // A field that claims to be a gibibyte, and a list of 2⁶⁰ parties.
    for claim in [[1, 0, 0, 0, 64, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0, 0, 0, 16]] {
        victim.deliver(&claim);
    }
    assert!(matches!(
        victim.refusals[2..],
        [Refusal::Malformed(Malformed::Truncated), Refusal::Malformed(Malformed::WrongType)]
    ));
}

#[test]
fn t08_a_body_too_long_for_its_round_convicts_its_signer() {
    for length in [65, BODY_SHORT] {
        let (context, mut seats) = forged(
            312,
            |mail| mail.header().round == 1 && mail.header().kind == Kind::Body,
            |_, body| body.resize(length, 0),
        );
        seats.remove(&party(3));
        assert_eq!(blamed_by(&context, seats.values()), BTreeSet::from([party(3)]));
        assert!(faults(seats.values())[&party(3)].contains(&Fault::TooLong));
    }
}

#[test]
fn t10_trailing_bytes_are_refused() {
    let (_, seats) = dkg(&mut World::new(2, 3, 313), |mail| {
        let longer = Mail { bytes: [mail.bytes.as_slice(), &[0]].concat(), ..mail.clone() };
        let shorter = Mail { bytes: mail.bytes[..mail.bytes.len() - 1].to_vec(), ..mail.clone() };
        vec![longer, shorter, mail]
    });
    assert!(seats.values().all(Node::is_done));
    let expected = ["Malformed(Trailing)", "Malformed(Truncated)"].map(str::to_owned);
    assert_eq!(refusals(&seats), BTreeSet::from(expected));
}

#[test]
fn t11_impossible_sets_of_signers_are_refused() {
    use keymoot_protocol::frost::{Order as SignOrder, Refused};
    use keymoot_types::QuorumError::{Disordered, NotEnough, Stranger};
    let mut world = World::new(2, 3, 314);
    let shares = world.generate::<Ed25519>();
    let keys = crate::parties::signing_keys(&shares, &keymoot_types::Path::root());
    let refused = |signers: &[u16]| {
        let signers = signers.iter().map(|index| party(*index)).collect();
        SignOrder::new(Arc::clone(keys[0].public()), signers, vec![1]).err()
    };
    assert_eq!(refused(&[]), Some(Refused::Quorum(NotEnough { needed: 2, got: 0 })));
    assert_eq!(refused(&[2]), Some(Refused::Quorum(NotEnough { needed: 2, got: 1 })));
    assert_eq!(refused(&[2, 2]), Some(Refused::Quorum(Disordered)));
    assert_eq!(refused(&[2, 1]), Some(Refused::Quorum(Disordered)));
    assert_eq!(refused(&[2, 4]), Some(Refused::Quorum(Stranger(party(4)))));
    assert_eq!(refused(&[1, 2, 3]), None);
}

#[test]
fn t13_dropping_any_one_message_blames_nobody() {
    let all = everything_said(&mut World::new(2, 3, 315));
    assert_eq!(all.len(), 6 * 6 + 3 * 6, "6 rounds and 3 echoes, 6 pieces of mail each");
    for (lost, mail_lost) in all.iter().enumerate() {
        let mut number = 0;
        let mut world = World::new(2, 3, 315);
        let (context, mut seats) = dkg(&mut world, |mail| {
            number += 1;
            if number == lost + 1 { vec![] } else { vec![mail] }
        });
        assert!(blamed_by(&context, seats.values()).is_empty());
        let victim = mail_lost.to.unwrap();
        assert!(seats[&victim].output.is_none(), "who misses something has no key");
        let session = seats.get_mut(&victim).unwrap().take_session().expect("the victim waits");
        let session = session.check_deadline(Millis(59_999)).expect("it is not time yet");
        let Err(Abort::Benign(Benign::TimedOut { missing })) = session.check_deadline(Millis(60_000)) else {
            panic!("the victim gives up at its deadline")
        };
        assert!(missing.contains(&mail_lost.from), "and says whose mail it misses");
    }
}

#[test]
fn t14_two_sessions_under_one_name_do_not_mix() {
    let mut world = World::new(2, 3, 316);
    let context = world.dkg_context::<Ed25519>();
    let mut other = world.dkg::<Ed25519>(&context);
    let mut foreign: Vec<Mail> = vec![];
    run_all(&mut other, Order::First, |mail| {
        foreign.push(mail.clone());
        vec![mail]
    });
    // Their mail after ours: nothing happens.
    let mut seats = world.dkg::<Ed25519>(&context);
    run_all(&mut seats, Order::First, |mail| {
        let cross = foreign.iter().filter(|one| {
            (one.from, one.to) == (mail.from, mail.to) && one.header().round == mail.header().round
        });
        [mail.clone()].into_iter().chain(cross.cloned()).collect()
    });
    assert!(seats.values().all(Node::is_done));
    // Their first words before ours: we never meet, which is delay, and nobody is blamed for it.
    let mut seats = world.dkg::<Ed25519>(&context);
    run_all(&mut seats, Order::First, |mail| {
        let cross =
            foreign.iter().filter(|one| one.to == mail.to && one.header().round == 0 && one.from == party(3));
        cross.cloned().chain([mail.clone()]).collect()
    });
    assert!(blamed_by(&context, seats.values()).is_empty());
    assert!(seats.values().all(|seat| seat.output.is_none() && seat.abort.is_none()));
}

#[test]
fn t15_a_substituted_identity_never_reaches_round_1() {
    let mut world = World::new(2, 3, 317);
    let context = world.dkg_context::<Ed25519>();
    let impostor = IdentityKey::from_seed([5; 32]).public();
    let members = |substitute| {
        let listed = |(party, key): (&Party, &Arc<IdentityKey>)| {
            (*party, if *party == substitute { impostor } else { key.public() })
        };
        world.identities.iter().map(listed).collect()
    };
    let committee =
        Committee::new(GroupId::new([1; 16]), Threshold::new(2, 3).unwrap(), members(party(3))).unwrap();
    let deceived = Arc::new(Context { committee: Arc::new(committee), ..(*context).clone() });
    let mut seats = world.dkg::<Ed25519>(&context);
    seats.insert(party(1), {
        let identity = Arc::clone(&world.identities[&party(1)]);
        let opening = Dkg::start(Arc::clone(&deceived), party(1), identity, &mut world.rng).unwrap();
        Seated::new(Some(party(1)), Session::open(opening, DEADLINE))
    });
    run_all(&mut seats, Order::First, honest);
    assert!(seats.values().all(|seat| seat.output.is_none() && seat.session().unwrap().round() == 0));
    assert!(blamed_by(&context, seats.values()).is_empty());
    let identity = Arc::clone(&world.identities[&party(3)]);
    assert!(
        Dkg::<Ed25519>::start(deceived, party(3), identity, &mut world.rng).is_err(),
        "and party 3 sees the swap"
    );
}

#[test]
fn t16_no_bytes_make_a_session_panic() {
    let mut world = World::new(2, 3, 318);
    let said = everything_said(&mut World::new(2, 3, 318));
    let context = world.dkg_context::<Ed25519>();
    let mut seats = world.dkg::<Ed25519>(&context);
    let victim = seats.get_mut(&party(1)).unwrap();
    let mut noise = rng(318);
    for mail in said.iter().filter(|mail| mail.to == Some(party(1))) {
        for length in 0..mail.bytes.len() {
            victim.deliver(&mail.bytes[..length]);
        }
        for _ in 0..200 {
            let mut bytes = mail.bytes.clone();
            for _ in 0..=noise.next_u32() % 4 {
                let at = noise.next_u32() as usize % bytes.len();
                bytes[at] = noise.next_u32() as u8;
            }
            victim.deliver(&bytes);
        }
    }
    assert!(victim.abort.is_none() && victim.output.is_none(), "unsigned noise ends no session");
}

static_assertions::assert_not_impl_any!(Secret<[u8; 32]>: Clone, std::fmt::Debug, std::fmt::Display, serde::Serialize);
static_assertions::assert_not_impl_any!(IdentityKey: Clone, std::fmt::Debug, serde::Serialize);
static_assertions::assert_not_impl_any!(KeyShare<Ed25519>: Clone, std::fmt::Debug, serde::Serialize);
static_assertions::assert_not_impl_any!(SigningKey<Ed25519>: Clone, std::fmt::Debug, serde::Serialize);
static_assertions::assert_not_impl_any!(Nonces<Ed25519>: Clone, std::fmt::Debug, serde::Serialize);
static_assertions::assert_not_impl_any!(BurntNonces<Ed25519>: Clone, std::fmt::Debug, serde::Serialize);
static_assertions::assert_not_impl_any!(NoncePool<Ed25519>: Clone, std::fmt::Debug, serde::Serialize);
static_assertions::assert_not_impl_any!(Signer<Ed25519>: Clone, std::fmt::Debug, serde::Serialize);
static_assertions::assert_not_impl_any!(Dkg<Ed25519>: Clone, std::fmt::Debug, serde::Serialize);
static_assertions::assert_not_impl_any!(Polynomial<Ed25519>: Clone, std::fmt::Debug, serde::Serialize);
static_assertions::assert_not_impl_any!(Prover<Ed25519>: Clone, std::fmt::Debug, serde::Serialize);
static_assertions::assert_not_impl_any!(keymoot_protocol::dkg::Share<Ed25519>: Clone, std::fmt::Debug, serde::Serialize);

#[test]
fn t19_secrets_cannot_be_copied_or_printed() {
    // The assertions above do not compile otherwise. What is printed of an envelope, which may carry a share, is not
    // its content.
    let said = everything_said(&mut World::new(2, 3, 319));
    let share = said.iter().find(|mail| mail.header().round == 3).unwrap().envelope();
    let printed = format!("{share:?}");
    let secret: String = share.body()[9..].iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(printed.contains("bytes") && !printed.contains(&secret), "{printed}");
    let list = share.body()[9..].iter().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    assert!(!printed.contains(&list));
}

// ── the echo, the views and the early mail of our own kernel ─────────────────────────────────────────────────

#[test]
fn k01_a_false_echo_convicts_its_author_and_nobody_it_names() {
    // The liar reports that party 1 committed to something else, with the only signature it has: its own.
    let change = |header: &mut keymoot_protocol::envelope::Header, body: &mut Vec<u8>| {
        let echo = Echo::decode(body).unwrap();
        let mut all: Vec<_> = echo.attestations(header).collect();
        all[0].body = Hash::from_bytes([1; 32]);
        *body = Echo::new(&all).encode().to_vec();
    };
    for round in [1, 2, 4] {
        let (context, mut seats) =
            forged(320, |mail| (mail.header().round, mail.header().kind) == (round, Kind::Echo), change);
        seats.remove(&party(3));
        assert_eq!(blamed_by(&context, seats.values()), BTreeSet::from([party(3)]));
        assert_eq!(faults(seats.values())[&party(3)], BTreeSet::from([Fault::FalseEcho]));
    }
}

#[test]
fn k01_an_echo_that_leaves_somebody_out_convicts_its_author() {
    for change in [0, 1, 2] {
        let (context, mut seats) = forged(
            321,
            |mail| (mail.header().round, mail.header().kind) == (1, Kind::Echo),
            |header, body| {
                let echo = Echo::decode(body).unwrap();
                let mut all: Vec<_> = echo.attestations(header).collect();
                match change {
                    0 => drop(all.pop().map(|_| ())),
                    1 => all.push(all[0]),
                    _ => all.swap(0, 1),
                }
                *body = Echo::new(&all).encode().to_vec();
            },
        );
        seats.remove(&party(3));
        assert_eq!(blamed_by(&context, seats.values()), BTreeSet::from([party(3)]));
        assert_eq!(faults(seats.values())[&party(3)], BTreeSet::from([Fault::FalseEcho]));
    }
}

#[test]
fn k02_a_false_view_convicts_its_signer() {
    for (round, kind) in
        [(0, Kind::Body), (1, Kind::Body), (1, Kind::Echo), (2, Kind::Echo), (3, Kind::Body), (5, Kind::Body)]
    {
        let (context, mut seats) = forged(
            322,
            |mail| (mail.header().round, mail.header().kind) == (round, kind),
            |header, _| header.view = Hash::from_bytes([9; 32]),
        );
        seats.remove(&party(3));
        assert_eq!(blamed_by(&context, seats.values()), BTreeSet::from([party(3)]), "{round} {kind:?}");
        assert!(
            faults(seats.values())[&party(3)].contains(&Fault::FalseView),
            "{:?}",
            faults(seats.values())
        );
    }
}

#[test]
fn k04_every_field_of_the_context_separates_sessions() {
    let world = World::new(2, 3, 323);
    let context = (*world.dkg_context::<Secp256k1>()).clone();
    let mut changed: Vec<Context> = (0..9).map(|_| context.clone()).collect();
    changed[0].session = SessionId::new([8; 16]);
    changed[1].scheme = keymoot_types::Scheme::FrostEd25519;
    changed[2].protocol = keymoot_protocol::context::Protocol::FrostSign;
    changed[3].committee = Arc::clone(&World::new(2, 3, 324).committee);
    changed[4].key = Some(keymoot_types::KeyId::new([8; 16]));
    changed[5].epoch = keymoot_types::Epoch(1);
    changed[6].signers =
        Some(keymoot_types::Quorum::new(Threshold::new(2, 3).unwrap(), vec![party(1), party(2)]).unwrap());
    changed[7].merkle_root = Some([0; 32]);
    changed[8].intent = Some(Hash::from_bytes([0; 32]));
    changed.push(Context { group_key: Some(Hash::from_bytes([0; 32])), ..context.clone() });
    let names: BTreeSet<_> = changed.iter().chain([&context]).map(Context::id).collect();
    assert_eq!(names.len(), 11, "no two contexts share a name");
}
