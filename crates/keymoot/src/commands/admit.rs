//! `keymoot admit`: the authority admits those who answered.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::ceremony::admit;
use crate::cli::{EXIT_CODES, Given};
use crate::failure::Failure;
use crate::printer::Printer;

/// Admit members: certify their keys, and sign the cluster document when all have answered.
///
/// Run it in the folder of the authority. Compare the fingerprints with what each host has printed, over another
/// channel than the one the files came by.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct AdmitArgs {
    /// Answers: NAME.join.json.
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// The folder of the authority.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,

    /// For how many days the certificates are good. Admitting the same answer again renews its certificate.
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=825))]
    days: u32,
}

pub fn run(given: &Given, args: &AdmitArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let admitted = admit(&args.dir, &args.files, args.days)?;
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for (name, role, print) in &admitted.answers {
        rows.push(json!({ "name": name, "role": role, "fingerprint": print }));
        lines.push(format!(
            "  {} {name:<16} {role:<12} {}",
            printer.ink.good("✓"),
            printer.ink.strong(print)
        ));
    }
    lines.push(format!("  version {} of the cluster document is signed; for each member:", admitted.version));
    lines.extend(admitted.files.iter().map(|file| format!("    {}", file.display())));
    let object = json!({
        "schema": "keymoot/admit/v1", "version": admitted.version, "admitted": rows, "files": admitted.files,
    });
    printer.either(&object, &lines)
}
