//! `keymoot join`: become a member of a cluster, on the host where the keys will stay.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use keymoot_vault::Kdf;
use keymoot_wire::cluster::Role;
use serde_json::json;

use crate::ceremony::papers::{fingerprint, read};
use crate::ceremony::{Joining, finish, join, join_again};
use crate::cli::{EXIT_CODES, Given};
use crate::context::{Context, Contexts};
use crate::explain::USAGE;
use crate::failure::{Failure, Trouble};
use crate::place::{UnlockSource, io_trouble};
use crate::printer::Printer;

/// Join a cluster: draw keys, answer the invitation, and keep the admission.
///
/// First with the invitation: the keys are drawn in DIR, and NAME.join.json there is for the authority. Then with
/// --finish and what the authority sent back.
///
/// A node, coordinator or gateway whose TLS key was revoked draws another with the invitation and --new-tls-key, in the
/// directory that it has: everything else there stays. What comes back for it is kept with --finish, as the first time.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct JoinArgs {
    /// The invitation, or with --finish the admission.
    file: PathBuf,

    /// As whom: one of the names in the invitation, or with --role any name.
    #[arg(long = "as", value_name = "NAME", required_unless_present = "finish")]
    name: Option<String>,

    /// The directory of the process; made if it is not there.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,

    /// For a client: what it may do.
    #[arg(long, value_enum)]
    role: Option<ClientRole>,

    /// For a node: a file with the passphrase of its vault; otherwise it is asked for.
    #[arg(long, value_name = "FILE", env = "KEYMOOT_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,

    /// For a node: a file with 32 random bytes that opens the vault, in place of a passphrase.
    #[arg(long, value_name = "FILE", env = "KEYMOOT_KEY_FILE")]
    key_file: Option<PathBuf>,

    /// For a node, coordinator or gateway that is a member already: draw another TLS key, and nothing else.
    #[arg(long, conflicts_with = "role")]
    new_tls_key: bool,

    /// Check what the authority sent back, and keep it.
    #[arg(long, conflicts_with_all = ["name", "role", "passphrase_file", "key_file", "new_tls_key"])]
    finish: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum ClientRole {
    Viewer,
    Requester,
    Operator,
    Admin,
}

impl From<ClientRole> for Role {
    fn from(role: ClientRole) -> Self {
        match role {
            ClientRole::Viewer => Self::Viewer,
            ClientRole::Requester => Self::Requester,
            ClientRole::Operator => Self::Operator,
            ClientRole::Admin => Self::Admin,
        }
    }
}

pub fn run(given: &Given, args: &JoinArgs) -> Result<(), Failure> {
    if args.finish {
        return keep(given, args);
    }
    let name = args.name.as_deref().ok_or_else(|| {
        Trouble::new(USAGE, "--as says as whom to join").undone("no key was drawn, and nothing was written")
    })?;
    let invitation = read(&args.file)?;
    let joining = Joining {
        name,
        directory: &args.dir,
        role: args.role.map(Role::from),
        unlock: UnlockSource {
            passphrase_file: args.passphrase_file.clone(),
            key_file: args.key_file.clone(),
        },
        kdf: Kdf::STANDARD,
        settings: Vec::new(),
    };
    let (path, answer) = if args.new_tls_key {
        join_again(&invitation, name, &args.dir)?
    } else {
        join(&invitation, &joining)?
    };
    let (invited, answered) = (fingerprint(&invitation)?, fingerprint(&answer)?);
    let printer = Printer::new(given.json);
    let object = json!({
        "schema": "keymoot/join/v1", "cluster": answer.cluster, "name": answer.name, "role": answer.role,
        "answer": path, "fingerprint": answered, "invitation_fingerprint": invited,
    });
    let ink = printer.ink;
    let drawn = if args.new_tls_key { "a new TLS key" } else { "keys" };
    printer.either(
        &object,
        &[
            format!("  {} {drawn} of {} drawn in {}", ink.good("✓"), ink.strong(name), args.dir.display()),
            format!("  invitation   {}   as the authority says it?", ink.strong(&invited)),
            format!("  our answer   {}   for the authority to compare", ink.strong(&answered)),
            format!("  Send it {}, and finish with what comes back:", path.display()),
            format!("    keymoot join --finish {name}.admit.json --dir {}", args.dir.display()),
        ],
    )
}

fn keep(given: &Given, args: &JoinArgs) -> Result<(), Failure> {
    let config = crate::config::Config::read(&args.dir)?;
    let (name, role) = (config.text("name"), config.text("role"));
    let place =
        std::path::absolute(&args.dir).map_err(|error| io_trouble(&args.dir, "has no place", error))?;
    let contexts = Contexts::of_environment();
    // Before anything is kept: the cluster's name, unless somebody else on this machine has that.
    let (wanted, cluster) = (given.context.as_deref(), config.text("cluster"));
    let own = PathBuf::from(format!("{cluster}-{name}"));
    let context = (role == "client").then(|| contexts.name_for(&place, &own, wanted, cluster));
    let context = context.transpose()?;
    let document = finish(&args.dir, &args.file)?;
    if let Some(name) = &context {
        // What was set by hand stays.
        let before = contexts.of_directory(name, &place);
        contexts.put(&before.unwrap_or_else(|| Context::new(name, &place, None)), true)?;
    }
    let printer = Printer::new(given.json);
    let object = json!({
        "schema": "keymoot/joined/v1", "cluster": document.cluster, "name": name, "role": role,
        "version": document.version, "document": hex::encode(document.digest()), "context": context,
    });
    let next = match &context {
        Some(context) => format!("  Try: keymoot --context {context} health"),
        None => format!("  Start it: keymoot run {role} --dir {}", args.dir.display()),
    };
    let done = format!(
        "  {} {name} is in {} · version {} of its document",
        printer.ink.good("✓"),
        document.cluster,
        document.version
    );
    printer.either(&object, &[done, next])
}
