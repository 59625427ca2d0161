//! Bytes that may be held at once, whoever has sent them. Nobody waits for some that others hold: two who wait for each other,
//! each with half of what it needs, would do so for ever.

use std::sync::Arc;

use keymoot_wire::places::{Bound, Place, Places};

/// So many.
#[derive(Clone)]
pub struct Budget {
    held: Arc<Places<()>>,
    most: usize,
}

/// Some of them. Dropped, they are free again.
pub struct Weight {
    budget: Budget,
    place: Option<Place<()>>,
}

impl Budget {
    pub fn new(bytes: usize) -> Self {
        Self { held: Places::new(), most: bytes }
    }

    /// None yet.
    pub fn nothing(&self) -> Weight {
        Weight { budget: self.clone(), place: None }
    }
}

impl Weight {
    /// None yet, of the same.
    pub fn another(&self) -> Self {
        self.budget.nothing()
    }

    /// So many more, if there are so many. `false`: there are not.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let Budget { held, most } = &self.budget;
        let bound = Bound { each: *most, all: *most };
        match &mut self.place {
            Some(place) => place.grow(bytes, bound).is_ok(),
            none => {
                *none = held.take(&(), bytes, bound).ok();
                none.is_some()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn what_is_held_is_nobody_elses_until_it_is_let_go() {
        let budget = Budget::new(10);
        let (mut one, mut two) = (budget.nothing(), budget.nothing());
        assert!(one.grow(4) && one.grow(4) && two.grow(2) && !two.grow(1));
        assert!(!one.grow(usize::MAX));
        drop(one);
        assert!(two.grow(8) && !two.grow(1));
    }
}
