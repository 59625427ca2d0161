//! What is said when there is no answer: a text, and one of the numbers that `hwi` has for kinds of errors.

use serde_json::{Value, json};

use crate::failure::Failure;

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub error: String,
    /// As in HWI's `hwilib/errors.py`.
    pub code: i32,
}

pub const NO_DEVICE_TYPE: i32 = -1;
const MISSING_ARGUMENTS: i32 = -2;
pub const DEVICE_CONN_ERROR: i32 = -3;
pub const INVALID_TX: i32 = -5;
pub const BAD_ARGUMENT: i32 = -7;
pub const UNAVAILABLE_ACTION: i32 = -9;
const DEVICE_NOT_READY: i32 = -12;
const UNKNOWN_ERROR: i32 = -13;
const ACTION_CANCELED: i32 = -14;

impl Refusal {
    pub fn new(code: i32, error: impl Into<String>) -> Self {
        Self { error: error.into(), code }
    }

    /// The command makes no sense.
    pub fn usage(error: &str) -> Self {
        Self::new(MISSING_ARGUMENTS, error)
    }

    pub fn document(&self) -> Value {
        json!({ "error": self.error, "code": self.code })
    }
}

impl From<Failure> for Refusal {
    /// All that a person would be told, on one line: wallets show nothing else.
    fn from(failure: Failure) -> Self {
        let told = failure.document().unwrap_or_default();
        let mut error =
            format!("{}: {}", failure.code(), told["what"].as_str().unwrap_or("no reason is known"));
        for detail in told["details"].as_array().into_iter().flatten() {
            error = format!("{error}; {}", detail.as_str().unwrap_or_default());
        }
        for note in [&told["undone"], &told["help"]] {
            if let Some(note) = note.as_str() {
                error = format!("{error}. {note}");
            }
        }
        Self { error, code: number(failure.code(), failure.exit_code()) }
    }
}

fn number(code: &str, exit: u8) -> i32 {
    match (code, exit) {
        ("E2701" | "E2702" | "E2703" | "E2704" | "E2107", _) => INVALID_TX,
        ("E2104" | "E2108" | "E2110" | "E5902", _) => DEVICE_NOT_READY,
        ("E2001" | "E4002", _) => BAD_ARGUMENT,
        ("E5901", _) | (_, 5) => DEVICE_CONN_ERROR,
        ("E2101" | "E2109" | "E2705", _) | (_, 3) => ACTION_CANCELED,
        ("E2601" | "E2602", _) => DEVICE_CONN_ERROR,
        _ => UNKNOWN_ERROR,
    }
}
