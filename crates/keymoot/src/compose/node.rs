//! A node: vault, journal, shell.

use std::sync::Arc;

use keymoot_adapters::{FileJournal, OpenError};
use keymoot_node::{Health, Limits, NodeConfig, NodeFault, NodeShell};
use keymoot_vault::{Owner, Vault};

use super::anchor::Anchorage;
use super::process::{Ground, Running};
use crate::explain::{CEREMONY_FOREIGN, DISK_FULL, FILE_DAMAGED, FILES, IN_USE, PORT_IN_USE, START};
use crate::failure::{Failure, Trouble};
use crate::local::Started;
use crate::place::{JOURNAL, UnlockSource, VAULT, vault_trouble};

/// Starts a node.
pub async fn start(ground: Ground) -> Result<Running, Failure> {
    let Ground { config, document, identity, metrics } = ground;
    let (cluster, name) = (config.text("cluster"), config.text("name").to_owned());
    let owner = Owner::new(cluster, &name).map_err(|fault| vault_trouble(&fault))?;
    let unlock = UnlockSource::of_config(&config).unlock(false)?;
    let place = config.directory().join(VAULT);
    // The key of a passphrase takes a second of one core.
    let vault = tokio::task::spawn_blocking(move || Vault::open(&place, owner, unlock)).await;
    let vault =
        vault.map_err(Failure::bug("the vault was not opened"))?.map_err(|fault| vault_trouble(&fault))?;
    let vault = Arc::new(vault);
    let anchorage = Anchorage::new(&vault, config.directory());
    anchorage.take(&document.load())?;
    let journal = FileJournal::open(&config.directory().join(JOURNAL)).map_err(open_trouble)?;
    let address = config.address("health")?;
    let shell = NodeConfig {
        name,
        document,
        identity,
        vault,
        journal: Arc::new(journal),
        schemes: config.words("schemes").filter_map(|name| name.parse().ok()).collect(),
        limits: Limits::default(),
        health: Some(Health { address, metrics: Some(Arc::new(move || metrics.render())) }),
    };
    let handle = NodeShell::start(shell).await.map_err(trouble)?;
    let health = handle.health_address().map(|address| address.to_string());
    Ok(Running {
        started: Started { listening: None, health },
        stop: Box::new(handle.stopper()),
        anchorage: Some(anchorage),
        end: Box::pin(async move { handle.join().await.map_err(trouble) }),
    })
}

/// Why a file of an adapter was not opened.
pub fn open_trouble(error: OpenError) -> Failure {
    let page = match &error {
        OpenError::InUse { .. } => IN_USE,
        OpenError::Newer { .. } | OpenError::Foreign { .. } | OpenError::Damaged { .. } => FILE_DAMAGED,
        OpenError::Unreachable { .. } | OpenError::Database { .. } => FILES,
    };
    Trouble::new(page, error.to_string()).undone("nothing was started").because(error).into()
}

fn journal_trouble(fault: &keymoot_ports::Fault) -> Trouble {
    let page = match fault {
        keymoot_ports::Fault::Full => DISK_FULL,
        keymoot_ports::Fault::Corrupt { .. } => FILE_DAMAGED,
        _ => FILES,
    };
    Trouble::new(page, "the journal cannot be used").branch(fault.to_string()).undone("nothing was started")
}

/// Why a node does not start, or ends.
pub fn trouble(fault: NodeFault) -> Failure {
    let page = match &fault {
        NodeFault::Document(_) | NodeFault::Roster(_) => CEREMONY_FOREIGN,
        NodeFault::Vault(inner) => return vault_trouble(inner),
        NodeFault::Journal(inner) => return journal_trouble(inner).into(),
        NodeFault::Corrupt { .. } | NodeFault::Share(_) => FILE_DAMAGED,
        NodeFault::Halted(_) => IN_USE,
        NodeFault::NotLoopback(_) | NodeFault::Listen { .. } => PORT_IN_USE,
        NodeFault::Worker(_) | NodeFault::Died => START,
    };
    Trouble::new(page, "the node cannot go on")
        .undone("nothing was said that is not durable")
        .because(fault)
        .into()
}
