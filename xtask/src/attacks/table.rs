//! Reads the rows of the attack table from its Markdown.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};

/// The ids in the table.
#[derive(Debug, Default)]
pub struct Table {
    /// Rows which must have a passing test, in the order of the file.
    pub covered: Vec<String>,
    /// Rows which wait for machinery that is not built.
    pub later: Vec<String>,
}

#[derive(Clone, Copy)]
enum Part {
    Covered,
    Later,
}

impl Table {
    /// Reads both parts. A row without a proper id is an error: it would silently not be counted.
    pub fn read(markdown: &str) -> Result<Self> {
        let mut table = Self::default();
        let mut part: Option<(Part, usize)> = None;
        let lines: Vec<&str> = markdown.lines().map(str::trim).collect();
        for (i, line) in lines.iter().enumerate() {
            if let Some(level) = heading_level(line) {
                part = match part {
                    _ if line.contains("Covered rows") => Some((Part::Covered, level)),
                    _ if line.contains("Rows for later machinery") => Some((Part::Later, level)),
                    Some((_, above)) if level <= above => None,
                    inside => inside,
                };
            }
            let (Some((part, _)), Some(cell)) = (part, first_cell(line)) else { continue };
            let is_header = lines.get(i + 1).and_then(|next| first_cell(next)).is_some_and(is_rule);
            if is_rule(cell) || is_header {
                continue;
            }
            ensure!(is_id(cell), "line {}: `{cell}` is not an id such as S01", i + 1);
            match part {
                Part::Covered => table.covered.push(cell.to_owned()),
                Part::Later => table.later.push(cell.to_owned()),
            }
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = table.covered.iter().chain(&table.later).find(|id| !seen.insert(*id)) {
            bail!("{twice} is listed twice");
        }
        ensure!(!table.covered.is_empty(), "no row under a heading with the words `Covered rows`");
        Ok(table)
    }
}

/// A capital letter and two digits.
pub fn is_id(text: &str) -> bool {
    matches!(text.as_bytes(), [b'A'..=b'Z', b'0'..=b'9', b'0'..=b'9'])
}

fn heading_level(line: &str) -> Option<usize> {
    let level = line.len() - line.trim_start_matches('#').len();
    (level > 0 && line[level..].starts_with(' ')).then_some(level)
}

fn first_cell(line: &str) -> Option<&str> {
    line.strip_prefix('|')?.split('|').next().map(str::trim)
}

/// The line between a table's header and its body.
fn is_rule(cell: &str) -> bool {
    cell.contains('-') && cell.chars().all(|c| matches!(c, '-' | ':' | ' '))
}
