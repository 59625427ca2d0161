//! `keymoot config`: look at the configuration of a process without starting it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::Given;
use crate::config::{Config, Origin, reference};
use crate::failure::Failure;
use crate::printer::Printer;

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Read it as the process would, and say what is wrong.
    Check(DirectoryArgs),
    /// Print what is set, and where.
    Show(ShowArgs),
    /// Print the reference of all keys, as docs/guide/configuration.md has it.
    Reference,
}

#[derive(Args)]
pub struct DirectoryArgs {
    /// The directory of the process.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

#[derive(Args)]
pub struct ShowArgs {
    #[command(flatten)]
    place: DirectoryArgs,

    /// Also what holds by default.
    #[arg(long)]
    effective: bool,
}

pub fn run(given: &Given, command: &ConfigCommand) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    match command {
        ConfigCommand::Reference => super::print_text(given, &reference()),
        ConfigCommand::Check(args) => {
            let config = Config::read(&args.dir)?;
            let who =
                format!("{} {} of {}", config.text("role"), config.text("name"), config.text("cluster"));
            let object = json!({ "schema": "keymoot/config/v1", "values": values(&config, false) });
            printer.either(&object, &[format!("  {} good: {who}", printer.ink.good("✓"))])
        }
        ConfigCommand::Show(args) => {
            let config = Config::read(&args.place.dir)?;
            let object = json!({ "schema": "keymoot/config/v1", "values": values(&config, args.effective) });
            let lines: Vec<String> = (config.shown(args.effective).into_iter())
                .map(|(name, value, origin)| {
                    let value = value.unwrap_or("(none)");
                    format!("{name:<20} {value:<32} {}", printer.ink.faint(&origin_text(origin)))
                })
                .collect();
            printer.either(&object, &lines)
        }
    }
}

fn values(config: &Config, effective: bool) -> Vec<serde_json::Value> {
    let rows = config.shown(effective).into_iter();
    rows.map(|(name, value, origin)| json!({ "key": name, "value": value, "origin": origin_text(origin) }))
        .collect()
}

fn origin_text(origin: Option<&Origin>) -> String {
    match origin {
        None => "not set".into(),
        Some(Origin::Default) => "default".into(),
        Some(Origin::File) => "keymoot.toml".into(),
        Some(Origin::Environment(variable)) => variable.clone(),
    }
}
