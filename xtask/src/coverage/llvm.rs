//! Finds LLVM's coverage tools of the major version that rustc was built with: profiles of another major
//! cannot be read.
//!
//! When the machine has none, they come from a newer Debian suite by the machine's own mirror, with an apt
//! state of our own: nothing of the system is changed, and the programs run with the libraries beside them.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace::{Workspace, read, run};

const PROGRAMS: [&str; 2] = ["llvm-cov", "llvm-profdata"];
const SUITE: &str = "trixie";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A folder which holds both programs in the right version.
pub fn find(workspace: &Workspace) -> Result<PathBuf> {
    let version = rustc(&["-vV"])?;
    let field = |name: &str| version.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let llvm = field("LLVM version:").context("rustc does not name its LLVM version")?;
    let major = llvm.split('.').next().unwrap_or(llvm);
    let host = field("host:").context("rustc does not name its host")?;

    let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
    let ours = workspace.target.join("tools/llvm");
    let mut folders = vec![
        sysroot.join("lib/rustlib").join(host).join("bin"),
        format!("/usr/lib/llvm-{major}/bin").into(),
        ours.join("bin"),
    ];
    folders.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    if let Some(folder) = folders.into_iter().find(|folder| fits(folder, major)) {
        return Ok(folder);
    }
    println!("fetching the tools of LLVM {major} from Debian {SUITE}");
    fetch(&ours, major)
        .with_context(|| format!("cannot fetch the tools of LLVM {major}; install llvm-{major}"))?;
    let folder = ours.join("bin");
    ensure!(fits(&folder, major), "the fetched tools of LLVM {major} do not run");
    Ok(folder)
}

fn rustc(arguments: &[&str]) -> Result<String> {
    read(Command::new(env::var_os("RUSTC").unwrap_or("rustc".into())).args(arguments))
}

fn fits(folder: &Path, major: &str) -> bool {
    let wanted = format!("LLVM version {major}.");
    PROGRAMS.iter().all(|program| {
        let output = Command::new(folder.join(program)).arg("--version").output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&wanted))
    })
}

fn fetch(folder: &Path, major: &str) -> Result<()> {
    let apt = folder.join("apt");
    for part in ["state/lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(part))?;
    }
    fs::write(apt.join("status"), "")?;
    let mirror = debian_mirror()?;
    fs::write(apt.join("sources.list"), format!("deb [signed-by={KEYRING}] {mirror} {SUITE} main\n"))?;
    let apt_get = || {
        let mut command = Command::new("apt-get");
        for (key, place) in [
            ("Dir::Etc::sourcelist", apt.join("sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null".into()),
            ("Dir::State", apt.join("state")),
            ("Dir::State::status", apt.join("status")),
            ("Dir::Cache", apt.join("cache")),
        ] {
            command.arg("-o").arg(format!("{key}={}", place.display()));
        }
        command.arg("-q");
        command
    };
    run(apt_get().arg("update"))?;
    run(apt_get()
        .args(["-y", "--download-only", "--no-install-recommends", "-t", SUITE, "install", "libc6"])
        .arg(format!("llvm-{major}")))?;
    let root = folder.join("root");
    for package in fs::read_dir(apt.join("cache/archives"))? {
        let package = package?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&root))?;
        }
    }
    write_wrappers(folder, &root, major)?;
    fs::remove_dir_all(apt).context("cannot remove the downloads")
}

/// The tools need the C library of their own suite, so each is started by that suite's loader.
fn write_wrappers(folder: &Path, root: &Path, major: &str) -> Result<()> {
    let (triplet, loader) = loader(&root.join("usr/lib"))?;
    fs::create_dir_all(folder.join("bin"))?;
    for program in PROGRAMS {
        let wrapper = folder.join("bin").join(program);
        let script = format!(
            "#!/bin/sh\nlib=$(dirname \"$0\")/../root/usr/lib\nexec \"$lib/{triplet}/{loader}\" \
             --library-path \"$lib/{triplet}:$lib/llvm-{major}/lib\" \"$lib/llvm-{major}/bin/{program}\" \"$@\"\n"
        );
        fs::write(&wrapper, script)?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// The folder of this architecture below `usr/lib`, and the loader in it.
fn loader(lib: &Path) -> Result<(String, String)> {
    for folder in fs::read_dir(lib)? {
        let folder = folder?;
        for file in fs::read_dir(folder.path()).into_iter().flatten() {
            let file = file?.file_name().to_string_lossy().into_owned();
            if file.starts_with("ld-linux") {
                return Ok((folder.file_name().to_string_lossy().into_owned(), file));
            }
        }
    }
    anyhow::bail!("libc6 brought no loader")
}

/// The Debian archive this machine already uses.
fn debian_mirror() -> Result<String> {
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten();
    let mut files: Vec<PathBuf> = parts.filter_map(|part| Some(part.ok()?.path())).collect();
    files.push("/etc/apt/sources.list".into());
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    texts.filter_map(|text| mirror_in(&text)).next().context("no Debian archive among the apt sources")
}

/// The first address in either format of apt sources which is a main archive: it ends in `/debian`.
fn mirror_in(sources: &str) -> Option<String> {
    let lines = sources.lines().filter(|line| line.starts_with("URIs:") || line.starts_with("deb "));
    let mut words = lines.flat_map(str::split_whitespace).map(|word| word.trim_end_matches('/'));
    words.find(|word| word.contains("://") && word.ends_with("/debian")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_read_from_both_formats() {
        let new = "Types: deb\nURIs: http://mirror.example/debian/\nSuites: bookworm\n";
        let old = "# deb http://not.example/debian x main\ndeb [arch=amd64] http://mirror.example/debian bookworm main\n";
        assert_eq!(mirror_in(new).as_deref(), Some("http://mirror.example/debian"));
        assert_eq!(mirror_in(old).as_deref(), Some("http://mirror.example/debian"));
        assert_eq!(mirror_in("URIs: http://mirror.example/debian-security"), None);
    }
}
