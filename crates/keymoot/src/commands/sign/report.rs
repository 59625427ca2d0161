//! What is said of a signature that was made.

use std::path::Path;
use std::time::Duration;

use keymoot_chains::Kind;
use keymoot_wire::rest::KeyView;
use serde_json::{Value, json};

use crate::proof::{Expected, Read};
use crate::remote::Remote;
use crate::signed::{self, Signed};

/// A key, as people call it.
pub(super) fn named(key: &KeyView) -> String {
    if key.name.is_empty() { key.id.clone() } else { format!("{:?}", key.name) }
}

/// The library that has verified it.
pub(super) fn library(read: &Read) -> &'static str {
    read.inspection.signings.first().map_or("nothing", |signing| Expected::of(signing).library())
}

/// What was asked for, as text.
pub(super) fn text(read: &Read, signed: &Signed) -> String {
    let kind = read.payload.kind();
    match (kind, signed.encoded.first()) {
        // No chain has a form for it, so the scheme's own is as good, and tells which key it was.
        (Kind::Message, Some(encoded)) => signed::text(kind, encoded),
        _ => signed::text(kind, &signed.bytes),
    }
}

/// The same for programs.
pub(super) fn document(key: &KeyView, read: &Read, signed: &Signed, out: Option<&Path>) -> Value {
    let kind = read.payload.kind();
    let path = read.key.path().to_string();
    match (kind, signed.answers.first(), read.inspection.signings.first()) {
        (Kind::Message, Some(answer), Some(signing)) => json!({
            "schema": "keymoot/signature/v1", "request": answer.id, "key": key.id, "name": key.name,
            "scheme": key.scheme, "path": path, "kind": kind.name(),
            "signed_data": hex::encode(signing.message()),
            "signature": answer.signature.as_ref().map(|signature| signature.encoded.clone()),
            "signers": answer.signers, "attempts": answer.attempts,
            "milliseconds": millis(signed.waited),
            "verified": true, "verified_by": library(read),
        }),
        _ => json!({
            "schema": "keymoot/signed/v1", "key": key.id, "name": key.name, "scheme": key.scheme,
            "path": path, "kind": kind.name(), "network": read.key.network().name(),
            "facts": read.inspection.facts, "signatures": signatures(read, signed),
            "encoding": signed::encoding(kind), "signed": text(read, signed),
            "out": out.map(|path| path.display().to_string()), "milliseconds": millis(signed.waited),
            "verified": true, "verified_by": library(read),
        }),
    }
}

fn signatures(read: &Read, signed: &Signed) -> Vec<Value> {
    let each = read.inspection.signings.iter().zip(&signed.answers).zip(&signed.encoded);
    let each = each.map(|((signing, answer), encoded)| {
        json!({
            "request": answer.id, "path": signing.path.to_string(), "algorithm": signing.algorithm,
            "verifies_under": hex::encode(&signing.verifies_under),
            "signed_data": hex::encode(signing.message()), "signature": hex::encode(encoded),
            "signers": answer.signers, "attempts": answer.attempts,
        })
    });
    each.collect()
}

/// Who allowed it, who signed, who could not; as far as the cluster still answers.
pub async fn told(remote: &Remote, key: &KeyView, signers: &[String], waited: Duration) -> [String; 2] {
    let approved: Vec<String> = signers.iter().map(|node| format!("{node} ✓")).collect();
    let policy = remote.policy_text();
    let mut parts = vec![signers.join(", ")];
    let (nodes, now) = tokio::join!(remote.nodes(), remote.key(&key.id));
    let nodes = nodes.map(|list| list.nodes).unwrap_or_default();
    let away: Vec<String> = (nodes.iter())
        .filter(|node| node.connected.is_empty() && key.holders.contains(&node.name))
        .map(|node| match node.silent_ms {
            Some(ms) => format!("{} unreachable for {} s", node.name, ms / 1000),
            None => format!("{} unreachable", node.name),
        })
        .collect();
    if !away.is_empty() {
        parts = vec![format!("{} ({})", signers.join(", "), away.join(", "))];
    }
    let left = now.map_or(0, |key| key.presignatures);
    if left > 0 {
        parts.push(format!("{left} presignatures left"));
    }
    parts.push(format!("{} ms", millis(waited)));
    [
        format!("  policy   ALLOW  {policy}   {}", approved.join(" ")),
        format!("  signers  {}", parts.join(" · ")),
    ]
}

/// Whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
