//! The tour of a demo: keys, signatures, lost nodes, a refusal that is explained, nodes back, signatures again. Nothing in it
//! is staged: it is what a second terminal could do, one step after the other.

use std::time::Instant;

use keymoot_types::Scheme;
use keymoot_wire::rest::KeyView;
use serde_json::json;

use super::host::{Host, millis};
use crate::commands::sign::{self, checked, told};
use crate::failure::{Failure, NOT_ENOUGH_SIGNERS};
use crate::ink::Ink;
use crate::printer::Printer;
use crate::proof::Claim;
use crate::remote::Asked;

/// The whole tour, with this transaction at its end.
pub async fn play(
    host: &Host,
    printer: &Printer,
    transact: impl AsyncFnOnce(&KeyView) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let tour = Tour { host, printer };
    let hot = host.key(printer, "hot", Scheme::Dkls23).await?;
    tour.sign(&hot, "hello").await?;
    let mut keys = vec![hot];
    for (name, scheme) in [("vault", Scheme::FrostTaproot), ("solana", Scheme::FrostEd25519)] {
        keys.push(host.key(printer, name, scheme).await?);
    }
    for key in &keys {
        host.addresses(printer, key, false)?;
    }
    for key in &keys[1..] {
        tour.sign(key, "hello").await?;
    }
    let nodes: Vec<String> = host.local.document.nodes.iter().map(|node| node.name.clone()).collect();
    let needed = usize::from(host.local.document.signers().needed());
    let mut signatures = keys.len();
    // As many as may be missing, one after the other, and each time a signature; then one too many.
    let (spare, rest) = nodes.split_at(needed);
    let mut refused = 0;
    for node in rest.iter().rev() {
        tour.kill(node).await?;
        tour.sign(&keys[0], "still here").await?;
        signatures += 1;
    }
    if let Some(node) = spare.last() {
        tour.kill(node).await?;
        tour.refuse(&keys[0], "not now").await?;
        refused += 1;
    }
    tour.start_all().await?;
    for key in &keys {
        tour.sign(key, "not now").await?;
        signatures += 1;
    }
    transact(&keys[0]).await?;
    let tick = printer.ink.good("✓");
    let total = keys.len();
    printer.line(&format!(
        " {tick} {total} keys · {signatures} signatures and a transaction, all verified · {refused} refusal, as planned"
    ))?;
    printer.object(&json!({
        "schema": "keymoot/demo/v1", "step": "end", "keys": total, "signatures": signatures, "refusals": refused,
        "milliseconds": millis(host.began),
    }))
}

/// A failure that is not the end, in lines.
pub fn reported(failure: &Failure, ink: Ink) -> Result<Vec<String>, Failure> {
    let mut text = Vec::new();
    failure.report(|text| Ink::bad(ink, text), &mut text).map_err(Failure::Output)?;
    Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
}

struct Tour<'a> {
    host: &'a Host,
    printer: &'a Printer,
}

impl Tour<'_> {
    fn prompt(&self, command: &str) -> Result<(), Failure> {
        self.printer.line("")?;
        self.printer.line(&format!("$ keymoot {command}"))
    }

    async fn sign(&self, key: &KeyView, message: &str) -> Result<(), Failure> {
        let Self { host, printer } = self;
        self.prompt(&format!("sign --key {} --message {message:?}", key.name))?;
        let (path, kind, payload) = ("m", "message", message.as_bytes());
        let begun = Instant::now();
        let asked = Asked { key, path, kind, payload };
        let signed = host.remote.sign_all(&asked, 1).await?.pop();
        let signed = signed.ok_or(Failure::Broken("a request for one signature has none"))?;
        let waited = begun.elapsed();
        let expected = Claim { key, path, kind, payload }.expected(host.remote.document.bitcoin)?;
        let encoded = checked(&signed, &expected)?;
        host.remote.has_signed(&asked, 1);
        if !printer.json {
            for line in told(&host.remote, key, &signed.signers, waited).await {
                printer.line(&line)?;
            }
        }
        let digits = hex::encode(&encoded);
        let (begin, end) = (&digits[..8], &digits[digits.len() - 8..]);
        let tick = printer.ink.good("✓");
        printer.line(&format!("  0x{begin}…{end}   verified with {} {tick}", expected.library()))?;
        printer.object(&json!({
            "schema": "keymoot/demo/v1", "step": "signature", "key": key.name, "scheme": key.scheme,
            "message": message, "request": signed.id, "signature": digits, "signers": signed.signers,
            "verified": true, "verified_by": expected.library(), "milliseconds": sign::millis(waited),
            "since_start_ms": millis(host.began),
        }))
    }

    async fn kill(&self, node: &str) -> Result<(), Failure> {
        self.prompt(&format!("node kill {node}"))?;
        self.host.supervisor.kill(node).await?;
        self.printer.line(&format!("  {node} killed (SIGKILL)"))?;
        self.printer.object(&json!({ "schema": "keymoot/demo/v1", "step": "killed", "node": node }))
    }

    /// Asks for a signature that there must not be.
    async fn refuse(&self, key: &KeyView, message: &str) -> Result<(), Failure> {
        self.prompt(&format!("sign --key {} --message {message:?}", key.name))?;
        let (path, kind, payload) = ("m", "message", message.as_bytes());
        let failure = match self.host.remote.sign_all(&Asked { key, path, kind, payload }, 1).await {
            Ok(_) => return Err(Failure::Broken("fewer than the threshold have signed")),
            Err(failure) => failure,
        };
        if failure.code() != NOT_ENOUGH_SIGNERS {
            return Err(failure);
        }
        for line in reported(&failure, self.printer.ink)? {
            self.printer.line(&format!("  {line}"))?;
        }
        let told = failure.document().unwrap_or_default();
        self.printer.object(&json!({
            "schema": "keymoot/demo/v1", "step": "refusal", "code": failure.code(), "what": told["what"],
            "details": told["details"], "undone": told["undone"], "request": told["request"],
        }))
    }

    async fn start_all(&self) -> Result<(), Failure> {
        self.prompt("node start --all")?;
        let begun = Instant::now();
        let names = self.host.supervisor.start_again(None).await?;
        self.host.until_connected().await?;
        self.printer.line(&format!("  {} started", names.join(", ")))?;
        self.printer.object(&json!({
            "schema": "keymoot/demo/v1", "step": "started", "nodes": names, "milliseconds": millis(begun),
        }))
    }
}
