//! Who may have what signed. Until the real policy moves in, this is the door it comes through: closed by default.

use crate::crypto::Described;
use crate::request::Request;

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Allow,
    /// No, and why. Not to know is no.
    Deny(&'static str),
}

/// A node's own judgement, from nothing but what the node sees itself.
pub trait Policy {
    /// Whether this request may be served; `key` is the one that is to sign, where there is one already.
    fn decide(&self, request: &Request, key: Option<&Described>) -> Decision;
}

/// No.
#[derive(Clone, Copy, Debug, Default)]
pub struct DenyAll;

impl Policy for DenyAll {
    fn decide(&self, _: &Request, _: Option<&Described>) -> Decision {
        Decision::Deny("there is no policy")
    }
}
