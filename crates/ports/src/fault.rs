//! Why a port did not do as it was told, sorted by what the caller does next.

use std::error::Error;
use std::sync::Arc;

/// What an adapter knows about the reason. It is a source of the fault and never part of its text.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// A verb failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// The world's fault: it does not answer. Whether anything happened is unknown. Retry later.
    #[error("cannot be reached now")]
    Unavailable {
        /// What the adapter saw.
        #[source]
        cause: Option<Cause>,
    },
    /// A place with a bound is full: a disk, a queue, a table. Nothing happened. Retry when there is room again.
    #[error("there is no room left")]
    Full,
    /// What is stored is not what was written. No retry helps: stop, and call a person.
    #[error("{what} is corrupt")]
    Corrupt {
        /// What is corrupt.
        what: &'static str,
        /// Where, and how it was noticed.
        #[source]
        cause: Option<Cause>,
    },
    /// The caller's fault: against the rules of the port. Nothing happened, and a retry is refused again.
    #[error("refused: {0}")]
    Refused(&'static str),
}

impl Fault {
    /// The world does not answer, for no known reason.
    #[must_use]
    pub const fn unavailable() -> Self {
        Self::Unavailable { cause: None }
    }

    /// The world does not answer, and this is why.
    pub fn unavailable_for(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable { cause: Some(Arc::new(cause)) }
    }

    /// `what` is corrupt, and this is how it was noticed.
    pub fn corrupt(what: &'static str, cause: impl Error + Send + Sync + 'static) -> Self {
        Self::Corrupt { what, cause: Some(Arc::new(cause)) }
    }

    /// Whether the same call may succeed later without anybody's help.
    #[must_use]
    pub const fn passes(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Full => true,
            Self::Corrupt { .. } | Self::Refused(_) => false,
        }
    }
}

/// Whether `bytes` are within a bound. Adapters check with this before they touch their vendor.
///
/// # Errors
/// `Refused` for this reason when they are too long.
pub fn fits(bytes: &[u8], bytes_max: usize, why: &'static str) -> Result<(), Fault> {
    if bytes.len() > bytes_max { Err(Fault::Refused(why)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_a_source_and_not_part_of_the_text() {
        let fault = Fault::unavailable_for(std::fmt::Error);
        assert_eq!(fault.to_string(), "cannot be reached now");
        assert_eq!(fault.source().map(ToString::to_string), Some(std::fmt::Error.to_string()));
        assert!(Fault::unavailable().source().is_none());
        assert_eq!(Fault::corrupt("the journal", std::fmt::Error).to_string(), "the journal is corrupt");
    }

    #[test]
    fn only_what_passes_by_itself_is_worth_a_retry() {
        assert!(Fault::unavailable().passes() && Fault::Full.passes());
        assert!(!Fault::Refused("no").passes() && !Fault::Corrupt { what: "it", cause: None }.passes());
    }
}
