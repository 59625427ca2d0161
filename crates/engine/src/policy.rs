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

/// Yes. For demonstrations, and for clusters whose document says so: whoever is enrolled may have anything signed.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Policy for AllowAll {
    fn decide(&self, _: &Request, _: Option<&Described>) -> Decision {
        Decision::Allow
    }
}

/// A policy that was chosen while the program runs.
pub type Chosen = Box<dyn Policy + Send + Sync>;

impl Policy for Chosen {
    fn decide(&self, request: &Request, key: Option<&Described>) -> Decision {
        (**self).decide(request, key)
    }
}

/// The policy of this name, as the cluster's document has it: `deny-all` or `allow-all`.
#[must_use]
pub fn named(name: &str) -> Option<Chosen> {
    match name {
        "deny-all" => Some(Box::new(DenyAll)),
        "allow-all" => Some(Box::new(AllowAll)),
        _ => None,
    }
}
