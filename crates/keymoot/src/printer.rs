//! Where the answers of a command go: lines for people, one JSON object a line for programs, never both.

use std::io::{self, Write};

use serde_json::Value;

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
        if self.json { Ok(()) } else { put(&format!("{line}\n")) }
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
