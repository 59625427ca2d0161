//! A cluster of real processes, made by the same commands that an operator types.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::process::{Process, Said, binary, pause};

/// How long a process may take until it is ready.
const READY: Duration = Duration::from_secs(30);

/// What is built.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Nodes.
    pub nodes: u16,
    /// Of which so many sign.
    pub threshold: u16,
    /// Coordinators, on one store.
    pub coordinators: u16,
}

/// The common one.
pub const TWO_OF_THREE: Shape = Shape { nodes: 3, threshold: 2, coordinators: 1 };

/// The processes, their directories, and what they say.
pub struct Cluster {
    shape: Shape,
    folder: TempDir,
    gateway: String,
    said: BTreeMap<String, Said>,
    running: BTreeMap<String, Process>,
    /// What is in front of the command of a process: `ip netns exec …`, or nothing.
    pub wrap: BTreeMap<String, Vec<String>>,
    /// Variables of all processes.
    pub environment: Vec<(String, String)>,
}

/// Free ports. They are not held: whoever asks uses them soon.
///
/// # Errors
/// The system has none.
pub fn free_ports(count: usize) -> Result<Vec<u16>> {
    let held: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    held.iter().map(|one| Ok(one.local_addr()?.port())).collect()
}

/// Where the processes are reached.
pub struct Places {
    /// Coordinators.
    pub coordinators: Vec<String>,
    /// The gateway.
    pub gateway: String,
}

impl Cluster {
    /// Makes a cluster on this host and starts all of it.
    ///
    /// # Errors
    /// A command of the ceremony fails, or a process does not become ready.
    pub fn start(shape: Shape) -> Result<Self> {
        let mut cluster = Self::prepare(shape)?;
        cluster.start_all()?;
        Ok(cluster)
    }

    /// Makes a cluster on this host.
    ///
    /// # Errors
    /// A command of the ceremony fails.
    pub fn prepare(shape: Shape) -> Result<Self> {
        let ports = free_ports(usize::from(shape.coordinators) + 1)?;
        let address = |port: &u16| format!("127.0.0.1:{port}");
        let (gateway, coordinators) = ports.split_last().context("no ports")?;
        let coordinators = coordinators.iter().map(address).collect();
        Self::make(shape, &Places { coordinators, gateway: address(gateway) })
    }

    /// The ceremony: everybody has joined, nobody runs.
    ///
    /// # Errors
    /// A command fails.
    pub fn make(shape: Shape, places: &Places) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let gateway = format!("https://{}", places.gateway);
        let cluster = Self {
            shape,
            folder,
            gateway,
            said: BTreeMap::new(),
            running: BTreeMap::new(),
            wrap: BTreeMap::new(),
            environment: Vec::new(),
        };
        let ceremony = cluster.place("ceremony");
        let mut init = vec!["init".to_owned(), "e2e".into(), "--policy".into(), "allow-all".into()];
        init.extend([
            "--nodes".into(),
            shape.nodes.to_string(),
            "--threshold".into(),
            shape.threshold.to_string(),
        ]);
        for coordinator in &places.coordinators {
            init.extend(["--coordinator".into(), coordinator.clone()]);
        }
        init.extend([
            "--gateway".into(),
            places.gateway.clone(),
            "--dir".into(),
            ceremony.display().to_string(),
        ]);
        cluster.command(&init)?;
        let key = cluster.place("unlock");
        std::fs::write(&key, [0x4b; 32])?;
        crate::files::owner_only(&key)?;
        let mut answers = Vec::new();
        for name in cluster.members() {
            let directory = cluster.place(&name).display().to_string();
            let invitation = ceremony.join("ceremony.json").display().to_string();
            let mut join = vec!["join".to_owned(), invitation, "--as".into(), name.clone()];
            join.extend(["--dir".into(), directory.clone()]);
            if name.starts_with("node-") {
                join.extend(["--key-file".into(), key.display().to_string()]);
            }
            if name == "alice" {
                join.extend(["--role".into(), "admin".into()]);
            }
            cluster.command(&join)?;
            answers.push(format!("{directory}/{name}.join.json"));
        }
        let mut admit = vec!["admit".to_owned()];
        admit.extend(answers);
        admit.extend(["--dir".into(), ceremony.display().to_string()]);
        admit.extend(["--allow".into(), "alice=admin".into(), "--yes".into()]);
        cluster.command(&admit)?;
        for name in cluster.members() {
            let (file, place) = (ceremony.join(format!("{name}.admit.json")), cluster.place(&name));
            let file = file.display().to_string();
            cluster.command(&[
                "join".into(),
                "--finish".into(),
                file,
                "--dir".into(),
                place.display().to_string(),
            ])?;
        }
        Ok(cluster)
    }

    fn members(&self) -> Vec<String> {
        let mut members: Vec<_> = (1..=self.shape.nodes).map(|number| format!("node-{number}")).collect();
        members.extend(self.coordinators());
        members.extend(["gateway-1".to_owned(), "alice".to_owned()]);
        members
    }

    /// The names of the nodes.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        (1..=self.shape.nodes).map(|number| format!("node-{number}")).collect()
    }

    /// The names of the coordinators.
    #[must_use]
    pub fn coordinators(&self) -> Vec<String> {
        (1..=self.shape.coordinators).map(|number| format!("coordinator-{number}")).collect()
    }

    /// The directory of a process, or of the client `alice`.
    #[must_use]
    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where everything is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the gateway is.
    #[must_use]
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Runs a command of the product to its end, with contexts of its own.
    ///
    /// # Errors
    /// It ends with another code than 0.
    pub fn command(&self, arguments: &[String]) -> Result<String> {
        let output = self.try_command(arguments)?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            bail!("keymoot {} ended with {}:\n{out}{err}", arguments.join(" "), output.status);
        }
        Ok(out.into_owned())
    }

    /// Runs a command of the product to its end, whatever that is.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn try_command(&self, arguments: &[String]) -> Result<std::process::Output> {
        let mut command = Command::new(binary()?);
        self.at_home(&mut command);
        command.args(arguments).stdin(std::process::Stdio::null());
        command.output().context("keymoot cannot be started")
    }

    /// Gives a command a home in this cluster's folder, so that it finds no contexts of anybody else.
    pub fn at_home(&self, command: &mut Command) {
        command.current_dir(self.folder.path()).env("HOME", self.folder.path()).env_remove("KEYMOOT_CTX");
        command.env("XDG_CONFIG_HOME", self.place("config")).env("XDG_RUNTIME_DIR", self.place("runtime"));
    }

    /// Starts all that do not run, and waits until they are ready.
    ///
    /// # Errors
    /// One of them does not become ready.
    pub fn start_all(&mut self) -> Result<()> {
        let names: Vec<_> = self.members().into_iter().filter(|name| name != "alice").collect();
        for name in &names {
            self.begin(name)?;
        }
        names.iter().try_for_each(|name| self.is_ready(name))
    }

    /// Starts one process, and does not wait for it.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn begin(&mut self, name: &str) -> Result<()> {
        if self.running.get_mut(name).is_some_and(Process::is_running) {
            return Ok(());
        }
        let role = name.split_once('-').map_or(name, |(role, _)| role);
        let program = binary()?;
        let mut command = match self.wrap.get(name).map(Vec::as_slice) {
            Some([first, rest @ ..]) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            _ => Command::new(program),
        };
        command.args(["run", role, "--dir"]).arg(self.place(name)).envs(self.environment.iter().cloned());
        if role == "coordinator" {
            command.env("KEYMOOT_STORE", self.place("store.db"));
        }
        let said = Said::default();
        self.said.insert(name.to_owned(), said.clone());
        self.running.insert(name.to_owned(), Process::start(name, command, &said)?);
        Ok(())
    }

    /// Waits until a process says that it has started, and returns the line.
    ///
    /// # Errors
    /// It does not, in time.
    pub fn has_started(&self, name: &str) -> Result<String> {
        let said = self.said.get(name).with_context(|| format!("{name} was not started"))?;
        let is_it = |line: &str| line.contains(" started ") && line.contains("name=");
        said.wait_for(&format!("{name} has started"), READY, is_it)
    }

    /// Waits until a process says that it is ready: where it has an address for that, there, and otherwise by its log.
    ///
    /// # Errors
    /// It is not, in time.
    pub fn is_ready(&self, name: &str) -> Result<()> {
        let said = self.said.get(name).with_context(|| format!("{name} was not started"))?;
        let Some(address) = self.health(name)? else { return Ok(()) };
        let until = Instant::now() + READY;
        loop {
            if is_ready_at(&address).unwrap_or(false) {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("{name} is not ready; it said:\n{}", said.text());
            }
            pause(Duration::from_millis(20));
        }
    }

    /// Where a process tells how it is, if it does.
    fn health(&self, name: &str) -> Result<Option<String>> {
        let line = self.has_started(name)?;
        let address = line.split_once("health=").map(|(_, rest)| rest);
        let address = address.and_then(|rest| rest.split('"').nth(1));
        Ok(address.map(str::to_owned))
    }

    /// The metrics of a node.
    ///
    /// # Errors
    /// It does not answer.
    pub fn metrics(&self, name: &str) -> Result<String> {
        let address = self.health(name)?.with_context(|| format!("{name} has no place for metrics"))?;
        get(&address, "/metrics")
    }

    /// A running process.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn process(&mut self, name: &str) -> Result<&mut Process> {
        self.running.get_mut(name).with_context(|| format!("{name} does not run"))
    }

    /// What one process has said since it was started last.
    #[must_use]
    pub fn said(&self, name: &str) -> String {
        self.said.get(name).map(Said::text).unwrap_or_default()
    }

    /// All that was said, by whom, for whoever looks for something in it.
    pub fn words(&self) -> impl Iterator<Item = (&str, String)> {
        self.said.iter().map(|(name, said)| (name.as_str(), said.text()))
    }

    /// The journals of all nodes.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn journals(&self) -> Result<Vec<Vec<keymoot_engine::record::Entry>>> {
        self.nodes().iter().map(|name| crate::ledger::entries(&self.place(name).join("journal"))).collect()
    }
}

/// Asks without TLS, on this machine.
fn get(address: &str, path: &str) -> Result<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn is_ready_at(address: &str) -> Result<bool> {
    Ok(get(address, "/readyz")?.starts_with("HTTP/1.1 200"))
}
