//! `keymoot revoke` from outside: what it says, and that a cluster which runs takes it up.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ceremony::Stage;
use crate::keymoot;

/// What a client hears whose certificate is refused at the door.
const REFUSED: [&str; 2] = ["E5901", "the certificate of this client is revoked"];
/// What a client hears from a gateway that no coordinator lets in.
const ALONE: [&str; 2] = ["E5001", "no coordinator lets this gateway in"];
/// What a client hears that knows it, too.
const UNPINNED: [&str; 2] = ["E5901", "its key is revoked"];

#[test]
fn nobody_is_revoked_unless_it_is_said_clearly() {
    let stage = Stage::new();
    stage.must_refuse(&["revoke", "alice", "--yes"], "E2401", 2, "ceremony.json");
    stage.must_complete();
    // A host has the invitation, and no key of an authority.
    std::fs::copy(stage.path("office/ceremony.json"), stage.path("ceremony.json")).expect("a copy");
    stage.must_refuse(&["revoke", "alice", "--yes"], "E2401", 2, "authority.key.pem");
    let revoke = ["revoke", "alice", "--dir", "office"];
    let output = stage.run(&revoke);
    let (shown, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{shown}{told}");
    assert!(shown.contains("client, requester") && shown.contains("TLS key"), "{shown}");
    assert!(told.starts_with("error[E2705]") && told.contains("say --yes"), "{told}");
    let node = stage.run(&["revoke", "node-1", "--dir", "office"]);
    let shown = String::from_utf8_lossy(&node.stdout);
    assert!(shown.contains("Of 2 nodes 1 then") && shown.contains("too few"), "{shown}");
    stage.must_refuse(&["revoke", "carol", "--dir", "office", "--yes"], "E2402", 2, "carol");
    assert_eq!(
        stage.must_print(&["join", "--finish", "office/alice.admit.json", "--dir", "alice"])["version"],
        1
    );
    let revoked = stage.must_print(&[&revoke[..], &["--yes"]].concat());
    assert_eq!((&revoked["version"], &revoked["client_role"]), (&2.into(), &"requester".into()));
    assert_eq!(revoked["files"].as_array().map(Vec::len), Some(4));
    stage.must_refuse(&[&revoke[..], &["--yes"]].concat(), "E2409", 6, "revoked already");
    stage.must_refuse(&["admit", "alice/alice.join.json", "--dir", "office", "--yes"], "E2409", 6, "TLS key");
    stage.must_print(&["join", "--finish", "office/node-1.admit.json", "--dir", "node-1"]);
    stage.must_print(&["revoke", "node-1", "--dir", "office", "--yes"]);
    let again = ["join", "office/ceremony.json", "--as", "node-1", "--dir", "node-1", "--new-tls-key"];
    let answer = stage.must_print(&again)["answer"].as_str().expect("a file").to_owned();
    assert_eq!(stage.must_print(&["admit", &answer, "--dir", "office", "--yes"])["version"], 4);
    stage.must_print(&["join", "--finish", "office/node-1.admit.json", "--dir", "node-1"]);
}

/// The cluster in the stage's directory `up`.
fn up(stage: &Stage, nodes: &str, arguments: &[&str]) -> Command {
    let mut command =
        keymoot(&[&["up", "--dir", "up", "--nodes", nodes, "--patience", "120"], arguments].concat());
    command
        .current_dir(stage.path(""))
        .env("XDG_CONFIG_HOME", stage.path("config"))
        .env("XDG_RUNTIME_DIR", stage.path("run"));
    command
}

/// One that runs until this is dropped.
pub struct Up(Child);

impl Up {
    pub fn must_start(stage: &Stage, nodes: &str) -> Self {
        Self::must_start_with(stage, nodes, &[])
    }

    pub fn must_start_with(stage: &Stage, nodes: &str, options: &[&str]) -> Self {
        let mut process = up(stage, nodes, options).stdout(Stdio::piped()).spawn().expect("the binary runs");
        let said = BufReader::new(process.stdout.take().expect("an output"));
        let up = Self(process);
        let is_there = said.lines().map_while(Result::ok).any(|line| line.contains("Ctrl-C ends it"));
        assert!(is_there, "it did not start");
        up
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Its processes notice that it is gone, and end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Brings everybody whose key counts the newest admission.
fn distribute(stage: &Stage) {
    distribute_to_all_but(stage, "");
}

fn distribute_to_all_but(stage: &Stage, stale: &str) {
    for entry in std::fs::read_dir(stage.path("up/ceremony")).expect("a folder").flatten() {
        let file = entry.file_name().into_string().expect("text");
        let Some(name) = file.strip_suffix(".admit.json").filter(|name| *name != stale) else { continue };
        let (from, to) = (format!("up/ceremony/{file}"), format!("up/{name}"));
        stage.must_print(&["join", "--finish", &from, "--dir", &to]);
    }
}

/// Asks until the answer is this, an error with its code and a word of it or a success: processes look at their files every
/// five seconds.
fn until(stage: &Stage, arguments: &[String], error: Option<[&str; 2]>) -> Value {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--json"]).collect();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let output = stage.run(&arguments);
        let told = if output.status.success() { output.stdout } else { output.stderr };
        let last: Value = serde_json::from_slice(&told).unwrap_or_default();
        let is_it = error.is_none_or(|[code, word]| last["code"] == code && last.to_string().contains(word));
        if output.status.success() == error.is_none() && is_it {
            return last;
        }
        assert!(Instant::now() < deadline, "{arguments:?} never came to {error:?}: {last}");
    }
}

#[test]
fn a_cluster_that_runs_hears_a_revoked_client_no_more() {
    let stage = Stage::new();
    let output = up(&stage, "2", &["--exit"]).output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let join = ["join", "up/ceremony/ceremony.json", "--as", "bob", "--role", "requester", "--dir", "up/bob"];
    let answer = stage.must_print(&join)["answer"].as_str().expect("a file").to_owned();
    stage.must_print(&["admit", &answer, "--dir", "up/ceremony", "--yes"]);
    distribute(&stage);

    let _up = Up::must_start(&stage, "2");
    let sign = |who: &str, text: &str| {
        let context = format!("./up/{who}");
        ["sign", "--key", "hot", "--message", text, "--yes", "--context", &context].map(str::to_owned)
    };
    assert_eq!(until(&stage, &sign("bob", "hello"), None)["verified"], true);
    stage.must_print(&["revoke", "bob", "--dir", "up/ceremony", "--yes"]);
    distribute(&stage);
    for command in [&["key", "list", "--context", "./up/bob"].map(str::to_owned)[..], &sign("bob", "again")] {
        until(&stage, command, Some(REFUSED));
    }
    // The alert comes when the handshake is over, and is the cause at every later moment, too. Where the connection is reset before
    // it is read there is none to be told: each command is run until it has read one.
    let bob = ["--context", "./up/bob", "--json"];
    for command in
        [&["key", "list"][..], &["sign", "--key", "hot", "--message", "x"], &["doctor"], &["health"]]
    {
        let told = (0..5).map(|_| {
            let output = stage.run(&[command, &bob].concat());
            let told = [output.stdout, output.stderr].concat();
            let told = String::from_utf8_lossy(&told).into_owned();
            assert_eq!(output.status.code(), Some(5), "{told}");
            told
        });
        let told: Vec<String> = told.collect();
        let hears = |told: &&String| told.contains(REFUSED[0]) && told.contains(REFUSED[1]);
        assert!(told.iter().filter(hears).count() >= 3, "{command:?}: {told:?}");
    }
    assert_eq!(until(&stage, &sign("you", "again"), None)["verified"], true, "the others sign on");

    // The gateway loses its TLS key, and comes back with another, while it runs.
    stage.must_print(&["revoke", "gateway-1", "--dir", "up/ceremony", "--yes"]);
    distribute_to_all_but(&stage, "you");
    let list = ["key", "list", "--context", "./up/you"].map(str::to_owned);
    until(&stage, &list, Some(ALONE));
    distribute(&stage);
    until(&stage, &list, Some(UNPINNED));
    let again =
        ["join", "up/ceremony/ceremony.json", "--as", "gateway-1", "--dir", "up/gateway-1", "--new-tls-key"];
    let answer = stage.must_print(&again)["answer"].as_str().expect("a file").to_owned();
    stage.must_print(&["admit", &answer, "--dir", "up/ceremony", "--yes"]);
    distribute(&stage);
    assert_eq!(until(&stage, &sign("you", "once more"), None)["verified"], true);
}
