//! Third-party clients, as their authors publish them, against real processes: `e2e/clients` has what they do.
//!
//! All share one cluster, which is started when the first test needs it and ended after the last: the usual harness has no
//! place for an end. One test runs at a time.

mod chain;
mod embedded;
mod lab;
mod latency;
mod paths;
mod place;
mod rest;
mod script;
mod spends;
mod stage;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use script::SCRIPTS;
use stage::Stage;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let stage = Arc::new(Stage::default());
    let conclusion = libtest_mimic::run(&arguments, trials(&stage));
    // Between the verdicts nothing else may be printed.
    stage.counts().iter().for_each(|count| println!("count: {count}"));
    conclusion.exit_code()
}

fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for script in SCRIPTS {
        for check in script.checks {
            let (stage, name) = (Arc::clone(stage), format!("{}::{check}", script.client));
            trials.push(trial(&name, move || stage.check(script, check)));
        }
    }
    let called = Arc::clone(stage);
    trials.push(trial("rest::the client of the guide makes a key and signs", move || called.rest()));
    let measured = Arc::clone(stage);
    trials.push(trial("latency::decoding and JSON-RPC add little", move || measured.latency()));
    trials.push(trial(
        "spends::the interpreter refuses what is not signed",
        spends::what_is_not_signed_is_refused,
    ));
    trials
}

fn trial(name: &str, run: impl FnOnce() -> anyhow::Result<()> + Send + 'static) -> Trial {
    let name = format!("clients::{}", name.replace([' ', ',', '-'], "_"));
    Trial::test(name, move || run().map_err(|error| Failed::from(format!("{error:#}"))))
}
