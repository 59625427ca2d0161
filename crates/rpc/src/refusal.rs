//! How the signer says no: an error of JSON-RPC with a number that wallets know, a sentence, and in its data the stable
//! code of Keymoot.

use keymoot_wire::problem::Code;
use serde_json::{Map, Value, json};

use crate::codes;

/// The body is not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// Not a request.
pub const INVALID_REQUEST: i64 = -32600;
/// Not offered: clients then try another way.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// A parameter is wrong.
pub const INVALID_PARAMS: i64 = -32602;
/// Neither the caller's fault nor a decision.
pub const INTERNAL: i64 = -32603;
/// EIP-1474: it cannot be done now.
pub const RESOURCE_UNAVAILABLE: i64 = -32002;
/// EIP-1474: the transaction is not taken.
pub const TRANSACTION_REJECTED: i64 = -32003;
/// EIP-1474: too much at once.
pub const LIMIT_EXCEEDED: i64 = -32005;
/// EIP-1193: somebody who decides has said no.
pub const USER_REJECTED: i64 = 4001;
/// EIP-1193: no right to this account.
pub const UNAUTHORIZED: i64 = 4100;

/// Why there is no result.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The number of JSON-RPC.
    pub number: i64,
    /// A lower-case clause.
    pub message: String,
    /// What belongs to it. Always has `code`, but for errors of the node behind, which are passed on as they are.
    pub more: Map<String, Value>,
    /// Whatever the node behind has said; with `more` beside it, it is the member `data`.
    foreign: Option<Value>,
}

impl Refusal {
    /// A refusal with a stable code.
    #[must_use]
    pub fn new(number: i64, code: &str, message: impl Into<String>) -> Self {
        let mut more = Map::new();
        more.insert("code".into(), code.into());
        Self { number, message: message.into(), more, foreign: None }
    }

    /// A parameter that is wrong, by its name.
    #[must_use]
    pub fn field(name: &str, what: &str) -> Self {
        Self::new(INVALID_PARAMS, codes::BAD_PARAMS, format!("`{name}` {what}")).with("field", name)
    }

    /// A code of the cluster.
    #[must_use]
    pub fn of_code(code: Code, detail: &str) -> Self {
        let detail = if detail.is_empty() { code.title() } else { detail };
        Self::new(number(code), code.as_str(), detail).with("help", code.remedy())
    }

    /// A promise of our own is broken.
    #[must_use]
    pub fn defect(what: &str) -> Self {
        Self::of_code(Code::Defect, what)
    }

    /// An error of the node behind, as it has said it.
    #[must_use]
    pub fn foreign(number: i64, message: String, data: Option<Value>) -> Self {
        Self { number, message, more: Map::new(), foreign: data }
    }

    /// With something more in its data.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// With another number: the same code may be a passing state or an end.
    #[must_use]
    pub fn numbered(mut self, number: i64) -> Self {
        self.number = number;
        self
    }

    /// Whether the same may go well soon.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self.number, INTERNAL | RESOURCE_UNAVAILABLE | LIMIT_EXCEEDED)
    }

    /// The stable code; empty for errors of the node behind.
    #[must_use]
    pub fn code(&self) -> &str {
        self.more.get("code").and_then(Value::as_str).unwrap_or_default()
    }

    /// As the member `error` of an answer.
    #[must_use]
    pub fn to_json(&self, trace: &str) -> Value {
        let mut error = json!({ "code": self.number, "message": self.message });
        let data = if self.more.is_empty() {
            self.foreign.clone()
        } else {
            let mut more = self.more.clone();
            more.insert("trace".into(), trace.into());
            if let Some(theirs) = &self.foreign {
                more.insert("data".into(), theirs.clone());
            }
            Some(more.into())
        };
        if let (Some(data), Some(error)) = (data, error.as_object_mut()) {
            error.insert("data".into(), data);
        }
        error
    }
}

/// What wallets know a code of the cluster as.
#[must_use]
pub fn number(code: Code) -> i64 {
    match code {
        Code::Denied | Code::SchemeNotServed => USER_REJECTED,
        Code::KeyRetired | Code::NoSuchKey => UNAUTHORIZED,
        Code::NotEnoughSigners | Code::ModuliMissing => RESOURCE_UNAVAILABLE,
        Code::Busy | Code::TooManyRequests => LIMIT_EXCEEDED,
        other => match other.http_status() {
            401 | 403 => UNAUTHORIZED,
            400 | 413 | 415 | 422 => INVALID_PARAMS,
            _ => INTERNAL,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_cluster_has_a_number_that_wallets_know() {
        let of = |wanted: i64| {
            let all = Code::ALL.iter().filter(|code| number(**code) == wanted);
            all.map(|code| code.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(of(USER_REJECTED), ["E2101", "E2109"]);
        assert_eq!(of(RESOURCE_UNAVAILABLE), ["E2104", "E2108"]);
        assert_eq!(of(LIMIT_EXCEEDED), ["E5002", "E5003"]);
        assert!(
            of(UNAUTHORIZED)
                .iter()
                .all(|code| { code.starts_with("E3") || ["E2106", "E4002"].contains(code) })
        );
        assert!(of(UNAUTHORIZED).len() > 10);
        assert!(of(INVALID_PARAMS).contains(&"E2107") && of(INVALID_PARAMS).contains(&"E2011"));
        // Whoever is out of reach has not refused.
        for code in ["E5001", "E5004", "E5005", "E5006", "E2102", "E2103", "E2105", "E7003"] {
            assert!(of(INTERNAL).contains(&code), "{code}");
        }
    }

    #[test]
    fn an_error_has_code_field_and_trace_and_a_foreign_one_stays_as_it_is() {
        let ours = Refusal::field("value", "has a leading zero").to_json("t1");
        assert_eq!(
            ours,
            json!({
                "code": -32602, "message": "`value` has a leading zero",
                "data": { "code": "E2803", "field": "value", "trace": "t1" }
            })
        );
        let theirs = Refusal::foreign(3, "execution reverted".into(), Some(json!("0x08c379a0")));
        let shown = json!({ "code": 3, "message": "execution reverted", "data": "0x08c379a0" });
        assert_eq!(theirs.to_json("t1"), shown);
        let both = theirs.with("hash", "0x01").to_json("t1");
        assert_eq!(both["data"], json!({ "hash": "0x01", "trace": "t1", "data": "0x08c379a0" }));
        let bare = Refusal::foreign(-32000, "nonce too low".into(), None);
        assert_eq!(bare.to_json("t1"), json!({ "code": -32000, "message": "nonce too low" }));
    }
}
