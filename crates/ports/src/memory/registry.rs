//! A registry in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use keymoot_types::Millis;

use super::lock;
use crate::registry::{MEMBERS_MAX, Member, ROLES_MAX, Registry, Revision, Roster};
use crate::{Answer, Clock, Fault, Name, Role, Ttl};

/// The rules of a registry, without clock, lock or future.
#[derive(Clone, Debug, Default)]
pub struct Roll {
    members: BTreeMap<Name, (Member, Millis)>,
    /// How often the members of a role have changed.
    changes: BTreeMap<Role, u64>,
}

impl Roll {
    /// See [`Registry::announce`].
    ///
    /// # Errors
    /// `Full` beyond [`MEMBERS_MAX`] or [`ROLES_MAX`].
    pub fn announce(&mut self, member: &Member, ttl: Ttl, now: Millis) -> Result<(), Fault> {
        self.expire(now);
        let until = now.plus(ttl.milliseconds());
        if let Some((known, lease)) = self.members.get_mut(&member.name)
            && known == member
        {
            *lease = until;
            return Ok(());
        }
        let is_new = !self.members.contains_key(&member.name);
        let is_new_role = !self.changes.contains_key(&member.role);
        if (is_new && self.members.len() >= MEMBERS_MAX) || (is_new_role && self.changes.len() >= ROLES_MAX) {
            return Err(Fault::Full);
        }
        if let Some((before, _)) = self.members.insert(member.name.clone(), (member.clone(), until)) {
            self.changed(&before.role);
        }
        self.changed(&member.role);
        Ok(())
    }

    /// See [`Registry::withdraw`].
    pub fn withdraw(&mut self, name: &Name, now: Millis) {
        self.expire(now);
        if let Some((member, _)) = self.members.remove(name) {
            self.changed(&member.role);
        }
    }

    /// See [`Registry::discover`].
    pub fn discover(&mut self, role: &Role, now: Millis) -> Roster {
        self.expire(now);
        let members = self.members.values().map(|(member, _)| member);
        let members = members.filter(|member| member.role == *role).cloned().collect();
        Roster { revision: self.revision(role), members }
    }

    /// See [`Registry::watch`].
    pub fn watch(&mut self, role: &Role, since: Revision, now: Millis) -> Option<Roster> {
        self.expire(now);
        (self.revision(role) != since).then(|| self.discover(role, now))
    }

    fn revision(&self, role: &Role) -> Revision {
        Revision(self.changes.get(role).copied().unwrap_or_default())
    }

    fn changed(&mut self, role: &Role) {
        let count = self.changes.entry(role.clone()).or_default();
        *count = count.wrapping_add(1);
    }

    fn expire(&mut self, now: Millis) {
        let lapsed: Vec<Name> = self
            .members
            .iter()
            .filter(|(_, (_, until))| *until <= now)
            .map(|(name, _)| name.clone())
            .collect();
        for name in lapsed {
            if let Some((member, _)) = self.members.remove(&name) {
                self.changed(&member.role);
            }
        }
    }
}

/// A registry in memory. Clones are the same registry.
#[derive(Clone)]
pub struct Twin {
    roll: Arc<Mutex<Roll>>,
    clock: Arc<dyn Clock>,
}

impl Twin {
    /// An empty registry that lives by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { roll: Arc::default(), clock }
    }
}

impl Registry for Twin {
    fn announce<'a>(&'a self, member: &'a Member, ttl: Ttl) -> Answer<'a, ()> {
        Box::pin(async move { lock(&self.roll).announce(member, ttl, self.clock.now()) })
    }

    fn withdraw<'a>(&'a self, name: &'a Name) -> Answer<'a, ()> {
        Box::pin(async move {
            lock(&self.roll).withdraw(name, self.clock.now());
            Ok(())
        })
    }

    fn discover<'a>(&'a self, role: &'a Role) -> Answer<'a, Roster> {
        Box::pin(async move { Ok(lock(&self.roll).discover(role, self.clock.now())) })
    }

    fn watch<'a>(&'a self, role: &'a Role, since: Revision) -> Answer<'a, Option<Roster>> {
        Box::pin(async move { Ok(lock(&self.roll).watch(role, since, self.clock.now())) })
    }
}
