//! Whoever has stolen a replica can write to the store. What he writes there is not told by the others.

use keymoot_engine::message::Answer;
use keymoot_engine::outcome::Outcome;
use keymoot_engine::request::Ask;
use keymoot_ports::{Name, Ttl};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::identity::IdentitySignature;
use keymoot_types::{Millis, Scheme};

use crate::cluster::{Cluster, id_of};
use crate::room::party;

/// The thief admits the request, and ends it like this.
fn forge(cluster: &mut Cluster, body: &[u8], outcome: &Outcome) {
    let (name, thief) = (*id_of(body).0.as_bytes(), Name::new("thief").unwrap());
    let ttl = Ttl::new(1_000).unwrap();
    let admitted = cluster.table.admit(name, body, &thief, ttl, Millis(cluster.now)).unwrap();
    let keymoot_ports::sessions::Admission::Fresh { fence } = admitted else { panic!("{admitted:?}") };
    cluster.table.finish(name, fence, &outcome.encode()).unwrap();
}

/// What the client hears of it from both others.
fn heard(cluster: &mut Cluster, body: &[u8]) -> Vec<Answer> {
    // A replica that does not know the key asks for it first.
    (0..2).for_each(|coordinator| cluster.ask(coordinator, body));
    cluster.run_for(1_000);
    let since = cluster.answers.len();
    (0..2).for_each(|coordinator| cluster.ask(coordinator, body));
    cluster.run_for(5_000);
    cluster.answers[since..].iter().filter(|(_, id, _)| *id == id_of(body)).map(|one| one.2.clone()).collect()
}

#[test]
fn a_forged_outcome_is_not_told() {
    let mut cluster = Cluster::new(230);
    let key = cluster.key(Scheme::FrostTaproot);
    let sound = cluster.sign_request(key.id, "sound");
    let Outcome::Signed { signature, session, released } = cluster.outcome(&sound) else { panic!() };
    let package = {
        let ask = cluster.request(Ask::Key(Scheme::FrostEd25519));
        let Outcome::Key(package) = cluster.outcome(&ask) else { panic!() };
        package
    };
    let word = IdentitySignature([7; 64]);
    let once = vec![released[0]; 2];
    let bent = signature.iter().map(|byte| byte ^ 1).collect();
    let denials = |parties: &[u16]| {
        let denial = |index: &u16| (party(*index), "because".to_owned(), word);
        Outcome::Denied(parties.iter().map(denial).collect())
    };
    let for_signatures = [
        // Of another request.
        Outcome::Signed { signature: signature.clone(), session, released: released.clone() },
        Outcome::Signed { signature: bent, session, released },
        Outcome::Signed { signature: signature.clone(), session, released: once },
        Outcome::Signed { signature, session, released: vec![(party(1), word), (party(2), word)] },
        Outcome::Key(package.clone()),
        denials(&[]),
        denials(&[1, 2]),
        denials(&[1, 2, 3]),
    ];
    for outcome in for_signatures {
        let body = cluster.sign_request(key.id, "forged");
        forge(&mut cluster, &body, &outcome);
        let heard = heard(&mut cluster, &body);
        assert!(
            matches!(heard.as_slice(), [Answer::Refused(_), Answer::Refused(_)]),
            "{outcome:?}: {heard:?}"
        );
    }
    // A certified key, but of another request or of another scheme.
    for (scheme, outcome) in [
        (Scheme::FrostEd25519, Outcome::Key(package.clone())),
        (Scheme::Dkls23, Outcome::Key(package)),
        (Scheme::Dkls23, Outcome::Key(vec![1; 99])),
    ] {
        let body = cluster.request(Ask::Key(scheme));
        forge(&mut cluster, &body, &outcome);
        let heard = heard(&mut cluster, &body);
        assert!(matches!(heard.as_slice(), [Answer::Refused(_), Answer::Refused(_)]), "{heard:?}");
    }
}
