//! `keymoot init NAME`: found the authority of a new cluster.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use keymoot_types::Threshold;
use keymoot_wire::cluster::PolicyName;
use serde_json::json;

use crate::ceremony::papers::fingerprint;
use crate::ceremony::{Founding, init};
use crate::cli::{EXIT_CODES, Given};
use crate::failure::Failure;
use crate::network::NetworkName;
use crate::printer::Printer;

/// Found a cluster: make its authority, and the invitation for its members.
///
/// The authority certifies members and signs the cluster document. Keep its folder on a machine of its own.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct InitArgs {
    /// The name of the cluster: 1 to 63 of a-z, 0-9 and -.
    name: String,

    /// How many nodes hold shares, 2 to 32.
    #[arg(long, value_name = "N", default_value_t = 3)]
    nodes: u16,

    /// How many of them sign, 2 to N.
    #[arg(long, value_name = "T", default_value_t = 2)]
    threshold: u16,

    /// Where a coordinator is reached, as in 10.0.0.5:7100; once for each. Without it, one on this machine.
    #[arg(long, value_name = "HOST:PORT")]
    coordinator: Vec<String>,

    /// Where a gateway is reached; once for each. Without it, one on this machine.
    #[arg(long, value_name = "HOST:PORT")]
    gateway: Vec<String>,

    /// What nodes sign: nothing yet, or whatever an enrolled client with the right role asks for.
    #[arg(long, value_enum, default_value = "deny-all")]
    policy: Policy,

    /// Which Bitcoin network the keys are for, for good: nothing that is signed says it.
    #[arg(long, value_enum, value_name = "NETWORK", default_value_t)]
    bitcoin_network: NetworkName,

    /// The folder of the authority; by default NAME-ceremony.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Policy {
    DenyAll,
    AllowAll,
}

pub fn run(given: &Given, args: &InitArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let or_local = |given: &Vec<String>, local: &str| match given.as_slice() {
        [] => vec![local.to_owned()],
        some => some.to_vec(),
    };
    let founding = Founding {
        cluster: args.name.clone(),
        threshold: Threshold::new(args.threshold, args.nodes)?,
        coordinators: or_local(&args.coordinator, "127.0.0.1:7100"),
        gateways: or_local(&args.gateway, "127.0.0.1:7180"),
        policy: match args.policy {
            Policy::DenyAll => PolicyName::DenyAll,
            Policy::AllowAll => PolicyName::AllowAll,
        },
        bitcoin: args.bitcoin_network.into(),
    };
    let folder = args.dir.clone().unwrap_or_else(|| PathBuf::from(format!("{}-ceremony", args.name)));
    let (path, invitation) = init(&folder, &founding)?;
    let print = fingerprint(&invitation)?;
    let members: Vec<&str> = invitation.members().collect();
    let object = json!({
        "schema": "keymoot/init/v1", "cluster": invitation.cluster, "group": invitation.group,
        "invitation": path, "fingerprint": print, "members": members,
    });
    let (ink, shown) = (printer.ink, path.display());
    let mut lines = vec![
        format!("  {} authority of {} · {}", ink.good("✓"), ink.strong(&args.name), founding.threshold),
        format!("  invitation   {shown}"),
        format!("  fingerprint  {}", ink.strong(&print)),
        "  Copy the invitation to each host, compare the fingerprint, and run there:".to_owned(),
    ];
    lines.extend(
        members.iter().map(|name| format!("    keymoot join ceremony.json --as {name} --dir {name}")),
    );
    lines.push(format!("  then here: keymoot admit *.join.json --dir {}", folder.display()));
    printer.either(&object, &lines)
}
