//! The three papers of the ceremony: the authority's invitation, a member's answer, the authority's admission. Each is
//! public; each is checked when it is read.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use keymoot_protocol::transcript::payload::PayloadHash;
use keymoot_types::Network;
use keymoot_wire::cluster::{ClientKey, Hex, PolicyName, Role, SignedDocument, ThresholdEntry, network};
use keymoot_wire::identity::{PeerRole, is_name};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::explain::{CEREMONY_FILE, CEREMONY_NAME};
use crate::failure::{Failure, Trouble};
use crate::place;

/// The longest paper that is read.
const PAPER_MAX: u64 = 32 * 1024 * 1024;

/// Somebody with an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    pub name: String,
    /// `https://host:port`.
    pub address: String,
}

/// Who is to come, and whom to believe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    pub format: String,
    pub cluster: String,
    pub group: String,
    pub threshold: ThresholdEntry,
    pub nodes: Vec<String>,
    pub coordinators: Vec<Seat>,
    pub gateways: Vec<Seat>,
    pub policy: PolicyName,
    /// Which Bitcoin network its keys are for.
    #[serde(default, with = "network", skip_serializing_if = "network::is_usual")]
    pub bitcoin: Network,
    /// The certificate of the authority.
    pub authority: String,
    /// When it was written, in milliseconds of Unix time.
    pub created_ms: u64,
}

/// The public parts of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub format: String,
    pub cluster: String,
    pub name: String,
    /// As in a SPIFFE URI.
    pub role: String,
    /// The request for a certificate: proves that the member has the TLS key.
    pub csr: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeParts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientParts>,
}

/// What only nodes have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeParts {
    pub identity: Hex<32>,
    pub seal: Hex<32>,
}

/// What only clients have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientParts {
    pub role: Role,
    pub key: ClientKey,
}

/// What a member gets back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    pub format: String,
    pub name: String,
    pub role: String,
    pub certificate: String,
    pub cluster: SignedDocument,
}

/// One of the three.
pub trait Paper: Serialize + DeserializeOwned {
    const FORMAT: &'static str;
    fn format(&self) -> &str;
}

impl Paper for Invitation {
    const FORMAT: &'static str = "keymoot-ceremony/v1";
    fn format(&self) -> &str {
        &self.format
    }
}

impl Paper for Answer {
    const FORMAT: &'static str = "keymoot-join/v1";
    fn format(&self) -> &str {
        &self.format
    }
}

impl Paper for Admission {
    const FORMAT: &'static str = "keymoot-admit/v1";
    fn format(&self) -> &str {
        &self.format
    }
}

/// Reads a paper.
pub fn read<P: Paper>(path: &Path) -> Result<P, Failure> {
    let bad = |cause: Box<dyn std::error::Error + Send + Sync>| {
        let what = format!("`{}` is no file of the form {}", path.display(), P::FORMAT);
        Failure::from(Trouble::new(CEREMONY_FILE, what).undone("nothing was written").because(cause))
    };
    let found = fs::metadata(path).map_err(|error| bad(Box::new(error)))?;
    if !found.is_file() || found.len() > PAPER_MAX {
        return Err(bad("it is not a plain file of reasonable size".into()));
    }
    let text = fs::read_to_string(path).map_err(|error| bad(Box::new(error)))?;
    let paper: P = serde_json::from_str(&text).map_err(|error| bad(Box::new(error)))?;
    if paper.format() != P::FORMAT {
        return Err(bad("it has another format".into()));
    }
    Ok(paper)
}

/// Writes a paper.
pub fn write<P: Paper>(path: &Path, paper: &P) -> Result<(), Failure> {
    place::write_text(path, &format!("{}\n", text(paper)?))
}

fn text<P: Paper>(paper: &P) -> Result<String, Failure> {
    serde_json::to_string_pretty(paper).map_err(Failure::bug("a paper has no JSON"))
}

/// What two people compare over another channel: six groups of the SHA-256 of the paper, 96 bits.
pub fn fingerprint<P: Paper>(paper: &P) -> Result<String, Failure> {
    let digest = PayloadHash::Sha256.of(text(paper)?.as_bytes());
    let mut groups = String::new();
    for (i, pair) in digest.chunks_exact(2).take(6).enumerate() {
        let dash = if i == 0 { "" } else { "-" };
        let _ = write!(groups, "{dash}{}", hex::encode(pair));
    }
    Ok(groups)
}

impl Invitation {
    /// What this name is invited as. A name without a seat is a client's, which needs a role.
    pub fn seat(&self, name: &str, role: Option<Role>) -> Result<PeerRole, Failure> {
        let seats = [
            (PeerRole::Node, self.nodes.iter().any(|node| node == name)),
            (PeerRole::Coordinator, self.coordinators.iter().any(|seat| seat.name == name)),
            (PeerRole::Gateway, self.gateways.iter().any(|seat| seat.name == name)),
        ];
        let found = seats.into_iter().find_map(|(role, is_there)| is_there.then_some(role));
        let refused =
            |what: String| Err(Trouble::new(CEREMONY_NAME, what).undone("nothing was written").into());
        match (found, role) {
            (Some(found), None) => Ok(found),
            (Some(found), Some(_)) => {
                refused(format!("`{name}` is invited as a {found}; --role is for clients only"))
            }
            (None, Some(_)) if is_name(name) => Ok(PeerRole::Client),
            (None, Some(_)) => refused(format!(
                "a client is named with 1 to 63 of a-z, 0-9 and -, not `{}`",
                name.escape_debug()
            )),
            (None, None) => {
                let names = self.members().collect::<Vec<_>>().join(", ");
                let name = name.escape_debug();
                refused(format!("`{name}` is not one of {names}; if it is a client, say --role"))
            }
        }
    }

    /// Everybody who must come before there is a cluster.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let seats = self.coordinators.iter().chain(&self.gateways).map(|seat| seat.name.as_str());
        self.nodes.iter().map(String::as_str).chain(seats)
    }

    /// The address of somebody who has one.
    pub fn address(&self, name: &str) -> Option<&str> {
        let mut seats = self.coordinators.iter().chain(&self.gateways);
        seats.find(|seat| seat.name == name).map(|seat| seat.address.as_str())
    }
}
