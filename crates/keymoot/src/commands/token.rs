//! `keymoot token`: a token for programs that call the gateway by themselves.

use clap::Args;
use serde_json::json;

use crate::cli::Given;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::remote::Remote;

/// Get a token for programs that call the gateway themselves, such as curl.
///
/// It is good for reading, for some minutes, and only on connections with the certificate of this context. Whoever asks for a
/// key or a signature signs the request besides.
#[derive(Args)]
pub struct TokenArgs {}

pub fn run(given: &Given, _: &TokenArgs) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let remote = Remote::open(given)?;
    super::wait(2, async move {
        let token = remote.token().await?;
        let object = json!({
            "schema": "keymoot/token/v1", "token": token.token, "role": token.role,
            "expires_at": token.expires_at, "expires_ms": token.expires_ms,
        });
        printer.either(&object, &[token.token])
    })
}
