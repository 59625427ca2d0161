//! Evidence: no accusation against an honest member convinces the judge, however it is put together.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_protocol::abort::{Abort, Blame, Fault};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Context;
use keymoot_protocol::curve::Ed25519;
use keymoot_protocol::dkg::Dkg;
use keymoot_protocol::envelope::{Envelope, Kind};
use keymoot_protocol::evidence::{Evidence, judge};
use keymoot_protocol::record::Broadcasts;
use keymoot_types::Party;
use rand_chacha::rand_core::RngCore;

use crate::net::{Node, Order};
use crate::parties::{World, party, rng, run_all};
use crate::tokens::mutate;

/// Everything that was said in one run, by round and kind; what accusers have to work with.
struct Archive {
    context: Arc<Context>,
    record: Vec<Broadcasts>,
    said: BTreeMap<(Party, u8, Kind), Vec<u8>>,
}

fn archive(seed: u64, salt: u64) -> Archive {
    let mut world = World::new(2, 3, seed);
    world.rng = rng(salt);
    let context = world.dkg_context::<Ed25519>();
    let mut seats = world.dkg::<Ed25519>(&context);
    let mut said = BTreeMap::new();
    let mut record: BTreeMap<u8, BTreeMap<Party, Vec<u8>>> = BTreeMap::new();
    run_all(&mut seats, Order::First, |mail| {
        let header = mail.header();
        said.insert((header.from, header.round, header.kind), mail.bytes.clone());
        let bodies = record.entry(header.round).or_default();
        if header.kind == Kind::Body && header.to.is_none() {
            bodies.insert(header.from, mail.envelope().body().to_vec());
        }
        vec![mail]
    });
    assert!(seats.values().all(Node::is_done));
    let record =
        (0..5).map(|round| record.remove(&round).unwrap_or_default().into_iter().collect()).collect();
    Archive { context, record, said }
}

#[test]
fn k03_no_collage_of_honest_messages_convicts_anybody() {
    // Two honest runs of one committee; accusers combine whatever they like of both.
    let runs = [archive(400, 1), archive(400, 2)];
    let mut random = rng(400);
    let mut pick = |count: usize| random.next_u32() as usize % count;
    let mut tried = 0;
    for _ in 0..40_000 {
        let accused = party(1 + pick(3) as u16);
        let run = &runs[pick(2)];
        let mut evidence = Evidence { record: run.record[..pick(6)].to_vec(), ..Evidence::default() };
        if pick(4) == 0 && !evidence.record.is_empty() {
            let at = pick(evidence.record.len());
            evidence.record[at].clone_from(&runs[pick(2)].record[at]);
        }
        for _ in 0..=pick(3) {
            let source = &runs[pick(2)].said;
            let (_, bytes) = source.iter().nth(pick(source.len())).expect("the index is inside");
            let envelope = Envelope::decode(bytes).unwrap();
            evidence.attestations.push(envelope.attestation());
            evidence.envelopes.push(envelope);
        }
        evidence.attestations.truncate(2);
        for fault in Fault::ALL {
            let blame =
                Blame { party: accused, fault, cites: vec![], evidence: std::mem::take(&mut evidence) };
            assert!(
                judge::<Dkg<Ed25519>>(&run.context, &blame).is_err(),
                "{accused:?} was convicted of {fault:?}"
            );
            evidence = blame.evidence;
            tried += 1;
        }
    }
    println!("count: {tried} collages of honest messages, 0 convictions");
}

/// A true accusation: party 3 dealt party 1 a wrong share.
fn conviction() -> (World, Arc<Context>, Blame) {
    let mut world = World::new(2, 3, 401);
    let context = world.dkg_context::<Ed25519>();
    let mut seats = world.dkg::<Ed25519>(&context);
    let identity = Arc::clone(&world.identities[&party(3)]);
    run_all(&mut seats, Order::First, |mail| {
        let header = mail.header();
        let hit = header.from == party(3) && header.round == 3 && mail.to == Some(party(1));
        if hit { vec![mail.forged(&identity, |_, body| body[9] ^= 1)] } else { vec![mail] }
    });
    let Some(Abort::Blame(blames)) = seats.remove(&party(1)).unwrap().abort else {
        panic!("the share is wrong")
    };
    let blame = Blame::decode(&blames.iter().next().unwrap().encode()).unwrap();
    (world, context, blame)
}

#[test]
fn k03_a_true_accusation_cannot_be_turned_against_others() {
    let (_, context, blame) = conviction();
    assert!(judge::<Dkg<Ed25519>>(&context, &blame).is_ok());
    let bytes = blame.encode();
    let mut random = rng(401);
    let mut decoded = 0;
    for _ in 0..20_000 {
        let mutated = mutate::<Ed25519>(&bytes, &bytes, &mut random);
        let Ok(mut blame) = Blame::decode(&mutated) else { continue };
        decoded += 1;
        for fault in Fault::ALL {
            blame.fault = fault;
            for honest in [1, 2] {
                blame.party = party(honest);
                assert!(judge::<Dkg<Ed25519>>(&context, &blame).is_err(), "an honest member was convicted");
            }
        }
    }
    println!("count: {decoded} altered accusations, 0 convictions of anybody else");
    assert!(decoded > 2_000, "{decoded} of the mutations still were accusations");
}

#[test]
fn k03_an_accusation_holds_only_for_its_own_session() {
    let (_, context, blame) = conviction();
    let other = |change: &dyn Fn(&mut Context)| {
        let mut other = (*context).clone();
        change(&mut other);
        judge::<Dkg<Ed25519>>(&other, &blame)
    };
    assert!(other(&|_| {}).is_ok());
    assert!(other(&|context| context.session = keymoot_types::SessionId::new([7; 16])).is_err());
    assert!(other(&|context| context.key = Some(keymoot_types::KeyId::new([7; 16]))).is_err());
    assert!(other(&|context| context.epoch = keymoot_types::Epoch(1)).is_err());
    assert!(other(&|context| context.committee = Arc::clone(&World::new(2, 3, 402).committee)).is_err());
}

#[test]
fn k03_a_record_that_no_honest_session_has_proves_nothing() {
    // An invented broadcast in the round of direct messages would change the view that the accused is measured by.
    let run = archive(403, 3);
    let said = |round, kind| Envelope::decode(&run.said[&(party(1), round, kind)]).unwrap();
    let accuse = |change: &dyn Fn(&mut Vec<Broadcasts>)| {
        [
            (4, vec![(2, Kind::Echo), (1, Kind::Echo)]),
            (5, vec![(4, Kind::Echo), (2, Kind::Echo), (1, Kind::Echo)]),
        ]
        .into_iter()
        .map(|(round, echoes)| {
            let mut evidence = Evidence { record: run.record.clone(), ..Evidence::default() };
            evidence.envelopes.push(said(round, Kind::Body));
            evidence.envelopes.extend(echoes.into_iter().map(|(round, kind)| said(round, kind)));
            change(&mut evidence.record);
            let blame = Blame { party: party(1), fault: Fault::FalseView, cites: vec![], evidence };
            judge::<Dkg<Ed25519>>(&run.context, &blame).is_ok()
        })
        .collect::<Vec<_>>()
    };
    let nobody = vec![false, false];
    assert_eq!(accuse(&|_| {}), nobody);
    assert_eq!(
        accuse(&|record| record[3].push((party(1), vec![0]))),
        nobody,
        "something said in a direct round"
    );
    assert_eq!(
        accuse(&|record| record[3].clone_from(&run.record[2])),
        nobody,
        "everybody says something in it"
    );
    assert_eq!(accuse(&|record| record[2].truncate(2)), nobody, "somebody is missing");
    assert_eq!(accuse(&|record| record[2].clear()), nobody, "a round is missing");
    assert_eq!(accuse(&|record| record[2].reverse()), nobody, "the order is another");
    assert_eq!(accuse(&|record| record[4][0].1.push(0)), vec![false, false], "a body is another");
    assert_eq!(accuse(&|record| record.truncate(3)), nobody, "it ends early");
}

#[test]
fn k03_the_judge_of_another_protocol_hears_no_case() {
    let (_, context, blame) = conviction();
    assert!(
        judge::<Dkg<keymoot_protocol::curve::Secp256k1>>(&context, &blame).is_err(),
        "the other curve's judge"
    );
    assert!(
        judge::<keymoot_protocol::frost::Aggregator<Ed25519>>(&context, &blame).is_err(),
        "the signing's judge"
    );
    let run = archive(404, 4);
    let opening = Envelope::decode(&run.said[&(party(1), 2, Kind::Body)]).unwrap();
    let evidence = Evidence { record: run.record, envelopes: vec![opening], ..Evidence::default() };
    let blame = Blame { party: party(1), fault: Fault::Malformed, cites: vec![], evidence };
    assert!(judge::<Dkg<keymoot_protocol::curve::Secp256k1>>(&run.context, &blame).is_err());
}
