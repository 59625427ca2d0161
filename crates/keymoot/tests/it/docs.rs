//! What the docs show is what happens: their commands run, and the README's transcript and exit codes are the binary's.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{must_print, run};

/// The pages at the root and all below these folders.
const FOLDERS: [&str; 3] = ["docs", "crates/protocol/spec", "crates/engine/spec"];
const SHELLS: [&str; 4] = ["sh", "bash", "shell", "console"];

/// One command line, and where it is written.
struct Shown {
    place: String,
    line: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("there is a README")
}

/// Pages directly in a folder, and the folders in it.
fn list(folder: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("a folder of the docs can be read");
    let paths: Vec<_> = entries.map(|entry| entry.expect("a folder can be listed").path()).collect();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    (files.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect(), folders)
}

fn pages() -> Vec<PathBuf> {
    let mut pages = list(&root()).0;
    let mut folders: Vec<_> = FOLDERS.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        let (files, deeper) = list(&folder);
        pages.extend(files);
        folders.extend(deeper);
    }
    pages
}

/// Every line of every shell block.
fn commands() -> Vec<Shown> {
    let mut found = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page is text");
        let name = page.strip_prefix(root()).expect("below the root").display().to_string();
        let mut is_shell = false;
        for (i, line) in text.lines().enumerate() {
            if let Some(kind) = line.trim_start().strip_prefix("```") {
                is_shell = SHELLS.contains(&kind.trim());
            } else if is_shell && !line.trim().is_empty() {
                found.push(Shown { place: format!("{name}:{}", i + 1), line: line.trim().to_owned() });
            }
        }
    }
    found
}

#[test]
fn every_command_that_the_docs_show_runs() {
    let mut runs = 0;
    for Shown { place, line } in commands() {
        let is_plain = line.chars().all(|c| c.is_ascii_alphanumeric() || " -_./=:,".contains(c));
        assert!(is_plain, "{place}: `{line}` needs a shell, and this test is none");
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["cargo", "run", "--release", "--", "demo" | "up", ..] => {
                // They stay until they are ended; the test of the demo itself runs one.
                assert!(run(&["demo", "--help"]).status.success());
            }
            ["cargo", "run", "--release", "--", ref arguments @ ..] => {
                let output = run(arguments);
                let complaints = String::from_utf8_lossy(&output.stderr);
                let is_good = output.status.success() && !output.stdout.is_empty();
                assert!(is_good, "{place}: `{line}` ends with {}: {complaints}", output.status);
                runs += 1;
            }
            // They need a cluster. Asked for help in the end, the program still refuses what it cannot parse before that.
            ["keymoot", ref arguments @ ..] => {
                let output = run(&[arguments, &["--help"]].concat());
                let complaints = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{place}: `{line}` cannot be typed: {complaints}");
            }
            // Parsed by a test of `xtask`, of which these are the chores.
            ["cargo", "xtask", _, ..] | ["git" | "rustup", ..] => {}
            _ => panic!("{place}: no test knows how to run `{line}`"),
        }
    }
    assert!(runs > 0, "no command was found in the docs: is the scanner broken?");
}

#[test]
fn the_guide_lists_the_bugs_that_can_be_planted() {
    let guide = fs::read_to_string(root().join("docs/guide/simulator.md")).expect("there is a guide");
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let names = rows.map(|(name, _)| name).filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()));
    let listed: Vec<&str> = names.collect();
    let known: Vec<String> = keymoot_sim::Bug::ALL.iter().map(|bug| format!("{bug:?}")).collect();
    assert_eq!(listed, known);
}

/// A line without what differs from run to run: numbers, and whatever is as long as a key.
fn without_chance(line: &str) -> String {
    let word = |word: &str| {
        let is_key = word.len() >= 32 && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let digits = |c: char| if c.is_ascii_digit() { '#' } else { c };
        let mut word: Vec<char> = if is_key { vec!['#'] } else { word.chars().map(digits).collect() };
        word.dedup_by(|next, before| *next == '#' && *before == '#');
        word.into_iter().collect::<String>()
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_transcript_in_the_readme_is_what_the_lab_prints() {
    let readme = readme();
    let (_, block) = readme.split_once("<!-- lab transcript -->\n```text\n").expect("a marked transcript");
    let (block, _) = block.split_once("\n```").expect("its end");
    let printed: Vec<String> = must_print(&["lab"]).lines().map(without_chance).collect();
    let shown: Vec<&str> = block.lines().collect();
    assert!((10..=45).contains(&shown.len()), "a transcript of {} lines", shown.len());
    let mut rest = &printed[..];
    for piece in shown.split(|line| line.trim() == "...").filter(|piece| !piece.is_empty()) {
        let wanted: Vec<String> = piece.iter().map(|line| without_chance(line)).collect();
        let Some(at) = rest.windows(wanted.len()).position(|lines| lines == wanted) else {
            panic!("the lab does not print this, in one piece and here:\n{}", piece.join("\n"))
        };
        rest = &rest[at + wanted.len()..];
    }
}

/// The number before each reason.
fn codes<'a>(reasons: impl Iterator<Item = &'a str>) -> Vec<u8> {
    reasons.map_while(|reason| reason.split_whitespace().next()?.parse().ok()).collect()
}

#[test]
fn the_exit_codes_in_the_readme_are_those_of_the_help() {
    let (readme, help) = (readme(), must_print(&["lab", "--help"]));
    let (_, told) = readme.split_once("Exit codes: ").expect("exit codes in the README");
    let (told, _) = told.split_once("\n\n").expect("their paragraph ends");
    let (_, known) = help.split_once("Exit codes:\n").expect("exit codes in the help");
    let known = codes(known.lines());
    assert_eq!(codes(told.split(';')), known);
    assert_eq!(known.first(), Some(&0));
}

#[test]
fn the_configuration_reference_is_generated_from_the_table_of_keys() {
    let page = fs::read_to_string(root().join("docs/guide/configuration.md")).expect("there is a reference");
    assert_eq!(page, must_print(&["config", "reference"]), "print it again with `keymoot config reference`");
}

/// Every fenced block of a page: its kind, a newline, and what it holds.
fn blocks(page: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(page)).expect("a page is text");
    let pieces: Vec<&str> = text.split("\n```").collect();
    assert!(pieces.len() % 2 == 1, "{page}: a block does not end");
    pieces.into_iter().skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_chinese_pages_show_the_same_commands() {
    let pairs = [
        ("README.md", "README.zh-CN.md"),
        ("docs/guide/embedded.md", "docs/zh-CN/embedded.md"),
        ("docs/guide/three-hosts.md", "docs/zh-CN/three-hosts.md"),
    ];
    for (english, chinese) in pairs {
        let wanted = blocks(english);
        assert!(!wanted.is_empty(), "{english}: no block was found: is the scanner broken?");
        assert_eq!(blocks(chinese), wanted, "{chinese} shows something else than {english}");
    }
}
