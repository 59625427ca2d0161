//! What the lock files promise.

use super::*;

fn lock(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    fs::read_to_string(root.join(FOLDER).join(name)).expect("a lock file")
}

#[test]
fn what_is_installed_from_npm_is_fixed_by_hashes_and_comes_from_anywhere() {
    let lock: serde_json::Value = serde_json::from_str(&lock(NPM_LOCK)).expect("JSON");
    let packages = lock["packages"].as_object().expect("packages");
    assert!(packages.len() > 10, "the lock has lost its packages");
    for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
        let integrity = package["integrity"].as_str().unwrap_or_default();
        assert!(integrity.starts_with("sha512-"), "{name} has no hash");
        assert!(package.get("resolved").is_none(), "{name} names the place where somebody got it");
    }
}

#[test]
fn what_is_asked_of_npm_is_a_version_and_no_range() {
    let manifest: serde_json::Value = serde_json::from_str(&lock("package.json")).expect("JSON");
    let asked = manifest["dependencies"].as_object().expect("dependencies");
    assert!(!asked.is_empty());
    for (name, version) in asked {
        let version = version.as_str().unwrap_or_default();
        let is_exact = version.split('.').all(|part| part.parse::<u32>().is_ok());
        assert!(is_exact, "{name} is asked for as `{version}`");
    }
}

#[test]
fn what_is_installed_from_pypi_is_fixed_by_versions_and_hashes() {
    let text = lock(PIP_LOCK);
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.is_empty()).collect();
    let (hashes, packages): (Vec<&str>, Vec<&str>) =
        lines.into_iter().partition(|line| line.starts_with("    --hash=sha256:"));
    assert!(packages.len() > 3 && hashes.len() >= packages.len(), "{packages:?}");
    for line in &packages {
        assert!(line.contains("==") && line.ends_with('\\'), "`{line}` has no version or no hash");
    }
    assert!(!text.contains("://"), "the lock names the place where somebody got it");
}

#[test]
fn a_folder_is_current_only_for_the_lock_that_filled_it() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(!is_current(folder.path(), "one"), "nothing was installed");
    finish(folder.path(), "one").expect("a stamp");
    assert!(is_current(folder.path(), "one"));
    assert!(!is_current(folder.path(), "two"), "the lock has changed");
}
