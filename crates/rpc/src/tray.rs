//! What comes together for one body of answers: those that have to be told, and what all of them weigh.

use std::sync::{Arc, Mutex, PoisonError};

use crate::budget::{Budget, Weight};
use crate::told::Untold;

/// For one body.
pub struct Tray {
    pub untold: Untold,
    request: Arc<Weight>,
    answers: Mutex<Weight>,
}

impl Tray {
    /// For the answers to a request of this weight.
    pub fn new(request: Weight, answers: &Budget) -> Self {
        let answers = Mutex::new(answers.nothing());
        Self { untold: Untold::default(), request: Arc::new(request), answers }
    }

    /// Another, for what does not go into the body.
    pub fn aside(&self) -> Self {
        let answers = Mutex::new(self.answers.lock().unwrap_or_else(PoisonError::into_inner).another());
        Self { untold: Untold::default(), request: self.request.clone(), answers }
    }

    /// What the request weighs, for as long as it is worked on.
    pub fn request(&self) -> Arc<Weight> {
        self.request.clone()
    }

    /// So many bytes more of answers. `false`: there is no room for them.
    pub fn grow(&self, bytes: usize) -> bool {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).grow(bytes)
    }

    /// All that has come together.
    pub fn clear(self) -> (Untold, Weight) {
        (self.untold, self.answers.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}
