//! A second DKLs23, slow and obvious, written from spec/dkls23.md and not from the sources: what the machines say and
//! what the specification says must be the same bytes.
//!
//! The model shares nothing with the crate but the libraries of curves, ciphers and hash functions; it has its own
//! encoding, its own names of sessions, its own matrices of single bits. It computes with secrets in the open. Models
//! talk to models only: they see nothing that a machine has said until all is compared.

mod base_ot;
mod check;
mod drive;
pub mod encode;
pub mod extension;
mod frozen;
pub mod hashes;
pub mod multiply;
pub mod polyval;
mod presign;
mod session;
pub mod setup;
mod sign;
pub mod tree;

use drive::Committee;
use keymoot_types::Party;

use crate::parties::party;

fn signers(indices: &[u16]) -> Vec<Party> {
    indices.iter().map(|index| party(*index)).collect()
}

#[test]
fn the_model_and_the_machines_say_the_same_in_setup() {
    for (needed, total) in [(2, 3), (3, 3), (3, 5)] {
        let committee = Committee::set_up(needed, total, 81);
        committee.setup.must_agree();
        assert!(committee.members.values().all(|member| *member.setup.name().as_bytes() == committee.name));
    }
}

/// One presignature, more, more than a round of replies takes, and more than the two that are sent ahead; not all members
/// sign, or all.
#[test]
fn the_model_and_the_machines_say_the_same_in_presigning() {
    let cases: [(u16, u16, &[u16], &[u16]); 3] =
        [(2, 3, &[1, 3], &[1, 2, 33, 65]), (3, 3, &[1, 2, 3], &[1, 2, 33]), (3, 5, &[2, 3, 5], &[2])];
    for (needed, total, indices, sizes) in cases {
        let mut committee = Committee::set_up(needed, total, 82);
        for size in sizes {
            let batch = committee.presign(&signers(indices), *size);
            batch.both.must_agree();
            assert_eq!(batch.by_machines, batch.by_models, "the same presignatures");
        }
    }
}

#[test]
fn the_model_and_the_machines_say_the_same_in_signing() {
    for (needed, total, indices) in [(2, 3, &[2, 3][..]), (3, 3, &[1, 2, 3]), (3, 5, &[1, 3, 5])] {
        let mut committee = Committee::set_up(needed, total, 83);
        let mut batch = committee.presign(&signers(indices), 3);
        for (path, message) in [("m", "one"), ("m/0/7", ""), ("m/2147483647/1/2/3", "three")] {
            let signed = committee.sign(&mut batch, path, message.as_bytes());
            signed.both.must_agree();
            assert_eq!(signed.by_machines, signed.by_models);
        }
        batch.both.must_agree();
    }
}
