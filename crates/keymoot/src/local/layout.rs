//! Where everything of a local cluster lies, and the ceremony that puts it there.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use keymoot_types::{Network, Threshold};
use keymoot_vault::Kdf;
use keymoot_wire::cluster::{ClusterDocument, PolicyName, Role};
use rand::RngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use crate::ceremony::{Founding, Hearing, Joining, finish, init, join};
use crate::explain::{CEREMONY_EXISTS, PORT_IN_USE};
use crate::failure::{Failure, Trouble};
use crate::place::{self, UnlockSource, make_directory, write_secret};

/// The name of the client that the person at the terminal is.
pub const YOU: &str = "you";
/// The folder of the authority.
const OFFICE: &str = "ceremony";
/// For how many days certificates of a local cluster are good.
const DAYS: u32 = 365;

/// What is wanted.
pub struct Layout {
    pub cluster: String,
    pub threshold: Threshold,
    /// A loopback address.
    pub host: IpAddr,
    pub bitcoin: Network,
    /// What of it was asked for in so many words.
    pub said: Said,
    /// Presignatures that are made at once: few, and the first signature is soon there; many, and there are more a second.
    pub batch: u16,
    /// Presignatures that are kept ready for each key in use.
    pub pool: u16,
}

/// What somebody has asked for, and does not just take as it comes. A cluster that is there already has to be like that.
#[derive(Clone, Copy, Default)]
pub struct Said {
    pub nodes: Option<u16>,
    pub threshold: Option<u16>,
    pub host: Option<IpAddr>,
    pub bitcoin: Option<Network>,
}

impl Said {
    /// Refuses a cluster that is another one: what is ignored in silence is taken for done.
    fn check(&self, root: &Path, document: &ClusterDocument) -> Result<(), Failure> {
        let signers = document.signers();
        let hosts = document.coordinators.iter().map(|one| one.address.as_str());
        let hosts: Vec<_> = hosts.chain(document.gateways.iter().map(|one| one.address.as_str())).collect();
        let is_there = |host: IpAddr| {
            let port = |address: &str| address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            let with = |port: u16| format!("https://{}", SocketAddr::new(host, port));
            hosts.iter().all(|address| port(address).is_some_and(|port| with(port) == **address))
        };
        let other = [
            self.nodes.filter(|nodes| *nodes != signers.total()).map(|nodes| format!("--nodes {nodes}")),
            self.threshold.filter(|t| *t != signers.needed()).map(|t| format!("--threshold {t}")),
            self.host.filter(|host| !is_there(*host)).map(|host| format!("--listen {host}")),
            self.bitcoin.filter(|one| *one != document.bitcoin).map(|one| format!("--bitcoin-network {one}")),
        ];
        let other: Vec<String> = other.into_iter().flatten().collect();
        if other.is_empty() {
            return Ok(());
        }
        let what = format!(
            "the cluster in `{}` is {signers} at {} for Bitcoin's {}, and {} says otherwise",
            root.display(),
            hosts.join(", "),
            document.bitcoin,
            other.join(" ")
        );
        let help = "leave the option out, or give another --dir";
        Err(Trouble::new(CEREMONY_EXISTS, what).undone("nothing was started or changed").help(help).into())
    }
}

/// A local cluster on the disk.
pub struct Local {
    pub root: PathBuf,
    pub document: ClusterDocument,
}

impl Local {
    /// The names of the processes, in the order in which they are started, with their roles.
    pub fn members(&self) -> Vec<(String, &'static str)> {
        let nodes = self.document.nodes.iter().map(|node| (node.name.clone(), "node"));
        let coordinators = self.document.coordinators.iter().map(|one| (one.name.clone(), "coordinator"));
        let gateways = self.document.gateways.iter().map(|one| (one.name.clone(), "gateway"));
        coordinators.chain(nodes).chain(gateways).collect()
    }

    /// The directory of the client.
    pub fn you(&self) -> PathBuf {
        self.root.join(YOU)
    }

    /// Where the processes log to.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
}

/// Lays a local cluster out, or finds the one that lies there.
pub fn lay_out(root: &Path, layout: &Layout) -> Result<Local, Failure> {
    let root = std::path::absolute(root).map_err(|error| place::io_trouble(root, "has no place", error))?;
    let you = root.join(YOU);
    if !you.join(place::CLUSTER).exists() {
        found(&root, layout)?;
    }
    let document = place::document(&you)?;
    layout.said.check(&root, &document)?;
    make_directory(&root.join("logs"))?;
    Ok(Local { document, root })
}

/// Refuses a directory that has something in it, and no cluster: it is somebody's, or what an interrupted start has left.
fn must_be_empty(root: &Path) -> Result<(), Failure> {
    let mut entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(place::io_trouble(root, "cannot be looked into", error)),
    };
    if entries.next().is_none() {
        return Ok(());
    }
    let (what, help) = if root.join(OFFICE).exists() {
        let what = "the making of a cluster in `{}` was begun and not finished";
        (what, "if nothing else is in it, delete the directory and start again; or give another --dir")
    } else {
        (
            "`{}` has something in it, and it is no cluster of `keymoot up`",
            "give an empty directory, or a new one",
        )
    };
    let what = what.replace("{}", &root.display().to_string());
    Err(Trouble::new(CEREMONY_EXISTS, what).undone("nothing was started or written").help(help).into())
}

fn found(root: &Path, layout: &Layout) -> Result<(), Failure> {
    must_be_empty(root)?;
    make_directory(root)?;
    let (coordinator, gateway) = free_addresses(layout.host)?;
    let founding = Founding {
        cluster: layout.cluster.clone(),
        threshold: layout.threshold,
        coordinators: vec![coordinator],
        gateways: vec![gateway],
        policy: PolicyName::AllowAll,
        bitcoin: layout.bitcoin,
    };
    let office = root.join(OFFICE);
    let (_, invitation) = init(&office, &founding)?;
    let keys = root.join("keys");
    make_directory(&keys)?;
    let mut answers = Vec::new();
    let members = invitation.members().map(|name| (name.to_owned(), None));
    for (name, role) in members.chain([(YOU.to_owned(), Some(Role::Admin))]).collect::<Vec<_>>() {
        let mut unlock = UnlockSource::default();
        if invitation.nodes.contains(&name) {
            let path = keys.join(&name);
            write_secret(&path, draw_key()?.as_bytes())?;
            unlock.key_file = Some(path);
        }
        let directory = root.join(&name);
        let joining = Joining {
            name: &name,
            directory: &directory,
            role,
            unlock,
            kdf: Kdf::STANDARD,
            settings: if name == "coordinator-1" {
                vec![("batch", layout.batch.to_string()), ("pool", layout.pool.to_string())]
            } else {
                Vec::new()
            },
        };
        answers.push((directory.clone(), join(&invitation, &joining)?.0));
    }
    let files: Vec<PathBuf> = answers.iter().map(|(_, file)| file.clone()).collect();
    Hearing::open(&office, &files)?.admit(&[(YOU.to_owned(), Role::Admin)], DAYS)?;
    for (directory, file) in answers {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        finish(&directory, &office.join(name.replace(".join.json", ".admit.json")))?;
    }
    Ok(())
}

/// Two ports that nobody listens on now. The processes say so clearly if somebody else was faster.
fn free_addresses(host: IpAddr) -> Result<(String, String), Failure> {
    let refused =
        |error| Trouble::new(PORT_IN_USE, "this machine has no free port for a demo").because(error);
    let one = TcpListener::bind((host, 0)).map_err(refused)?;
    let two = TcpListener::bind((host, 0)).map_err(refused)?;
    let text =
        |listener: &TcpListener| listener.local_addr().map(|address| address.to_string()).map_err(refused);
    Ok((text(&one)?, text(&two)?))
}

fn draw_key() -> Result<Zeroizing<String>, Failure> {
    let mut key = Zeroizing::new([0_u8; 32]);
    OsRng.try_fill_bytes(key.as_mut()).map_err(Failure::Randomness)?;
    Ok(Zeroizing::new(hex::encode(*key)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use keymoot_types::Network;

    use super::{Said, must_be_empty};

    #[test]
    fn a_directory_of_somebody_else_is_not_written_into() {
        let place = tempfile::tempdir().unwrap();
        assert!(must_be_empty(place.path()).is_ok() && must_be_empty(&place.path().join("new")).is_ok());
        for (entry, word) in [("notes.txt", "no cluster of"), ("ceremony", "not finished")] {
            std::fs::create_dir(place.path().join(entry)).unwrap();
            let failure = must_be_empty(place.path()).unwrap_err();
            assert_eq!((failure.code(), failure.exit_code()), ("E2404", 6));
            assert!(failure.to_string().contains(word), "{failure}");
        }
    }

    #[test]
    fn a_cluster_that_is_there_is_not_taken_for_another() {
        // Two nodes of which two sign; a coordinator at 127.0.0.1, a gateway elsewhere.
        let (document, _) = crate::ceremony::tests::two_versions();
        let (here, nobody) = (Path::new("place"), Said::default());
        assert!(nobody.check(here, &document).is_ok());
        assert!(Said { nodes: Some(2), threshold: Some(2), ..nobody }.check(here, &document).is_ok());
        for (said, word) in [
            (Said { nodes: Some(3), ..nobody }, "--nodes 3"),
            (Said { threshold: Some(3), ..nobody }, "--threshold 3"),
            (Said { host: Some([127, 0, 0, 1].into()), ..nobody }, "--listen 127.0.0.1"),
            (Said { bitcoin: Some(Network::Regtest), ..nobody }, "--bitcoin-network regtest"),
        ] {
            let failure = said.check(here, &document).unwrap_err();
            assert_eq!((failure.code(), failure.exit_code()), ("E2404", 6));
            assert!(failure.to_string().contains(word), "{failure}");
        }
        let mut fields = document.fields().clone();
        fields.gateways[0].address = "https://127.0.0.1:7180".into();
        let local = keymoot_wire::cluster::ClusterDocument::new(fields).unwrap();
        assert!(Said { host: Some([127, 0, 0, 1].into()), ..nobody }.check(here, &local).is_ok());
        assert!(Said { host: Some([127, 0, 0, 2].into()), ..nobody }.check(here, &local).is_err());
    }
}
