//! Shared state of coordinators in memory.

mod table;

use std::sync::{Arc, Mutex};

pub use table::{REQUESTS_MAX, Table};

use super::lock;
use crate::sessions::{Admission, Claim, Fence, Finish, Noted, Page, Recall, RequestId, Sessions, Standing};
use crate::{Answer, Clock, Name, Ttl};

/// A [`Table`] with a clock and a lock. Clones are the same table.
#[derive(Clone)]
pub struct Twin {
    table: Arc<Mutex<Table>>,
    clock: Arc<dyn Clock>,
}

impl Twin {
    /// An empty table that lives by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { table: Arc::default(), clock }
    }
}

impl Recall for Twin {
    fn recall(&self, request: RequestId) -> Answer<'_, Option<Standing>> {
        Box::pin(async move { Ok(lock(&self.table).recall(&request)) })
    }

    fn newest(&self, before: Option<u64>, limit: usize) -> Answer<'_, Page> {
        Box::pin(async move { Ok(lock(&self.table).newest(before, limit)) })
    }
}

impl Sessions for Twin {
    fn admit<'a>(
        &'a self,
        request: RequestId,
        body: &'a [u8],
        owner: &'a Name,
        ttl: Ttl,
    ) -> Answer<'a, Admission> {
        Box::pin(async move { lock(&self.table).admit(request, body, owner, ttl, self.clock.now()) })
    }

    fn claim<'a>(&'a self, request: RequestId, owner: &'a Name, ttl: Ttl) -> Answer<'a, Claim> {
        Box::pin(async move { lock(&self.table).claim(request, owner, ttl, self.clock.now()) })
    }

    fn note<'a>(&'a self, request: RequestId, fence: Fence, progress: &'a [u8]) -> Answer<'a, Noted> {
        Box::pin(async move { lock(&self.table).note(request, fence, progress) })
    }

    fn finish<'a>(&'a self, request: RequestId, fence: Fence, outcome: &'a [u8]) -> Answer<'a, Finish> {
        Box::pin(async move { lock(&self.table).finish(request, fence, outcome) })
    }

    fn orphans(&self, limit: usize) -> Answer<'_, Vec<RequestId>> {
        Box::pin(async move { Ok(lock(&self.table).orphans(limit, self.clock.now())) })
    }
}
