//! Ours against `tlog_tiles` and `signed_note` of Cloudflare, which descend from the code of the Go team.

use keymoot_engine::audit::checkpoint::Checkpoint;
use keymoot_engine::audit::note::SignedNote;
use keymoot_engine::audit::tree::{Tree, verify_consistency, verify_inclusion};
use keymoot_protocol::transcript::Hash;
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::tlog::{self, HashReader};

use super::{VERIFY, node};

const SIZES: u64 = 70;

struct Stored(Vec<tlog::Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

fn entry(index: u64) -> Vec<u8> {
    vec![index as u8; (index % 40) as usize]
}

fn grown() -> (Tree, Stored) {
    let (mut ours, mut theirs) = (Tree::new(), Stored(Vec::new()));
    for index in 0..SIZES {
        ours.append(&entry(index));
        let new = tlog::stored_hashes(index, &entry(index), &theirs).unwrap();
        theirs.0.extend(new);
    }
    (ours, theirs)
}

fn to_theirs(proof: &[Hash]) -> Vec<tlog::Hash> {
    proof.iter().map(|hash| tlog::Hash(*hash.as_bytes())).collect()
}

/// Proofs that are nearly right.
fn near(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = vec![proof.to_vec(), [proof, &[Hash::from_bytes([1; 32])]].concat()];
    for at in 0..proof.len() {
        let [mut without, mut swapped, mut changed] = [(); 3].map(|()| proof.to_vec());
        without.remove(at);
        swapped.swap(0, at);
        changed[at] = Hash::from_bytes([2; 32]);
        all.extend([without, swapped, changed]);
    }
    all
}

#[test]
fn proofs_of_inclusion_are_theirs() {
    let (ours, theirs) = grown();
    for size in 1..=SIZES {
        let root = ours.root_at(size).unwrap();
        let their_root = tlog::tree_hash(size, &theirs).unwrap();
        assert_eq!(*root.as_bytes(), their_root.0);
        for index in 0..size {
            let proof = ours.inclusion(index, size).unwrap();
            assert_eq!(to_theirs(&proof), tlog::prove_record(size, index, &theirs).unwrap());
            let leaf = ours.leaf(index).unwrap();
            for proof in near(&proof) {
                // With an index that is wrong too.
                for index in [index, (index + 1) % size] {
                    let verdict = verify_inclusion(&leaf, index, size, &root, &proof);
                    let leaf = tlog::Hash(*leaf.as_bytes());
                    let theirs = tlog::check_record(&to_theirs(&proof), size, their_root, index, leaf);
                    assert_eq!(verdict, theirs.is_ok(), "{index} of {size}");
                }
            }
        }
    }
}

#[test]
fn proofs_of_consistency_are_theirs() {
    let (ours, theirs) = grown();
    for new in 1..=SIZES {
        let new_root = ours.root_at(new).unwrap();
        for old in 1..=new {
            let old_root = ours.root_at(old).unwrap();
            let proof = ours.consistency(old, new).unwrap();
            assert_eq!(to_theirs(&proof), tlog::prove_tree(new, old, &theirs).unwrap());
            for proof in near(&proof) {
                for old in [old, old % new + 1] {
                    let verdict = verify_consistency(old, &old_root, new, &new_root, &proof);
                    let roots = [new_root, old_root].map(|root| tlog::Hash(*root.as_bytes()));
                    let theirs = tlog::check_tree(&to_theirs(&proof), new, roots[0], old, roots[1]);
                    assert_eq!(verdict, theirs.is_ok(), "{old} in {new}");
                }
            }
        }
    }
}

#[test]
fn notes_and_keys_are_theirs() {
    let owner = node(1);
    let signed = owner.log_of(&["a", "b"]).sign(owner.sign());
    let note = Note::from_bytes(signed.to_string().as_bytes()).unwrap();
    let verifier = StandardVerifier::new(&owner.log.to_string()).unwrap();
    let (good, rest) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((good.len(), rest.len()), (1, 0));
    let theirs = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    let ours = signed.checkpoint();
    assert_eq!((theirs.origin(), theirs.size()), (ours.origin().as_str(), ours.size()));
    assert_eq!(theirs.hash().0, *ours.root().as_bytes());

    let witness = [[4].as_slice(), owner.key.public().as_bytes()].concat();
    let id = signed_note::key_id(owner.witness.name().as_str(), &witness);
    assert_eq!(id.to_be_bytes(), owner.witness.id());
}

#[test]
fn whatever_note_we_read_they_read_the_same() {
    let [owner, other] = [node(1), node(2)];
    let signed = owner.log_of(&["a", "b"]).sign(owner.sign());
    let note = format!("{signed}{}", other.log.line(vec![9; 64]));
    let at_most = |found: &str| {
        let theirs = Note::from_bytes(found.as_bytes());
        match SignedNote::parse(found) {
            Ok(ours) => {
                let theirs = theirs.unwrap();
                assert_eq!((ours.text().as_bytes(), found.as_bytes()), (theirs.text(), &*theirs.to_bytes()));
                let theirs = tlog_tiles::Checkpoint::from_bytes(theirs.text());
                match Checkpoint::parse(ours.text()) {
                    Ok(ours) => assert_eq!(ours.to_string().as_bytes(), theirs.unwrap().to_bytes()),
                    // Extension lines, origins that are no names of keys, empty trees with a root.
                    Err(_) => assert!(theirs.is_err() || !is_plain(ours.text()), "{found:?}"),
                }
                let verifier = StandardVerifier::new(&owner.log.to_string()).unwrap();
                let theirs = Note::from_bytes(found.as_bytes()).unwrap();
                let is_theirs = theirs.verify(&VerifierList::new(vec![Box::new(verifier)])).is_ok();
                assert_eq!(ours.signature_of(&owner.log, VERIFY).is_ok(), is_theirs, "{found:?}");
            }
            // We ask for no more than they do, but that a control character is one beyond ASCII too.
            Err(_) => assert!(theirs.is_err() || found.contains(char::is_control), "{found:?}"),
        }
    };
    at_most(&note);
    for (at, old) in note.char_indices() {
        for new in ['\n', ' ', '+', '0', 'A', '=', '/', '—', '\u{7f}', '\t'] {
            let rest = &note[at + old.len_utf8()..];
            at_most(&format!("{}{new}{rest}", &note[..at]));
            at_most(&format!("{}{new}{}", &note[..at], &note[at..]));
            at_most(&format!("{}{rest}", &note[..at]));
        }
    }
}

/// Whether a text of a note is of three lines: a name, a size other than 0, and something.
fn is_plain(text: &str) -> bool {
    let origin = text.split('\n').next().unwrap_or_default();
    text.matches('\n').count() == 3
        && !text.contains("\n0\n")
        && !origin.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}
