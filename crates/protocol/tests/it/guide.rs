//! `docs/guide/protocol-library.md`, run: `page.rs` is its code, and here somebody follows the page.

mod page;
mod reader;

use std::io;
use std::sync::Arc;

use keymoot_protocol::abort::{Abort, Blame, Fault};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::curve::Secp256k1;
use keymoot_protocol::envelope::Kind;
use keymoot_protocol::evidence::Evidence;
use keymoot_protocol::key::GroupKey;
use keymoot_types::{Party, Secret};

use crate::net::{Mail, honest};
use crate::parties::{Checked, World, party};
use reader::{Ceremony, ceremony, sign};

#[test]
fn the_code_on_the_page_is_the_code_that_runs_here() {
    let guide = include_str!("../../../../docs/guide/protocol-library.md");
    let (mut code, mut is_code) = (String::new(), false);
    for line in guide.lines() {
        match line {
            "```rust" => is_code = true,
            "```" => is_code = false,
            line if is_code => code.extend([line, "\n"]),
            _ => {}
        }
    }
    let same = code.lines().zip(include_str!("guide/page.rs").lines()).find(|(page, file)| page != file);
    assert_eq!(same, None, "the guide, left, and page.rs, right, differ");
    assert_eq!(code, include_str!("guide/page.rs"));
}

#[test]
fn whoever_follows_the_page_gets_a_key_and_signs_with_it() {
    let mut world = World::new(2, 3, 300);
    let Ceremony { ours, kept, others } = ceremony(&mut world, || Ok(()), honest);
    let ours = ours.unwrap();
    let [two, three] = others.map(|seat| seat.output.expect("the others have the key too"));
    assert!(kept.iter().all(|(key, share)| key.digest() == ours.group().digest() && share == ours.expose()));
    assert_eq!(kept.first().unwrap().0.certificate, [], "kept before the first signature on it was seen");
    assert_eq!(kept.last().unwrap().0, **ours.group(), "and again with all of them");
    for quorum in [[&ours, &two], [&ours, &three], [&two, &three]] {
        let (key, signature) = sign(&mut world, &quorum, [5; 32]);
        assert!(Secp256k1::verifies(&key, &[5; 32], &signature));
    }
}

#[test]
fn a_late_member_adopts_the_certified_key_of_another() {
    let mut world = World::new(2, 3, 301);
    let withhold = |mail: Mail| {
        let is_withheld = (mail.header().round, mail.from, mail.to) == (5, party(3), Some(party(1)));
        if is_withheld { vec![] } else { vec![mail] }
    };
    let Ceremony { ours, kept, others } = ceremony(&mut world, || Ok(()), withhold);
    assert!(matches!(ours.err().unwrap().downcast_ref(), Some(Abort::Benign(_))), "party 1 waits in vain");
    let (pending, share) = kept.into_iter().next().expect("party 1 kept its share in time");
    let two = others.into_iter().find_map(|seat| seat.output).expect("party 2 has the certified key");
    let adopt = |member: Party, certified: &GroupKey<_>| {
        page::adopt(&pending, (member, Secret::new(share)), &certified.encode())
    };
    assert!(adopt(party(1), &pending).is_err(), "no key without its certificate");
    assert!(adopt(party(2), two.group()).is_err(), "nobody else's share");
    let other = World::new(2, 3, 302).generate::<Secp256k1>();
    assert!(adopt(party(1), other[0].group()).is_err(), "no other key");
    let ours = adopt(party(1), two.group()).unwrap();
    let (key, signature) = sign(&mut world, &[&ours, &two], [6; 32]);
    assert!(Secp256k1::verifies(&key, &[6; 32], &signature));
}

#[test]
fn a_share_that_cannot_be_kept_is_never_signed_for() {
    let mut world = World::new(2, 3, 303);
    let Ceremony { ours, others, .. } =
        ceremony(&mut world, || Err(io::ErrorKind::StorageFull.into()), honest);
    assert!(ours.err().unwrap().is::<io::Error>());
    assert!(others.iter().all(|seat| seat.output.is_none()), "so nobody has a complete certificate");
}

#[test]
fn a_run_that_signs_and_dies_in_one_step_leaves_no_certificate_behind() {
    // Party 2's last echo reaches party 1 after everybody's signature, and party 3's signature for party 1 is wrong.
    let mut world = World::new(2, 3, 304);
    let identity = Arc::clone(&world.identities[&party(3)]);
    let (mut late, mut seen) = (None, 0);
    let adversary = |mail: Mail| {
        let header = mail.header();
        match (header.round, header.kind, mail.from.index(), mail.to) {
            (4, Kind::Echo, 2, Some(to)) if to == party(1) => {
                late = Some(mail);
                vec![]
            }
            (5, _, from, Some(to)) if to == party(1) => {
                seen += 1;
                let lie = |body: &mut Vec<u8>| *body.last_mut().unwrap() ^= 1;
                let mail = if from == 3 { mail.forged(&identity, |_, body| lie(body)) } else { mail };
                [Some(mail), late.take_if(|_| seen == 2)].into_iter().flatten().collect()
            }
            _ => vec![mail],
        }
    };
    let Ceremony { ours, kept, others } = ceremony(&mut world, || Ok(()), adversary);
    let ended = ours.err().unwrap();
    let Some(Abort::Blame(blames)) = ended.downcast_ref() else { panic!("party 3 is to blame: {ended}") };
    let blame = blames.iter().next().unwrap();
    assert_eq!((blame.party, blame.fault, kept.len()), (party(3), Fault::WrongCertificate, 0));
    assert!(others.iter().all(|seat| seat.output.is_none()), "nothing was kept, so nobody has the key");
    let context = world.dkg_context::<Secp256k1>();
    assert!(page::is_proven(&context, &blame.encode()));
    let groundless =
        Blame { party: party(2), fault: blame.fault, cites: vec![5], evidence: Evidence::default() };
    assert!(!page::is_proven(&context, &groundless.encode()), "an accusation alone proves nothing");
}
