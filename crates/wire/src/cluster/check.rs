//! The rules of a cluster document, each with its own error.

use std::collections::BTreeSet;

use ed25519_dalek::VerifyingKey;
use keymoot_types::{GroupId, IdError, PARTIES_MAX, Threshold, ThresholdError};

use super::{ClientKey, ClusterFields, FORMAT, Hex, IssuerEntry, client_id};
use crate::identity::{IdentityError, is_name};

/// The most coordinators, gateways and issuers.
const SERVERS_MAX: usize = 16;
/// The most clients.
const CLIENTS_MAX: usize = 10_000;
/// The most TLS keys of one process: the one in use, the next, and one that is on its way out.
const PINS_MAX: usize = 4;
/// The most revoked keys.
const REVOKED_MAX: usize = 10_000;

/// Why a cluster document was refused.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Not JSON, a field is missing, unknown, or of the wrong kind.
    #[error("not a cluster document")]
    Json(#[source] serde_json::Error),
    /// Another format.
    #[error("the format is `{0}`, not `{FORMAT}`")]
    Format(String),
    /// Versions count from 1.
    #[error("the version is 0, but versions count from 1")]
    Version,
    /// A name that does not fit into identities.
    #[error("the {what} `{name}` is not 1 to 63 of a-z, 0-9 and -")]
    Name {
        /// Whose name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Two of a kind with one name.
    #[error("there are two {what}s with the name `{name}`")]
    SameName {
        /// What has it.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The group is not a group identifier.
    #[error("the group is no identifier")]
    Group(#[source] IdError),
    /// Not 2 ≤ needed ≤ total ≤ 32.
    #[error("the threshold is impossible")]
    Threshold(#[source] ThresholdError),
    /// The threshold counts other nodes than there are.
    #[error("the threshold counts {total} nodes, but {listed} are listed")]
    NodeCount {
        /// By the threshold.
        total: u16,
        /// By the list.
        listed: usize,
    },
    /// The indices are not 1..=n, each once, in order.
    #[error("node `{name}` has the index {index}, but at its place it must be {expected}")]
    Index {
        /// The node.
        name: String,
        /// Its index.
        index: u16,
        /// What it must be.
        expected: usize,
    },
    /// Too many or too few of something.
    #[error("there are {count} {what}, not {least} to {most}")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// At least.
        least: usize,
        /// At most.
        most: usize,
    },
    /// One key in two places: whoever holds it could pass for both.
    #[error("{what} of `{name}` is listed twice")]
    SameKey {
        /// What kind of key.
        what: &'static str,
        /// The second who has it.
        name: String,
    },
    /// Bytes that are no public key.
    #[error("{what} of `{name}` is not a public key")]
    Key {
        /// What kind of key.
        what: &'static str,
        /// Whose.
        name: String,
    },
    /// Not `https://host:port`.
    #[error("the address `{address}` of `{name}` is not of the form https://host:port")]
    Address {
        /// Whose.
        name: String,
        /// The address.
        address: String,
    },
    /// An issuer without, or with two sources of keys, or with an address that could be faked.
    #[error("the issuer `{issuer}` {why}")]
    Issuer {
        /// Its name.
        issuer: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The field `authority` is no certificate of an authority on P-256.
    #[error("the authority's certificate is not valid")]
    Authority(#[source] IdentityError),
    /// The document names another authority than the one that the process was given.
    #[error("the document names another authority than the one that is trusted here")]
    OtherAuthority,
    /// Not signed by the authority.
    #[error("the signature is not the authority's")]
    Signature,
}

/// All rules. Returns what had to be parsed for them.
pub(super) fn check(fields: &ClusterFields) -> Result<(GroupId, Threshold), ClusterError> {
    if fields.format != FORMAT {
        return Err(ClusterError::Format(fields.format.clone()));
    }
    if fields.version == 0 {
        return Err(ClusterError::Version);
    }
    name("cluster", &fields.cluster)?;
    let group = fields.group.parse().map_err(ClusterError::Group)?;
    let threshold =
        Threshold::new(fields.threshold.needed, fields.threshold.total).map_err(ClusterError::Threshold)?;
    counts(fields)?;
    nodes(fields, threshold)?;
    names("coordinator", fields.coordinators.iter().map(|entry| &entry.name))?;
    names("gateway", fields.gateways.iter().map(|entry| &entry.name))?;
    names("client", fields.clients.iter().map(|entry| &entry.name))?;
    for (name, text) in (fields.coordinators.iter().map(|entry| (&entry.name, &entry.address)))
        .chain(fields.gateways.iter().map(|entry| (&entry.name, &entry.address)))
    {
        address(name, text)?;
    }
    client_keys(fields)?;
    pins(fields)?;
    fields.issuers.iter().try_for_each(issuer)?;
    crate::identity::authority_key(&fields.authority).map_err(ClusterError::Authority)?;
    Ok((group, threshold))
}

fn counts(fields: &ClusterFields) -> Result<(), ClusterError> {
    for (what, count, least, most) in [
        ("nodes", fields.nodes.len(), 2, usize::from(PARTIES_MAX)),
        ("coordinators", fields.coordinators.len(), 1, SERVERS_MAX),
        ("gateways", fields.gateways.len(), 0, SERVERS_MAX),
        ("issuers", fields.issuers.len(), 0, SERVERS_MAX),
        ("clients", fields.clients.len(), 0, CLIENTS_MAX),
        ("revoked keys", fields.revoked.len(), 0, REVOKED_MAX),
    ] {
        if !(least..=most).contains(&count) {
            return Err(ClusterError::Count { what, count, least, most });
        }
    }
    Ok(())
}

fn name(what: &'static str, name: &str) -> Result<(), ClusterError> {
    if is_name(name) { Ok(()) } else { Err(ClusterError::Name { what, name: name.to_owned() }) }
}

fn names<'a>(what: &'static str, all: impl Iterator<Item = &'a String>) -> Result<(), ClusterError> {
    let mut seen = BTreeSet::new();
    for one in all {
        name(what, one)?;
        if !seen.insert(one) {
            return Err(ClusterError::SameName { what, name: one.clone() });
        }
    }
    Ok(())
}

fn nodes(fields: &ClusterFields, threshold: Threshold) -> Result<(), ClusterError> {
    let listed = fields.nodes.len();
    if listed != usize::from(threshold.total()) {
        return Err(ClusterError::NodeCount { total: threshold.total(), listed });
    }
    names("node", fields.nodes.iter().map(|entry| &entry.name))?;
    let (mut identities, mut seals) = (BTreeSet::new(), BTreeSet::new());
    for (expected, node) in (1..).zip(&fields.nodes) {
        let name = || node.name.clone();
        if usize::from(node.index) != expected {
            return Err(ClusterError::Index { name: name(), index: node.index, expected });
        }
        if !is_ed25519(&node.identity) {
            return Err(ClusterError::Key { what: "the identity", name: name() });
        }
        // The point of order one: mail sealed to it would be open to everybody.
        if node.seal.0 == [0; 32] {
            return Err(ClusterError::Key { what: "the sealing key", name: name() });
        }
        if !identities.insert(node.identity) {
            return Err(ClusterError::SameKey { what: "the identity", name: name() });
        }
        if !seals.insert(node.seal) {
            return Err(ClusterError::SameKey { what: "the sealing key", name: name() });
        }
    }
    Ok(())
}

/// A weak key, of small order, has signatures that verify for anything.
fn is_ed25519(key: &Hex<32>) -> bool {
    VerifyingKey::from_bytes(&key.0).is_ok_and(|key| !key.is_weak())
}

fn client_keys(fields: &ClusterFields) -> Result<(), ClusterError> {
    let mut seen = BTreeSet::new();
    for client in &fields.clients {
        let is_key = match &client.key {
            ClientKey::Ed25519 { public } => is_ed25519(public),
            ClientKey::P256 { public } => is_p256(public),
        };
        if !is_key {
            return Err(ClusterError::Key { what: "the request key", name: client.name.clone() });
        }
        if !seen.insert(client_id(&client.key)) {
            return Err(ClusterError::SameKey { what: "the request key", name: client.name.clone() });
        }
    }
    Ok(())
}

/// Compressed, with the sign of y: the library also reads a form without it, in which a key would have a second id.
fn is_p256(key: &Hex<33>) -> bool {
    matches!(key.0, [2 | 3, ..]) && p256::PublicKey::from_sec1_bytes(&key.0).is_ok()
}

/// Each TLS key is one process's. A client may have none: it then comes with tokens of a foreign issuer only.
fn pins(fields: &ClusterFields) -> Result<(), ClusterError> {
    let mut seen = BTreeSet::new();
    let servers = (fields.nodes.iter().map(|entry| (&entry.name, &entry.tls)))
        .chain(fields.coordinators.iter().map(|entry| (&entry.name, &entry.tls)))
        .chain(fields.gateways.iter().map(|entry| (&entry.name, &entry.tls)))
        .map(|(name, tls)| (name, tls, 1));
    let clients = fields.clients.iter().map(|entry| (&entry.name, &entry.tls, 0));
    for (name, tls, least) in servers.chain(clients) {
        if !(least..=PINS_MAX).contains(&tls.len()) {
            let what = "TLS keys of one process";
            return Err(ClusterError::Count { what, count: tls.len(), least, most: PINS_MAX });
        }
        for pin in tls {
            if !seen.insert(pin) {
                return Err(ClusterError::SameKey { what: "a TLS key", name: name.clone() });
            }
        }
    }
    Ok(())
}

fn address(name: &str, text: &str) -> Result<(), ClusterError> {
    let refused = || ClusterError::Address { name: name.to_owned(), address: text.to_owned() };
    let uri: http::Uri = text.parse().map_err(|_| refused())?;
    let authority = uri.authority().ok_or_else(refused)?;
    let port = uri.port_u16().filter(|port| *port != 0);
    // Put together again, it must be the same: no path, no query, no user.
    match port {
        Some(port) if text == format!("https://{}:{port}", authority.host()) => Ok(()),
        _ => Err(refused()),
    }
}

fn issuer(entry: &IssuerEntry) -> Result<(), ClusterError> {
    let refused = |why| Err(ClusterError::Issuer { issuer: entry.issuer.clone(), why });
    if entry.issuer.is_empty() || entry.issuer.len() > 512 {
        return refused("has a name that is empty or longer than 512 bytes");
    }
    // Our own processes and gateways issue under these names.
    if entry.issuer.starts_with("spiffe:") || entry.issuer.starts_with("keymoot:") {
        return refused("has a name that only the cluster's own processes have");
    }
    // Clients come and go without their issuers, so a name in here need not be one of today's clients.
    match entry.clients.as_deref() {
        Some([]) => return refused("speaks for no client; leave `clients` out if it speaks for all"),
        Some(names) if names.len() > CLIENTS_MAX => {
            return refused("speaks for more clients than there may be");
        }
        Some(names) => names.iter().try_for_each(|client| name("client", client))?,
        None => {}
    }
    match (&entry.jwks_url, &entry.keys) {
        (Some(url), None) if is_safe_url(url) => Ok(()),
        (Some(_), None) => refused("has a `jwks_url` that is neither https nor on the loopback interface"),
        (None, Some(keys)) if keys.keys.is_empty() => refused("has no keys"),
        (None, Some(_)) => Ok(()),
        _ => refused("must have either `jwks_url` or `keys`"),
    }
}

fn is_safe_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(_)) => true,
        (Some("http"), Some(host)) => ["127.0.0.1", "[::1]", "localhost"].contains(&host),
        _ => false,
    }
}
