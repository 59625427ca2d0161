//! False accusations before third parties: the accused's own envelopes, and a record in which it says something else.

use k256::{ProjectivePoint, Scalar};
use keymoot_protocol::abort::{Blame, Fault};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::envelope::Envelope;
use keymoot_protocol::evidence::Evidence;
use keymoot_protocol::gg20::presign::{Closing, Sums};
use keymoot_protocol::record::Broadcasts;
use keymoot_types::Party;

use crate::attacks_gg20_presign::{Outcome, all, with_liars};
use crate::parties::party;

/// What all have said to all, round by round, as their own records have it.
fn record(outcome: &Outcome) -> Vec<Broadcasts> {
    let body = |round, from| {
        let bytes = outcome.said.get(&(round, from, None))?;
        Some((from, Envelope::decode(bytes).expect("an envelope").body().to_vec()))
    };
    (0..=6).map(|round| all().into_iter().filter_map(|from| body(round, from)).collect()).collect()
}

/// Accuses somebody with its own genuine broadcasts of these rounds, and a record that the accuser has changed.
fn accuse(
    outcome: &Outcome,
    (who, fault, rounds): (Party, Fault, &[u8]),
    change: impl FnOnce(&mut Vec<Broadcasts>),
) -> bool {
    let mut record = record(outcome);
    change(&mut record);
    let envelope = |round: &u8| Envelope::decode(&outcome.said[&(*round, who, None)]).expect("an envelope");
    let envelopes = rounds.iter().map(envelope).collect();
    let evidence = Evidence { record, envelopes, attestations: Vec::new() };
    outcome.convicts(&Blame { party: who, fault, cites: rounds.to_vec(), evidence })
}

/// Changes what a record says that somebody said.
fn say<T: Wire>(record: &mut [Broadcasts], round: usize, who: Party, change: impl FnOnce(&mut T)) {
    let (_, body) = record[round].iter_mut().find(|(from, _)| *from == who).expect("it has spoken");
    let mut message = T::decode(body).expect("a message");
    change(&mut message);
    *body = message.encode().to_vec();
}

#[test]
fn g22_whoever_confirms_is_not_convicted_of_having_opened() {
    let outcome = with_liars(80, &[party(3)], |_, _, _| {});
    assert_eq!(outcome.done, 2, "an honest run");
    for who in all() {
        for other in [Closing::Nonces(Vec::new()), Closing::Keys(Vec::new())] {
            for fault in Fault::ALL {
                let other = Closing::decode(&other.encode()).expect("travels");
                let lie = |record: &mut Vec<Broadcasts>| {
                    say::<Closing>(record, 6, who, |closing| *closing = other);
                };
                assert!(!accuse(&outcome, (who, fault, &[6]), lie), "{fault:?} against {who}");
            }
        }
    }
}

/// A batch in which party 3's part of a sum is wrong, and everybody opens.
fn failed(seed: u64, lie: impl Fn(&mut Sums)) -> Outcome {
    with_liars(seed, &[party(3)], |_, _, outbox| {
        for one in outbox.iter_mut().filter(|one| one.round == 5) {
            let mut sums = Sums::decode(&one.body).expect("sums");
            lie(&mut sums);
            one.body = sums.encode();
        }
    })
}

#[test]
fn g22_a_wrong_share_is_not_put_into_an_honest_mouth() {
    let outcome = failed(81, |sums| sums.0[0].delta += Scalar::ONE);
    let fault = Fault::WrongInverseShare;
    assert!(accuse(&outcome, (party(3), fault, &[5]), |_| ()), "the truth is believed");
    for who in [party(1), party(2)] {
        let swap = |record: &mut Vec<Broadcasts>| {
            say::<Sums>(record, 5, who, |sums| sums.0[0].delta += Scalar::ONE);
            say::<Sums>(record, 5, party(3), |sums| sums.0[0].delta -= Scalar::ONE);
        };
        assert!(!accuse(&outcome, (who, fault, &[5]), swap), "{who}");
        let open = |record: &mut Vec<Broadcasts>| {
            say::<Closing>(record, 6, who, |closing| {
                let Closing::Nonces(all) = closing else { panic!("nonces are due") };
                all[0].1.mask += Scalar::ONE;
            });
        };
        assert!(!accuse(&outcome, (who, Fault::WrongOpening, &[6]), open), "{who}");
    }
}

#[test]
fn g22_a_wrong_proof_is_not_put_into_an_honest_mouth() {
    let outcome = failed(82, |sums| sums.0[0].key += ProjectivePoint::GENERATOR);
    assert!(accuse(&outcome, (party(3), Fault::WrongProof, &[6]), |_| ()), "the truth is believed");
    for who in [party(1), party(2)] {
        // The last byte is one of the proof's response.
        let forge = |record: &mut Vec<Broadcasts>| {
            let (_, body) = record[6].iter_mut().find(|(from, _)| *from == who).expect("it has spoken");
            *body.last_mut().expect("bytes") ^= 1;
            assert!(matches!(Closing::decode(body), Ok(Closing::Keys(_))));
        };
        assert!(!accuse(&outcome, (who, Fault::WrongProof, &[6]), forge), "{who}");
    }
}
