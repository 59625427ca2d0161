//! Lists: each has a greatest length of its own, and a longer one is refused when its count is read.

use keymoot_protocol::codec::{FIELD_HEADER, Malformed};

use super::{LIST, fields, messages, with_length};

const PARTIES: u64 = 32;
const ROUNDS: u64 = 48;

/// The most items of each list of a specimen, in the order in which the lists begin; numbers of the specification.
fn maxima(specimen: &str) -> &'static [u64] {
    match specimen {
        // Repetitions, and the other members.
        "Parameters" => return &[128],
        "Proofs, gg20" => return &[128, PARTIES],
        // Members twice, and their signatures.
        "Outputs" => return &[PARTIES; 2],
        "Written" => return &[PARTIES; 3],
        // Signers, and three lists with one entry for each.
        "Public, gg20" => return &[PARTIES; 4],
        // A batch, or one with something for each other signer.
        "Offers, gg20" | "EncryptionProofs" | "AffineProofs" | "Sums" => return &[16],
        "Shares" | "Closing of nonces" | "Closing of keys" => return &[16, PARTIES],
        _ => {}
    }
    match specimen.split(',').next().unwrap_or_default() {
        "Committee" | "Echo" | "Opening" | "Offers" => &[PARTIES],
        "GroupKey" => &[PARTIES; 3],
        // Rounds, the parties of two of them, envelopes, attestations.
        "Evidence" => &[ROUNDS, PARTIES, PARTIES, ROUNDS, 2],
        // Cited rounds before the evidence.
        "Blame" => &[ROUNDS, ROUNDS, PARTIES, PARTIES, ROUNDS, 2],
        // Two elements for each of 128 transfers.
        "Reply" => &[256],
        // One correction for each tree.
        "Trees" => &[32],
        // Counted parties and burnt ones; signers and their commitments.
        "Ledger" | "Public" => &[PARTIES; 2],
        "Bans" => &[65_536],
        // A batch.
        "Open" => &[1024],
        // A chunk of a batch.
        "Replies" => &[32],
        _ => &[],
    }
}

#[test]
fn t08_lists_with_more_items_than_there_can_be_are_refused_before_they_are_read() {
    for specimen in messages() {
        let lists = fields(&specimen.bytes).into_iter().filter(|(_, kind)| *kind == LIST);
        let (lists, maxima) = (lists.collect::<Vec<_>>(), maxima(specimen.name));
        assert_eq!(lists.len(), maxima.len(), "{} has other lists", specimen.name);
        for ((at, _), most) in lists.into_iter().zip(maxima) {
            // Nothing follows the count. So its last legal value shows that there is nothing, and the next itself.
            let head = |count| with_length(&specimen.bytes, at, count)[..at + FIELD_HEADER].to_vec();
            let found = |count| (specimen.reencode)(&head(count));
            assert_eq!(found(*most), Err(Malformed::Truncated), "{} at {at}", specimen.name);
            assert_eq!(found(*most + 1), Err(Malformed::WrongLength), "{} at {at}", specimen.name);
        }
    }
}
