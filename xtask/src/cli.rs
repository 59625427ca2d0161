//! What can be typed after `cargo xtask`. Here and not in `main.rs`, so that a test can hold the docs against it.

use clap::{Args, Parser, Subcommand};

/// The chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub struct Arguments {
    /// Which of them.
    #[command(subcommand)]
    pub chore: Chore,
}

/// One chore.
#[derive(Subcommand)]
pub enum Chore {
    /// Check the tree without changing it: format, tidy, layers, clippy, docs, licences
    Verify,
    /// Format, and let clippy repair what it can
    Fix,
    /// Verify, run all tests and check attack coverage; what CI runs
    Test(TestArguments),
    /// Measure; the flags go to the bench program
    Bench {
        /// What to measure (`protocol`) and its flags: `--peers`, `--only NAME`, `--json`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
    /// Simulate whole clusters, each from a seed, and look for broken promises
    Sim(SimArguments),
    /// Kill and mislead real processes, for as long as one likes: `kill --kills N`, `failover --kills N`
    E2e {
        /// The scenario and its flags
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
    /// Check that every covered row of the attack table has a passing test
    Attacks,
    /// Run the fuzz targets
    Fuzz(FuzzArguments),
    /// Compare what chains' payloads are read as with second implementations, many times
    Differential(DifferentialArguments),
    /// Have Bitcoin Core's kernel validate a block with our spends; builds it, which takes ten minutes
    Kernel,
    /// Make keys, moduli and signatures of GG20 with its full parameters, which takes minutes
    Gg20,
    /// Measure which lines the tests reach
    Coverage,
    /// Check sizes, names and other matters of taste
    Tidy,
    /// Check who depends on whom, and that pure crates are pure
    Layers,
}

/// How to test.
#[derive(Args)]
pub struct TestArguments {
    /// Only tests whose name contains this; no verify, no attack coverage
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
    /// Also run each fuzz target for a few seconds
    #[arg(long)]
    pub fuzz: bool,
}

/// What to fuzz, and for how long.
#[derive(Args)]
pub struct FuzzArguments {
    /// One target instead of all
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Executions per target; a million or three minutes if neither is given
    #[arg(long)]
    pub runs: Option<u64>,
    /// Time per target
    #[arg(long)]
    pub seconds: Option<u64>,
}

/// How much to compare.
#[derive(Args)]
pub struct DifferentialArguments {
    /// Generated payloads for each test; 100,000 if not given
    #[arg(long, value_name = "N")]
    pub cases: Option<u32>,
}

/// What to simulate. What is not given is for the simulator to choose.
#[derive(Args, Clone, Debug, Default)]
pub struct SimArguments {
    /// How many seeds
    #[arg(long, value_name = "N")]
    pub seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "SEED", conflicts_with = "random")]
    pub start: Option<u64>,
    /// Real cryptography instead of the model
    #[arg(long)]
    pub real: bool,
    /// So many nodes in every cluster
    #[arg(long, value_name = "K")]
    pub nodes: Option<u16>,
    /// Plant each known bug, and see whether it is found
    #[arg(long, conflicts_with = "bug")]
    pub planted: bool,
    /// Plant this one in every cluster
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// Say what has happened, how often and in how many clusters
    #[arg(long, conflicts_with_all = ["planted", "replay"])]
    pub coverage: bool,
    /// This one seed, with a line for each event
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "start", "random", "planted"])]
    pub replay: Option<u64>,
    /// Draw the first seed, and say which it is
    #[arg(long)]
    pub random: bool,
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::tree;

    /// The lines of all shell blocks in the docs that call this program, with their page and number.
    fn chores_in_the_docs() -> Vec<(String, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
        let mut found = Vec::new();
        let pages = tree::files(root).expect("the repository can be listed").into_iter();
        for page in pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
            let text = fs::read_to_string(root.join(&page)).expect("a page is text");
            let mut is_shell = false;
            for (i, line) in text.lines().enumerate() {
                if let Some(kind) = line.trim_start().strip_prefix("```") {
                    is_shell = ["sh", "bash", "shell", "console"].contains(&kind.trim());
                } else if is_shell && line.starts_with("cargo xtask") {
                    found.push((format!("{}:{}", page.display(), i + 1), line.to_owned()));
                }
            }
        }
        found
    }

    #[test]
    fn every_chore_that_the_docs_show_exists() {
        let chores = chores_in_the_docs();
        assert!(!chores.is_empty(), "no `cargo xtask` was found in the docs: is the scanner broken?");
        for (place, line) in chores {
            let words = line.split_whitespace().skip(1); // clap takes `xtask` for the program's name
            if let Err(error) = Arguments::try_parse_from(words) {
                panic!("{place}: `{line}`\n{error}");
            }
        }
    }

    #[test]
    fn chores_that_do_not_exist_are_refused() {
        let both = ["xtask", "sim", "--random", "--start", "1"];
        for words in [&["xtask"][..], &["xtask", "tets"], &["xtask", "fuzz", "--second", "2"], &both] {
            assert!(Arguments::try_parse_from(words).is_err(), "{words:?}");
        }
    }
}
