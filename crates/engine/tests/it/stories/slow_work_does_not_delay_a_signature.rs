//! Making presignatures takes long; signing goes on meanwhile.

use keymoot_engine::message::{Address, Invite, Message, What};
use keymoot_types::Scheme;

use crate::cluster::{Cluster, STOLEN, id_of};
use crate::room::party;

#[test]
fn signatures_are_made_while_a_long_step_is_out() {
    let mut cluster = Cluster::new(140);
    let frost = cluster.key(Scheme::FrostTaproot).id;
    let ecdsa = cluster.key(Scheme::Dkls23);
    cluster.sign(ecdsa.id, "warm");
    cluster.run_for(5_000);
    cluster.thieves_setup();
    let said = cluster.provoke(party(1), Message::StockQuery(ecdsa.digest));
    let [Message::Stock(stock)] = said.as_slice() else { panic!("{said:?}") };
    let (session, setup, signers) = (cluster.session(), stock.setups[0], vec![party(1), party(2)]);
    for party in [party(1), party(2)] {
        cluster.seat(party).work = 8_000;
        let what = What::Presign { key: ecdsa.digest, signers: signers.clone(), setup, size: 4 };
        let invite = Invite { session, what };
        cluster.say(STOLEN, Address::Node(party), Message::Invite(invite));
    }
    cluster.run_for(20);
    for (key, text) in [(frost, "frost"), (ecdsa.id, "ecdsa")] {
        let body = cluster.sign_request(key, text);
        let (id, began) = (id_of(&body), cluster.now);
        cluster.ask(0, &body);
        cluster.run_until(|cluster| cluster.settled(id).is_some());
        assert!(cluster.now - began < 50, "{text} took {} ms", cluster.now - began);
        assert_eq!(cluster.must_sign(&body).0, signers);
        for party in &signers {
            assert!(cluster.seats[party].sessions().contains_key(&session), "the long step is still out");
        }
    }
}
