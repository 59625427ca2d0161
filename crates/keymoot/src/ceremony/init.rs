//! `keymoot init`: an authority, and its invitation.

use std::path::{Path, PathBuf};

use keymoot_types::{GroupId, Network, Threshold};
use keymoot_wire::authority::Authority;
use keymoot_wire::cluster::{PolicyName, ThresholdEntry};
use rand::RngCore;

use super::papers::{Invitation, Paper, Seat, write};
use super::{AUTHORITY_KEY, INVITATION, wall_ms};
use crate::explain::{CEREMONY_EXISTS, USAGE};
use crate::failure::{Failure, Trouble};
use crate::place::{AUTHORITY, make_directory, write_secret, write_text};

/// What is to be founded.
pub struct Founding {
    pub cluster: String,
    pub threshold: Threshold,
    /// `https://host:port` each, or `host:port`.
    pub coordinators: Vec<String>,
    pub gateways: Vec<String>,
    pub policy: PolicyName,
    pub bitcoin: Network,
}

/// Founds an authority in a folder, and writes its invitation there.
pub fn init(folder: &Path, founding: &Founding) -> Result<(PathBuf, Invitation), Failure> {
    let path = folder.join(INVITATION);
    if path.exists() || folder.join(AUTHORITY_KEY).exists() {
        let what = format!("`{}` has the ceremony of a cluster already", folder.display());
        return Err(Trouble::new(CEREMONY_EXISTS, what).undone("nothing was changed").into());
    }
    let authority = Authority::create(&founding.cluster).map_err(|error| {
        let what = format!("there can be no cluster `{}`", founding.cluster.escape_debug());
        Trouble::new(USAGE, what)
            .undone("nothing was written")
            .help("a name has 1 to 63 of a-z, 0-9 and -")
            .because(error)
    })?;
    let mut group = [0; 16];
    rand::rngs::OsRng.try_fill_bytes(&mut group).map_err(Failure::Randomness)?;
    let Founding { threshold, .. } = founding;
    let invitation = Invitation {
        format: Invitation::FORMAT.to_owned(),
        cluster: founding.cluster.clone(),
        group: GroupId::new(group).to_string(),
        threshold: ThresholdEntry { needed: threshold.needed(), total: threshold.total() },
        nodes: (1..=threshold.total()).map(|i| format!("node-{i}")).collect(),
        coordinators: seats("coordinator", &founding.coordinators)?,
        gateways: seats("gateway", &founding.gateways)?,
        policy: founding.policy,
        bitcoin: founding.bitcoin,
        authority: authority.certificate_pem().to_owned(),
        created_ms: wall_ms(),
    };
    make_directory(folder)?;
    write_secret(&folder.join(AUTHORITY_KEY), authority.key_pem().as_bytes())?;
    write_text(&folder.join(AUTHORITY), authority.certificate_pem())?;
    write(&path, &invitation)?;
    Ok((path, invitation))
}

fn seats(what: &str, addresses: &[String]) -> Result<Vec<Seat>, Failure> {
    (1..)
        .zip(addresses)
        .map(|(i, text)| Ok(Seat { name: format!("{what}-{i}"), address: address(text)? }))
        .collect()
}

/// `https://host:port` of what was typed.
fn address(text: &str) -> Result<String, Failure> {
    let bare = text.strip_prefix("https://").unwrap_or(text);
    let parts = bare.rsplit_once(':').filter(|(host, port)| {
        let is_host = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
        !host.is_empty() && host.chars().all(is_host) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    match parts {
        Some((host, port)) => Ok(format!("https://{host}:{port}")),
        None => {
            let what = format!("an address is `host:port`, not `{}`", text.escape_debug());
            Err(Trouble::new(USAGE, what).undone("nothing was written").into())
        }
    }
}
