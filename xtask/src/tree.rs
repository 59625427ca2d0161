//! Which files belong to the repository: all below the root that `.gitignore` does not name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// All files below `root`, relative to it, sorted. Symbolic links are not followed.
///
/// Of `.gitignore` only whole directories (`/name/`) are understood: another pattern hides nothing from us,
/// which errs on the strict side.
pub fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(root, Path::new(""), &ignored(root), &mut found)?;
    found.sort();
    Ok(found)
}

fn ignored(root: &Path) -> BTreeSet<PathBuf> {
    let text = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.strip_prefix('/')?.strip_suffix('/'))
        .map(PathBuf::from)
        .chain([PathBuf::from(".git")])
        .collect()
}

fn walk(root: &Path, folder: &Path, ignored: &BTreeSet<PathBuf>, found: &mut Vec<PathBuf>) -> Result<()> {
    let place = root.join(folder);
    for entry in fs::read_dir(&place).with_context(|| format!("cannot list {}", place.display()))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_file() {
            found.push(path);
        } else if kind.is_dir() && entry.file_name() != "target" && !ignored.contains(&path) {
            walk(root, &path, ignored, found)?;
        }
    }
    Ok(())
}
