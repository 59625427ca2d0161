//! Requests that were made, by whomever: which there are, and what becomes of one.

use std::time::Duration;

use keymoot_client::Page;
use keymoot_wire::rest::{RequestView, Status};

use super::lack::Purpose;
use super::trouble::of_outcome;
use super::{PAGES_MAX, Remote};
use crate::failure::Failure;

/// So many are asked for at a time: as many as the service gives.
const PAGE: u32 = 200;

/// Why a request that has ended has no result.
pub fn settled(request: &RequestView) -> Failure {
    let RequestView { id, status, code, reason, denials, culprits, .. } = request;
    let purpose = Purpose::of(&request.ask);
    of_outcome(id, *status, code.as_deref(), reason.as_deref(), denials, culprits, purpose)
}

impl Remote {
    /// The newest requests that stand so, at most so many, and whether there may be more.
    pub async fn requests(
        &self,
        status: Option<Status>,
        most: usize,
    ) -> Result<(Vec<RequestView>, bool), Failure> {
        // Whole pages, however few are wanted: the service goes through as many requests as it is asked for.
        let (mut requests, mut page) = (Vec::new(), Page { limit: Some(PAGE), cursor: None });
        for _ in 0..PAGES_MAX {
            let found = self.client.requests(status, &page).await.map_err(|error| self.unanswered(&error))?;
            requests.extend(found.requests);
            page.cursor = found.next_cursor;
            if page.cursor.is_none() || requests.len() >= most {
                break;
            }
        }
        let has_more = page.cursor.is_some() || requests.len() > most;
        requests.truncate(most);
        Ok((requests, has_more))
    }

    /// A request, when it is final or so much time is over.
    pub async fn request(&self, id: &str, wait: Duration) -> Result<RequestView, Failure> {
        self.client.outcome(id, wait).await.map_err(|error| self.unanswered(&error))
    }
}
