//! What one coordinator has begun, another ends.

use keymoot_engine::coordinator::{Claim, Finish, StoreAnswer};
use keymoot_engine::message::{Address, Message};
use keymoot_engine::request::Ask;
use keymoot_types::Scheme;

use crate::cluster::{Cluster, Post, honest, id_of};

#[test]
fn a_request_whose_coordinator_died_is_finished_by_the_other_under_a_higher_fence() {
    let mut cluster = Cluster::new(50);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let requests = [cluster.sign_request(key, "orphan"), cluster.request(Ask::Key(Scheme::Dkls23))];
    for body in requests {
        let since = cluster.said.len();
        cluster.postman = Box::new(|post: Post| {
            let is_mail = matches!(post.message, Message::Mail(_));
            if is_mail { vec![] } else { vec![post] }
        });
        cluster.ask(0, &body);
        let invites = |cluster: &Cluster| {
            let mut said = cluster.said_by(Address::Coordinator(0), since);
            said.any(|message| matches!(message, Message::Invite(_)))
        };
        cluster.run_until(invites);
        cluster.crash_coordinator(0);
        cluster.postman = Box::new(honest);
        // Nobody asks again: the patrol finds it.
        let id = id_of(&body);
        cluster.run_until(|cluster| cluster.settled(id).is_some());
        let finishes = cluster.finishes(id);
        let [(1, fence, Finish::Stored(_))] = finishes.as_slice() else { panic!("{finishes:?}") };
        assert!(*fence > 1, "fence {fence}");
        let claims = cluster.stored.iter().filter_map(|(who, _, answer)| match answer {
            StoreAnswer::Claimed(of, Claim::Yours { body: found, .. }) if *of == id => Some((*who, found)),
            _ => None,
        });
        assert!(claims.into_iter().any(|(who, found)| who == 1 && *found == body));
        cluster.start_coordinator(0);
        cluster.run_for(2_000);
        cluster.outcome(&body);
    }
}

#[test]
fn a_request_survives_the_death_of_all_coordinators() {
    let mut cluster = Cluster::new(51);
    let key = cluster.key(Scheme::FrostEd25519).id;
    let body = cluster.sign_request(key, "patience");
    cluster.postman = Box::new(|post: Post| {
        let is_invite = matches!(post.message, Message::Invite(_));
        if is_invite { vec![] } else { vec![post] }
    });
    cluster.ask(0, &body);
    cluster.run_for(100);
    (0..2).for_each(|id| cluster.crash_coordinator(id));
    cluster.postman = Box::new(honest);
    cluster.run_for(10_000);
    (0..2).for_each(|id| cluster.start_coordinator(id));
    cluster.run_until(|cluster| cluster.settled(id_of(&body)).is_some());
    cluster.must_sign(&body);
}
