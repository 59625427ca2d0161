//! One broken rule at one place. `tidy` and `layers` both speak in findings, so a reader learns one format.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the root of the repository.
    pub path: PathBuf,
    /// The line, counted from one.
    pub line: usize,
    /// What is wrong, and in brackets why it matters.
    pub what: String,
}

impl Finding {
    /// A finding at a place.
    pub fn new(path: &Path, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.what)
    }
}

/// Prints the findings; any finding is a failure.
pub fn report(findings: &[Finding]) -> Result<()> {
    for finding in findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("one finding"),
        many => bail!("{many} findings"),
    }
}
