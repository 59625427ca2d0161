//! The transcript in the README, typed into a terminal.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use keymoot_e2e::process::{Process, Said, binary};

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A line without what differs from run to run: numbers, names of folders, and whatever is as long as a key.
fn without_chance(line: &str) -> String {
    let word = |word: &str| {
        let is_long = word.len() >= 20 && word.chars().all(|c| c.is_ascii_alphanumeric());
        if is_long || word.contains("keymoot-demo-") || word.starts_with("(req_") {
            return "#".to_owned();
        }
        let mut word: Vec<char> = word.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
        word.dedup_by(|next, before| *next == '#' && *before == '#');
        word.into_iter().collect()
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// The commands of the README, each with the pieces that it has to print, in order.
fn transcript() -> Vec<(String, Vec<Vec<String>>)> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("there is a README");
    let (_, block) = readme.split_once("<!-- demo transcript -->\n```text\n").expect("a marked transcript");
    let (block, _) = block.split_once("\n```").expect("its end");
    let mut commands: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push((command.to_owned(), vec![Vec::new()]));
        } else if let Some((_, pieces)) = commands.last_mut() {
            if line.trim() == "..." {
                pieces.push(Vec::new());
            } else if let Some(piece) = pieces.last_mut() {
                piece.push(without_chance(line));
            }
        }
    }
    commands
}

/// A command in a terminal of its own.
fn in_a_terminal(line: &str, home: &Path) -> (Process, Said) {
    let words = line.strip_prefix("keymoot ").expect("a command of ours");
    let program = binary().expect("it is built");
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-f", "-c"]).arg(format!("{} {words}", program.display())).arg("/dev/null");
    command.current_dir(home).env("HOME", home).env("XDG_RUNTIME_DIR", home).env("XDG_CONFIG_HOME", home);
    command.env("TERM", "xterm").env("NO_COLOR", "1").env("KEYMOOT_CTX", "demo").env("TMPDIR", home);
    let said = Said::default();
    (Process::start(line, command, &said).expect("a terminal"), said)
}

fn must_print(line: &str, said: &str, pieces: &[Vec<String>]) {
    let printed: Vec<String> = said.lines().map(without_chance).collect();
    let mut rest = &printed[..];
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        let Some(at) = rest.windows(piece.len()).position(|lines| lines == piece) else {
            panic!("`{line}` does not print this, in one piece and here:\n{}\nbut:\n{said}", piece.join("\n"))
        };
        rest = &rest[at + piece.len()..];
    }
}

#[test]
fn the_transcript_in_the_readme_is_what_a_terminal_shows() {
    let _alone = crate::alone();
    let home = tempfile::tempdir().expect("a home");
    let commands = transcript();
    assert!(commands.len() >= 8, "the README has lost its transcript");
    let ((first, pieces), rest) = commands.split_first().expect("a first command");
    let (mut demo, said) = in_a_terminal(first, home.path());
    said.wait_for("what to try", PATIENCE, |line| line.contains("Ctrl-C ends this one"))
        .expect("it is ready");
    must_print(first, &said.text(), pieces);
    for (line, pieces) in rest {
        let (mut process, said) = in_a_terminal(line, home.path());
        process.ended(PATIENCE).expect("it ends");
        let last = pieces.iter().flatten().last().cloned().unwrap_or_default();
        // The terminal may be read a little later than the command ends.
        let is_last = |line: &str| without_chance(line) == last;
        said.wait_for(&format!("the end of `{line}`"), Duration::from_secs(5), is_last).expect("it is there");
        must_print(line, &said.text(), pieces);
    }
    demo.type_in("\u{3}").expect("it listens");
    demo.ended(PATIENCE).expect("it ends");
}
