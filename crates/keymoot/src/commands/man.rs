//! `keymoot man`: pages for `man`, made from what the program itself takes.

use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory};

use crate::cli::{Cli, Given};
use crate::explain::FILES;
use crate::failure::{Failure, Trouble};

/// Print the manual page, or write those of all commands into a folder.
#[derive(Args)]
pub struct ManArgs {
    /// The folder, as in /usr/share/man/man1.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn run(given: &Given, args: &ManArgs) -> Result<(), Failure> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(Failure::Output)?;
        return super::print_text(given, &String::from_utf8_lossy(&page));
    };
    let refused = |error| {
        let what = format!("the pages cannot be written to `{}`", dir.display());
        Trouble::new(FILES, what).because(error)
    };
    fs::create_dir_all(dir).map_err(refused)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(refused)?;
    super::print_text(given, &format!("  the pages are in {}\n", dir.display()))
}
