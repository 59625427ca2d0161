//! A request, for people and for programs.

use std::collections::BTreeMap;

use keymoot_wire::rest::{AskView, RequestView, Status};
use serde_json::{Value, json};

use crate::ceremony::wall_ms;
use crate::commands::sign;
use crate::explain::VERIFY_FAILED;
use crate::failure::{Failure, Trouble};
use crate::ink::Ink;
use crate::printer::{Printer, wrap};
use crate::proof::{Claim, Expected, Read};
use crate::remote::Remote;

/// For programs. A signature is in it only if it was verified.
pub fn document(request: &RequestView, signature: Option<&str>) -> Value {
    let denials: Vec<Value> = (request.denials.iter())
        .map(|denial| json!({ "node": denial.node, "reason": denial.reason }))
        .collect();
    let mut object = json!({
        "schema": "keymoot/request/v1", "id": request.id, "status": request.status.name(), "asks": "unknown",
        "key": request.key.as_ref().map(|key| &key.id), "name": null, "scheme": null, "path": null, "kind": null,
        "payload": null, "signing": null, "signature": signature,
        "signers": request.signers, "code": request.code, "reason": request.reason, "denials": denials,
        "culprits": request.culprits, "attempts": request.attempts, "client": request.client,
        "created_ms": request.created_ms, "expires_ms": request.expires_ms, "finished_ms": request.finished_ms,
    });
    let asked = match &request.ask {
        AskView::Key { name, scheme } => json!({ "asks": "key", "name": name, "scheme": scheme }),
        AskView::Signature { key, path, kind, payload, signing } => json!({
            "asks": "signature", "key": key, "path": path, "kind": kind, "payload": payload, "signing": signing,
        }),
        AskView::Retire { key } => json!({ "asks": "retirement", "key": key }),
        AskView::Unknown => json!({}),
    };
    if let (Some(object), Value::Object(asked)) = (object.as_object_mut(), asked) {
        object.extend(asked);
    }
    object
}

/// What is asked for, in words.
fn asked(request: &RequestView, names: &BTreeMap<String, String>) -> String {
    let called = |id: &String| match names.get(id).map(String::as_str) {
        None | Some("") => id.clone(),
        Some(name) => format!("{name:?}"),
    };
    match &request.ask {
        AskView::Key { name, scheme } => format!("a key {name:?} ({scheme})"),
        AskView::Signature { key, path, kind, signing, .. } => {
            let number = signing.map_or(String::new(), |number| format!(", signature {}", number + 1));
            format!("{} signs {kind}{number} at {path}", called(key))
        }
        AskView::Retire { key } => format!("the end of {}", called(key)),
        AskView::Unknown => "something that this version does not know".to_owned(),
    }
}

/// How long it is still good, or since when it is over.
fn time(request: &RequestView) -> String {
    let now = wall_ms();
    match (request.status, request.expires_ms, request.finished_ms) {
        (Status::Pending, Some(expires), _) => {
            format!("expires in {} s", expires.saturating_sub(now) / 1000)
        }
        (_, _, Some(finished)) => format!("{} s ago", now.saturating_sub(finished) / 1000),
        _ => "at an unknown time".to_owned(),
    }
}

fn painted(status: Status, ink: Ink) -> String {
    match status {
        Status::Complete => ink.good(status.name()),
        Status::Pending => ink.warning(status.name()),
        Status::Denied | Status::Expired | Status::Failed => ink.bad(status.name()),
    }
}

/// For people, in a list.
pub fn lines(request: &RequestView, names: &BTreeMap<String, String>, ink: Ink) -> Vec<String> {
    let mut lines = vec![
        format!("  {}", request.id),
        format!(
            "    {} · {} · by {} · {}",
            painted(request.status, ink),
            asked(request, names),
            request.client,
            time(request)
        ),
    ];
    let why = [request.code.as_deref(), request.reason.as_deref()].into_iter().flatten().collect::<Vec<_>>();
    lines.extend(wrap(&why.join(" "), 74).into_iter().filter(|line| !line.is_empty()).map(|line| {
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        format!("    {line}")
    }));
    lines
}

/// For people, with what it would do; a signature is verified first.
pub async fn whole(remote: &Remote, printer: &Printer, request: &RequestView) -> Result<(), Failure> {
    let mut names = BTreeMap::new();
    let (mut told, mut shown) = (Vec::new(), None);
    if let AskView::Signature { key, path, kind, payload, signing } = &request.ask {
        let key = remote.key(key).await?;
        let payload =
            hex::decode(payload).map_err(|_| unverified("the payload that the service shows is not hex"))?;
        let claim = Claim { key: &key, path, kind, payload: &payload };
        match (claim.read(remote.network(None)?), &request.signature) {
            (Ok(read), signature) => {
                told = sign::facts(&key, &read).painted(printer.ink);
                if signature.is_none() && request.status == Status::Complete {
                    return Err(unverified("the service says that it is signed, and shows no signature"));
                }
                if let Some(signature) = signature {
                    let library = verified(&read, *signing, &signature.encoded)?;
                    shown = Some(signature.encoded.as_str());
                    told.push(format!("  signature {}", printer.ink.strong(&signature.encoded)));
                    told.push(format!("  signers   {}", request.signers.join(", ")));
                    told.push(format!("  verified with {library} {}", printer.ink.good("✓")));
                }
            }
            // Whoever has it signed sees to it that nodes can read it; what they cannot is denied.
            (Err(failure), None) => told.push(format!("    the payload cannot be read here: {failure}")),
            (Err(failure), Some(_)) => return Err(failure),
        }
        names.insert(key.id, key.name);
    }
    if let Some(key) = &request.key {
        told.push(format!("  key       {}", key.id));
    }
    for denial in &request.denials {
        let reason: String = denial.reason.chars().filter(|c| !c.is_control()).collect();
        told.push(format!("    {} refuses: {reason}", denial.node));
    }
    printer.object(&document(request, shown))?;
    lines(request, &names, printer.ink).iter().chain(&told).try_for_each(|line| printer.line(line))
}

/// The library with which this signature verifies, over what the request asks for.
fn verified(read: &Read, signing: Option<u32>, encoded: &str) -> Result<&'static str, Failure> {
    let number = usize::try_from(signing.unwrap_or(0)).unwrap_or(usize::MAX);
    let expected = read.inspection.signings.get(number).map(Expected::of);
    let signature = hex::decode(encoded).unwrap_or_default();
    match expected.filter(|expected| expected.verifies(&signature)) {
        Some(expected) => Ok(expected.library()),
        None => Err(unverified("the signature that the service shows is none of this key over this payload")),
    }
}

fn unverified(what: &str) -> Failure {
    Trouble::new(VERIFY_FAILED, what).undone("no signature is shown").into()
}
