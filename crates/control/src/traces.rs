//! What gateways call a request in their logs, so that one name leads through the logs of all processes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use keymoot_engine::request::RequestId;
use keymoot_wire::trace::{HEADER, is_plain};

use crate::latest::Latest;

/// Requests whose trace is remembered: more than are worked on at a time.
const REQUESTS_MAX: usize = 4096;

/// What the caller calls its call, if that may stand in a log.
pub(crate) fn of(headers: &HeaderMap) -> Arc<str> {
    let trace = headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(|trace| is_plain(trace));
    trace.unwrap_or_default().into()
}

/// Traces by request, the latest of each.
pub(crate) struct Traces {
    inner: Mutex<Latest<RequestId, Arc<str>>>,
}

impl Default for Traces {
    fn default() -> Self {
        Self { inner: Mutex::new(Latest::new(REQUESTS_MAX)) }
    }
}

impl Traces {
    fn lock(&self) -> MutexGuard<'_, Latest<RequestId, Arc<str>>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, request: RequestId, trace: &Arc<str>) {
        if !trace.is_empty() {
            self.lock().insert(request, Arc::clone(trace));
        }
    }

    /// Empty if nobody has said.
    pub(crate) fn of(&self, request: RequestId) -> String {
        self.lock().get(&request).map(|trace| trace.to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use keymoot_engine::request::RequestId;
    use keymoot_engine::words::Hash;

    use super::{HEADER, REQUESTS_MAX, Traces, of};

    fn request(number: usize) -> RequestId {
        let mut name = [0; 32];
        name[..8].copy_from_slice(&number.to_be_bytes());
        RequestId(Hash::from_bytes(name))
    }

    #[test]
    fn only_what_may_stand_in_a_log_is_taken() {
        let trace = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, value.parse().unwrap());
            of(&headers).to_string()
        };
        assert_eq!(trace("01HZ-req.1"), "01HZ-req.1");
        assert_eq!([trace("a b"), trace("a\\b"), trace(&"a".repeat(65))], ["", "", ""]);
        assert_eq!(of(&HeaderMap::new()).as_ref(), "");
    }

    #[test]
    fn the_oldest_give_way() {
        let traces = Traces::default();
        (0..=REQUESTS_MAX).for_each(|number| traces.note(request(number), &"x".into()));
        traces.note(request(5), &"later".into());
        assert_eq!([traces.of(request(0)), traces.of(request(5))], ["", "later"]);
        assert_eq!(traces.of(request(REQUESTS_MAX)), "x");
    }
}
