//! What the database says, as faults.

use std::error::Error;

use keymoot_ports::Fault;

/// The primary codes of the database that mean something to callers.
const FULL: u32 = 13;
const CORRUPT: u32 = 11;
const NOT_A_DATABASE: u32 = 26;

const WHAT: &str = "the embedded store";

/// Why a call ended early.
pub(crate) enum Stop {
    /// The rules of the port say so. The transaction goes on: whoever stops so has changed nothing.
    Rules(Fault),
    /// The database failed, and with it all calls of the transaction.
    Database(sqlx::Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Rules(fault)
    }
}

impl From<sqlx::Error> for Stop {
    fn from(cause: sqlx::Error) -> Self {
        Self::Database(cause)
    }
}

/// What is stored reads well, and means nothing.
pub(crate) fn corrupt(cause: impl Error + Send + Sync + 'static) -> Stop {
    Stop::Rules(Fault::corrupt(WHAT, cause))
}

/// The fault of all calls in a transaction that failed for this reason.
pub(super) fn fault(cause: sqlx::Error) -> Fault {
    if is_damage(&cause) {
        Fault::corrupt(WHAT, cause)
    } else if code(&cause) == Some(FULL) {
        Fault::Full
    } else {
        Fault::unavailable_for(cause)
    }
}

pub(super) fn is_damage(cause: &sqlx::Error) -> bool {
    use sqlx::Error::{ColumnDecode, ColumnNotFound, Decode};
    matches!(code(cause), Some(CORRUPT | NOT_A_DATABASE))
        || matches!(cause, ColumnDecode { .. } | ColumnNotFound(_) | Decode(_))
}

/// The primary code, which is the low byte of the extended one.
fn code(cause: &sqlx::Error) -> Option<u32> {
    let code: u32 = cause.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
