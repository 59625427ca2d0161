//! What it says to nonsense: one line with a code and a reason, exit code 2, and nothing on standard output.

use crate::run;

fn must_be_refused(arguments: &[&str], reason: &str) {
    for more in [&[][..], &["--json"]] {
        let output = run(&[&["lab"], arguments, more].concat());
        let complaint = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {complaint}");
        assert_eq!((complaint.lines().count(), output.stdout.len()), (1, 0), "{arguments:?}: {complaint}");
        assert!(
            complaint.starts_with("error[E2001]: ") && complaint.contains(reason),
            "{arguments:?}: {complaint}"
        );
    }
}

#[test]
fn more_signers_than_parties() {
    must_be_refused(&["--threshold", "4"], "the threshold 4 is more than all 3 parties");
    must_be_refused(&["--parties", "1"], "at least 2 parties");
}

#[test]
fn one_signer_or_none() {
    must_be_refused(&["--threshold", "1"], "the threshold must be at least 2");
    must_be_refused(&["--threshold", "0", "--parties", "0"], "at least 2 parties");
}

#[test]
fn more_than_32_parties() {
    must_be_refused(&["--parties", "33"], "at most 32 parties");
    must_be_refused(&["--parties", "33", "--threshold", "33"], "at most 32 parties");
}

#[test]
fn numbers_that_are_none() {
    for number in ["-1", "65536", "99999999999999999999", "2.5", "three", "", "3\n4"] {
        must_be_refused(&["--parties", number], "`--parties` takes a whole number from 2 to 32");
        must_be_refused(&["--threshold", number], "`--threshold` takes a whole number from 2 to 32");
    }
}

#[test]
fn schemes_that_do_not_exist() {
    for scheme in ["rsa", "", "Frost-Taproot", "frost-ed25519\n"] {
        must_be_refused(&["--scheme", scheme], "known schemes: frost-taproot, frost-ed25519, dkls23");
    }
}

#[test]
fn options_and_verbs_that_do_not_exist() {
    for arguments in [&["lab", "--quorum", "2"][..], &["dmeo"], &[], &["lab", "extra"], &["lab", "--parties"]]
    {
        let output = run(arguments);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
        let told = run(&[arguments, &["--json"]].concat()).stderr;
        let told: serde_json::Value = serde_json::from_slice(&told).expect("one JSON object");
        crate::schema::must_fit(&told);
        assert_eq!((&told["code"], &told["exit"]), (&"E2001".into(), &2.into()), "{told}");
    }
}
