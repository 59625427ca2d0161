//! The table and the tests must agree, in both directions.

use super::*;

const MARKDOWN: &str = "\
# Attacks
| id | not | counted |
|---|---|---|
| Z99 | above the parts | |
## Covered rows
### Signing
| id | attack |
|----|--------|
| S01 | rogue key |
### Generation
| id | attack |
|:---|:-------|
| D02 | short polynomial |
## Rows for later machinery
| id | attack |
|----|--------|
| G04 | bad modulus |
## Notes
| anything | goes |
";

fn must_cover(tests: &[(&str, Verdict)]) -> Coverage {
    let tests: Vec<Test> =
        tests.iter().map(|(name, verdict)| Test { name: (*name).to_owned(), verdict: *verdict }).collect();
    cover(&Table::read(MARKDOWN).expect("a table"), tests.iter())
}

#[test]
fn rows_are_read_by_part() {
    let table = Table::read(MARKDOWN).expect("a table");
    assert_eq!(table.covered, ["S01", "D02"]);
    assert_eq!(table.later, ["G04"]);
}

#[test]
fn a_bad_table_is_refused() {
    let twice = MARKDOWN.replace("G04", "S01");
    assert_eq!(Table::read(&twice).expect_err("twice").to_string(), "S01 is listed twice");
    let lost = MARKDOWN.replace("D02", "D2");
    assert!(Table::read(&lost).expect_err("lost").to_string().contains("`D2` is not an id"));
    assert!(Table::read("# Attacks").is_err());
}

#[test]
fn every_row_with_a_passing_test_is_covered() {
    let coverage = must_cover(&[
        ("frost::tests::s01_rogue_key_is_blamed", Verdict::Ok),
        ("dkg::d02_polynomial::is_short", Verdict::Ok),
        ("g04_a_test_for_later", Verdict::Ok),
        ("p256_is_no_id", Verdict::Ok),
    ]);
    assert!(coverage.is_complete, "{:?}", coverage.lines);
    assert_eq!(coverage.lines, ["S01   1 ok", "D02   1 ok", "covered 2 of 2"]);
}

#[test]
fn a_row_without_a_passing_test_fails() {
    let coverage =
        must_cover(&[("s01_a", Verdict::Ok), ("s01_b", Verdict::Failed), ("d02_a", Verdict::Ignored)]);
    assert!(!coverage.is_complete);
    assert_eq!(coverage.lines, ["S01   2 FAILED", "D02   1 MISSING", "covered 0 of 2"]);
}

#[test]
fn a_test_for_an_unknown_row_fails() {
    let coverage = must_cover(&[("s01_a", Verdict::Ok), ("d02_a", Verdict::Ok), ("s09_a", Verdict::Ok)]);
    assert!(!coverage.is_complete);
    assert_eq!(coverage.lines[2], "S09 is not in the table, but a test bears it: s09_a");
}
