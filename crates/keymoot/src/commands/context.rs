//! `keymoot context`: which cluster commands talk to.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::Given;
use crate::context::Contexts;
use crate::failure::Failure;
use crate::printer::Printer;

#[derive(Subcommand)]
pub enum ContextCommand {
    /// List the contexts that there are.
    List,
    /// Choose one for good, for when neither --context nor KEYMOOT_CTX says otherwise.
    Use(UseArgs),
}

#[derive(Args)]
pub struct UseArgs {
    /// Its name.
    name: String,
}

pub fn run(given: &Given, command: &ContextCommand) -> Result<(), Failure> {
    let (contexts, printer) = (Contexts::of_environment(), Printer::new(given.json));
    if let ContextCommand::Use(args) = command {
        contexts.choose(&args.name)?;
    }
    let used =
        given.context.clone().or_else(|| std::env::var("KEYMOOT_CTX").ok()).or_else(|| contexts.current());
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for (name, context) in contexts.all() {
        let is_used = used.as_ref() == Some(&name);
        let mark = if is_used { printer.ink.good("→") } else { " ".into() };
        lines.push(format!(" {mark} {name:<16} {}", context.directory.display()));
        rows.push(json!({ "name": name, "directory": context.directory, "in_use": is_used }));
    }
    if lines.is_empty() {
        lines.push("  there are no contexts; `keymoot demo` makes one".into());
    }
    printer.either(&json!({ "schema": "keymoot/contexts/v1", "contexts": rows }), &lines)
}
