//! Where the clients are installed, and the programs in it.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The folder that `cargo xtask` fills, with our scripts in it: Node looks for packages beside the script.
pub struct Place {
    folder: PathBuf,
}

impl Place {
    /// Finds it, and puts the scripts there as they are now.
    pub fn find() -> Result<Self> {
        let here = std::env::current_exe()?;
        let target =
            here.ancestors().find(|folder| folder.ends_with("deps")).and_then(|deps| deps.ancestors().nth(2));
        let folder = target.context("this program is in no target folder")?.join("clients");
        let is_there = |part: &str| folder.join(part).join(".installed").is_file();
        ensure!(
            is_there("node_modules") && is_there("venv"),
            "the third-party clients are not installed; `cargo xtask test --only clients` does that"
        );
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
        for script in fs::read_dir(&scripts).with_context(|| format!("{} is gone", scripts.display()))? {
            let script = script?.path();
            let is_ours =
                script.extension().is_some_and(|kind| ["mjs", "py", "sol"].iter().any(|ours| kind == *ours));
            if let (true, Some(name)) = (is_ours, script.file_name()) {
                fs::copy(&script, folder.join(name))?;
            }
        }
        Ok(Self { folder })
    }

    /// A script, ready for its arguments.
    pub fn script(&self, file: &str) -> Command {
        let program = if file.ends_with(".py") { self.folder.join("venv/bin/python") } else { "node".into() };
        let mut command = Command::new(program);
        // Nothing is written beside the scripts, and nobody is asked for news.
        command.arg(self.folder.join(file)).env("PYTHONDONTWRITEBYTECODE", "1").env("NO_COLOR", "1");
        command
    }

    /// A program of Foundry: the file itself, since a launcher in front of it would be what is stopped.
    pub fn foundry(&self, name: &str) -> Result<PathBuf> {
        let architecture = match ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let system = if OS == "macos" { "darwin" } else { OS };
        let package = format!("node_modules/@foundry-rs/{name}-{system}-{architecture}/bin/{name}");
        let program = self.folder.join(package);
        ensure!(program.is_file(), "Foundry has no {name} for {system} on {architecture}");
        Ok(program)
    }
}
