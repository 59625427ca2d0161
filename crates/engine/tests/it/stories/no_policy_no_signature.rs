//! Where no policy allows it, nothing is signed, and the refusal can be shown to anybody.

use keymoot_engine::crypto::Crypto;
use keymoot_engine::outcome::{Outcome, denial};
use keymoot_engine::real::Real;
use keymoot_engine::record::Entry;
use keymoot_engine::request::{Ask, RequestId};
use keymoot_protocol::identity::IdentitySignature;
use keymoot_types::{Party, Scheme};

use crate::cluster::{Cluster, id_of};
use crate::room::party;

/// Whether all of these are what their members said of this request.
fn are_words(cluster: &Cluster, id: RequestId, denials: &[(Party, String, IdentitySignature)]) -> bool {
    denials.iter().all(|(party, reason, word)| {
        let public = cluster.identities[party].public();
        let forged = denial::<Real>(id, "because I say so");
        Real::verifies(&public, &denial::<Real>(id, reason), word) && !Real::verifies(&public, &forged, word)
    })
}

#[test]
fn without_a_policy_every_node_refuses_and_signs_that_it_does() {
    let mut cluster = Cluster::new(90);
    let keys = [Scheme::FrostEd25519, Scheme::Dkls23].map(|scheme| cluster.key(scheme).id);
    cluster.sign(keys[1], "while it was allowed");
    let burnt = cluster.parties().into_iter().map(|party| cluster.burnt(party).len()).sum::<usize>();
    cluster.seats.values().for_each(crate::cluster::Seat::deny_all);
    for key in keys {
        let body = cluster.sign_request(key, "now it is not");
        let outcome = cluster.outcome(&body);
        let Outcome::Denied(denials) = &outcome else { panic!("{outcome:?}") };
        assert!(denials.len() >= 2, "no quorum is left");
        assert!(are_words(&cluster, id_of(&body), denials));
        for (party, reason, _) in denials {
            assert_eq!(reason, "the policy refuses it: there is no policy");
            let noted = |entry: &Entry| {
                matches!(entry, Entry::Denied { request, reason: why, .. }
                    if *request == id_of(&body) && why == reason)
            };
            assert_eq!(cluster.seats[party].count(noted), 1, "{party} has it in its log");
        }
        let allowed =
            |entry: &Entry| matches!(entry, Entry::Allowed { request, .. } if *request == id_of(&body));
        assert!(cluster.seats.values().all(|seat| seat.count(allowed) == 0));
    }
    assert_eq!(cluster.parties().into_iter().map(|party| cluster.burnt(party).len()).sum::<usize>(), burnt);
}

#[test]
fn two_that_refuse_at_once_are_both_heard_though_the_first_has_ended_the_session() {
    let mut cluster = Cluster::new(96);
    let key = cluster.key(Scheme::FrostEd25519).id;
    cluster.crash_node(party(3));
    cluster.run_for(5_000);
    cluster.seats.values().for_each(crate::cluster::Seat::deny_all);
    let body = cluster.sign_request(key, "now it is not");
    let before = cluster.now;
    let Outcome::Denied(denials) = cluster.outcome(&body) else { panic!("nobody is left to sign") };
    assert_eq!(denials.iter().map(|(party, ..)| *party).collect::<Vec<_>>(), [party(1), party(2)]);
    assert!(are_words(&cluster, id_of(&body), &denials));
    assert!(cluster.now - before < 1_000, "the third is not waited for");
}

#[test]
fn one_node_that_refuses_does_not_stop_a_quorum_of_others() {
    for (seed, sceptic) in [(91, party(1)), (92, party(2)), (93, party(3))] {
        let mut cluster = Cluster::new(seed);
        let key = cluster.key(Scheme::FrostEd25519).id;
        cluster.seats[&sceptic].deny_all();
        let signers = cluster.sign(key, "by the other two");
        assert!(!signers.contains(&sceptic));
    }
}

#[test]
fn a_key_needs_everybody_so_one_refusal_is_the_answer() {
    let mut cluster = Cluster::new(94);
    cluster.seats[&party(2)].deny_all();
    let body = cluster.request(Ask::Key(Scheme::FrostEd25519));
    let outcome = cluster.outcome(&body);
    let Outcome::Denied(denials) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(denials.iter().map(|(party, ..)| *party).collect::<Vec<_>>(), [party(2)]);
    assert!(are_words(&cluster, id_of(&body), denials));
    let made = |entry: &Entry| matches!(entry, Entry::Pending { .. });
    assert!(cluster.seats.values().all(|seat| seat.count(made) == 0));
}

#[test]
fn a_key_of_a_scheme_that_no_node_serves_is_denied_by_name() {
    let mut cluster = Cluster::new(97);
    let body = cluster.request(Ask::Key(Scheme::Gg20));
    let outcome = cluster.outcome(&body);
    let Outcome::Denied(denials) = &outcome else { panic!("{outcome:?}") };
    assert!(are_words(&cluster, id_of(&body), denials));
    let why = "this node does not serve the key's scheme: its operator has not listed it under `schemes`";
    assert!(denials.iter().all(|(_, reason, _)| reason == why));
    let made = |entry: &Entry| matches!(entry, Entry::Allowed { .. } | Entry::Pending { .. });
    assert!(cluster.seats.values().all(|seat| seat.count(made) == 0));
}
