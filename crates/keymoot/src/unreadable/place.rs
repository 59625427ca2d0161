//! Where in a payload that cannot be read the reading stops, as far as its outer form tells.

use keymoot_chains::Kind;
use serde_json::Value;

/// In words, or `None` where the outer form is good.
pub fn of(kind: Kind, bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return Some("it is empty".to_owned());
    }
    match kind {
        Kind::EvmTypedData => typed_data(bytes),
        Kind::EvmTx => transaction(bytes),
        Kind::BtcPsbt => psbt(bytes),
        _ => None,
    }
}

fn typed_data(bytes: &[u8]) -> Option<String> {
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        // Its text ends with line and column.
        Err(error) => return Some(error.to_string()),
    };
    let missing =
        ["types", "primaryType", "domain", "message"].into_iter().find(|name| value.get(name).is_none());
    missing.map(|name| format!("there is no `{name}` at the top"))
}

/// A list of RLP behind the byte of the type; before types there was the list alone.
fn transaction(bytes: &[u8]) -> Option<String> {
    let start = usize::from(bytes.first()? < &0xc0);
    let head = bytes.get(start).copied();
    let Some(head) = head.filter(|head| *head >= 0xc0) else {
        return Some(format!("at byte {start}: a list begins there, and this is none"));
    };
    let (long, begin) = match head {
        0xf8.. => (usize::from(head - 0xf7), start + 1 + usize::from(head - 0xf7)),
        _ => (0, start + 1),
    };
    let length = match long {
        0 => usize::from(head - 0xc0),
        _ => {
            let digits = bytes.get(start + 1..begin);
            let Some(digits) = digits else { return Some(format!("at byte {}: it is cut off", bytes.len())) };
            digits
                .iter()
                .fold(0_usize, |sum, digit| sum.saturating_mul(256).saturating_add(usize::from(*digit)))
        }
    };
    told(begin, length, bytes.len())
}

/// What a length says, against what is there.
fn told(begin: usize, length: usize, total: usize) -> Option<String> {
    let end = begin.saturating_add(length);
    match total {
        _ if total < end => {
            Some(format!("at byte {total}: it is cut off, {} bytes are missing", end - total))
        }
        _ if total > end => Some(format!("at byte {end}: {} bytes too many", total - end)),
        _ => None,
    }
}

const MAGIC: &[u8] = b"psbt\xff";

/// Maps of keys and values, each with its length before it; a key of length 0 ends a map.
fn psbt(bytes: &[u8]) -> Option<String> {
    if !bytes.starts_with(MAGIC) {
        return Some(
            "at byte 0: a PSBT begins with `psbt` and ff, this does not, also not as base64".to_owned(),
        );
    }
    let mut reader = Reader { bytes, at: MAGIC.len() };
    while reader.at < bytes.len() {
        // Whether what ended was a map, the next reader sees.
        if let Err(missing) = reader.pair() {
            return Some(format!(
                "at byte {}: it is cut off, {missing} bytes are missing at least",
                bytes.len()
            ));
        }
    }
    None
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn pair(&mut self) -> Result<(), usize> {
        if self.skip()? > 0 {
            self.skip()?;
        }
        Ok(())
    }

    /// Passes over a length and what it is of; says how long that was, or how much is missing.
    fn skip(&mut self) -> Result<usize, usize> {
        let first = *self.bytes.get(self.at).ok_or(1_usize)?;
        let size = match first {
            0xfd => 2,
            0xfe => 4,
            0xff => 8,
            _ => 0,
        };
        let begin = self.at + 1 + size;
        let digits = self.bytes.get(self.at + 1..begin).ok_or(1_usize)?;
        let long = digits
            .iter()
            .rev()
            .fold(0_usize, |sum, digit| sum.saturating_mul(256).saturating_add(usize::from(*digit)));
        let length = if size == 0 { usize::from(first) } else { long };
        let end = begin.saturating_add(length);
        if end > self.bytes.len() {
            return Err(end - self.bytes.len());
        }
        self.at = end;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use keymoot_chains::Kind;

    use super::of;

    #[test]
    fn a_transaction_says_where_it_is_cut_off_or_too_long() {
        let whole = [&[0x02, 0xc3][..], &[1, 2, 3]].concat();
        assert_eq!(of(Kind::EvmTx, &whole), None);
        assert_eq!(of(Kind::EvmTx, &whole[1..]), None, "of the time before types");
        let told = |bytes: &[u8]| of(Kind::EvmTx, bytes).unwrap();
        assert_eq!(told(&whole[..4]), "at byte 4: it is cut off, 1 bytes are missing");
        assert_eq!(told(&[&whole[..], &[0]].concat()), "at byte 5: 1 bytes too many");
        assert_eq!(told(&[0x02, 0xf8, 0x40, 0]), "at byte 4: it is cut off, 63 bytes are missing");
        assert!(told(&[0x02, 0xf9]).contains("cut off") && told(&[0x02]).contains("at byte 1"));
        assert!(told(&[]).contains("empty") && told(b"hello").contains("this is none"));
        assert!(told(&[0xff; 9]).contains("missing"), "no length overflows");
    }

    #[test]
    fn json_says_line_and_column_or_what_is_missing() {
        let told = |text: &str| of(Kind::EvmTypedData, text.as_bytes()).unwrap();
        assert!(
            told("{\n  \"types\": {,").ends_with("at line 2 column 13"),
            "{}",
            told("{\n  \"types\": {,")
        );
        assert_eq!(told("{\"types\": {}}"), "there is no `primaryType` at the top");
        let whole = r#"{"types": {}, "primaryType": "", "domain": {}, "message": {}}"#;
        assert_eq!(of(Kind::EvmTypedData, whole.as_bytes()), None);
    }

    #[test]
    fn a_psbt_says_where_it_is_cut_off() {
        let whole = [b"psbt\xff".as_slice(), &[1, 0, 3, 9, 9, 9, 0, 0]].concat();
        assert_eq!(of(Kind::BtcPsbt, &whole), None);
        let told = |bytes: &[u8]| of(Kind::BtcPsbt, bytes).unwrap();
        assert_eq!(told(&whole[..10]), "at byte 10: it is cut off, 1 bytes are missing at least");
        assert!(told(&whole[..7]).contains("at byte 7") && told(b"cHNidP8").contains("at byte 0"));
        assert!(
            told(&[b"psbt\xff".as_slice(), &[0xff; 9]].concat()).contains("missing"),
            "no length overflows"
        );
    }
}
