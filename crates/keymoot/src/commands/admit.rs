//! `keymoot admit`: the authority admits those who answered.

use std::path::PathBuf;

use clap::Args;
use keymoot_wire::cluster::Role;
use serde_json::json;

use crate::ceremony::{Applicant, Hearing};
use crate::cli::{EXIT_CODES, Given};
use crate::failure::Failure;
use crate::printer::Printer;

/// Admit members: certify their keys, and sign the cluster document when all have answered.
///
/// Run it in the folder of the authority. Before anything is signed it prints who wants to be what, with a fingerprint:
/// compare it with what each host has printed, over another channel than the one the files came by.
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

    /// A client that may do more than ask for signatures, with the role in its answer; once for each.
    #[arg(long, value_name = "NAME=ROLE", value_parser = allowance)]
    allow: Vec<(String, Role)>,

    /// Do not ask whether the fingerprints are right. Where there is no terminal to ask at, nothing is signed without it.
    #[arg(long)]
    yes: bool,
}

pub fn run(given: &Given, args: &AdmitArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let hearing = Hearing::open(&args.dir, &args.files)?;
    super::show(&printer, !args.yes, |ink| {
        let line = |Applicant { name, role, client_role, fingerprint }: &Applicant| {
            let wants = client_role.map_or_else(|| role.clone(), |wants| format!("{role}, {wants}"));
            format!("  {name:<16} {wants:<18} {}", ink.strong(fingerprint))
        };
        hearing.applicants.iter().map(line).collect()
    })?;
    let row = |Applicant { name, role, client_role, fingerprint }: &Applicant| {
        json!({
            "name": name, "role": role, "client_role": client_role.map(Role::name), "fingerprint": fingerprint,
        })
    };
    let rows: Vec<_> = hearing.applicants.iter().map(row).collect();
    if !args.yes {
        super::must_confirm("Are these the fingerprints and roles?", "nothing was signed")?;
    }
    let admitted = hearing.admit(&args.allow, args.days)?;
    let signed = format!("version {} of the cluster document is signed; for each member:", admitted.version);
    let files: Vec<String> = admitted.files.iter().map(|file| file.display().to_string()).collect();
    let mut lines = vec![format!("  {} {signed}", printer.ink.good("✓"))];
    lines.extend(files.iter().map(|file| format!("    {file}")));
    let object = json!({
        "schema": "keymoot/admit/v1", "version": admitted.version, "admitted": rows, "files": files,
    });
    printer.either(&object, &lines)
}

/// `NAME=ROLE`.
fn allowance(text: &str) -> Result<(String, Role), String> {
    let found = text.split_once('=').and_then(|(name, role)| {
        let known = [Role::Viewer, Role::Requester, Role::Operator, Role::Admin];
        Some((name.to_owned(), known.into_iter().find(|known| known.name() == role)?))
    });
    found.ok_or_else(|| "it is a client and its role, as in bob=admin or bob=operator".to_owned())
}
