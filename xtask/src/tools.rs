//! Programs which are not part of the Rust toolchain: pinned, and installed when first needed, below the
//! target folder, so that a fresh machine needs nothing but rustup.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, run};

/// A cargo subcommand from crates.io.
pub struct Tool {
    name: &'static str,
    version: &'static str,
}

/// Licences, bans and sources of all dependencies.
pub const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };
/// Runs libFuzzer targets.
pub const FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2" };
/// Measures which lines the tests reach.
pub const LLVM_COV: Tool = Tool { name: "cargo-llvm-cov", version: "0.9.1" };

impl Tool {
    /// The subcommand, ready for its arguments; installs it when it is missing or of another version.
    pub fn command(&self, workspace: &Workspace) -> Result<Command> {
        let folder = workspace.target.join("tools");
        let program = folder.join("bin").join(self.name);
        let installed = fs::read_to_string(folder.join(".crates.toml")).unwrap_or_default();
        if !program.is_file() || !installed.contains(&format!("\"{} {} (", self.name, self.version)) {
            println!("installing {} {}", self.name, self.version);
            let mut install = workspace.cargo(&["install", self.name, "--version", self.version]);
            install.args(["--locked", "--debug", "--root"]).arg(&folder).env_remove("CARGO_TARGET_DIR");
            run(&mut install).with_context(|| format!("cannot install {} {}", self.name, self.version))?;
        }
        let mut command = Command::new(program);
        command.arg(self.name.trim_start_matches("cargo-")).current_dir(&workspace.root);
        Ok(command)
    }
}

/// Makes sure that there is a C compiler: some crates build C.
pub fn ensure_c_compiler() -> Result<()> {
    ensure_program("cc", &["gcc", "libc6-dev"])
}

/// Makes sure that there is a C++ compiler: libFuzzer is C++.
pub fn ensure_cpp_compiler() -> Result<()> {
    ensure_program("c++", &["g++"])
}

/// Has network namespaces at hand where they can be had: without them, tests on several hosts say that they do nothing.
pub fn ensure_namespaces() {
    if let Err(error) = ensure_program_at("ip", "-V", &["iproute2"]) {
        println!("no network namespaces, so nothing is tested on several hosts: {error:#}");
    }
}

fn ensure_program(program: &str, debian_packages: &[&str]) -> Result<()> {
    ensure_program_at(program, "--version", debian_packages)
}

/// Has a program that succeeds with this one argument; installs Debian's packages where it does not and where we may.
pub fn ensure_program_at(program: &str, sign: &str, debian_packages: &[&str]) -> Result<()> {
    ensure_or_install(|| starts(program, sign), &format!("`{program}`"), debian_packages)
}

/// Has something; installs Debian's packages where it is missing and where we may.
pub fn ensure_or_install(is_there: impl Fn() -> bool, what: &str, debian_packages: &[&str]) -> Result<()> {
    if is_there() {
        return Ok(());
    }
    let wanted = debian_packages.join(" ");
    if !starts("apt-get", "--version") || !is_root() {
        bail!("{what} is missing; install it (on Debian: `apt-get install {wanted}`)");
    }
    println!("installing {wanted}");
    run(Command::new("apt-get").args(["update", "-q"]))?;
    run(Command::new("apt-get")
        .args(["install", "-y", "-q", "--no-install-recommends"])
        .args(debian_packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Whether the program can be started with this argument and succeeds.
pub fn starts(program: &str, argument: &str) -> bool {
    let status = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
