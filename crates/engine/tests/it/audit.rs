//! Logs and witnesses from outside: known answers, forks, restarts, and a comparison with other implementations.

mod others;

use keymoot_engine::audit::checkpoint::{Checkpoint, Fork, SignedCheckpoint};
use keymoot_engine::audit::note::{BadNote, KeyName, LogKey, WitnessKey};
use keymoot_engine::audit::tree::{Tree, verify_consistency, verify_inclusion};
use keymoot_engine::audit::witness::{Cosigned, Refused, Request, TIME_MAX, Witness, Witnessed};
use keymoot_engine::audit::{Log, Verify};
use keymoot_protocol::identity::{IdentityKey, IdentityPublic, IdentitySignature};
use keymoot_protocol::transcript::Hash;

const VERIFY: Verify = IdentityPublic::verifies_text;

/// A node: its identity, and the two keys that others know it by.
struct Node {
    key: IdentityKey,
    log: LogKey,
    witness: WitnessKey,
}

fn node(number: u8) -> Node {
    let key = IdentityKey::from_seed([number; 32]);
    let name = |use_: &str| KeyName::new(&format!("keymoot.example/{use_}/{number}")).unwrap();
    let (log, witness) =
        (LogKey::new(name("log"), key.public()), WitnessKey::new(name("witness"), key.public()));
    Node { key, log, witness }
}

impl Node {
    fn sign(&self) -> impl FnOnce(&str) -> IdentitySignature {
        |text| self.key.sign_text(text).unwrap()
    }

    fn log_of(&self, entries: &[&str]) -> Log {
        Log::restore(self.log.clone(), entries)
    }

    fn witness_of(&self, logs: &[&Node]) -> Witness {
        let mut witness = Witness::new(self.witness.clone());
        assert!(logs.iter().all(|log| witness.watch(log.log.clone())));
        witness
    }

    /// Grows a log and has it cosigned.
    fn ask(
        &self,
        witness: &mut Witness,
        owner: &Node,
        log: &Log,
        old_size: u64,
    ) -> Result<Cosigned, Refused> {
        let request = log.request(&log.sign(owner.sign()), old_size).unwrap();
        let request = Request::parse(&request.to_string()).unwrap();
        witness.cosign(&request, 1_700_000_000, VERIFY, self.sign())
    }
}

fn hashes(hex_of: &[&str]) -> Vec<Hash> {
    hex_of.iter().map(|text| Hash::from_bytes(hex::decode(text).unwrap().try_into().unwrap())).collect()
}

#[test]
fn the_trees_and_proofs_of_certificate_transparency_are_reproduced() {
    // testonly/constants.go and proof/verify_test.go of github.com/transparency-dev/merkle, which has them from the
    // reference implementation of certificate transparency.
    let leaves =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = hashes(&[
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]);
    let tree = Tree::restore(leaves.map(|leaf| hex::decode(leaf).unwrap()));
    for (size, root) in (0..).zip(&roots) {
        assert_eq!(tree.root_at(size).as_ref(), Some(root));
    }
    let [a, b, c, d, e, f, g, h] = [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
    ];
    // Their indices begin at 1.
    let (first, second) = (hex::encode(roots[1].as_bytes()), hex::encode(roots[2].as_bytes()));
    let inclusions: [(u64, u64, &[&str]); 5] =
        [(1, 8, &[a, b, c]), (6, 8, &[d, e, f]), (3, 3, &[&second]), (2, 5, &[&first, b, d]), (1, 1, &[])];
    for (index, size, proof) in inclusions {
        let proof = hashes(proof);
        assert_eq!(tree.inclusion(index - 1, size).as_ref(), Some(&proof));
        let leaf = tree.leaf(index - 1).unwrap();
        assert!(verify_inclusion(&leaf, index - 1, size, &roots[size as usize], &proof));
    }
    let consistencies: [(u64, u64, &[&str]); 5] =
        [(1, 1, &[]), (1, 8, &[a, b, c]), (6, 8, &[g, e, f]), (2, 5, &[b, d]), (6, 7, &[g, h, f])];
    for (old, new, proof) in consistencies {
        let proof = hashes(proof);
        assert_eq!(tree.consistency(old, new).as_ref(), Some(&proof));
        assert!(verify_consistency(old, &roots[old as usize], new, &roots[new as usize], &proof));
    }
}

#[test]
fn a_log_that_grows_is_cosigned_by_all_others() {
    let [owner, one, two] = [node(1), node(2), node(3)];
    let witnesses = [one.witness.clone(), two.witness.clone()];
    let (mut first, mut second) = (one.witness_of(&[&owner]), two.witness_of(&[&owner, &one]));
    let mut log = Log::new(owner.log.clone());
    for size in 0..20 {
        let signed = log.sign(owner.sign());
        let mut witnessed = Witnessed::new(signed.clone());
        for (node, witness, old_size) in
            [(&one, &mut first, if size == 0 { 0 } else { size - 1 }), (&two, &mut second, 0)]
        {
            // One owner remembers; the other is told what the witness has seen.
            let cosigned = match node.ask(witness, &owner, &log, old_size) {
                Err(Refused::Stale { seen }) => node.ask(witness, &owner, &log, seen),
                answer => answer,
            }
            .unwrap();
            assert_eq!(cosigned.seen, signed);
            assert_eq!(witness.seen(owner.log.name()), Some(&signed));
            witnessed.add(&cosigned.cosignature.to_string(), &witnesses, VERIFY).unwrap();
        }
        assert_eq!(witnessed.count(), 2);
        let note = witnessed.to_string();
        assert_eq!(Witnessed::open(&note, &owner.log, &witnesses, VERIFY), Ok(witnessed));
        assert_eq!(log.append(&[7; 100]), size);
    }
}

#[test]
fn a_fork_is_refused_with_evidence_that_convinces_everybody() {
    let [owner, other] = [node(1), node(2)];
    let mut witness = other.witness_of(&[&owner]);
    let (honest, forked) = (owner.log_of(&["a", "b", "c"]), owner.log_of(&["a", "b", "x"]));
    let seen = other.ask(&mut witness, &owner, &honest, 0).unwrap().seen;
    // However the request is dressed up.
    for old_size in 0..=3 {
        let Err(Refused::Fork(fork)) = other.ask(&mut witness, &owner, &forked, old_size) else {
            panic!("the fork was not seen")
        };
        let [one, two] = fork.checkpoints();
        assert_eq!((one, two.checkpoint().root()), (&seen, forked.tree().root()));
        let notes = [one.to_string(), two.to_string()];
        assert_eq!(Fork::judge(&notes[0], &notes[1], &owner.log, VERIFY), Ok(*fork));
        assert_eq!(Fork::judge(&notes[0], &notes[1], &other.log, VERIFY), Err(BadNote::Unsigned));
        assert!(Fork::judge(&notes[0], &notes[0], &owner.log, VERIFY).is_err());
    }
    assert_eq!(witness.seen(owner.log.name()), Some(&seen));
    // A fork that has grown has no proof, and so no cosignature.
    let grown = owner.log_of(&["a", "b", "x", "d"]);
    assert_eq!(other.ask(&mut witness, &owner, &grown, 3), Err(Refused::Proof));
    assert!(other.ask(&mut witness, &owner, &owner.log_of(&["a", "b", "c", "d"]), 3).is_ok());
}

#[test]
fn nobody_is_accused_by_what_the_owner_has_not_signed() {
    let [owner, forger, other] = [node(1), node(2), node(3)];
    let mut witness = other.witness_of(&[&owner]);
    other.ask(&mut witness, &owner, &owner.log_of(&["a"]), 0).unwrap();
    let forged = Log::restore(LogKey::new(owner.log.name().clone(), forger.key.public()), ["b"]);
    assert_eq!(
        other.ask(&mut witness, &forger, &forged, 1),
        Err(Refused::Note(BadNote::Unsigned)),
        "another key under the owner's name"
    );
    // The id of the owner's key, and the forger's signature.
    assert_eq!(
        other.ask(&mut witness, &forger, &owner.log_of(&["b"]), 1),
        Err(Refused::Note(BadNote::Forged))
    );
    let sizes = [owner.log_of(&["a"]), owner.log_of(&["a", "b"])].map(|log| log.sign(owner.sign()));
    assert_eq!(Fork::between(&sizes[0], &sizes[1]), None);
    let others = [owner.log_of(&["a"]).sign(owner.sign()), other.log_of(&["b"]).sign(other.sign())];
    assert_eq!(Fork::between(&others[0], &others[1]), None);
}

#[test]
fn a_witness_never_cosigns_backwards() {
    let [owner, other] = [node(1), node(2)];
    let mut witness = other.witness_of(&[&owner]);
    let entries: Vec<String> = (0..12).map(|i| i.to_string()).collect();
    let logs: Vec<Log> = (0..=12).map(|size| Log::restore(owner.log.clone(), &entries[..size])).collect();
    let mut last = 0;
    for size in [0, 0, 3, 1, 2, 3, 0, 8, 7, 8, 4, 12, 11, 12_u64] {
        for old_size in 0..=size {
            let seen = last;
            let expected = match (size, old_size) {
                (size, _) if size < seen => Some(Refused::WentBack { seen }),
                (_, old_size) if old_size != seen => Some(Refused::Stale { seen }),
                _ => None,
            };
            let before = witness.seen(owner.log.name()).cloned();
            let answer = other.ask(&mut witness, &owner, &logs[size as usize], old_size);
            match &answer {
                Ok(cosigned) => last = cosigned.seen.checkpoint().size(),
                Err(_) => assert_eq!(witness.seen(owner.log.name()).cloned(), before),
            }
            assert_eq!(answer.err(), expected, "{size} from {old_size}, seen {seen}");
        }
    }
}

#[test]
fn a_witness_knows_whom_it_watches_and_when_time_ends() {
    let [owner, stranger, other] = [node(1), node(2), node(3)];
    let mut witness = other.witness_of(&[&owner]);
    let log = stranger.log_of(&["a"]);
    assert_eq!(other.ask(&mut witness, &stranger, &log, 0), Err(Refused::UnknownOrigin));
    assert!(!witness.watch(LogKey::new(owner.log.name().clone(), stranger.key.public())));
    let log = owner.log_of(&["a"]);
    let mut request = log.request(&log.sign(owner.sign()), 0).unwrap();
    assert_eq!(witness.cosign(&request, TIME_MAX + 1, VERIFY, other.sign()), Err(Refused::Time));
    request.proof.push(log.tree().root());
    assert_eq!(witness.cosign(&request, 0, VERIFY, other.sign()), Err(Refused::Proof));
    request.proof.clear();
    request.note.push('x');
    assert!(matches!(witness.cosign(&request, 0, VERIFY, other.sign()), Err(Refused::Note(_))));
    assert_eq!(witness.seen(owner.log.name()), None);
}

#[test]
fn a_restored_log_has_the_same_root_and_a_shortened_one_is_found_out() {
    let owner = node(1);
    let entries: Vec<Vec<u8>> = (0..100_u8).map(|i| vec![i; usize::from(i)]).collect();
    let mut log = Log::new(owner.log.clone());
    let mut last = log.sign(owner.sign());
    for (size, entry) in entries.iter().enumerate() {
        let restored = Log::restore(owner.log.clone(), &entries[..size]);
        assert_eq!((restored.tree().size(), restored.tree().root()), (log.tree().size(), log.tree().root()));
        assert!(restored.holds(last.checkpoint()));
        log.append(entry);
        last = log.sign(owner.sign());
        assert!(!restored.holds(last.checkpoint()), "an entry is lost");
        assert!(restored.request(&last, 0).is_none());
    }
    let mut changed = entries.clone();
    changed[50][0] ^= 1;
    assert!(!Log::restore(owner.log.clone(), &changed).holds(last.checkpoint()));
    assert!(!Log::restore(node(2).log, &entries).holds(last.checkpoint()), "another log");
}

#[test]
fn a_restored_witness_has_seen_what_it_had_seen() {
    let [owner, other] = [node(1), node(2)];
    let mut witness = other.witness_of(&[&owner]);
    let mut log = owner.log_of(&["a", "b"]);
    let early = other.ask(&mut witness, &owner, &log, 0).unwrap().seen.to_string();
    log.append(b"c");
    let late = other.ask(&mut witness, &owner, &log, 2).unwrap().seen.to_string();
    for order in [[&early, &late], [&late, &early]] {
        let mut restored = other.witness_of(&[&owner]);
        order.iter().for_each(|note| restored.recall(note, VERIFY).unwrap());
        assert_eq!(restored.seen(owner.log.name()), witness.seen(owner.log.name()));
        let shorter = owner.log_of(&["a", "b"]);
        assert_eq!(other.ask(&mut restored, &owner, &shorter, 2), Err(Refused::WentBack { seen: 3 }));
        assert!(other.ask(&mut restored, &owner, &log, 3).is_ok());
        let forked = owner.log_of(&["a", "b", "x"]).sign(owner.sign()).to_string();
        assert!(matches!(restored.recall(&forked, VERIFY), Err(Refused::Fork(_))));
    }
    let corrupt = late.replacen("\n3\n", "\n4\n", 1);
    let found = other.witness_of(&[&owner]).recall(&corrupt, VERIFY);
    assert_eq!(found, Err(Refused::Note(BadNote::Forged)));
}

#[test]
fn only_distinct_witnesses_other_than_the_owner_count() {
    let [owner, one, two] = [node(1), node(2), node(3)];
    let log = owner.log_of(&["a"]);
    let signed = log.sign(owner.sign());
    let cosign = |node: &Node, key: &WitnessKey, time| {
        let mut witness = Witness::new(key.clone());
        witness.watch(owner.log.clone());
        let request = log.request(&signed, 0).unwrap();
        witness.cosign(&request, time, VERIFY, node.sign()).unwrap().cosignature
    };
    let alias = WitnessKey::new(KeyName::new("alias").unwrap(), one.key.public());
    let known = [one.witness.clone(), alias.clone(), owner.witness.clone()];
    let mut witnessed = Witnessed::new(signed.clone());
    let mut add = |line: &str| witnessed.add(line, &known, VERIFY).map(|()| witnessed.count());
    assert_eq!(add(""), Ok(0));
    assert_eq!(add(&cosign(&owner, &owner.witness, 5).to_string()), Ok(0), "its own witness");
    assert_eq!(add(&cosign(&two, &two.witness, 5).to_string()), Ok(0), "an unknown key");
    let earlier = cosign(&one, &one.witness, 5).to_string();
    let later = cosign(&one, &one.witness, 6).to_string();
    assert_eq!(add(&later), Ok(1));
    assert_eq!(add(&earlier), Ok(1));
    assert_eq!(add(&cosign(&one, &alias, 5).to_string()), Ok(1), "one key, two names");
    // A line that names a witness and is not its own spoils the answer it came in.
    let posed = one.witness.line(vec![0; 72]);
    assert_eq!(add(&format!("{later}{posed}")), Err(BadNote::Forged));
    assert!(add(later.trim_end()).is_err());
    assert_eq!(witnessed.cosignatures().map(|cosignature| cosignature.time()).collect::<Vec<_>>(), [6]);
    // Not of this checkpoint.
    let another = owner.log_of(&["b"]).sign(owner.sign());
    assert_eq!(Witnessed::new(another).add(&later, &known, VERIFY), Err(BadNote::Forged));
}

#[test]
fn a_checkpoint_of_another_origin_is_not_that_of_the_log() {
    let owner = node(1);
    let named = LogKey::new(KeyName::new("other").unwrap(), owner.key.public());
    let checkpoint = Checkpoint::new(named.name().clone(), 0, Tree::new().root()).unwrap();
    let signature = owner.key.sign_text(&checkpoint.to_string()).unwrap();
    let note = format!("{checkpoint}\n{}", owner.log.line(signature.0.to_vec()));
    assert!(matches!(SignedCheckpoint::open(&note, &owner.log, VERIFY), Err(BadNote::Malformed(_))));
}
