//! Reads answers: what was asked for, or a problem.

use http::{Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use keymoot_wire::problem::{PROBLEM_TYPE, Problem};
use serde::de::DeserializeOwned;

use crate::error::ClientError;

/// An answer that is not a problem.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// After how many seconds to try again, where the service says so.
    pub(crate) retry_after: Option<u64>,
}

/// Reads the whole answer, if it has no more bytes than this.
pub(crate) async fn read(response: Response<Incoming>, most: usize) -> Result<Answer, ClientError> {
    let status = response.status();
    let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|text| text.parse().ok());
    let body = Limited::new(response.into_body(), most).collect().await.map_err(|error| match error
        .downcast::<hyper::Error>(
    ) {
        Ok(error) => ClientError::Broken(*error),
        Err(_) => ClientError::Odd(status.as_u16()),
    })?;
    Ok(Answer { status, body: body.to_bytes(), retry_after })
}

impl Answer {
    /// The value in it, or the problem.
    pub(crate) fn value<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        self.check()?;
        serde_json::from_slice(&self.body).map_err(ClientError::Unreadable)
    }

    /// The problem, if it is one.
    pub(crate) fn check(&self) -> Result<(), ClientError> {
        if self.status.is_success() {
            return Ok(());
        }
        match serde_json::from_slice::<Problem>(&self.body) {
            Ok(problem) => Err(ClientError::Problem(Box::new(problem))),
            Err(_) => Err(ClientError::Odd(self.status.as_u16())),
        }
    }
}

/// Whether the head of an answer says that its body is a problem.
pub(crate) fn is_problem(response: &Response<Incoming>) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == PROBLEM_TYPE)
}
