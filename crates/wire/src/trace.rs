//! What one request is called in the logs of all processes: chosen by the gateway or its client, passed on by everybody.

use std::sync::Arc;

use p256::elliptic_curve::rand_core::{OsRng, RngCore};

/// The header of a gRPC call that says it.
pub const HEADER: &str = "keymoot-trace";

/// The longest, in bytes.
const LENGTH_MAX: usize = 64;

/// Whether it may stand in a log: short, and nothing but letters, digits and a few signs.
#[must_use]
pub fn is_plain(trace: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=LENGTH_MAX).contains(&trace.len()) && trace.bytes().all(is_letter)
}

/// The caller's name for a request if it may stand in a log, else one of our own.
#[must_use]
pub fn name_of(given: Option<&str>) -> Arc<str> {
    if let Some(name) = given.filter(|name| is_plain(name)) {
        return name.into();
    }
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    hex::encode(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::{is_plain, name_of};

    #[test]
    fn a_name_that_could_forge_a_line_of_the_log_is_replaced() {
        assert_eq!(&*name_of(Some("order-66.a_B")), "order-66.a_B");
        for bad in ["", "a b", "a\tb", "ä", &"x".repeat(65), "a/../b"] {
            let made = name_of(Some(bad));
            assert!(made.len() == 32 && *made != *bad, "{bad}");
        }
        assert_ne!(name_of(None), name_of(None));
    }

    #[test]
    fn only_what_may_stand_in_a_log_is_plain() {
        assert!(["01HZ-req.1", "a", &"a".repeat(64)].into_iter().all(is_plain));
        assert!(!["", "a b", "a\u{1b}[31m", "a\nb", "a\\b", "ä", &"a".repeat(65)].into_iter().any(is_plain));
    }
}
