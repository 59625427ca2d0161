//! A trouble that has a page: one line, what belongs to it, what did not happen, what to do.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::explain::{self, Page};
use crate::facts::text::visible;
use crate::printer::wrap;

/// What went wrong, ready to be told. Small, because it is on the way of every result.
#[derive(Debug)]
pub struct Trouble(Box<Told>);

#[derive(Debug)]
struct Told {
    code: &'static str,
    exit: u8,
    what: String,
    branches: Vec<String>,
    undone: Option<String>,
    help: Option<String>,
    request: Option<String>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Trouble {
    /// Something with a page of this program.
    pub fn new(page: &'static Page, what: impl Into<String>) -> Self {
        Self::coded(page.code, page.exit, what)
    }

    /// Something whose page is elsewhere.
    pub fn coded(code: &'static str, exit: u8, what: impl Into<String>) -> Self {
        Self(Box::new(Told {
            code,
            exit,
            what: what.into(),
            branches: Vec::new(),
            undone: None,
            help: None,
            request: None,
            cause: None,
        }))
    }

    /// A line below the first, of what belongs to it.
    pub fn branch(mut self, line: impl Into<String>) -> Self {
        self.0.branches.push(line.into());
        self
    }

    /// What did not happen.
    pub fn undone(mut self, line: impl Into<String>) -> Self {
        self.0.undone = Some(line.into());
        self
    }

    /// The same, unless it is said already.
    pub fn or_undone(self, line: &str) -> Self {
        if self.0.undone.is_some() { self } else { self.undone(line) }
    }

    /// What to do.
    pub fn help(mut self, line: impl Into<String>) -> Self {
        self.0.help = Some(line.into());
        self
    }

    /// The request that it is about.
    pub fn request(mut self, id: impl Into<String>) -> Self {
        self.0.request = Some(id.into());
        self
    }

    /// Why.
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The code.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// With which code the program ends.
    pub fn exit_code(&self) -> u8 {
        self.0.exit
    }

    /// What to do, where that is said of this very trouble.
    pub fn own_help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The line with its causes.
    fn sentence(&self) -> String {
        let mut line = one_line(&self.0.what);
        let mut cause: Option<&(dyn Error + 'static)> = self.0.cause.as_deref().map(|cause| cause as _);
        while let Some(error) = cause {
            let text = one_line(&error.to_string());
            // Libraries repeat their sources in their own text.
            if !line.ends_with(&text) {
                line = format!("{line}: {text}");
            }
            cause = error.source();
        }
        line
    }

    /// Tells it to a person.
    pub fn report(&self, paint: impl Fn(&str) -> String, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}: {}", paint(&format!("error[{}]", self.0.code)), self.sentence())?;
        for line in &self.0.branches {
            writeln!(out, "  ├ {}", one_line(line))?;
        }
        if let Some(line) = &self.0.undone {
            note(out, line)?;
        }
        if let Some(line) =
            self.0.help.as_deref().or_else(|| explain::own(self.0.code).map(|page| page.remedy))
        {
            note(out, &format!("help: {line}"))?;
        }
        writeln!(out, "  = more: keymoot explain {}", self.0.code)
    }

    /// Tells it to a program.
    pub fn document(&self) -> Value {
        json!({
            "schema": "keymoot/error/v1",
            "code": self.0.code,
            "exit": self.0.exit,
            "what": self.sentence(),
            "details": self.0.branches,
            "undone": self.0.undone,
            "help": self.0.help.as_deref().or_else(|| explain::own(self.0.code).map(|page| page.remedy)),
            "request": self.0.request,
        })
    }
}

/// A note below the tree, in lines that fit a terminal.
fn note(out: &mut impl Write, text: &str) -> io::Result<()> {
    for (i, line) in wrap(&one_line(text), 76).iter().enumerate() {
        writeln!(out, "{}{line}", if i == 0 { "  = " } else { "    " })?;
    }
    Ok(())
}

/// What others wrote cannot break the line, or colour it.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '\n' | '\t' | '\r' => line.push(' '),
            c => line.push_str(&visible(c.encode_utf8(&mut [0; 4]))),
        }
    }
    line
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)
    }
}

impl Error for Trouble {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::Trouble;
    use crate::explain::{CONFIG_KEY, FILES};

    fn told(trouble: &Trouble) -> String {
        let mut out = Vec::new();
        trouble.report(str::to_owned, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_trouble_is_a_line_a_tree_what_did_not_happen_and_what_to_do() {
        let trouble = Trouble::new(CONFIG_KEY, "there is no key `listn`")
            .branch("line 3 of keymoot.toml")
            .undone("nothing was started")
            .help("did you mean `listen`?");
        assert_eq!(
            told(&trouble),
            "error[E2301]: there is no key `listn`\n  ├ line 3 of keymoot.toml\n  = nothing was started\n  \
             = help: did you mean `listen`?\n  = more: keymoot explain E2301\n"
        );
    }

    #[test]
    fn the_help_of_the_page_stands_in_and_causes_stay_on_the_line() {
        let trouble =
            Trouble::new(FILES, "`x` cannot be written").because(std::io::Error::other("no\n\u{1b}[31mway"));
        let text = told(&trouble);
        assert!(
            text.starts_with("error[E7406]: `x` cannot be written: no \\u{1b}[31mway\n  = help: Check owner")
        );
    }
}
