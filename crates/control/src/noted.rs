//! Which of the requests that are ours have been written down.

use std::collections::{BTreeSet, VecDeque};

use keymoot_engine::request::RequestId;

/// Requests that are remembered as written down. To write one down again does no harm.
const NOTED_MAX: usize = 8192;

/// The list.
#[derive(Default)]
pub(crate) struct Noted {
    under_way: BTreeSet<RequestId>,
    done: BTreeSet<RequestId>,
    order: VecDeque<RequestId>,
}

impl Noted {
    /// Whether this one is to be written down now.
    pub(crate) fn begin(&mut self, id: RequestId) -> bool {
        !self.done.contains(&id) && self.under_way.insert(id)
    }

    /// It is written down.
    pub(crate) fn done(&mut self, id: RequestId) {
        self.under_way.remove(&id);
        if self.done.insert(id) {
            self.order.push_back(id);
        }
        while self.order.len() > NOTED_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.done.remove(&oldest);
            }
        }
    }

    /// It was not written down: the next time it is tried again.
    pub(crate) fn failed(&mut self, id: RequestId) {
        self.under_way.remove(&id);
    }

    /// Whether it is being written down.
    pub(crate) fn is_under_way(&self, id: RequestId) -> bool {
        self.under_way.contains(&id)
    }
}
