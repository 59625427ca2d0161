//! The core of sessions: what holds after any history, also when the clock jumps.

use std::collections::BTreeMap;

use keymoot_ports::memory::sessions::Table;
use keymoot_ports::sessions::{Admission, Claim, Fence, Finish, Noted, RequestId};
use keymoot_ports::{Bytes, Fault, Name, Ttl};
use keymoot_types::Millis;
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Verb {
    Admit { body: u8 },
    Claim,
    Note { back: u64 },
    Finish { back: u64 },
}

#[derive(Clone, Debug)]
struct Call {
    request: u8,
    owner: usize,
    now: u64,
    verb: Verb,
}

fn some_call() -> impl Strategy<Value = Call> {
    let verb = prop_oneof![
        2 => (0u8..2).prop_map(|body| Verb::Admit { body }),
        4 => Just(Verb::Claim),
        2 => (0u64..3).prop_map(|back| Verb::Note { back }),
        1 => (0u64..3).prop_map(|back| Verb::Finish { back }),
    ];
    (0u8..3, 0usize..3, 0u64..60, verb).prop_map(|(request, owner, now, verb)| Call {
        request,
        owner,
        now,
        verb,
    })
}

/// What must never change again, and what only grows.
#[derive(Default)]
struct Known {
    body: Bytes,
    fence: u64,
    holder: Option<usize>,
    outcome: Option<Bytes>,
}

const TTL_MS: u64 = 10;

fn check(table: &mut Table, known: &mut BTreeMap<RequestId, Known>, call: &Call, names: &[Name]) {
    let (request, owner, now): (RequestId, _, _) = ([call.request; 32], &names[call.owner], Millis(call.now));
    let ttl = Ttl::new(TTL_MS).unwrap();
    let Some(row) = known.get_mut(&request) else {
        assert_eq!(table.claim(request, owner, ttl, now).unwrap(), Claim::Unknown);
        if let Verb::Admit { body } = call.verb {
            let admission = table.admit(request, &[body], owner, ttl, now).unwrap();
            let Admission::Fresh { fence } = admission else { panic!("an unknown request is fresh") };
            let row = Known { body: [body].into(), fence: fence.0, holder: Some(call.owner), outcome: None };
            known.insert(request, row);
        }
        return;
    };
    match call.verb {
        Verb::Admit { body } => match table.admit(request, &[body], owner, ttl, now) {
            Err(Fault::Refused(_)) => assert_ne!(*row.body, [body]),
            Ok(Admission::Finished(outcome)) => assert_eq!(Some(outcome), row.outcome),
            Ok(Admission::Open { held_by }) => {
                assert_eq!((*row.body).len(), 1);
                assert_eq!(Some(&held_by), row.holder.map(|holder| &names[holder]));
            }
            answer => panic!("{answer:?} to a known request"),
        },
        Verb::Claim => match table.claim(request, owner, ttl, now).unwrap() {
            Claim::Yours { fence, body, .. } => {
                assert!(row.outcome.is_none() && body == row.body);
                let is_renewal = fence.0 == row.fence && row.holder == Some(call.owner);
                assert!(is_renewal || fence.0 > row.fence, "a fence goes to one owner only");
                (row.fence, row.holder) = (fence.0, Some(call.owner));
                assert!(!table.orphans(9, now).contains(&request));
                assert!(table.orphans(9, now.plus(TTL_MS)).contains(&request));
            }
            Claim::Held => assert!(row.outcome.is_none() && row.holder != Some(call.owner)),
            Claim::Finished(outcome) => assert_eq!(Some(outcome), row.outcome),
            Claim::Unknown => panic!("an admitted request was forgotten"),
        },
        Verb::Note { back } => {
            let noted = table.note(request, Fence(row.fence.wrapping_sub(back)), b"note").unwrap();
            assert_eq!(noted == Noted::Noted, back == 0 && row.outcome.is_none());
        }
        Verb::Finish { back } => {
            let brought = format!("by {} at {}", call.owner, call.now).into_bytes();
            match table.finish(request, Fence(row.fence.wrapping_sub(back)), &brought).unwrap() {
                Finish::Stale => assert!(back > 0 && row.outcome.is_none()),
                Finish::Settled(told) => {
                    assert!(back == 0 || row.outcome.is_some());
                    assert_eq!(told, *row.outcome.get_or_insert(brought.into()));
                }
            }
        }
    }
    assert_eq!(table.outcome(&request), row.outcome.as_ref());
    assert!(row.outcome.is_none() || !table.orphans(9, Millis(u64::MAX)).contains(&request));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bodies_and_outcomes_stay_and_fences_grow(calls in vec(some_call(), 0..60)) {
        let names: Vec<Name> = ["ann", "bob", "eve"].map(|name| Name::new(name).unwrap()).into();
        let (mut table, mut known) = (Table::default(), BTreeMap::new());
        for call in &calls {
            check(&mut table, &mut known, call, &names);
        }
        prop_assert_eq!(table.requests().count(), known.len());
        prop_assert!(table.requests().all(|(request, body)| known[request].body == *body));
    }
}

#[test]
fn a_lease_holds_until_its_last_moment_and_not_in_it() {
    let (ann, bob) = (Name::new("ann").unwrap(), Name::new("bob").unwrap());
    let (mut table, ttl, request) = (Table::default(), Ttl::new(TTL_MS).unwrap(), [1; 32]);
    table.admit(request, b"body", &ann, ttl, Millis(100)).unwrap();
    assert_eq!(table.claim(request, &bob, ttl, Millis(109)).unwrap(), Claim::Held);
    assert!(table.orphans(1, Millis(109)).is_empty());
    assert_eq!(table.orphans(1, Millis(110)), [request]);
    let claim = table.claim(request, &bob, ttl, Millis(110)).unwrap();
    assert!(matches!(claim, Claim::Yours { fence: Fence(2), .. }));
}

#[test]
fn a_full_table_takes_nothing_new_and_forgets_nothing() {
    let (mut table, ttl, ann) =
        (Table::with_room_for(1), Ttl::new(TTL_MS).unwrap(), Name::new("ann").unwrap());
    table.admit([1; 32], b"body", &ann, ttl, Millis(0)).unwrap();
    table.finish([1; 32], Fence(1), b"outcome").unwrap();
    assert!(matches!(table.admit([2; 32], b"body", &ann, ttl, Millis(0)), Err(Fault::Full)));
    let again = table.admit([1; 32], b"body", &ann, ttl, Millis(0)).unwrap();
    assert_eq!(again, Admission::Finished(b"outcome"[..].into()));
}
