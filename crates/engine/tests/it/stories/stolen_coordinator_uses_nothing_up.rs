//! A stolen coordinator may have as much made as it likes. It does not push out what the others live on.

use keymoot_engine::crypto::Crypto;
use keymoot_engine::message::{Message, OFFERED, SETUPS_MAX, Stock, What};
use keymoot_engine::real::Real;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, Scheme};

use crate::cluster::{Cluster, STOLEN};
use crate::room::party;

fn stock(cluster: &mut Cluster, who: Party, key: Hash) -> Stock {
    let said = cluster.provoke(who, Message::StockQuery(key));
    let [Message::Stock(stock)] = said.as_slice() else { panic!("{said:?}") };
    stock.clone()
}

fn names(stock: &Stock) -> Vec<Hash> {
    stock.presignatures.iter().filter_map(|one| Some(Real::label(&Real::decode_public(one)?).id)).collect()
}

/// The stolen coordinator has this done by these, and carries the mail.
fn have_done(cluster: &mut Cluster, members: &[Party], what: &What) {
    let session = cluster.session();
    for member in members {
        let invite = keymoot_engine::message::Invite { session, what: what.clone() };
        cluster.say(STOLEN, keymoot_engine::message::Address::Node(*member), Message::Invite(invite));
    }
    let mut carried = cluster.said.len();
    for _ in 0..200 {
        cluster.run_for(5);
        let fresh: Vec<_> = cluster.said[carried..].to_vec();
        carried = cluster.said.len();
        for post in fresh.into_iter().filter(|post| post.to == STOLEN) {
            let Message::Mail(mail) = post.message else { continue };
            let from = post.from;
            for member in members.iter().filter(|one| mail.to.is_none_or(|to| to == **one)) {
                let to = keymoot_engine::message::Address::Node(*member);
                if to != from {
                    let mail = keymoot_engine::message::SessionMail { to: None, ..mail.clone() };
                    cluster.say(STOLEN, to, Message::Mail(mail));
                }
            }
        }
    }
}

#[test]
fn batches_of_a_stolen_coordinator_push_out_its_own() {
    let mut cluster = Cluster::with(240, |node, limits| (node.stock, limits.batch) = (8, 4));
    let key = cluster.key(Scheme::Dkls23);
    let signers = vec![party(1), party(2)];
    assert_eq!(cluster.sign(key.id, "warm"), signers);
    cluster.run_for(10_000);
    let mine = names(&stock(&mut cluster, party(1), key.digest));
    assert!(!mine.is_empty() && mine.len() <= 4, "{}", mine.len());
    for _ in 0..4 {
        let setup = *stock(&mut cluster, party(1), key.digest).setups.last().expect("a setup");
        let (key, signers, size) = (key.digest, signers.clone(), 4);
        have_done(&mut cluster, &signers.clone(), &What::Presign { key, signers, setup, size });
    }
    let left = names(&stock(&mut cluster, party(1), key.digest));
    assert_eq!(left.len(), 8, "it did have some made");
    assert!(mine.iter().all(|one| left.contains(one)), "what was there is there");
    cluster.sign(key.id, "and serves");
}

#[test]
fn pair_setups_of_a_stolen_coordinator_push_out_its_own() {
    let mut cluster = Cluster::new(241);
    let key = cluster.key(Scheme::Dkls23);
    cluster.sign(key.id, "warm");
    let mine = stock(&mut cluster, party(1), key.digest).setups;
    let members = cluster.parties();
    for _ in 0..SETUPS_MAX + 2 {
        have_done(&mut cluster, &members, &What::Setup { members: members.clone() });
    }
    let left = stock(&mut cluster, party(1), key.digest).setups;
    assert_eq!(left.len(), SETUPS_MAX, "it did have some made");
    assert!(mine.iter().all(|one| left.contains(one)), "what was there is there");
}

#[test]
fn a_lying_node_fills_no_memory_of_a_coordinator() {
    let mut cluster = Cluster::new(242);
    let key = cluster.key(Scheme::Dkls23);
    cluster.sign(key.id, "warm");
    cluster.run_for(10_000);
    let real = stock(&mut cluster, party(1), key.digest);
    let to = keymoot_engine::message::Address::Coordinator(0);
    let from = keymoot_engine::message::Address::Node(party(1));
    let known = |cluster: &Cluster| cluster.replicas[&0].coordinator().view().offered;
    for place in 0..500_u64 {
        let other = Hash::from_bytes([place.to_le_bytes(); 4].concat().try_into().unwrap());
        let presignatures = real.presignatures.clone();
        let stock = Stock { key: other, setups: vec![other; 10_000], presignatures };
        cluster.say(from, to, Message::Stock(stock));
    }
    cluster.run_for(100);
    let before = known(&cluster);
    let many =
        (0..10_000).map(|place| real.presignatures[place % real.presignatures.len()].clone()).collect();
    cluster.say(from, to, Message::Stock(Stock { presignatures: many, ..real }));
    cluster.run_for(100);
    assert!(known(&cluster) <= before + OFFERED, "{} of {before}", known(&cluster));
    cluster.sign(key.id, "all the same");
}
