//! The one list of schemes: every context finds its machine, and accusations find their judge.

use std::collections::BTreeSet;
use std::sync::Arc;

use keymoot_protocol::abort::{Abort, Fault};
use keymoot_protocol::any::AnyMachine;
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::{Context, Protocol};
use keymoot_protocol::curve::{Ed25519, Secp256k1};
use keymoot_protocol::dkg::{Dkg, ROUNDS, Share};
use keymoot_protocol::frost::Suite;
use keymoot_protocol::machine::{Machine, Opening, Outgoing};
use keymoot_protocol::session::Session;
use keymoot_types::{Scheme, Secret};

use crate::net::{Order, Rogue, Seated, blamed_by, honest, run};
use crate::parties::{DEADLINE, World, party, rng};

fn about(protocol: Protocol, scheme: Scheme) -> Context {
    let context = World::new(2, 3, 400).dkg_context::<Secp256k1>();
    Context { protocol, scheme, ..Context::clone(&context) }
}

#[test]
fn every_scheme_has_exactly_its_own_protocols() {
    let all = [
        Protocol::Dkg,
        Protocol::FrostSign,
        Protocol::DklsSetup,
        Protocol::DklsPresign,
        Protocol::DklsSign,
        Protocol::Gg20Auxiliary,
        Protocol::Gg20Presign,
        Protocol::Gg20Sign,
    ];
    let has = |protocol, scheme: Scheme| match protocol {
        Protocol::Dkg => true,
        Protocol::FrostSign => matches!(scheme, Scheme::FrostTaproot | Scheme::FrostEd25519),
        Protocol::DklsSetup | Protocol::DklsPresign | Protocol::DklsSign => scheme == Scheme::Dkls23,
        Protocol::Gg20Auxiliary | Protocol::Gg20Presign | Protocol::Gg20Sign => scheme == Scheme::Gg20,
    };
    for (protocol, scheme) in all.into_iter().flat_map(|one| Scheme::ALL.map(|scheme| (one, scheme))) {
        let context = about(protocol, scheme);
        let rounds = AnyMachine::rounds(&context);
        assert_eq!(!rounds.is_empty(), has(protocol, scheme), "{protocol:?} {scheme}");
        // What the context is about is filled in for key generation only.
        assert_eq!(AnyMachine::concerns(&context), protocol == Protocol::Dkg, "{protocol:?} {scheme}");
    }
    assert_eq!(*AnyMachine::rounds(&about(Protocol::Dkg, Scheme::FrostEd25519)), ROUNDS);
}

/// Party 3 deals a wrong share, and everybody's machine is one of any scheme.
fn assert_wrong_share_is_blamed<S: Suite>(seed: u64, wrap: fn(Dkg<S>) -> AnyMachine) {
    let mut world = World::new(2, 3, seed);
    let context = world.dkg_context::<S>();
    let mut start = |index: u16| -> Opening<AnyMachine> {
        let identity = Arc::clone(&world.identities[&party(index)]);
        let opening = Dkg::<S>::start(Arc::clone(&context), party(index), identity, &mut world.rng);
        opening.expect("a legal start").wrap(wrap)
    };
    let mut seats =
        [1, 2].map(|index| Seated::new(Some(party(index)), Session::open(start(index), DEADLINE)));
    let lie = |_, outbox: &mut Vec<Outgoing>| {
        for message in outbox.iter_mut().filter(|one| one.round == 3 && one.to == Some(party(1))) {
            message.body = Share::<S>(Secret::new(S::random(&mut rng(seed)))).encode();
        }
    };
    let mut rogue = Seated::new(Some(party(3)), Session::open(Rogue::opening(start(3), lie), DEADLINE));
    let [one, two] = &mut seats;
    run(&mut [one, two, &mut rogue], Order::First, honest);
    assert_eq!(blamed_by::<AnyMachine>(&context, &seats), BTreeSet::from([party(3)]));
    let Some(Abort::Blame(blames)) = &seats[0].abort else { panic!("party 1 can tell") };
    assert!(blames.iter().all(|blame| blame.fault == Fault::WrongShare));
}

#[test]
fn the_judge_of_any_scheme_convicts() {
    assert_wrong_share_is_blamed::<Secp256k1>(401, AnyMachine::DkgSecp256k1);
    assert_wrong_share_is_blamed::<Ed25519>(402, AnyMachine::DkgEd25519);
}
