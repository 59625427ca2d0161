//! Where the answers of a command go: lines for people, one JSON object a line for programs, never both.

use std::io::{self, Write};

use serde_json::Value;

use crate::facts::text::visible;
use crate::failure::Failure;
use crate::ink::Ink;

/// Standard output, as one command uses it.
pub struct Printer {
    /// Programs read it.
    pub json: bool,
    /// How people read it.
    pub ink: Ink,
}

impl Printer {
    /// For standard output.
    pub fn new(json: bool) -> Self {
        let ink = if json { Ink::Plain } else { Ink::of(&io::stdout()) };
        Self { json, ink }
    }

    /// A line for people. Programs do not get it.
    pub fn line(&self, line: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { put(&format!("{}\n", tame(line))) }
    }

    /// An object for programs. People do not get it.
    pub fn object(&self, object: &Value) -> Result<(), Failure> {
        if self.json { put(&format!("{object}\n")) } else { Ok(()) }
    }

    /// One or the other.
    pub fn either(&self, object: &Value, lines: &[String]) -> Result<(), Failure> {
        self.object(object)?;
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// Text that is the answer itself, as a page or a script.
    pub fn raw(&self, text: &str) -> Result<(), Failure> {
        put(text)
    }
}

fn put(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)
}

/// A line with nothing in it that commands a terminal or turns the line around, but the colours that we give ourselves:
/// names and reasons are written by others.
pub fn tame(line: &str) -> String {
    let mut tamed = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if let Some(colour) = Ink::colour_at(rest) {
            tamed.push_str(colour);
            rest = rest.get(colour.len()..).unwrap_or_default();
            continue;
        }
        let (one, others) = rest.split_at(first.len_utf8());
        if first == '\n' {
            tamed.push('\n')
        } else {
            tamed.push_str(&visible(one))
        }
        rest = others;
    }
    tamed
}

/// Lines of at most so many characters, but for words that are longer.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::tame;
    use crate::ink::Ink;

    #[test]
    fn only_our_own_colours_reach_a_terminal() {
        let ours =
            Ink::Colour.bad("✗ node-1") + &Ink::Colour.warning("ü 你好") + "\n" + &Ink::Colour.good("✓");
        assert_eq!(tame(&ours), ours);
        let theirs = "id\u{1b}[2K\u{1b}]52;c;eA==\u{7}\u{1b}[8m \r\u{202e}x\u{9b}31m\u{1b}";
        let told = tame(theirs);
        assert!(told.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{told}");
        assert!(
            told.contains("\\u{1b}[2K") && told.ends_with("\\u{1b}"),
            "it is shown what there was: {told}"
        );
    }
}
