//! A local cluster that runs: started, found ready, given a key, and ended again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keymoot_types::Scheme;
use keymoot_wire::rest::KeyView;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::layout::{Layout, Local, lay_out};
use super::socket::{Wish, ask, serve};
use super::supervisor::Supervisor;
use crate::context::Context;
use crate::explain::{IN_USE, START, TIMEOUT};
use crate::failure::{Failure, Trouble};
use crate::printer::Printer;
use crate::progress;
use crate::remote::Remote;
use crate::wallet;

/// How often it is looked whether all are there.
const LOOK: Duration = Duration::from_millis(25);
/// The socket of the supervisor, in the directory of the cluster.
const SOCKET: &str = "supervisor.sock";
/// The longest path of a socket, which systems limit to about a hundred bytes.
const SOCKET_MAX: usize = 100;

/// A cluster that runs.
pub struct Host {
    pub local: Local,
    pub supervisor: Arc<Supervisor>,
    pub remote: Arc<Remote>,
    /// Where the supervisor listens.
    pub socket: PathBuf,
    pub began: Instant,
    pub patience: Duration,
    /// Goes with the host, where the socket is not in its directory.
    _elsewhere: Option<tempfile::TempDir>,
}

impl Host {
    /// Lays it out if need be, starts all processes, and waits until all nodes are connected. The title is said when it is
    /// clear that it may begin.
    pub async fn start(
        root: &Path,
        layout: &Layout,
        (name, title): (&str, &str),
        patience: Duration,
        printer: &Printer,
    ) -> Result<Self, Failure> {
        let (began, tick) = (Instant::now(), printer.ink.good("✓"));
        refuse_second(&root.join(SOCKET)).await?;
        let is_new = !root.join("ceremony").exists();
        let local = lay_out(root, layout)?;
        printer.line(title)?;
        let found = if is_new { "authority created" } else { "found" };
        printer.line(&format!("  {tick} cluster {found}   (ECDSA P-256, this machine only)"))?;
        let supervisor = Supervisor::start(&local, patience).await?;
        match Self::settle(local, Arc::clone(&supervisor), name, patience, began).await {
            Ok(host) => {
                host.introduce(printer).await?;
                Ok(host)
            }
            Err(failure) => {
                supervisor.stop().await;
                Err(failure)
            }
        }
    }

    async fn settle(
        local: Local,
        supervisor: Arc<Supervisor>,
        name: &str,
        patience: Duration,
        began: Instant,
    ) -> Result<Self, Failure> {
        let mut socket = local.root.join(SOCKET);
        let mut elsewhere = None;
        if socket.as_os_str().len() > SOCKET_MAX {
            let folder = tempfile::Builder::new().prefix("keymoot-").tempdir();
            let folder =
                folder.map_err(|error| Trouble::new(START, "no place for a socket").because(error))?;
            socket = folder.path().join(SOCKET);
            elsewhere = Some(folder);
        }
        serve(&supervisor, &socket)?;
        let context = Context::new(name, &local.you(), Some(socket.clone()));
        let remote = Arc::new(Remote::of(context)?);
        let host = Self { local, supervisor, remote, socket, began, patience, _elsewhere: elsewhere };
        host.until_connected().await?;
        Ok(host)
    }

    async fn introduce(&self, printer: &Printer) -> Result<(), Failure> {
        let tick = printer.ink.good("✓");
        let document = &self.local.document;
        let names: Vec<&str> = document.nodes.iter().map(|node| node.name.as_str()).collect();
        let count = names.len();
        printer.line(&format!("  {tick} {}   {count} processes, mTLS 1.3, sealed stores", listed(&names)))?;
        let port =
            |address: &str| address.rsplit_once(':').map_or(String::new(), |(_, port)| format!(":{port}"));
        let coordinator = document.coordinator(0).map_or(String::new(), |one| port(&one.address));
        let gateway = document.gateways.first().map_or("none", |one| one.address.as_str());
        let took = self.began.elapsed().as_secs_f64();
        printer.line(&format!(
            "  {tick} coordinator {coordinator}   gateway {gateway}   ready in {took:.1} s"
        ))?;
        printer.object(&json!({
            "schema": "keymoot/demo/v1", "step": "ready", "nodes": names, "gateway": gateway,
            "milliseconds": millis(self.began),
        }))
    }

    /// Waits until every node is connected to every coordinator, and the gateway says that it is ready.
    pub async fn until_connected(&self) -> Result<(), Failure> {
        let mut looks = tokio::time::interval(LOOK);
        let deadline = Instant::now() + self.patience;
        let coordinators = self.local.document.coordinators.len();
        loop {
            looks.tick().await;
            let last = match self.remote.nodes().await {
                Ok(list) if list.nodes.iter().all(|node| node.connected.len() == coordinators) => {
                    return Ok(());
                }
                Ok(_) => None,
                Err(failure) => Some(failure),
            };
            if Instant::now() < deadline {
                continue;
            }
            let what = format!("not all nodes have connected within {} seconds", self.patience.as_secs());
            let mut trouble =
                Trouble::new(TIMEOUT, what).branch(format!("logs are in {}", self.local.logs().display()));
            if let Some(failure) = last {
                trouble = trouble.because(failure);
            }
            return Err(trouble.into());
        }
    }

    /// The key of this name, the oldest if several have it; made, with its rounds shown, if there is none.
    pub async fn key(&self, printer: &Printer, name: &str, scheme: Scheme) -> Result<KeyView, Failure> {
        let (mut named, _) = self.remote.keys_named(name).await?;
        named.retain(|key| !key.retired);
        // They come newest first. Whatever others have made since, the addresses shown stay the same.
        if let Some(key) = named.pop() {
            let of = self.local.document.signers();
            printer.line(&format!("  Key {name:?} · {} · {of} · {}", key.scheme, key.id))?;
            if !named.is_empty() {
                let more = named.len();
                let line =
                    format!("{more} newer of this name: say --key with an id; `keymoot key list` has them");
                printer.line(&format!("  {} {line}", printer.ink.warning("!")))?;
            }
            return Ok(key);
        }
        printer.line(&format!("  Key {name:?} · {scheme} · {}", self.local.document.signers()))?;
        let begun = Instant::now();
        let key = progress::create_key(&self.remote, printer, name, scheme, false).await?;
        printer.object(&json!({
            "schema": "keymoot/demo/v1", "step": "key", "name": name, "scheme": key.scheme, "id": key.id,
            "public_key": key.public_key, "milliseconds": millis(begun),
        }))?;
        Ok(key)
    }

    /// What to say for a key on a command line: its name, or its id where others have had that name too.
    pub async fn called(&self, key: &KeyView) -> Result<String, Failure> {
        let (same, has_more) = self.remote.keys_named(&key.name).await?;
        Ok(if same.len() == 1 && !has_more { key.name.clone() } else { key.id.clone() })
    }

    /// Shows the addresses of a key.
    pub fn addresses(&self, printer: &Printer, key: &KeyView, qr: bool) -> Result<(), Failure> {
        let found = wallet::addresses(key, "m", self.remote.document.bitcoin)?;
        for one in &found {
            let hint = if qr { "   (QR: q and Enter)" } else { "" };
            printer.line(&format!("  {:<9} {}{hint}", one.chain, printer.ink.strong(&one.address)))?;
        }
        let rows: Vec<_> = found.iter().map(wallet::Address::document).collect();
        printer.object(&json!({
            "schema": "keymoot/demo/v1", "step": "addresses", "key": key.id, "addresses": rows,
        }))
    }
}

/// Two supervisors of one directory would start every process twice.
async fn refuse_second(socket: &Path) -> Result<(), Failure> {
    if socket.exists() && ask(socket, &Wish::State).await.is_ok() {
        let what = format!("a cluster runs in `{}` already", socket.parent().unwrap_or(socket).display());
        return Err(Trouble::new(IN_USE, what).undone("nothing was started").into());
    }
    Ok(())
}

/// Milliseconds since a moment.
pub fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A few by name, more by their first and last.
fn listed(names: &[&str]) -> String {
    match names {
        [first, .., last] if names.len() > 4 => format!("{first} … {last}"),
        few => few.join("  "),
    }
}

/// What asks for the end: signals.
pub fn stops() -> Result<mpsc::Receiver<()>, Failure> {
    let (say, heard) = mpsc::channel(1);
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        let signals = signal(kind);
        let mut signals =
            signals.map_err(|error| Trouble::new(START, "signals cannot be heard").because(error))?;
        let say = say.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                // One that does not fit is one of many.
                let _ = say.try_send(());
            }
        });
    }
    Ok(heard)
}
