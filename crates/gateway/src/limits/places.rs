//! How much of something is held at the moment, as clients are told of it: by all together, and by each of them.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use keymoot_wire::metered::{Meter, Metered};
use keymoot_wire::places::{self, Bound, Full};
use keymoot_wire::problem::Code;

use crate::problem::Refused;

/// Places that are held, until this is dropped.
pub type Place = places::Place<Arc<str>>;

/// Places for all, of which each client has a share.
pub struct Places {
    /// What is held, in the plural.
    what: &'static str,
    bound: Bound,
    held: Arc<places::Places<Arc<str>>>,
}

impl Places {
    pub fn new(what: &'static str, all: usize, share: usize) -> Self {
        Self { what, bound: Bound { each: share, all }, held: places::Places::new() }
    }

    /// So many places for this client, all at once or none.
    ///
    /// # Errors
    /// The client holds its share; all places are held.
    pub fn take(&self, client: &Arc<str>, count: usize) -> Result<Place, Refused> {
        self.held.take(client, count, self.bound).map_err(|full| self.refused(full))
    }

    /// This body, which takes a place for each of its bytes, and what keeps them.
    ///
    /// # Errors
    /// None: nothing is taken yet.
    pub fn meter(&self, client: &Arc<str>, body: Body) -> Result<(Body, Meter<Arc<str>>), Refused> {
        let meter = Arc::new(Mutex::new(self.take(client, 0)?));
        Ok((Body::new(Metered::new(body, Arc::clone(&meter), self.bound)), meter))
    }

    /// What a client is told that finds no place.
    pub fn refused(&self, full: Full) -> Refused {
        let (what, most) = (self.what, self.bound.each);
        match full {
            Full::Each => {
                let detail =
                    format!("this client may have {most} {what} at a time, and has no room for more");
                Refused::new(Code::TooManyRequests, detail)
            }
            Full::All => Refused::new(Code::Busy, format!("too many {what} of all clients")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_finds_no_place_is_told_whether_that_is_its_own_doing() {
        let places = Places::new("requests in progress", 5, 3);
        let told = |client: &str, count| {
            let taken = places.take(&client.into(), count);
            taken.map_err(|refused| refused.problem.code.as_str().to_owned())
        };
        let held = (told("alice", 3).unwrap(), told("bob", 2).unwrap());
        assert_eq!(told("alice", 1).unwrap_err(), "E5003");
        assert_eq!(told("bob", 1).unwrap_err(), "E5002");
        drop(held);
        assert!(told("bob", 3).is_ok());
    }
}
