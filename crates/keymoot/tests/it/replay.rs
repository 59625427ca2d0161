//! `keymoot debug replay` from outside: a run in a file, replayed, looked into, and refused where it makes no sense.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use keymoot_sim::model::Model;
use keymoot_sim::replay::Run;
use keymoot_sim::{Bug, Shape, run as simulation};

use crate::{must_print, run};

const SHAPE: Shape = Shape { nodes: None, small: false };

/// A folder of one test.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The file of a run that breaks a promise, as the simulator writes it, and how many events it has.
fn must_write(name: &str) -> (String, u64) {
    let bug = Some(Bug::SpeakFirst);
    let report = simulation::one::<Model>(3, SHAPE, bug);
    assert!(report.violation.is_some(), "{report:?}");
    let path = Run::of(&report, SHAPE, false, bug).keep(&folder(name)).expect("a file can be written");
    (path.to_str().expect("text").to_owned(), report.events)
}

/// The first line of the complaint, the second, and the exit code.
fn complaint(output: &Output) -> (String, String, Option<i32>) {
    let text = String::from_utf8(output.stderr.clone()).expect("text");
    let mut lines = text.lines().map(str::to_owned);
    (lines.next().unwrap_or_default(), lines.next().unwrap_or_default(), output.status.code())
}

#[test]
fn a_run_is_replayed_to_the_promise_that_it_breaks() {
    let (file, events) = must_write("replayed");
    let told = must_print(&["debug", "replay", &file]);
    assert!(told.contains("the history is the one in the file"), "{told}");
    let last = told.lines().last().expect("a line");
    assert!(last.starts_with(&format!(" after event {events}: I")), "{told}");
    assert_eq!(told.lines().filter(|line| line.starts_with("  ")).count() as u64, events.min(40), "{told}");
}

#[test]
fn events_states_and_changes_can_be_looked_at() {
    let (file, _) = must_write("looked-at");
    let told = must_print(&["debug", "replay", &file, "--step", "2..4", "--until", "6"]);
    let numbers =
        told.lines().filter_map(|line| line.strip_prefix("      ")?.split(' ').next()?.parse().ok());
    assert_eq!(numbers.collect::<Vec<u32>>(), [2, 3, 4], "{told}");
    for (actor, fact) in [
        ("node-1", "   process: runs"),
        ("coordinator-0", "   process: runs"),
        ("client-0", "   wish "),
        ("network", "   store: "),
    ] {
        let told = must_print(&["debug", "replay", &file, "--show", actor, "--until", "30ms"]);
        assert!(told.contains(&format!("\n {actor}\n")) && told.contains(fact), "{told}");
    }
    let told = must_print(&["debug", "replay", &file, "--show", "node-1", "--diff", "0..6"]);
    assert!(told.contains("\n - process: down\n + process: runs\n"), "{told}");
    let told = must_print(&["debug", "replay", &file, "--show", "node-1", "--diff", "5..5"]);
    assert!(told.contains("nothing has changed"), "{told}");
}

#[test]
fn a_run_that_comes_out_differently_is_told() {
    let (file, _) = must_write("drifted");
    let text = fs::read_to_string(&file).expect("it was written");
    fs::write(&file, text.replace("\"at\": ", "\"at\": 1")).expect("it can be written again");
    let (what, advice, code) = complaint(&run(&["debug", "replay", &file]));
    assert!(what.starts_with("error[E2204]: ") && advice.starts_with("  = the code has changed"), "{what}");
    assert_eq!(code, Some(1));
}

#[test]
fn files_that_are_no_runs_are_refused() {
    let (file, _) = must_write("refused");
    let text = fs::read_to_string(&file).expect("it was written");
    let must_be_refused = |text: &str, code: &str| {
        fs::write(&file, text).expect("it can be written again");
        let output = run(&["debug", "replay", &file]);
        let (what, advice, exit) = complaint(&output);
        assert!(what.starts_with(&format!("error[{code}]: ")) && advice.starts_with("  = "), "{what}");
        assert_eq!((exit, output.stdout.len()), (Some(2), 0), "{what}");
    };
    must_be_refused("", "E2202");
    must_be_refused(&text.replace("\"format\": 1", "\"format\": 9"), "E2202");
    must_be_refused(&text.replace("SpeakFirst", "SpeakWell"), "E2202");
    let (what, _, exit) = complaint(&run(&["debug", "replay", "no-such-file.json"]));
    assert!(what.starts_with("error[E2201]: ") && exit == Some(2), "{what}");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let (file, _) = must_write("options");
    for (option, value) in [
        ("--until", "soon"),
        ("--until", "ms"),
        ("--step", "9..3"),
        ("--step", "9"),
        ("--show", "node-0"),
        ("--show", "node-99"),
        ("--show", "nobody"),
    ] {
        let output = run(&["debug", "replay", &file, option, value]);
        let (what, _, code) = complaint(&output);
        assert!(what.starts_with("error[E2001]: ") && what.contains(value), "{option} {value}: {what}");
        assert_eq!(code, Some(2), "{option} {value}");
    }
    assert_eq!(run(&["debug", "replay", &file, "--diff", "1..2"]).status.code(), Some(2), "of whom?");
}
