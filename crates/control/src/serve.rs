//! The services of mpc.v1.

mod coordinator;
mod keys;
mod node;
mod registry;

use std::sync::Arc;

use keymoot_ports::sessions::BODY_BYTES_MAX;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::mpc::Page;
use keymoot_wire::problem::Code;
use keymoot_wire::tls::Peer;
use tonic::{Request, Status};

use crate::access::Caller;

pub(crate) use coordinator::{CoordinatorService, LISTS};
pub(crate) use keys::KeysService;
pub(crate) use node::NodeService;
pub(crate) use registry::RegistryService;

/// The longest message of a stream of a node, in bytes.
pub(crate) const MESSAGE_MAX: usize = 5 << 20;

/// The longest message with a signed request, in bytes: what stands around the request is little.
pub(crate) const SIGNED_MAX: usize = BODY_BYTES_MAX + (64 << 10);

/// The longest message of any other kind, in bytes.
pub(crate) const SMALL_MAX: usize = 16 << 10;

/// Who calls. The gate has put it there.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Code::CertificateMissing.to_status("the call did not come through the gate"))
}

/// The certificate of whoever calls.
fn peer<T>(request: &Request<T>) -> Option<Arc<Peer>> {
    request.extensions().get::<Arc<Peer>>().cloned()
}

/// Whoever calls speaks for itself only.
fn as_itself<T>(request: &Request<T>, role: PeerRole, name: &str) -> Result<(), Status> {
    let caller = caller(request)?;
    if caller.peer.role() == role && caller.peer.name() == name {
        return Ok(());
    }
    let words = format!("{} does not speak for the {} {name:?}", caller.peer, role.name());
    Err(Code::WrongPeer.to_status(words))
}

/// Entries of a page, if nothing else is asked for, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 200;

/// Where a page begins, and how long it is.
struct Place {
    before: Option<(u64, String)>,
    limit: usize,
}

impl Place {
    fn of(page: Option<Page>) -> Result<Self, Status> {
        let Page { limit, cursor } = page.unwrap_or_default();
        let limit = match usize::try_from(limit) {
            Ok(0) => PAGE,
            Ok(limit) => limit.min(PAGE_MAX),
            Err(_) => PAGE_MAX,
        };
        if cursor.is_empty() {
            return Ok(Self { before: None, limit });
        }
        let wrong = || Code::BadCursor.to_status("the cursor is not one of ours");
        let (order, id) = cursor.split_once('.').ok_or_else(wrong)?;
        let order: u64 = order.parse().map_err(|_| wrong())?;
        let before = (order, id.to_owned());
        // One spelling, and nothing that the store would refuse.
        if id.is_empty() || id.len() > 128 || Self::cursor(Some(before.clone())) != cursor {
            return Err(wrong());
        }
        Ok(Self { before: Some(before), limit })
    }

    fn cursor(next: Option<(u64, String)>) -> String {
        next.map(|(order, id)| format!("{order}.{id}")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{PAGE, PAGE_MAX, Place};
    use keymoot_wire::mpc::Page;

    #[test]
    fn a_cursor_leads_to_where_the_page_before_ended() {
        let page = |limit, cursor: &str| Place::of(Some(Page { limit, cursor: cursor.to_owned() }));
        let first = Place::of(None).unwrap();
        assert_eq!((first.limit, first.before), (PAGE, None));
        assert_eq!(page(10_000, "").unwrap().limit, PAGE_MAX);
        let cursor = Place::cursor(Some((7, "req_00".to_owned())));
        let next = page(3, &cursor).unwrap();
        assert_eq!((next.limit, next.before), (3, Some((7, "req_00".to_owned()))));
        for bad in ["7", ".", "7.", "07.req_00", "x.req_00", "-1.req_00", "99999999999999999999.a"] {
            assert!(page(1, bad).is_err(), "{bad}");
        }
    }
}
