//! Where we are, and how to start cargo there.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The repository this program was built from.
pub struct Workspace {
    /// Its root.
    pub root: PathBuf,
    /// Where cargo and we put what can be made again.
    pub target: PathBuf,
}

impl Workspace {
    /// Finds the repository.
    pub fn find() -> Result<Self> {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("this crate has no parent folder")?;
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(target) => env::current_dir()?.join(target),
            None => root.join("target"),
        };
        Ok(Self { root: root.to_owned(), target })
    }

    /// `cargo` with these arguments, at the root.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// The folder for logs of this program.
    pub fn logs(&self) -> Result<PathBuf> {
        let folder = self.target.join("xtask");
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// Runs a command with our terminal; anything but success is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let name = name(command);
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    match status.success() {
        true => Ok(()),
        false => bail!("{name} failed ({status})"),
    }
}

/// Runs a command and returns what it wrote to its standard output.
pub fn read(command: &mut Command) -> Result<String> {
    let name = name(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {name}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => bail!("{name} failed ({})", output.status),
    }
}

/// Runs a command with both its outputs in one pipe, so that their order is kept. Every line goes to the log
/// and to `see`.
pub fn stream(command: &mut Command, log: &Path, mut see: impl FnMut(&str)) -> Result<ExitStatus> {
    let (reader, writer) = std::io::pipe()?;
    let mut log = std::fs::File::create(log)?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("cannot start {}", name(command)))?;
    command.stdout(Stdio::null()).stderr(Stdio::null()); // drops our ends: else the pipe would never close
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        log.write_all(&line)?;
        log.write_all(b"\n")?;
        see(&String::from_utf8_lossy(&line));
    }
    Ok(child.wait()?)
}

/// The program and its first argument, for errors.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    let verb = command.get_args().next().unwrap_or_default().to_string_lossy();
    format!("`{program} {verb}`")
}

/// What `cargo metadata` says of one package.
#[derive(Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// What cargo calls it in its messages.
    pub id: String,
    /// Its `Cargo.toml`.
    pub manifest_path: PathBuf,
    /// What its manifest asks for, of all kinds.
    pub dependencies: Vec<Dependency>,
    /// Its own features and what they switch on.
    pub features: std::collections::BTreeMap<String, Vec<String>>,
}

impl Package {
    /// The dependencies that end up in what is built for others: not those for tests.
    pub fn shipped(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"))
    }
}

/// One line of a dependency table.
#[derive(Deserialize)]
pub struct Dependency {
    /// The name of the package, also when the manifest renames it.
    pub name: String,
    /// `None` for a normal one, else `dev` or `build`.
    pub kind: Option<String>,
    /// The features asked for by name.
    pub features: Vec<String>,
}

/// The packages of the workspace at `root`. Needs neither the network nor a lock file.
pub fn packages(root: &Path) -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Answer {
        packages: Vec<Package>,
    }
    let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(["metadata", "--no-deps", "--format-version", "1", "--offline"]).current_dir(root);
    let answer: Answer = serde_json::from_str(&read(&mut command)?)?;
    Ok(answer.packages)
}
