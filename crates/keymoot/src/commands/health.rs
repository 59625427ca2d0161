//! `keymoot health`: can we sign now?

use serde_json::json;

use crate::cli::Given;
use crate::explain::NOT_READY;
use crate::failure::{Failure, Trouble};
use crate::printer::Printer;
use crate::remote::Remote;

pub fn run(given: &Given) -> Result<(), Failure> {
    let printer = Printer::new(given.json);
    let remote = Remote::open(given)?;
    super::wait(2, async move {
        let ready = remote.ready().await?;
        printer.object(
            &json!({ "schema": "keymoot/health/v1", "ready": ready.ready, "reasons": ready.reasons }),
        )?;
        if ready.ready {
            printer.line(&format!("  {} ready", printer.ink.good("✓")))?;
            for reason in &ready.reasons {
                printer.line(&format!("    {reason}"))?;
            }
            return Ok(());
        }
        let trouble = Trouble::new(NOT_READY, "the cluster cannot serve now");
        Err(ready.reasons.into_iter().fold(trouble, Trouble::branch).into())
    })
}
