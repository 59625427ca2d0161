//! Follows `mod` declarations from a crate's roots, to know which files the compiler would read and which of
//! them only for tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::source::holds_only_in_tests;

/// The files under `src` of the package in `package`, relative to `root`; the value tells whether the file is
/// compiled outside tests.
pub fn reachable(root: &Path, package: &Path) -> Result<BTreeMap<PathBuf, bool>> {
    let mut found = BTreeMap::new();
    for file in roots(root, package)? {
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        follow(root, &file, &folder, true, &mut found)?;
    }
    Ok(found)
}

/// `lib.rs`, `main.rs`, `bin/*.rs`, `bin/*/main.rs` and the paths which the manifest names.
fn roots(root: &Path, package: &Path) -> Result<Vec<PathBuf>> {
    let src = package.join("src");
    let mut candidates = vec![src.join("lib.rs"), src.join("main.rs")];
    for entry in fs::read_dir(root.join(&src).join("bin")).into_iter().flatten() {
        let path = src.join("bin").join(entry?.file_name());
        candidates.push(path.join("main.rs"));
        candidates.push(path);
    }
    let manifest = fs::read_to_string(root.join(package).join("Cargo.toml"))?;
    let manifest: toml::Table =
        manifest.parse().with_context(|| format!("bad manifest in {}", package.display()))?;
    let bins = manifest.get("bin").and_then(|bins| bins.as_array()).into_iter().flatten();
    for target in manifest.get("lib").into_iter().chain(bins) {
        candidates.extend(target.get("path").and_then(|path| path.as_str()).map(|path| package.join(path)));
    }
    candidates.retain(|path| root.join(path).is_file());
    Ok(candidates)
}

/// `folder` is where the file's own `mod name;` look for their files.
fn follow(
    root: &Path,
    file: &Path,
    folder: &Path,
    is_product: bool,
    found: &mut BTreeMap<PathBuf, bool>,
) -> Result<()> {
    if found.get(file).is_some_and(|known| *known >= is_product) {
        return Ok(());
    }
    let text =
        fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {}", file.display()))?;
    let syntax = syn::parse_file(&text).with_context(|| format!("cannot parse {}", file.display()))?;
    let is_product = is_product && !attributes_are_test_only(&syntax.attrs);
    found.insert(file.to_owned(), is_product);
    descend(root, file, folder, &syntax.items, is_product, found)
}

fn descend(
    root: &Path,
    file: &Path,
    folder: &Path,
    items: &[syn::Item],
    is_product: bool,
    found: &mut BTreeMap<PathBuf, bool>,
) -> Result<()> {
    for item in items {
        let syn::Item::Mod(module) = item else { continue };
        let is_product = is_product && !attributes_are_test_only(&module.attrs);
        let below = folder.join(module.ident.to_string());
        if let Some((_, items)) = &module.content {
            descend(root, file, &below, items, is_product, found)?;
            continue;
        }
        let (candidates, below) = match explicit_path(&module.attrs) {
            Some(path) => {
                let path = file.with_file_name(path);
                let beside = path.parent().unwrap_or(Path::new("")).to_owned();
                (vec![path], beside)
            }
            None => (vec![below.with_extension("rs"), below.join("mod.rs")], below),
        };
        if let Some(next) = candidates.into_iter().find(|path| root.join(path).is_file()) {
            follow(root, &next, &below, is_product, found)?;
        }
    }
    Ok(())
}

fn attributes_are_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && holds_only_in_tests(list.tokens.clone()),
        _ => false,
    })
}

fn explicit_path(attributes: &[syn::Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    })
}
