//! Third-party clients that the product has to work with: exactly what the lock files in `e2e/clients` name, installed
//! below the target folder. No script of a package is run, and nothing of the user's home is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::tools::ensure_program_at;
use crate::workspace::{Workspace, run};

/// The locks, as the repository has them.
const FOLDER: &str = "e2e/clients";
const NPM_LOCK: &str = "package-lock.json";
const PIP_LOCK: &str = "requirements.txt";
/// A copy of the lock, beside what was installed by it.
const STAMP: &str = ".installed";
/// Arguments with which Python shows that it can make an environment: Debian has that in a package of its own.
const HAS_VENV: &str = "-cimport ensurepip, venv";

/// Installs what is missing, if tests of this name need it. What cannot be installed is told here, and then by each test.
pub fn ensure_for(workspace: &Workspace, only: Option<&str>) {
    if only.is_some_and(|only| !only.contains("clients")) {
        return;
    }
    let install = Install { locks: workspace.root.join(FOLDER), place: workspace.target.join("clients") };
    if let Err(error) = install.npm().and_then(|()| install.pip()) {
        println!("third-party clients cannot be installed, so their tests will fail: {error:#}");
    }
}

struct Install {
    locks: PathBuf,
    place: PathBuf,
}

impl Install {
    fn npm(&self) -> Result<()> {
        let (lock, modules) = (self.read(NPM_LOCK)?, self.place.join("node_modules"));
        if is_current(&modules, &lock) {
            return Ok(());
        }
        ensure_program_at("npm", "--version", &["nodejs", "npm"])?;
        println!("installing third-party clients from npm");
        fs::create_dir_all(&self.place)?;
        for file in ["package.json", NPM_LOCK, ".npmrc"] {
            fs::write(self.place.join(file), self.read(file)?)?;
        }
        let mut install = Command::new("npm");
        install.args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--no-update-notifier",
            "--cache",
        ]);
        run(install.arg(self.place.join("cache/npm")).current_dir(&self.place))?;
        finish(&modules, &lock)
    }

    fn pip(&self) -> Result<()> {
        let (lock, environment) = (self.read(PIP_LOCK)?, self.place.join("venv"));
        if is_current(&environment, &lock) {
            return Ok(());
        }
        ensure_program_at("python3", HAS_VENV, &["python3", "python3-venv"])?;
        println!("installing third-party clients from PyPI");
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
        let mut install = Command::new(environment.join("bin/python"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        install.args(["--require-hashes", "--only-binary", ":all:", "--cache-dir"]);
        run(install.arg(self.place.join("cache/pip")).arg("-r").arg(self.locks.join(PIP_LOCK)))?;
        finish(&environment, &lock)
    }

    fn read(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.locks.join(name)).with_context(|| format!("cannot read {FOLDER}/{name}"))
    }
}

/// Whether a folder was installed by this lock, to its end.
fn is_current(folder: &Path, lock: &str) -> bool {
    fs::read_to_string(folder.join(STAMP)).is_ok_and(|stamp| stamp == lock)
}

fn finish(folder: &Path, lock: &str) -> Result<()> {
    fs::write(folder.join(STAMP), lock).with_context(|| format!("cannot write to {}", folder.display()))
}

#[cfg(test)]
mod tests;
