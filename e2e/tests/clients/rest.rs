//! The client of the guide, as it stands there: no library of ours, the certificate and the key of a client, and Node.js.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::lab::Lab;

const GUIDE: &str = include_str!("../../../docs/guide/rest.md");
const SIGN: &str = "<!-- rest example -->\n```js\n";

/// Reads the keys as curl would: with the certificate, and with what `keymoot token` prints.
const READS: &str = "
    const { readFileSync } = require('node:fs');
    const [, shown, token] = process.argv;
    const context = JSON.parse(readFileSync(shown, 'utf8'));
    const [ca, cert, key] = [context.authority, context.certificate, context.key].map((file) => readFileSync(file));
    const headers = { authorization: `Bearer ${token}` };
    const options = { ca, cert, key, headers, agent: false };
    require('node:https').get(`${context.gateways[0]}/v1/keys`, options, (answer) => answer.pipe(process.stdout));
";

/// Runs it, has what it has signed verified by our program, and reads with a token as curl would.
pub fn check(lab: &Lab, folder: &Path) -> Result<()> {
    let (_, rest) = GUIDE.split_once(SIGN).context("the guide has no example")?;
    let (example, _) = rest.split_once("\n```\n").context("the example has no end")?;
    let script = folder.join("rest.mjs");
    std::fs::write(&script, example)?;
    let shown = folder.join("context.json");
    std::fs::write(&shown, said(lab, &["context", "show", "--json"])?)?;
    let mut node = Command::new("node");
    lab.cluster.at_home(&mut node);
    let output = node.arg(&script).arg(&shown).output().context("Node.js cannot be started")?;
    ensure!(output.status.success(), "the example failed: {}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let text = |name: &str| told[name].as_str().with_context(|| format!("the example tells no {name}"));
    let (key, signature) = (text("key")?, text("signature")?);
    let verified =
        said(lab, &["verify", "--key", key, "--message", "hello", "--signature", signature, "--json"])?;
    ensure!(verified.contains(r#""verified":true"#), "{verified}");
    let token = said(lab, &["token"])?;
    let read = Command::new("node").args(["-e", READS]).arg(&shown).arg(token.trim()).output()?;
    ensure!(read.status.success(), "reading failed: {}", String::from_utf8_lossy(&read.stderr));
    let told: Value = serde_json::from_slice(&read.stdout)?;
    ensure!(told["keys"].as_array().is_some_and(|keys| !keys.is_empty()), "{told}");
    Ok(())
}

fn said(lab: &Lab, words: &[&str]) -> Result<String> {
    let output = lab.program()?.args(words).output()?;
    ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
