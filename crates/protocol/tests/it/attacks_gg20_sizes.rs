//! Numbers and lists of GG20 that are, or claim to be, far too large.

use std::collections::BTreeMap;

use k256::{ProjectivePoint, Scalar};
use keymoot_protocol::abort::Fault;
use keymoot_protocol::codec::Wire;
use keymoot_protocol::envelope::{Envelope, Kind};
use keymoot_protocol::gg20::auxiliary::{Commit, Parameters, Proofs, Signed, convict};
use keymoot_protocol::gg20::presign::{AffineProofs, Closing, EncryptionProofs, Offers, Shares, Sums};
use keymoot_protocol::machine::Outgoing;
use keymoot_protocol::session::Refusal;

use crate::attacks_gg20_presign::{all, assert_blamed, scene, with_liars};
use crate::mutations::{Template, listen};
use crate::net::{Node, Order, blamed, faults, honest, run};
use crate::parties::{World, party, run_all};
use crate::tokens::{Token, join, parse};

const HUGE: usize = 64 << 20;

/// Whether a body is refused, of the round that it is of.
type Refuses = fn(&[u8]) -> bool;

fn refuses<T: Wire>(body: &[u8]) -> bool {
    T::decode(body).is_err()
}

const GENERATION: [(u8, Refuses); 4] =
    [(1, refuses::<Commit>), (2, refuses::<Parameters>), (3, refuses::<Proofs>), (4, refuses::<Signed>)];

const PRESIGNING: [(u8, Refuses); 6] = [
    (1, refuses::<Offers>),
    (2, refuses::<EncryptionProofs>),
    (3, refuses::<Shares>),
    (4, refuses::<AffineProofs>),
    (5, refuses::<Sums>),
    (6, refuses::<Closing>),
];

/// The body with one field, or one list, that says that it is of 64 MiB: one for each field and list.
fn claims(body: &[u8]) -> Vec<Vec<u8>> {
    let tokens = parse(body);
    let claim = |at: usize| {
        let (kind, content) = match &tokens[at] {
            Token::Field(kind, content) => (*kind, content.as_slice()),
            Token::List(_) => (join(&[Token::List(0)])[0], [].as_slice()),
            Token::Option(_) => return None,
        };
        let mut bytes = join(&tokens[..at]);
        bytes.push(kind);
        bytes.extend((HUGE as u64).to_le_bytes());
        bytes.extend(content);
        bytes.extend(join(&tokens[at + 1..]));
        Some(bytes)
    };
    (0..tokens.len()).filter_map(claim).collect()
}

/// What party 3 says in three batches: a good one, one whose nonces are opened and one whose keys are.
fn presigning() -> Vec<BTreeMap<u8, Vec<u8>>> {
    let changes: [fn(&mut Sums); 3] =
        [|_| {}, |sums| sums.0[0].delta += Scalar::ONE, |sums| sums.0[0].key += ProjectivePoint::GENERATOR];
    let record = |change: fn(&mut Sums)| {
        let mut said = BTreeMap::new();
        with_liars(90, &[party(3)], |_, _, outbox| {
            for one in outbox.iter_mut() {
                if one.round == 5 {
                    let mut sums = Sums::decode(&one.body).expect("sums");
                    change(&mut sums);
                    one.body = sums.encode();
                }
                said.insert(one.round, one.body.to_vec());
            }
        });
        said
    };
    changes.map(record).into()
}

#[test]
fn t08_every_field_that_claims_to_be_huge_is_refused() {
    let mut world = World::new(2, 3, 91);
    let (place, mut seen) = (world.place(None), Template::new());
    run_all(&mut world.generation_seats(&place), Order::First, |mail| listen(&mut seen, mail));
    let mut lies: Vec<(Refuses, Vec<u8>)> = Vec::new();
    for (round, refuses) in GENERATION {
        lies.extend(claims(&seen[&(round, Kind::Body)]).into_iter().map(|lie| (refuses, lie)));
    }
    for said in presigning() {
        for (round, refuses) in PRESIGNING {
            assert!(!refuses(&said[&round]), "what is said in round {round} is a message");
            lies.extend(claims(&said[&round]).into_iter().map(|lie| (refuses, lie)));
        }
    }
    for (number, (refuses, lie)) in lies.iter().enumerate() {
        assert!(refuses(lie), "lie {number}");
    }
    println!("count: {} claims of 64 MiB refused", lies.len());
    assert!(lies.len() > 500, "{}", lies.len());
}

/// The first number of a body: the first field of more than 33 bytes, which no point and no scalar has.
fn first_number(body: &[u8], change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let tokens = parse(body);
    let is_number = |token: &Token| matches!(token, Token::Field(1, content) if content.len() > 33);
    let at = tokens.iter().position(is_number).expect("a number");
    let Token::Field(_, content) = &tokens[at] else { panic!("a number is a field") };
    [join(&tokens[..at]), change(content), join(&tokens[at + 1..])].concat()
}

/// A field with this length in front of it.
fn field(length: usize, content: &[u8]) -> Vec<u8> {
    [&[1], (length as u64).to_le_bytes().as_slice(), content].concat()
}

#[test]
fn t08_a_signer_whose_number_is_huge_is_blamed() {
    for (seed, round) in (100..).zip([1, 2, 3, 4]) {
        let lie = |change: &dyn Fn(&[u8]) -> Vec<u8>, fault| {
            let outcome = with_liars(seed, &[party(3)], |_, _, outbox| {
                for one in outbox.iter_mut().filter(|one| one.round == round) {
                    one.body = first_number(&one.body, change).into();
                }
            });
            assert_blamed(&outcome, fault);
        };
        lie(&|number| field(HUGE, number), Fault::Malformed);
        // It is there, and longer than any number; or longer than any message of any round.
        lie(&|_| field(1025, &[7; 1025]), Fault::Malformed);
        lie(&|_| field(40_000, &[7; 40_000]), Fault::TooLong);
    }
}

#[test]
fn t08_a_member_whose_modulus_is_huge_is_blamed() {
    for (round, content, fault) in [
        (2, field(HUGE, &[7; 128]), Fault::Malformed),
        (2, field(1025, &[7; 1025]), Fault::Malformed),
        (3, field(HUGE, &[7; 128]), Fault::Malformed),
        (3, field(1025, &[7; 1025]), Fault::Malformed),
    ] {
        let mut world = World::new(2, 3, 92);
        let place = world.place(None);
        let mut seats = world.generation_seats(&place);
        seats.remove(&party(3));
        let mut liar = world.generation_rogue(&place, party(3), |_, outbox: &mut Vec<Outgoing>| {
            for one in outbox.iter_mut().filter(|one| one.round == round) {
                one.body = first_number(&one.body, |_| content.clone()).into();
            }
        });
        let mut nodes: Vec<&mut dyn Node> = seats.values_mut().map(|seat| seat as &mut dyn Node).collect();
        nodes.push(&mut liar);
        run(&mut nodes, Order::First, honest);
        let convicts = |blame: &keymoot_protocol::abort::Blame| convict(&place.context, None, blame).is_ok();
        assert_eq!(blamed(seats.values(), convicts), [party(3)].into(), "round {round}");
        assert_eq!(faults(seats.values())[&party(3)], [fault].into(), "round {round}");
    }
}

#[test]
fn t08_what_is_really_of_64_mib_is_refused_unread_and_nobody_is_to_blame() {
    let (mut world, members) = scene(93);
    let session = world.new_session();
    let mut seats = world.gg20_presign_seats(&members, &all(), (session, 1));
    let identity = std::sync::Arc::clone(&world.identities[&party(3)]);
    let mut sent = 0;
    run_all(&mut seats, Order::First, |mail| {
        let header = mail.header();
        if header.from != party(3) || header.round != 3 || header.kind != Kind::Body {
            return vec![mail];
        }
        let body = first_number(mail.envelope().body(), |_| field(HUGE, &vec![7; HUGE]));
        let bytes = Envelope::sign(&identity, header, body.into()).encode().to_vec();
        sent += 1;
        vec![crate::net::Mail { bytes, ..mail.clone() }, mail]
    });
    assert_eq!(sent, 2, "to both of the others");
    for member in [party(1), party(2)] {
        assert_eq!(seats[&member].refusals, [Refusal::TooLong]);
        assert!(seats[&member].is_done(), "the session goes on");
    }
}
