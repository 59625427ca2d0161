//! Colour, where it is wanted and can be shown.

use std::io::IsTerminal;

/// Whether there is colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Plain,
    Colour,
}

impl Ink {
    /// Colour for a terminal that can and a person who has not said no (no-color.org).
    pub fn of(stream: &impl IsTerminal) -> Self {
        let is_set = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let can = std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb");
        if stream.is_terminal() && !is_set && can { Self::Colour } else { Self::Plain }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }

    /// What it paints with, if text begins with that.
    pub fn colour_at(text: &str) -> Option<&str> {
        let rest = text.strip_prefix("\u{1b}[")?;
        let code = ["0", "1", "2", "32", "33", "1;31"]
            .into_iter()
            .find(|code| rest.strip_prefix(code).is_some_and(|rest| rest.starts_with('m')))?;
        text.get(.."\u{1b}[".len() + code.len() + 1)
    }

    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub fn warning(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }
}
