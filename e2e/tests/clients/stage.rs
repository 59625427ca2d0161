//! What tests share: one cluster, what each script has said, and figures for the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, anyhow};
use serde_json::json;

use crate::chain::Chain;
use crate::embedded::Embedded;
use crate::lab::Lab;
use crate::place::Place;
use crate::script::{Gets, Ran, Script};
use crate::{latency, paths, rest, script, spends};

/// Made when first needed. What failed once is not tried again.
type Once<T> = OnceLock<Result<T, String>>;

fn once<T>(cell: &Once<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    let made = cell.get_or_init(|| make().map_err(|error| format!("{error:#}")));
    made.as_ref().map_err(|error| anyhow!(error.clone()))
}

#[derive(Default)]
pub struct Stage {
    // Ended in this order.
    embedded: Once<Embedded>,
    chain: Once<Chain>,
    lab: Once<Lab>,
    place: Once<Place>,
    ran: Mutex<BTreeMap<&'static str, Arc<Once<Ran>>>>,
    counts: Mutex<Vec<String>>,
}

impl Stage {
    /// Passes if the script has made this check, and it passed. The script runs at the first question.
    pub fn check(&self, script: &Script, check: &str) -> Result<()> {
        let ran = Arc::clone(
            self.ran.lock().unwrap_or_else(PoisonError::into_inner).entry(script.file).or_default(),
        );
        let found = once(&ran, || self.run(script))?.found(check)?;
        if let Some(count) = found["count"].as_str() {
            self.count(count.to_owned());
        }
        if check.starts_with("spends ") {
            spends::verify(&found["spend"]).context("Bitcoin's consensus code")?;
        }
        Ok(())
    }

    fn run(&self, script: &Script) -> Result<Ran> {
        let place = self.place()?;
        let mut command = place.script(script.file);
        // Gone when the script has ended.
        let folder = tempfile::tempdir()?;
        let settings = match script.gets {
            Gets::Addresses => {
                let settings = folder.path().join("settings.json");
                std::fs::write(&settings, json!({ "rows": paths::rows()? }).to_string())?;
                command.env("HOME", folder.path());
                settings
            }
            Gets::Cluster => {
                let lab = self.lab()?;
                lab.cluster.at_home(&mut command);
                lab.keep("cluster.json", &lab.settings)?
            }
            Gets::Chain => {
                let lab = self.lab()?;
                lab.cluster.at_home(&mut command);
                lab.keep("chain.json", &self.chain()?.settings)?
            }
            Gets::Embedded => {
                let embedded = once(&self.embedded, || Embedded::start(self.chain()?))?;
                embedded.at_home(&mut command);
                embedded.keep()?
            }
        };
        command.arg(settings).env("TMPDIR", folder.path());
        script::run(script, command)
    }

    /// Runs the client of the guide for REST.
    pub fn rest(&self) -> Result<()> {
        // Gone when it has ended.
        let folder = tempfile::tempdir()?;
        rest::check(self.lab()?, folder.path())
    }

    /// Measures what the signer adds to a signature.
    pub fn latency(&self) -> Result<()> {
        let measured = latency::measure(self.lab()?, self.chain()?)?;
        self.count(measured.to_string());
        measured.check()
    }

    fn place(&self) -> Result<&Place> {
        once(&self.place, Place::find)
    }

    fn lab(&self) -> Result<&Lab> {
        once(&self.lab, Lab::start)
    }

    fn chain(&self) -> Result<&Chain> {
        once(&self.chain, || Chain::start(self.lab()?, self.place()?))
    }

    fn count(&self, line: String) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// Figures, for whoever reads the end of the run.
    pub fn counts(&self) -> Vec<String> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
