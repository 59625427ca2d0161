//! What one request is called in the logs of all processes: chosen by the gateway or its client, passed on by everybody.

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

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn only_what_may_stand_in_a_log_is_plain() {
        assert!(["01HZ-req.1", "a", &"a".repeat(64)].into_iter().all(is_plain));
        assert!(!["", "a b", "a\u{1b}[31m", "a\nb", "a\\b", "ä", &"a".repeat(65)].into_iter().any(is_plain));
    }
}
