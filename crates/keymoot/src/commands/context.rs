//! `keymoot context`: which cluster commands talk to.

use clap::{Args, Subcommand};
use keymoot_types::signed::tag;
use serde_json::{Value, json};

use crate::cli::Given;
use crate::context::{Context, Contexts};
use crate::failure::Failure;
use crate::place::{self, AUTHORITY, CERTIFICATE, REQUEST_KEY, TLS_KEY};
use crate::printer::Printer;
use crate::remote::request_key;

#[derive(Subcommand)]
pub enum ContextCommand {
    /// List the contexts that there are.
    List,
    /// Choose one for good, for when neither --context nor KEYMOOT_CTX says otherwise.
    Use(UseArgs),
    /// Show what a program needs that calls the gateway itself: addresses, files, and the names for its signatures.
    Show,
}

#[derive(Args)]
pub struct UseArgs {
    /// Its name.
    name: String,
}

pub fn run(given: &Given, command: &ContextCommand) -> Result<(), Failure> {
    let (contexts, printer) = (Contexts::of_environment(), Printer::new(given.json));
    if matches!(command, ContextCommand::Show) {
        return show(&contexts.find(given.context.as_deref())?, &printer);
    }
    if let ContextCommand::Use(args) = command {
        contexts.choose(&args.name)?;
    }
    let variable = std::env::var("KEYMOOT_CTX").ok().filter(|name| !name.is_empty());
    let used = given.context.clone().or_else(|| variable.clone()).or_else(|| contexts.current());
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for (name, context) in contexts.all() {
        let is_used = used.as_ref() == Some(&name);
        let mark = if is_used { printer.ink.good("→") } else { " ".into() };
        let gone = if context.is_gone() { printer.ink.warning("   (gone)") } else { String::new() };
        lines.push(format!(" {mark} {name:<16} {}{gone}", context.directory.display()));
        rows.push(json!({ "name": name, "directory": context.directory, "in_use": is_used }));
    }
    if let (ContextCommand::Use(args), Some(variable)) =
        (command, variable.filter(|_| given.context.is_none()))
        && variable != args.name
    {
        let hidden = format!("KEYMOOT_CTX={variable} hides it in this terminal: `unset KEYMOOT_CTX`");
        lines.push(format!("  {} {hidden}", printer.ink.warning("!")));
    }
    if lines.is_empty() {
        lines.push("  there are no contexts; `keymoot demo` makes one".into());
    }
    printer.either(&json!({ "schema": "keymoot/contexts/v1", "contexts": rows }), &lines)
}

fn show(context: &Context, printer: &Printer) -> Result<(), Failure> {
    let document = place::document(&context.directory)?;
    let key = request_key(&context.directory.join(REQUEST_KEY))?;
    let gateways: Vec<&str> = match &context.gateway {
        Some(only) => vec![only],
        None => document.gateways.iter().map(|gateway| gateway.address.as_str()).collect(),
    };
    // Whoever reads it may be anywhere else.
    let directory = std::path::absolute(&context.directory).unwrap_or_else(|_| context.directory.clone());
    let file = |name: &str| directory.join(name).display().to_string();
    let object = json!({
        "schema": "keymoot/context/v1", "name": context.name, "cluster": document.cluster, "gateways": gateways,
        "authority": file(AUTHORITY), "certificate": file(CERTIFICATE), "key": file(TLS_KEY),
        "request_key": file(REQUEST_KEY), "keyid": hex::encode(key.client_id()),
        "alg": key.algorithm().name(), "tag": tag(document.group_id()),
    });
    let told = object.as_object().into_iter().flatten().filter(|(name, _)| *name != "schema");
    let lines: Vec<String> = told
        .map(|(name, value)| match value.as_array() {
            Some(all) => format!("  {name:<12} {}", texts(all).join(" ")),
            None => format!("  {name:<12} {}", value.as_str().unwrap_or_default()),
        })
        .collect();
    printer.either(&object, &lines)
}

fn texts(values: &[Value]) -> Vec<&str> {
    values.iter().filter_map(Value::as_str).collect()
}
