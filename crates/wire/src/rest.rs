//! The bodies of the REST interface, for the gateway that writes them and for clients that read them.
//!
//! What clients sign is strict: unknown fields are refused. What the service answers may grow: clients ignore
//! fields that they do not know. Bytes are lower-case hex; times are RFC 3339 for people and milliseconds for
//! programs.

mod ask;
mod keys;
mod requests;
mod service;

pub use crate::problem::{Denial, Problem};
pub use ask::{BatchBody, BatchItem, CreateKeyBody, CreateSignatureBody, EmptyBody};
pub use keys::{AddressView, AddressesView, KeyPage, KeyView, ThresholdView, XpubView};
pub use requests::{
    AskView, BatchOutcome, BatchView, RequestPage, RequestView, SignaturePage, SignatureView, SignedView,
    Status,
};
pub use service::{
    CanaryView, EventView, ModuliView, NodeList, NodeView, ParticipantView, ReadyView, SessionList,
    SessionView, TokenView, VersionView,
};

/// A moment as RFC 3339 writes it, in UTC, from milliseconds since 1970. `None` for 0, which the contract
/// writes for "never", and for what no calendar can write.
#[must_use]
pub fn rfc3339(ms: u64) -> Option<String> {
    if ms == 0 {
        return None;
    }
    let nanos = i128::from(ms).checked_mul(1_000_000)?;
    let at = time::OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
    at.format(&time::format_description::well_known::Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_for_people() {
        assert_eq!(rfc3339(1_795_845_731_250).unwrap(), "2026-11-28T06:02:11.25Z");
        assert_eq!(rfc3339(0), None);
        assert_eq!(rfc3339(u64::MAX), None, "what no calendar can write is no moment");
    }

    #[test]
    fn what_clients_sign_is_read_strictly() {
        for bad in [
            r#"{"name":"hot"}"#,
            r#"{"scheme":"dkls23","name":"hot","extra":1}"#,
            r#"{"scheme":"dkls23","name":7}"#,
        ] {
            assert!(serde_json::from_str::<CreateKeyBody>(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<EmptyBody>("{}").is_ok());
        assert!(serde_json::from_str::<EmptyBody>(r#"{"a":1}"#).is_err());
        let one = r#"{"key":"key_1","kind":"message","payload":"00"}"#;
        assert_eq!(serde_json::from_str::<CreateSignatureBody>(one).unwrap().path, "m");
    }
}
