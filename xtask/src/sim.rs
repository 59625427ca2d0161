//! Hands over to the simulator, in release; with real cryptography in a profile of its own, because the small moduli of GG20
//! exist only where debug assertions are. Its exit code is ours: 0 only if no promise was broken.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::unix::process::CommandExt;

use anyhow::Result;

use crate::cli::SimArguments;
use crate::tools::ensure_c_compiler;
use crate::workspace::Workspace;

/// Drawn seeds are below this, so that they are easy to type again.
const DRAWN_MAX: u64 = 1 << 40;

/// Becomes the simulator; returns only when it cannot be started.
pub fn sim(workspace: &Workspace, arguments: &SimArguments) -> Result<()> {
    ensure_c_compiler()?;
    let mut arguments = arguments.clone();
    if arguments.random {
        let start = draw();
        println!("first seed: {start}");
        arguments.start = Some(start);
    }
    let profile = profile(&arguments);
    let mut run =
        workspace.cargo(&["run", "--profile", profile, "--locked", "--quiet", "-p", "keymoot-sim", "--"]);
    Err(run.args(words(&arguments)).exec().into())
}

/// How the simulator is built for this.
const fn profile(arguments: &SimArguments) -> &'static str {
    if arguments.real { "checked" } else { "release" }
}

/// A seed nobody has chosen.
fn draw() -> u64 {
    RandomState::new().build_hasher().finish() % DRAWN_MAX
}

/// The arguments as the simulator takes them.
fn words(arguments: &SimArguments) -> Vec<String> {
    let SimArguments { seeds, start, real, nodes, planted, bug, coverage, replay, random: _ } = arguments;
    let valued = [
        ("--seeds", seeds.map(|seeds| seeds.to_string())),
        ("--start", start.map(|start| start.to_string())),
        ("--nodes", nodes.map(|nodes| nodes.to_string())),
        ("--bug", bug.clone()),
        ("--replay", replay.map(|replay| replay.to_string())),
    ];
    let flags = [("--real", *real), ("--planted", *planted), ("--coverage", *coverage)];
    let valued = valued.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?]));
    let flags = flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.to_owned());
    valued.flatten().chain(flags).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{DRAWN_MAX, draw, profile, words};
    use crate::cli::{Arguments, Chore, SimArguments};

    #[test]
    fn everything_typed_reaches_the_simulator() {
        let typed = "--seeds 7 --start 3 --nodes 5 --bug SkipFsync --real --coverage";
        let line = format!("xtask sim {typed}");
        let Ok(Arguments { chore: Chore::Sim(arguments) }) = Arguments::try_parse_from(line.split(' '))
        else {
            panic!("`{line}` is a chore")
        };
        assert_eq!(words(&arguments).join(" "), typed);
        assert_eq!(profile(&arguments), "checked");
        assert_eq!(profile(&SimArguments { real: false, ..arguments }), "release");
    }

    #[test]
    fn drawn_seeds_differ_and_can_be_typed() {
        let seeds = [draw(), draw(), draw()];
        assert!(seeds.iter().all(|seed| *seed < DRAWN_MAX));
        assert!(seeds.windows(2).any(|two| two[0] != two[1]), "{seeds:?}");
    }
}
