//! How the binary fails: one code for each cause, one exit code for each kind of cause.
//!
//! Codes are for ever: E2xxx the request (E22xx a run to be replayed, E23xx configuration, E24xx the ceremony, E25xx
//! what a process keeps, E26xx where a command goes, E27xx what is to be signed, E28xx the
//! signer for Ethereum), E5xxx who is not reachable, E7xxx keymoot itself, E74xx the machine it runs on. [`crate::explain`] has a page for each.

mod trouble;

use std::error::Error;
use std::fmt;
use std::io::{self, Write};

use keymoot_protocol::abort::Abort;
use keymoot_protocol::session::Refusal;
use keymoot_types::{Party, ThresholdError};
use serde_json::{Value, json};

pub use trouble::Trouble;

/// The code of the refusal to sign with fewer than the threshold.
pub const NOT_ENOUGH_SIGNERS: &str = "E2104";

/// The code of what waits for moduli.
pub const MODULI_MISSING: &str = "E2108";

/// Why the program did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What has more to tell than a line.
    #[error(transparent)]
    Trouble(Trouble),
    /// No such threshold.
    #[error(transparent)]
    Threshold(#[from] ThresholdError),
    /// No such number.
    #[error("`{option}` takes a whole number from 2 to 32, not `{given}`")]
    Number {
        /// As typed.
        option: &'static str,
        /// As typed, with control characters escaped.
        given: String,
    },
    /// No such scheme.
    #[error("{0}, or all of them with `all`")]
    Scheme(keymoot_types::UnknownScheme),
    /// No such value.
    #[error("`{option}` takes {takes}, not `{given}`")]
    Option {
        /// As typed.
        option: &'static str,
        /// In words.
        takes: &'static str,
        /// As typed, with control characters escaped.
        given: String,
    },
    /// Nobody of that name.
    #[error(transparent)]
    Nobody(keymoot_sim::world::show::Nobody),
    /// A file that is not there, or that we may not read.
    #[error("the run in `{path}` cannot be read")]
    Unreadable {
        /// As typed.
        path: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A file that holds something else.
    #[error("`{path}` cannot be replayed")]
    BadRun {
        /// As typed.
        path: String,
        /// Why.
        #[source]
        cause: keymoot_sim::replay::BadRun,
    },
    /// A run that is another one by now.
    #[error("the run comes out differently than the file says: then {then}; now {now}")]
    Drifted {
        /// What the file says.
        then: String,
        /// What happens.
        now: String,
    },
    /// A session that had every reason to succeed did not.
    #[error("{what} ended without a result at {who}")]
    Aborted {
        /// What was being done.
        what: &'static str,
        /// Whose session it was.
        who: Who,
        /// How it ended.
        #[source]
        abort: Abort,
    },
    /// Somebody dropped honest mail.
    #[error("{who} dropped mail of an honest party during {what}")]
    Dropped {
        /// What was being done.
        what: &'static str,
        /// Who dropped it.
        who: Who,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// A signature that an independent library refuses.
    #[error("{verifier} refuses the signature that {signers} made")]
    Unverified {
        /// The library.
        verifier: &'static str,
        /// The signers, in words.
        signers: String,
    },
    /// A promise of our own is broken.
    #[error("{0}")]
    Broken(&'static str),
    /// A checked input was refused.
    #[error("{what}")]
    Bug {
        /// What could not be done.
        what: &'static str,
        /// Why.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The output went nowhere.
    #[error("the output could not be written")]
    Output(#[source] io::Error),
    /// The operating system gave no randomness.
    #[error("the operating system gives no randomness, without which no key is safe")]
    Randomness(#[source] rand::Error),
}

/// A party, or the one without a share that asks for signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who(pub Option<Party>);

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(party) => party.fmt(f),
            None => f.write_str("the aggregator"),
        }
    }
}

impl Failure {
    /// A defect, from an error that a checked input cannot cause.
    pub fn bug<E: Error + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |cause| Self::Bug { what, cause: Box::new(cause) }
    }

    /// The code that people search for.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Trouble(trouble) => trouble.code(),
            Self::Threshold(_)
            | Self::Number { .. }
            | Self::Scheme(_)
            | Self::Option { .. }
            | Self::Nobody(_) => "E2001",
            Self::Unreadable { .. } => "E2201",
            Self::BadRun { .. } => "E2202",
            Self::Drifted { .. } => "E2204",
            Self::Aborted { .. } | Self::Dropped { .. } => "E7001",
            Self::Unverified { .. } => "E7002",
            Self::Broken(_) | Self::Bug { .. } => "E7003",
            Self::Output(_) => "E7401",
            Self::Randomness(_) => "E7402",
        }
    }

    /// The exit code that programs look at, as `--help` documents it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Trouble(trouble) => trouble.exit_code(),
            Self::Threshold(_)
            | Self::Number { .. }
            | Self::Scheme(_)
            | Self::Option { .. }
            | Self::Nobody(_)
            | Self::Unreadable { .. }
            | Self::BadRun { .. } => 2,
            Self::Drifted { .. } => 1,
            Self::Aborted { .. }
            | Self::Dropped { .. }
            | Self::Unverified { .. }
            | Self::Broken(_)
            | Self::Bug { .. } => 70,
            Self::Output(_) if self.is_reader_gone() => 0,
            Self::Output(_) | Self::Randomness(_) => 74,
        }
    }

    /// Whether whoever read our output had seen enough, as `head` does. That is their right, and no error.
    fn is_reader_gone(&self) -> bool {
        matches!(self, Self::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What to do, where it does not follow from what happened.
    fn advice(&self) -> Option<&'static str> {
        match self {
            _ if self.exit_code() == 70 => {
                Some("this is a defect of keymoot and not of what you typed; please report it")
            }
            Self::Unreadable { .. } | Self::BadRun { .. } => {
                Some("`cargo xtask sim` leaves a file for each run that breaks a promise, and names it")
            }
            Self::Drifted { .. } => {
                Some("the code has changed since the file was written; the build that wrote it replays it")
            }
            _ => None,
        }
    }

    /// Says what happened: one line, and one more if there is something to be done.
    pub fn report(&self, paint: impl Fn(&str) -> String, out: &mut impl Write) -> io::Result<()> {
        if self.is_reader_gone() {
            return Ok(());
        }
        if let Self::Trouble(trouble) = self {
            return trouble.report(paint, out);
        }
        write!(out, "{}: {self}", paint(&format!("error[{}]", self.code())))?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(out, ": {error}")?;
            cause = error.source();
        }
        writeln!(out)?;
        if let Some(advice) = self.advice() {
            writeln!(out, "  = {advice}")?;
        }
        Ok(())
    }

    /// Says what happened to a program: one JSON object.
    pub fn document(&self) -> Option<Value> {
        if self.is_reader_gone() {
            return None;
        }
        if let Self::Trouble(trouble) = self {
            return Some(trouble.document());
        }
        let (mut what, mut cause) = (self.to_string(), self.source());
        while let Some(error) = cause {
            what = format!("{what}: {error}");
            cause = error.source();
        }
        Some(json!({
            "schema": "keymoot/error/v1",
            "code": self.code(),
            "exit": self.exit_code(),
            "what": what,
            "details": [],
            "undone": null,
            "help": self.advice(),
            "request": null,
        }))
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(failure: &Failure) -> String {
        let mut out = Vec::new();
        failure.report(str::to_owned, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_abort_is_our_defect_and_names_party_and_cause() {
        let abort = Abort::Bug("a clock went backwards");
        let failure =
            Failure::Aborted { what: "key generation", who: Who(Some(Party::new(2).unwrap())), abort };
        assert_eq!(failure.exit_code(), 70);
        assert_eq!(
            told(&failure).lines().next().unwrap(),
            "error[E7001]: key generation ended without a result at party 2: defect in keymoot: a clock went backwards"
        );
    }

    #[test]
    fn a_full_disk_is_told_and_a_reader_that_leaves_is_not() {
        let full = Failure::Output(io::Error::other("no space left"));
        assert_eq!((full.exit_code(), full.code()), (74, "E7401"));
        assert_eq!(told(&full), "error[E7401]: the output could not be written: no space left\n");
        let gone = Failure::Output(io::ErrorKind::BrokenPipe.into());
        assert_eq!((gone.exit_code(), told(&gone)), (0, String::new()));
    }
}
