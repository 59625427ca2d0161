//! What people read.

use std::io::Read;
use std::process::Stdio;

use crate::{keymoot, must_print};

/// Checks that the words occur, each after the one before.
fn must_tell(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let Some((_, after)) = rest.split_once(word) else {
            panic!("no `{word}` in the rest of it:\n{rest}")
        };
        rest = after;
    }
}

const ROUNDS: [&str; 9] = [
    "0   hello",
    "1   commit",
    "    echo",
    "2   open",
    "    echo",
    "3   shares",
    "4   proofs",
    "    echo",
    "5   certify",
];

#[test]
fn the_lab_tells_its_whole_story_in_order() {
    let text = must_print(&["lab"]);
    let keygen =
        |scheme| [&[scheme], &ROUNDS[..], &["key ready in", "nobody ever held the private key"]].concat();
    let words =
        [
            &[
                concat!("keymoot ", env!("CARGO_PKG_VERSION")),
                "everything in this process, nothing is stored",
            ][..],
            &["LAB: do not put money here", "threshold 2-of-3"],
            &keygen("Generate a key · frost-taproot"),
            &[
                "certificate checked, 3 of 3 signatures",
                "key_",
                "transcript",
                "internal",
                "output",
                "bc1p",
                "xpub6",
            ],
            &keygen("Generate a key · frost-ed25519"),
            &["certificate checked, 3 of 3 signatures", "key_", "transcript", "public key"],
            &keygen("Generate a key · dkls23"),
            &["certificate checked, 3 of 3 signatures", "key_", "transcript", "public key 0", "xpub6"],
            &["Set up pairs · dkls23 · party 1, party 2, party 3"],
            &["0   hello", "1   offers", "    echo", "2   replies", "3   trees", "4   confirm", "5   done"],
            &["3 pairs ready in", "good for every batch of every ECDSA key"],
            &["Presign 4 times · dkls23 · party 1, party 2\n", "0   hello", "1   commit", "    echo"],
            &["2   extend", "3   open", "    echo", "4   replies", "5   confirm"],
            &["4 presignatures ready in", "before anybody knows what to sign"],
            &["Sign \"hello from keymoot\" with 2 parties"],
            &["frost-taproot · signers party 1, party 2 ·", "digest", "keymoot/text-message/v1", "signature"],
            &["verified with libsecp256k1 ✓"],
            &["frost-ed25519 · signers party 1, party 2 ·", "signature", "verified with ed25519-dalek ✓"],
            &["dkls23 · signers party 1, party 2 ·", "digest", "= Keccak-256 of the text", "signature"],
            &["= r and s, recovery id ", "; 3 presignatures left", "verified with libsecp256k1 ✓"],
            &["Take party 2 away; left: party 1, party 3"],
            &["dkls23 · 3 presignatures thrown away: useless without party 2"],
            &["frost-taproot · signers party 1, party 3 ·", "verified with libsecp256k1 ✓"],
            &["frost-ed25519 · signers party 1, party 3 ·", "verified with ed25519-dalek ✓"],
            &["dkls23 · 4 presignatures made by party 1, party 3 ·", "dkls23 · signers party 1, party 3 ·"],
            &["verified with libsecp256k1 ✓", "Take party 3 away; left: party 1\n"],
            &["dkls23 · 3 presignatures thrown away: useless without party 3"],
            &["error[E2104]: not enough signers: need 2, reachable 1 (party 1)\n"],
            &["├ party 2 ", "├ party 3 ", "= the message was NOT signed and no nonce was used\n"],
            &["= help: bring one of party 2, party 3 back, then ask again\n"],
            &["error[E2104]", "= the message was NOT signed and no nonce was used"],
            &["error[E2104]", "= the message was NOT signed and no presignature was used"],
            &["3 keys · 6 signatures, all verified · 3 refusals, as planned"],
        ]
        .concat();
    must_tell(&text, &words);
}

#[test]
fn every_party_is_ticked_in_every_round() {
    let text = must_print(&["lab", "--parties", "5", "--threshold", "3", "--scheme", "frost-ed25519"]);
    assert_eq!(text.matches("1 ✓ 2 ✓ 3 ✓ 4 ✓ 5 ✓\n").count(), ROUNDS.len(), "{text}");
    must_tell(
        &text,
        &[
            "signers party 1, party 2, party 3 ·",
            "Take party 3 away; left: parties 1, 2, 4, 5",
            "signers party 1, party 2, party 4 ·",
            "Take party 4, party 5 away; left: party 1, party 2",
            "error[E2104]: not enough signers: need 3, reachable 2 (party 1, party 2)",
            "├ party 3 ",
            "├ party 4 ",
            "├ party 5 ",
            "= help: bring one of party 3, party 4, party 5 back, then ask again",
        ],
    );
}

#[test]
fn many_parties_are_counted() {
    let text = must_print(&["lab", "--parties", "12", "--threshold", "7", "--scheme", "frost-taproot"]);
    assert_eq!(text.matches("12 of 12 ✓\n").count(), ROUNDS.len(), "{text}");
    must_tell(&text, &["signers parties 1-7 ·", "signers parties 1-6, 8 ·", "reachable 6 (parties 1-6)"]);
}

#[test]
fn pairs_of_many_parties_are_those_of_the_signers() {
    let text = must_print(&["lab", "--parties", "9", "--threshold", "2", "--scheme", "dkls23"]);
    must_tell(
        &text,
        &[
            "Set up pairs · dkls23 · party 1, party 2\n",
            "1 pair ready in",
            "good for one batch of these signers",
            "Take party 2 away; left: parties 1, 3-9",
            "dkls23 · 1 pair of party 1, party 3 set up ·",
            "dkls23 · 4 presignatures made by party 1, party 3 ·",
            "verified with libsecp256k1 ✓",
            "= the message was NOT signed and no presignature was used",
        ],
    );
}

#[test]
fn a_scheme_that_is_left_out_is_named_in_a_line_that_fits() {
    let text = must_print(&["lab", "--parties", "10", "--threshold", "10"]);
    let line = text.lines().nth(3).unwrap();
    assert_eq!(line, " dkls23 is left out, being slow with 10 signers; see it with --scheme dkls23");
    assert!(line.chars().count() <= 80 && text.contains("2 keys · 2 signatures"), "{text}");
}

#[test]
fn where_everybody_is_needed_losing_one_is_enough_to_be_refused() {
    let text = must_print(&["lab", "--parties", "3", "--threshold", "3", "--scheme", "frost-taproot"]);
    must_tell(
        &text,
        &[
            "signers party 1, party 2, party 3 ·",
            "verified with libsecp256k1 ✓",
            "every party of 3-of-3 is needed",
            "error[E2104]: not enough signers: need 3, reachable 2 (party 1, party 2)",
            "├ party 3 ",
            "= the message was NOT signed and no nonce was used",
            "= help: bring party 3 back, then ask again",
            "1 key · 1 signature, all verified · 1 refusal",
        ],
    );
}

#[test]
fn a_pipe_gets_no_escapes_and_lines_that_fit() {
    for text in [must_print(&["lab"]), must_print(&["lab", "--message", "\u{1b}[31mred\u{7}\n"])] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        // What must stay in one piece: xpubs, and whole points, which are 66 digits.
        let is_whole =
            |line: &str| ["xpub ", "public key 0"].iter().any(|name| line.trim_start().starts_with(name));
        let wide = |line: &&str| line.chars().count() > 80 && !is_whole(line);
        assert_eq!(text.lines().find(wide), None);
    }
    let output = keymoot(&["lab"]).env("NO_COLOR", "1").output().unwrap();
    assert!(output.status.success() && !output.stdout.contains(&0x1b));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child = keymoot(&["lab"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut complaints = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    assert_eq!((child.wait().unwrap().code(), complaints.as_str()), (Some(0), ""));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_with_its_own_exit_code() {
    for arguments in [&["lab"][..], &["lab", "--json"]] {
        let full = std::fs::File::create("/dev/full").unwrap();
        let output = keymoot(arguments).stdout(full).output().unwrap();
        let complaints = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(74), "{complaints}");
        assert!(complaints.starts_with("error[E7401]: the output could not be written: "), "{complaints}");
    }
}

#[test]
fn exit_codes_are_in_the_help() {
    for arguments in [&["--help"][..], &["lab", "--help"], &["lab", "-h"]] {
        must_tell(&must_print(arguments), &["Exit codes:", "\n  0 ", "\n  2 ", "\n  70 ", "\n  74 "]);
    }
}
