//! A certified key together with what follows from it at each path. To check a certificate costs more than a signature, and a
//! certificate does not change.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use keymoot_protocol::curve::Curve;
use keymoot_protocol::key::GroupKey;
use keymoot_types::Path;

use super::holding::KeyDetails;

/// Paths that are remembered for one key. When there are more, all are forgotten.
const PATHS_MAX: usize = 256;

/// A certified key, what people and chains want to know of it, and the verifying keys below it that were asked for.
pub struct Known<C: Curve, V> {
    group: Arc<GroupKey<C>>,
    details: KeyDetails,
    below: Mutex<BTreeMap<Path, Arc<V>>>,
}

impl<C: Curve, V> Known<C, V> {
    pub(super) fn new(group: Arc<GroupKey<C>>) -> Self {
        let details = KeyDetails::of(&group);
        Self { group, details, below: Mutex::new(BTreeMap::new()) }
    }

    /// What follows from the package: to make its digest, all points are brought into the form in which they are written.
    pub(super) const fn details(&self) -> &KeyDetails {
        &self.details
    }

    /// The key itself.
    pub(super) const fn group(&self) -> &Arc<GroupKey<C>> {
        &self.group
    }

    /// What follows at this path: made once. What cannot be made is asked for again.
    pub(super) fn at<E>(
        &self,
        path: &Path,
        make: impl FnOnce(Arc<GroupKey<C>>, Path) -> Result<V, E>,
    ) -> Result<Arc<V>, E> {
        let mut below = self.below.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = below.get(path) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(make(Arc::clone(&self.group), path.clone())?);
        if below.len() >= PATHS_MAX {
            below.clear();
        }
        below.insert(path.clone(), Arc::clone(&made));
        Ok(made)
    }
}

impl<C: Curve, V> Deref for Known<C, V> {
    type Target = GroupKey<C>;

    fn deref(&self) -> &GroupKey<C> {
        &self.group
    }
}

impl<C: Curve, V> PartialEq for Known<C, V> {
    fn eq(&self, other: &Self) -> bool {
        self.group == other.group
    }
}

impl<C: Curve, V> Eq for Known<C, V> {}

impl<C: Curve, V> std::fmt::Debug for Known<C, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.group.key)
    }
}
