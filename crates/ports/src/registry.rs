//! Who is there, and where.
//!
//! A registry says where somebody may be reached, never who somebody is: identities are keys, and they are checked on
//! the wire. So a registry that lies can hide members, and no more.

use crate::{Address, Answer, Name, Role, Ttl};

/// The most members a registry must hold. More may be refused with `Full`.
pub const MEMBERS_MAX: usize = 1024;

/// The most different roles a registry must hold. More may be refused with `Full`.
pub const ROLES_MAX: usize = 32;

const _: () = assert!(ROLES_MAX <= MEMBERS_MAX, "nobody needs a role that no member has");

/// One process, as it announced itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its name, which nobody else has.
    pub name: Name,
    /// What it is there for.
    pub role: Role,
    /// Where it can be reached.
    pub address: Address,
}

/// Stands for one state of one role's members. Equal revisions mean equal members, and while the members stay the same,
/// the revision does: renewing a lease wakes nobody. That is all that revisions can be asked; they have no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revision(pub u64);

/// All live members of a role, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// Which state of the role this is.
    pub revision: Revision,
    /// The members.
    pub members: Vec<Member>,
}

/// Membership with leases. All verbs may be repeated at will.
pub trait Registry: Send + Sync {
    /// Makes `member` discoverable for `ttl`, and renews that with every further call. The last announcement of a name
    /// counts: it may move to another address or role. A lease holds at least for `ttl`, and lapses soon after it.
    fn announce<'a>(&'a self, member: &'a Member, ttl: Ttl) -> Answer<'a, ()>;

    /// Ends the lease of `name` now. Without a lease nothing happens.
    fn withdraw<'a>(&'a self, name: &'a Name) -> Answer<'a, ()>;

    /// The live members of a role.
    fn discover<'a>(&'a self, role: &'a Role) -> Answer<'a, Roster>;

    /// The live members if they are others than at `since`, otherwise `None`. Answers at once: ask again, or wait in
    /// between.
    fn watch<'a>(&'a self, role: &'a Role, since: Revision) -> Answer<'a, Option<Roster>>;
}
