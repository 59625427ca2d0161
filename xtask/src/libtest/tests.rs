//! Sample outputs of `cargo test`, good and bad.

use super::*;

const GOOD: &str = "   Compiling keymoot-types v0.1.0
    Finished `test` profile [unoptimized] target(s) in 2.05s
     Running unittests src/lib.rs (target/debug/deps/keymoot_types-0a1b)

running 3 tests
test id::tests::it_prints ... ok
a child process says hello
test key::tests::it_panics - should panic ... ok
test key::tests::slow has been running for over 60 seconds
test key::tests::slow ... ok

successes:

---- key::tests::slow stdout ----
count: 1000 cases
test result of a captured line is not a verdict
test fake::line ... ok


successes:
    id::tests::it_prints

test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests keymoot_types

running 2 tests
test crates/types/src/id.rs - id (line 12) - compile_fail ... ok
test crates/types/src/key.rs - key::Key (line 3) ... ok

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s

running 1 test
test crates/types/src/time.rs - time (line 9) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.20s

all doctests ran in 0.50s; merged doctests compilation took 0.30s
";

const BAD: &str = "     Running tests/stories.rs (/somewhere/debug/deps/stories-9f)

running 3 tests
test a ... FAILED
test b ... ignored, too slow
test c ... ok

failures:

---- a stdout ----
thread 'a' panicked at tests/stories.rs:1:1:
no

failures:
    a

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s

error: test failed, to rerun pass `--test stories`
";

fn shown(output: &str) -> Vec<&str> {
    let mut report = Report::default();
    output.lines().filter(|line| report.feed(line)).collect()
}

#[test]
fn a_good_run_adds_up() {
    let report = Report::read(GOOD);
    assert_eq!(report.problems(), [""; 0]);
    assert_eq!(report.sections.len(), 3);
    assert_eq!(report.sections[0].binary, "keymoot_types-0a1b");
    assert_eq!(report.sections[2].binary, "Doc-tests keymoot_types");
    assert_eq!(report.tests().count(), 6);
    assert!(report.tests().all(|test| test.verdict == Verdict::Ok));
    assert!(!report.tests().any(|test| test.name == "fake::line"));
}

#[test]
fn failed_and_ignored_tests_are_counted() {
    let report = Report::read(BAD);
    assert_eq!(report.problems(), [""; 0]);
    let section = &report.sections[0];
    assert_eq!(section.binary, "stories-9f");
    assert_eq!([Verdict::Ok, Verdict::Failed, Verdict::Ignored].map(|v| section.count(v)), [1, 1, 1]);
}

#[test]
fn the_terminal_sees_counts_and_results_but_no_good_test() {
    let shown = shown(GOOD);
    assert!(shown.contains(&"count: 1000 cases"));
    assert!(shown.iter().filter(|line| line.starts_with("test result:")).count() == 3);
    assert!(!shown.iter().any(|line| line.starts_with("test id::")));
}

#[test]
fn the_terminal_sees_failures_in_full() {
    let shown = shown(BAD);
    for line in [
        "test a ... FAILED",
        "---- a stdout ----",
        "no",
        "error: test failed, to rerun pass `--test stories`",
    ] {
        assert!(shown.contains(&line), "{line}");
    }
}

#[test]
fn a_binary_that_dies_is_a_problem() {
    let died = BAD.split("failures:").next().expect("a head");
    assert_eq!(Report::read(died).problems(), ["stories-9f ended without a result"]);
    let silent = BAD.split("running").next().expect("a head");
    assert_eq!(Report::read(silent).problems(), ["stories-9f announced no tests"]);
}

#[test]
fn a_lost_line_is_a_problem() {
    assert_eq!(Report::read(&GOOD.replace("test id::tests::it_prints ... ok\n", "")).problems().len(), 1);
    assert_eq!(Report::read(&GOOD.replace("ok. 3 passed", "ok. 4 passed")).problems().len(), 1);
}

#[test]
fn words_which_only_look_like_libtest_are_noise() {
    assert_eq!(verdict("test foo ... bar"), None);
    assert_eq!(announcement("running late tests"), None);
    assert_eq!(sums("test result: ok."), None);
    assert_eq!(header("     Running something else"), None);
}
