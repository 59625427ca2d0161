//! Nothing waits for ever: a session ends at its deadline, everywhere.

use keymoot_engine::message::{Address, Ended, Message};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::request::Ask;
use keymoot_types::Scheme;

use crate::cluster::{Cluster, Post, honest};
use crate::room::party;

/// Sessions that live longer than they may, at this moment.
fn overdue(cluster: &Cluster) -> usize {
    let nodes = cluster.seats.values().flat_map(|seat| seat.sessions().into_values());
    let replicas = cluster.replicas.values();
    let calls = replicas.flat_map(|one| one.coordinator().sessions().map(|(_, deadline)| deadline.0));
    // A coordinator gives its nodes a moment to report.
    let longest = cluster.now + cluster.node_limits.ceremony + 250;
    nodes.chain(calls).filter(|deadline| *deadline + 1 < cluster.now || *deadline > longest).count()
}

#[test]
fn sessions_that_get_no_mail_end_at_their_deadline_and_name_whom_they_waited_for() {
    let mut cluster = Cluster::new(170);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let ecdsa = cluster.key(Scheme::Dkls23).id;
    cluster.postman = Box::new(|post: Post| {
        let is_mail = matches!(post.message, Message::Mail(_));
        if is_mail && matches!(post.to, Address::Node(_)) { vec![] } else { vec![post] }
    });
    let since = cluster.said.len();
    let requests = [
        cluster.sign_request(key, "slow"),
        cluster.sign_request(ecdsa, "slow"),
        cluster.request(Ask::Key(Scheme::FrostTaproot)),
    ];
    requests.iter().for_each(|body| cluster.ask(0, body));
    for _ in 0..400 {
        cluster.run_for(50);
        assert_eq!(overdue(&cluster), 0);
    }
    let late = cluster.said.iter().skip(since).filter_map(|post| match &post.message {
        Message::Ended(_, Ended::Late(missing)) => Some((post.from, missing)),
        _ => None,
    });
    let mut count = 0;
    for (from, missing) in late {
        assert!(!missing.iter().any(|party| Address::Node(*party) == from), "nobody waits for itself");
        count += 1;
    }
    assert!(count > 4, "{count}");
    cluster.postman = Box::new(honest);
    requests.iter().for_each(|body| {
        let outcome = cluster.outcome(body);
        assert!(matches!(outcome, Outcome::Signed { .. } | Outcome::Key(_)), "{outcome:?}");
    });
    cluster.run_for(15_000);
    assert!(cluster.seats.values().all(|seat| seat.sessions().is_empty()));
    assert!(cluster.replicas.values().all(|one| one.coordinator().sessions().count() == 0));
}

#[test]
fn a_signer_that_falls_silent_costs_one_deadline() {
    let mut cluster = Cluster::new(171);
    let key = cluster.key(Scheme::FrostEd25519).id;
    // It is there, as its beats say, and does nothing.
    cluster.postman = Box::new(|post: Post| {
        let is_mute = post.from == Address::Node(party(1)) && !matches!(post.message, Message::Beat);
        if is_mute { vec![] } else { vec![post] }
    });
    let body = cluster.sign_request(key, "without the silent");
    assert_eq!(cluster.must_sign(&body).0, [party(2), party(3)]);
    assert_eq!(cluster.called(&body).len(), 2);
}
