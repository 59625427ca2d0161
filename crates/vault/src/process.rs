//! What a process that holds secrets asks of the system: not to write its memory to disk.

use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// What the system granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hardened {
    /// No core file, and no other process of the user reads its memory.
    pub is_undumpable: bool,
    /// Memory is not written to swap.
    pub is_locked: bool,
}

/// Forbids core files and swapping, as far as the system lets us. To be called before the first secret is read.
#[must_use]
pub fn harden() -> Hardened {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let no_core = rustix::process::setrlimit(Resource::Core, none).is_ok();
    let undumpable = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok();
    let flags = rustix::mm::MlockAllFlags::CURRENT
        | rustix::mm::MlockAllFlags::FUTURE
        | rustix::mm::MlockAllFlags::ONFAULT;
    let is_locked = rustix::mm::mlockall(flags).is_ok();
    Hardened { is_undumpable: no_core && undumpable, is_locked }
}
