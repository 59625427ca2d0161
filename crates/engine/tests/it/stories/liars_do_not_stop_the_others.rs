//! A member that takes part and spoils the end of it costs an attempt or two, and is left out.

use keymoot_engine::message::{Address, Complete, Message};
use keymoot_types::Scheme;

use crate::cluster::{Cluster, Post};
use crate::room::party;

/// Party 2 says things in its own way.
fn with_liar(seed: u8, lie: impl Fn(&mut Message) + 'static) -> Cluster {
    let mut cluster = Cluster::new(seed);
    cluster.postman = Box::new(move |mut post: Post| {
        if post.from == Address::Node(party(2)) {
            lie(&mut post.message);
        }
        vec![post]
    });
    cluster
}

#[test]
fn a_signer_that_keeps_its_word_back_is_left_out() {
    for scheme in Scheme::USUAL {
        let mut cluster = with_liar(250, |message| {
            if let Message::Mail(mail) = message {
                mail.released = None;
            }
        });
        let key = cluster.key(scheme);
        for _ in 0..3 {
            assert_eq!(cluster.sign(key.id, "with its word"), [party(1), party(3)], "{scheme}");
        }
    }
}

#[test]
fn a_signer_that_gives_another_word_is_left_out() {
    let mut cluster = with_liar(251, |message| {
        if let Message::Mail(mail) = message {
            mail.released.iter_mut().for_each(|word| word.0[0] ^= 1);
        }
    });
    let key = cluster.key(Scheme::FrostTaproot);
    assert_eq!(cluster.sign(key.id, "with its word"), [party(1), party(3)]);
}

#[test]
fn a_member_that_hides_what_it_holds_is_left_out() {
    for hidden in 0..4 {
        let mut cluster = with_liar(252, move |message| {
            if hidden == 3 && matches!(message, Message::Complete(..)) {
                *message = Message::Beat;
            }
            if let Message::Stock(stock) | Message::Complete(_, Complete::Presigned(stock)) = message {
                match hidden {
                    0 => stock.presignatures.clear(),
                    1 => stock.setups.clear(),
                    _ => (stock.presignatures, stock.setups) = (vec![], vec![]),
                }
            }
        });
        let key = cluster.key(Scheme::Dkls23);
        for _ in 0..2 {
            let signers = cluster.sign(key.id, "in spite of it");
            // Whoever only hides its pair setups takes part in batches, and may as well sign with them.
            assert!(hidden == 1 || signers == [party(1), party(3)], "way {hidden}: {signers:?}");
        }
    }
}

#[test]
fn a_member_that_talks_without_end_fills_nobodys_line() {
    let mut cluster = Cluster::new(254);
    let key = cluster.key(Scheme::FrostTaproot);
    cluster.postman = Box::new(move |post: Post| {
        let is_hers =
            matches!((post.from, &post.message), (Address::Node(from), Message::Mail(_)) if from == party(2));
        vec![post; if is_hers { 500 } else { 1 }]
    });
    let before = cluster.said.len();
    for _ in 0..3 {
        cluster.sign(key.id, "whatever she says");
    }
    let carried = |to| {
        let told = cluster.told(Address::Coordinator(0), Address::Node(to), before);
        told.into_iter().filter(|message| matches!(message, Message::Mail(_))).count()
    };
    let (one, three) = (carried(party(1)), carried(party(3)));
    assert!(one > 0 && one + three < 3 * 40, "{one} and {three} pieces were carried");
}
