//! `keymoot join`: a member draws its keys, keeps the secret halves, and answers with the public ones.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use keymoot_vault::{Kdf, Owner, Vault};
use keymoot_wire::authority::TlsKey;
use keymoot_wire::cluster::{ClientKey, Hex, Role};
use keymoot_wire::identity::PeerRole;
use rand::RngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use super::papers::{Answer, ClientParts, Invitation, NodeParts, Paper, write};
use super::wall_ms;
use crate::compose::drop_anchor;
use crate::config;
use crate::explain::{CEREMONY_EXISTS, CEREMONY_FOREIGN, CLOCK, RANDOMNESS, USAGE};
use crate::failure::{Failure, Trouble};
use crate::place::{
    self, AUTHORITY, REQUEST_KEY, SEED, TLS_KEY, TLS_KEY_NEXT, UnlockSource, VAULT, make_directory,
    write_secret, write_text,
};

/// How far clocks may be apart.
pub const CLOCK_MAX_MS: u64 = 30_000;

/// Who joins, where, and how its vault opens.
pub struct Joining<'a> {
    pub name: &'a str,
    pub directory: &'a Path,
    /// For clients only.
    pub role: Option<Role>,
    /// For nodes only.
    pub unlock: UnlockSource,
    pub kdf: Kdf,
    /// Where to listen, if not where the invitation says.
    pub settings: Vec<(&'static str, String)>,
}

/// Draws keys and answers. Returns the answer and its file.
pub fn join(invitation: &Invitation, joining: &Joining<'_>) -> Result<(PathBuf, Answer), Failure> {
    let role = invitation.seat(joining.name, joining.role)?;
    if invitation.created_ms > wall_ms() + CLOCK_MAX_MS {
        let ahead = (invitation.created_ms - wall_ms()) / 1000;
        let what =
            format!("by this machine's clock the invitation was written {ahead} seconds in the future");
        return Err(Trouble::new(CLOCK, what).undone("nothing was written").into());
    }
    refuse_what_is_there(invitation, joining)?;
    let is_new = !joining.directory.exists();
    make_directory(joining.directory)?;
    let tls = TlsKey::create().map_err(Failure::bug("a TLS key cannot be made"))?;
    let (mut node, mut client) = (None, None);
    match role {
        PeerRole::Node => {
            let drawn = draw_node(invitation, joining);
            if drawn.is_err() && is_new {
                // Only if it is empty: a passphrase was refused before anything was drawn.
                let _ = fs::remove_dir(joining.directory);
            }
            node = Some(drawn?);
        }
        PeerRole::Coordinator => {
            write_secret(&joining.directory.join(SEED), hex::encode(*seed()?).as_bytes())?;
        }
        PeerRole::Gateway => {}
        PeerRole::Client => client = Some(draw_client(joining)?),
    }
    write_secret(&joining.directory.join(TLS_KEY), tls.key_pem().as_bytes())?;
    write_text(&joining.directory.join(AUTHORITY), &invitation.authority)?;
    let answer = Answer {
        format: Answer::FORMAT.to_owned(),
        cluster: invitation.cluster.clone(),
        name: joining.name.to_owned(),
        role: role.name().to_owned(),
        csr: tls.csr_pem().to_owned(),
        node,
        client,
    };
    write_text(&joining.directory.join(config::FILE), &configuration(invitation, joining, role)?)?;
    let path = joining.directory.join(format!("{}.join.json", joining.name));
    write(&path, &answer)?;
    Ok((path, answer))
}

/// Draws another TLS key for a member that is in its cluster already, and answers with it. The member stays who it is: a node's
/// identity and sealing key are as the document has them. The key in use stays until the certificate of the new one has come.
pub fn join_again(
    invitation: &Invitation,
    name: &str,
    directory: &Path,
) -> Result<(PathBuf, Answer), Failure> {
    let undone = "nothing was changed, and no key was drawn";
    let config = config::Config::read(directory)?;
    if config.text("cluster") != invitation.cluster || config.text("name") != name {
        let (found, cluster) = (config.text("name"), config.text("cluster"));
        let what = format!(
            "`{}` is the directory of {found} in the cluster {cluster}, not of {name} in {}",
            directory.display(),
            invitation.cluster
        );
        return Err(Trouble::new(CEREMONY_FOREIGN, what).undone(undone).into());
    }
    let role = config.text("role");
    if role == PeerRole::Client.name() {
        let what = "a client that draws a TLS key draws its request key too";
        let help = "join with --role in an empty directory";
        return Err(Trouble::new(USAGE, what).undone(undone).help(help).into());
    }
    let document = place::document(directory)?;
    let next = directory.join(TLS_KEY_NEXT);
    let path = directory.join(format!("{name}.join.json"));
    if next.exists() {
        let what = format!("`{}` has a new TLS key that waits for its certificate", directory.display());
        let help = format!(
            "bring `{}` to the authority, and finish with what comes back; to draw another key, remove `{}` first",
            path.display(),
            next.display()
        );
        return Err(Trouble::new(CEREMONY_EXISTS, what).undone(undone).help(help).into());
    }
    let tls = TlsKey::create().map_err(Failure::bug("a TLS key cannot be made"))?;
    let node = document.node(name).filter(|_| role == PeerRole::Node.name());
    let answer = Answer {
        format: Answer::FORMAT.to_owned(),
        cluster: invitation.cluster.clone(),
        name: name.to_owned(),
        role: role.to_owned(),
        csr: tls.csr_pem().to_owned(),
        node: node.map(|node| NodeParts { identity: node.identity, seal: node.seal }),
        client: None,
    };
    // The answer first: without the key beside it, the next try draws both anew.
    write(&path, &answer)?;
    write_secret(&next, tls.key_pem().as_bytes())?;
    Ok((path, answer))
}

/// A directory that has anything of a member is not joined with again.
fn refuse_what_is_there(invitation: &Invitation, joining: &Joining<'_>) -> Result<(), Failure> {
    let there = fs::read_dir(joining.directory).map(|mut entries| entries.next().is_some()).unwrap_or(false);
    if !there {
        return Ok(());
    }
    let place = joining.directory.display();
    let page = match config::Config::read(joining.directory) {
        Ok(found) if found.text("cluster") != invitation.cluster || found.text("name") != joining.name => {
            let what = format!(
                "`{place}` is the directory of {} in the cluster {}, not of {} in {}",
                found.text("name"),
                found.text("cluster"),
                joining.name,
                invitation.cluster
            );
            return Err(Trouble::new(CEREMONY_FOREIGN, what).undone("nothing was changed").into());
        }
        _ => CEREMONY_EXISTS,
    };
    let what = format!("`{place}` is not empty");
    Err(Trouble::new(page, what).undone("nothing was changed, and no key was drawn").into())
}

fn draw_node(invitation: &Invitation, joining: &Joining<'_>) -> Result<NodeParts, Failure> {
    let refused = |fault| place::vault_trouble(&fault);
    let owner = Owner::new(&invitation.cluster, joining.name).map_err(refused)?;
    let unlock = joining.unlock.unlock(true)?;
    let vault = Vault::create(&joining.directory.join(VAULT), owner, unlock, joining.kdf, &mut OsRng);
    let vault = vault.map_err(refused)?;
    // Before there are keys in it: a vault with keys always has its anchor.
    drop_anchor(&vault, &invitation.authority, &invitation.group, invitation.bitcoin)?;
    let public = keymoot_node::seeds::create(&vault, &mut OsRng).map_err(refused)?;
    Ok(NodeParts { identity: Hex(public.identity), seal: Hex(public.seal) })
}

fn draw_client(joining: &Joining<'_>) -> Result<ClientParts, Failure> {
    let seed = seed()?;
    let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key().to_bytes();
    let text = Zeroizing::new(hex::encode(*seed));
    write_secret(&joining.directory.join(REQUEST_KEY), text.as_bytes())?;
    let role = joining.role.unwrap_or(Role::Viewer);
    Ok(ClientParts { role, key: ClientKey::Ed25519 { public: Hex(public) } })
}

fn seed() -> Result<Zeroizing<[u8; 32]>, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    let drawn = OsRng.try_fill_bytes(seed.as_mut());
    drawn.map_err(|error| {
        Trouble::new(RANDOMNESS, "the operating system gives no randomness").because(error)
    })?;
    Ok(seed)
}

fn configuration(invitation: &Invitation, joining: &Joining<'_>, role: PeerRole) -> Result<String, Failure> {
    let mut values = vec![
        ("cluster", invitation.cluster.clone()),
        ("role", role.name().to_owned()),
        ("name", joining.name.to_owned()),
    ];
    if let Some(address) = invitation.address(joining.name) {
        values.push(("listen", listen(address)));
    }
    for (name, path) in
        [("passphrase_file", &joining.unlock.passphrase_file), ("key_file", &joining.unlock.key_file)]
    {
        if let Some(path) = path.as_ref().filter(|_| role == PeerRole::Node) {
            let path =
                std::path::absolute(path).map_err(|error| place::io_trouble(path, "has no place", error))?;
            values.push((name, path.display().to_string()));
        }
    }
    for (name, value) in &joining.settings {
        values.retain(|(taken, _)| taken != name);
        values.push((name, value.clone()));
    }
    Ok(config::write(&values))
}

/// Where to listen to be reached at an address: there, if it is this machine's own business; everywhere else.
fn listen(address: &str) -> String {
    let bare = address.strip_prefix("https://").unwrap_or(address);
    if let Ok(address) = bare.parse::<SocketAddr>()
        && address.ip().is_loopback()
    {
        return address.to_string();
    }
    let (host, port) = bare.rsplit_once(':').unwrap_or((bare, "7100"));
    if host == "localhost" {
        return format!("127.0.0.1:{port}");
    }
    let everywhere: IpAddr = [0, 0, 0, 0].into();
    format!("{everywhere}:{port}")
}
