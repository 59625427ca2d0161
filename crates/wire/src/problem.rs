//! How an interface says no: stable codes, and problems as RFC 9457 has them.
//!
//! Codes are for ever and never change their meaning. E20xx what was asked is not well formed; E21xx a
//! request was understood and there is no signature; E30xx who asks is not known; E31xx who asks may not;
//! E40xx it is not there, or stands against what is there; E50xx the service cannot answer now; E70xx a
//! defect of keymoot.

mod table;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tonic::metadata::MetadataValue;
use utoipa::ToSchema;

pub use table::Code;

/// The metadata key under which gRPC statuses carry the code.
pub const CODE_METADATA: &str = "keymoot-code";

/// The metadata key under which gRPC statuses say after how many seconds to try again.
pub const RETRY_METADATA: &str = "retry-after";

/// The media type of [`Problem`].
pub const PROBLEM_TYPE: &str = "application/problem+json";

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No such code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no code `{0}`")]
pub struct UnknownCode(pub String);

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownCode(text.chars().filter(|c| !c.is_control()).take(16).collect()))
    }
}

impl Code {
    /// The gRPC status of this problem, with the code in its metadata.
    #[must_use]
    pub fn to_status(self, detail: impl Into<String>) -> tonic::Status {
        let mut status = tonic::Status::new(self.grpc(), detail);
        status.metadata_mut().insert(CODE_METADATA, MetadataValue::from_static(self.as_str()));
        status
    }

    /// The code that a gRPC status carries. Without one, or with one that we do not know, what its gRPC code
    /// says.
    #[must_use]
    pub fn of_status(status: &tonic::Status) -> Self {
        let told = status.metadata().get(CODE_METADATA).and_then(|value| value.to_str().ok());
        told.and_then(|text| text.parse().ok()).unwrap_or_else(|| Self::of_grpc(status.code()))
    }

    const fn of_grpc(code: tonic::Code) -> Self {
        match code {
            tonic::Code::InvalidArgument | tonic::Code::OutOfRange => Self::InvalidRequest,
            tonic::Code::NotFound => Self::NothingThere,
            tonic::Code::AlreadyExists => Self::Conflict,
            tonic::Code::FailedPrecondition => Self::NotForThisKey,
            tonic::Code::PermissionDenied => Self::RoleTooLow,
            tonic::Code::Unauthenticated => Self::TokenRefused,
            tonic::Code::ResourceExhausted => Self::Busy,
            tonic::Code::DeadlineExceeded => Self::TookTooLong,
            tonic::Code::Unavailable | tonic::Code::Aborted | tonic::Code::Cancelled => {
                Self::CoordinatorsUnavailable
            }
            tonic::Code::Unimplemented => Self::NotOffered,
            tonic::Code::Ok | tonic::Code::Unknown | tonic::Code::Internal | tonic::Code::DataLoss => {
                Self::Defect
            }
        }
    }

    /// Whether the same bytes, sent again, may have another answer soon.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(
            self,
            Self::CoordinatorsUnavailable
                | Self::Busy
                | Self::TooManyRequests
                | Self::TookTooLong
                | Self::StoreUnavailable
                | Self::ShuttingDown
        )
    }
}

/// A node's own, signed word that it refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Denial {
    /// The node, as in "node-1".
    #[schema(example = "node-1")]
    pub node: String,
    /// Why, in its words.
    pub reason: String,
}

/// A problem as RFC 9457 has it, and the body of every answer of 400 and above.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind of problem it is: the code as a URN.
    #[serde(rename = "type")]
    #[schema(example = "urn:keymoot:problem:E2104")]
    pub kind: String,
    /// The same for every problem of this code.
    #[schema(example = "not enough signers")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 503)]
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// The stable code; `keymoot explain CODE` tells more.
    #[schema(example = "E2104")]
    pub code: String,
    /// The id of the HTTP request, as it stands in the logs of every process that had to do with it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// Who broke the protocol, as in "node-2".
    #[serde(default)]
    pub culprits: Vec<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub help: String,
}

impl Problem {
    /// A problem of this code.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:keymoot:problem:{code}"),
            title: code.title().to_owned(),
            status: code.http_status(),
            detail: detail.into(),
            code: code.as_str().to_owned(),
            request_id: String::new(),
            culprits: Vec::new(),
            help: code.remedy().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_unique_explained_and_parses_its_own_text() {
        let texts: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert!(code.as_str().len() == 5 && code.as_str().starts_with('E'), "{code}");
            assert!(
                code.title().len() > 5 && code.explanation().len() > 60 && code.remedy().len() > 20,
                "{code}"
            );
            assert!(!code.title().ends_with('.') && code.explanation().ends_with('.'), "{code}");
            assert!((400..=599).contains(&code.http_status()), "{code}");
        }
        assert!("E9999".parse::<Code>().is_err());
    }

    #[test]
    fn families_of_codes_keep_to_their_kind_of_status() {
        for code in Code::ALL {
            let status = code.http_status();
            let fits = match &code.as_str()[..3] {
                "E20" => (400..=422).contains(&status),
                "E21" => matches!(status, 403 | 409 | 422 | 503 | 504 | 502),
                "E30" => status == 401,
                "E31" => status == 403,
                "E40" => matches!(status, 404 | 409 | 422),
                "E50" => matches!(status, 429 | 501 | 503 | 504),
                "E70" => status == 500,
                other => panic!("a family without a rule: {other}"),
            };
            assert!(fits, "{code} has {status}");
        }
    }

    #[test]
    fn a_status_carries_its_code_and_one_without_is_read_by_its_grpc_code() {
        for code in Code::ALL {
            let status = code.to_status("why");
            assert_eq!((Code::of_status(&status), status.code()), (*code, code.grpc()));
        }
        assert_eq!(Code::of_status(&tonic::Status::not_found("x")), Code::NothingThere);
        let mut odd = tonic::Status::unavailable("x");
        odd.metadata_mut().insert(CODE_METADATA, MetadataValue::from_static("E9999"));
        assert_eq!(Code::of_status(&odd), Code::CoordinatorsUnavailable);
    }
}
