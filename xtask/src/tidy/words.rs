//! Things which must not be written: promises without an owner, sleeping tests, tests that are not run, and
//! paths of somebody's machine.

use std::path::Path;

use super::Source;
use crate::finding::Finding;
use crate::source::{Scope, names};

// Put together here, so that this file does not find itself.
const PROMISES: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!")];
const MACHINE_PATHS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
const CHECKED_EXTENSIONS: [&str; 5] = ["rs", "md", "toml", "sh", "json"];

/// Rules about lines of text, comments included.
pub(super) fn lines(source: &Source, findings: &mut Vec<Finding>) {
    for (i, line) in source.text.lines().enumerate() {
        if let Some(promise) = PROMISES.iter().find(|promise| line.contains(**promise)) {
            let what = format!("`{promise}` (an open end belongs in the issue list, with an owner)");
            findings.push(Finding::new(&source.path, i + 1, what));
        }
        let fence = line.trim_start().strip_prefix("//").and_then(|comment| comment.split_once("```"));
        if fence.is_some_and(|(_, kind)| kind.split(',').any(|word| word.trim() == "ignore")) {
            findings.push(Finding::new(
                &source.path,
                i + 1,
                "an ignored doctest (an example that is not run lies)",
            ));
        }
    }
}

/// Rules about names in code.
pub(super) fn habits(source: &Source, findings: &mut Vec<Finding>) {
    for name in names(source.tokens.clone(), Scope::Everything) {
        if name.in_attribute && name.segments == ["ignore"] {
            findings.push(Finding::new(&source.path, name.line, "an ignored test (it proves nothing)"));
        }
        if name.segments.ends_with(&["thread".into(), "sleep".into()]) {
            let what = "`thread::sleep` (wait for an event, never for a while)";
            findings.push(Finding::new(&source.path, name.line, what));
        }
    }
}

/// Whether the file is text of ours which ends up with the reader.
pub(super) fn may_hold_machine_paths(path: &Path) -> bool {
    path.extension().is_some_and(|extension| CHECKED_EXTENSIONS.iter().any(|checked| extension == *checked))
}

/// Paths of a machine, in any text. In an address (`example.org/home/`) the same words are harmless.
pub(super) fn machine_paths(path: &Path, text: &str, findings: &mut Vec<Finding>) {
    for (i, line) in text.lines().enumerate() {
        let is_path = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~".contains(c));
        let mut places = MACHINE_PATHS.iter().flat_map(|needle| line.match_indices(needle));
        if let Some((_, needle)) = places.find(|(at, _)| is_path(*at)) {
            let what = format!("`{needle}` (a path of one machine means nothing on another)");
            findings.push(Finding::new(path, i + 1, what));
        }
    }
}
