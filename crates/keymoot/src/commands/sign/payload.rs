//! What is to be signed, out of arguments, files and standard input.

use std::io::{self, Read};
use std::path::Path;

use base64ct::{Base64, Encoding};
use keymoot_chains::Kind;

use super::SignArgs;
use crate::explain::USAGE;
use crate::failure::{Failure, Trouble};
use crate::place::io_trouble;
use crate::psbt;

/// The longest payload that is read from a file.
const PAYLOAD_MAX: u64 = 2 * 1024 * 1024;

/// The name of its kind, and its bytes.
pub(super) fn read(args: &SignArgs) -> Result<(String, Vec<u8>), Failure> {
    let of = |kind: Kind, bytes: Vec<u8>| Ok((kind.name().to_owned(), bytes));
    if let Some(file) = &args.typed_data {
        return of(Kind::EvmTypedData, read_file(file)?);
    }
    if let Some(given) = &args.tx {
        return of(Kind::EvmTx, transaction(given)?);
    }
    if let Some(given) = &args.psbt {
        let content =
            if psbt::is_text(given) { given.clone().into_bytes() } else { read_file(given.as_ref())? };
        return of(Kind::BtcPsbt, psbt::bytes(content));
    }
    if let Some(given) = &args.sol_tx {
        return of(Kind::SolTx, solana(given)?);
    }
    let kind = args.kind.clone().unwrap_or_else(|| Kind::Message.name().to_owned());
    let bytes = match (&args.message, &args.hex) {
        (Some(message), _) => message.clone().into_bytes(),
        (None, Some(given)) => read_hex(given)?,
        (None, None) => {
            read_file(args.message_file.as_deref().or(args.file.as_deref()).unwrap_or(Path::new("-")))?
        }
    };
    Ok((kind, bytes))
}

/// `--hex`.
pub fn read_hex(given: &str) -> Result<Vec<u8>, Failure> {
    digits(given).unwrap_or_else(|| Err(bad("`--hex` takes hexadecimal digits")))
}

/// A file, or standard input.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => bad(&format!("there is no file `{}`", path.display())),
        _ => io_trouble(path, "cannot be read", error),
    };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().take(PAYLOAD_MAX + 1).read_to_end(&mut bytes).map_err(refused)?;
    } else {
        let file = std::fs::File::open(path).map_err(refused)?;
        file.take(PAYLOAD_MAX + 1).read_to_end(&mut bytes).map_err(refused)?;
    }
    if bytes.len() as u64 > PAYLOAD_MAX {
        return Err(bad(&format!("`{}` is longer than {PAYLOAD_MAX} bytes", path.display())));
    }
    Ok(bytes)
}

/// Whether these are two names for the same: then the file is meant.
fn is_file(given: &str) -> bool {
    given == "-" || Path::new(given).exists()
}

/// Hexadecimal digits, with or without `0x`. `None`: it is no such text.
fn digits(text: &str) -> Option<Result<Vec<u8>, Failure>> {
    let text = text.trim();
    let bare = text.strip_prefix("0x").unwrap_or(text);
    let is_it = !bare.is_empty() && bare.bytes().all(|c| c.is_ascii_hexdigit());
    is_it.then(|| hex::decode(bare).map_err(|_| bad("an odd number of hexadecimal digits is cut off")))
}

/// No transaction begins with a digit, so text cannot be taken for bytes.
fn transaction(given: &str) -> Result<Vec<u8>, Failure> {
    if !is_file(given)
        && let Some(bytes) = digits(given)
    {
        return bytes;
    }
    let content = read_file(given.as_ref())?;
    let text = std::str::from_utf8(&content).ok().and_then(digits);
    text.unwrap_or(Ok(content))
}

/// A message begins with the number of its signers, of which there cannot be as many as letters of base64 say.
fn solana(given: &str) -> Result<Vec<u8>, Failure> {
    let decoded = |text: &str| Base64::decode_vec(text.trim()).ok().filter(|bytes| !bytes.is_empty());
    if !is_file(given)
        && let Some(bytes) = decoded(given)
    {
        return Ok(bytes);
    }
    let content = read_file(given.as_ref())?;
    let text = std::str::from_utf8(&content).ok().and_then(decoded);
    Ok(text.unwrap_or(content))
}

fn bad(what: &str) -> Failure {
    Trouble::new(USAGE, what).undone("nothing was sent").into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{digits, solana, transaction};

    #[test]
    fn bytes_come_from_text_and_from_files_with_text_or_bytes() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = place.path().join(name);
            fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let bytes = [0x02, 0xc0, 0xff];
        let forms = ["02c0ff".to_owned(), "0x02C0ff".to_owned(), file("a", &bytes), file("b", b"0x02c0ff\n")];
        for form in forms {
            assert_eq!(transaction(&form).unwrap(), bytes, "{form}");
        }
        assert_eq!(transaction("0x02c0f").unwrap_err().code(), "E2001");
        assert_eq!(transaction("no such file").unwrap_err().code(), "E2001");
        let message = [0x01, 0x00, 0x01, 0x80];
        for form in ["AQABgA==".to_owned(), file("c", &message), file("d", b"AQABgA==\n")] {
            assert_eq!(solana(&form).unwrap(), message, "{form}");
        }
        assert!(digits("xyz").is_none() && digits("").is_none() && digits("0x").is_none());
    }
}
