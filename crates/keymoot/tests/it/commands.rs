//! All commands that talk to a cluster, against one with real processes: what they print fits the published schemas.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{keymoot, schema};

/// A demo that stays until this is dropped.
pub struct Demo {
    place: tempfile::TempDir,
    process: Child,
}

impl Demo {
    fn must_start() -> Self {
        Self::must_start_with(&[])
    }

    /// With variables of all its processes.
    pub fn must_start_with(variables: &[(&str, &str)]) -> Self {
        let place = tempfile::tempdir().expect("a place for temporary files");
        let mut process = in_place(place.path(), &["demo", "--patience", "120"])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let said = BufReader::new(process.stdout.take().expect("an output"));
        let lines: Vec<String> = said
            .lines()
            .map_while(Result::ok)
            .take_while(|line| !line.contains("Ctrl-C ends this one"))
            .collect();
        let story = lines.join("\n");
        assert!(
            story.contains("nobody ever held the private key") && story.contains("KEYMOOT_CTX=demo"),
            "{story}"
        );
        assert!(
            story.contains("0.001 ETH to 0x000000000000000000000000000000000000dEaD")
                && story.contains("verified with libsecp256k1 ✓   not sent"),
            "{story}"
        );
        Self { place, process }
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        in_place(self.place.path(), arguments).env("KEYMOOT_CTX", "demo").output().expect("the binary runs")
    }

    /// The objects that a command prints, each of which fits its schema.
    pub fn must_print(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.run(&[arguments, &["--json"]].concat());
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*complaints), (Some(0), ""), "{arguments:?}");
        let lines = String::from_utf8(output.stdout).expect("text");
        let objects: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect();
        objects.iter().for_each(schema::must_fit);
        objects
    }

    pub fn must_fail(&self, arguments: &[&str], code: &str, exit: i32) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        let document: Value = serde_json::from_slice(&output.stderr).expect("one JSON object");
        schema::must_fit(&document);
        assert_eq!((&document["code"], output.status.code()), (&code.into(), Some(exit)), "{document}");
        document
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // As if its terminal had crashed: its processes have to notice by themselves.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn in_place(place: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = keymoot(arguments);
    command
        .env("TMPDIR", place)
        .env("XDG_RUNTIME_DIR", place)
        .env("XDG_CONFIG_HOME", place)
        .env_remove("KEYMOOT_CTX")
        .current_dir(place);
    command
}

#[test]
fn a_second_terminal_does_everything_with_a_demo_that_stays() {
    let demo = Demo::must_start();
    let health = &demo.must_print(&["health"])[0];
    assert_eq!(
        (&health["ready"], &health["up"], &health["degraded"]),
        (&true.into(), &3.into(), &Value::Array(vec![]))
    );
    assert_eq!(demo.must_print(&["node", "list"]).len(), 3);
    let made = demo.must_print(&["key", "create", "quick", "--scheme", "frost-ed25519"]);
    assert!(made.len() > 6, "its rounds are told as they pass: {made:?}");
    let key = made.last().expect("the key").clone();
    assert_eq!(demo.must_print(&["key", "show", "quick"])[0]["id"], key["id"]);
    assert_eq!(demo.must_print(&["key", "list"]).len(), 2);
    assert_eq!(demo.must_print(&["key", "address", "quick"])[0]["addresses"][0]["chain"], "solana");
    demo.must_print(&["key", "xpub", "hot"]);
    demo.must_fail(&["key", "xpub", "quick"], "E2001", 2);
    let unserved = demo.must_fail(&["key", "create", "notary", "--protocol", "gg20"], "E2109", 3);
    assert!(unserved["details"].to_string().contains("   this node does not serve"), "{unserved}");
    let unknown = demo.must_fail(&["key", "show", "qiuck"], "E4002", 2);
    assert!(unknown["help"].to_string().contains("did you mean `quick`?"), "{unknown}");
    assert!(unknown["undone"].to_string().contains("nothing was signed"), "{unknown}");
    for name in ["", &"x".repeat(65)] {
        let refused = demo.must_fail(&["key", "create", name], "E2001", 2);
        assert!(refused["what"].to_string().contains("1 to 64 bytes"), "{refused}");
    }
    demo.must_fail(&["sign", "--key", "quick", "--message", "x", "--kind", "raw_digest"], "E2702", 3);

    let sign = ["sign", "--key", "quick", "--message", "hello"];
    let signed = demo.must_print(&sign);
    let signature = signed[0]["signature"].as_str().expect("a signature");
    let verify = ["verify", "--key", "quick", "--message", "hello", "--signature", signature];
    assert_eq!(demo.must_print(&verify)[0]["verified"], true);
    let other = ["verify", "--key", "quick", "--message", "hellp", "--signature", signature];
    demo.must_fail(&other, "E2607", 3);
    must_verify_what_it_prints(&demo);
    demo.must_print(&["session", "list"]);
    let bench =
        demo.must_print(&["bench", "--clients", "2", "--seconds", "1", "--rate", "20", "--key", "quick"]);
    assert_eq!(
        (&bench[0]["errors"], bench[0]["signatures"].as_u64() > Some(0)),
        (&0.into(), true),
        "{bench:?}"
    );

    must_ask_and_keep(&demo);
    must_follow_requests(&demo);
    demo.must_print(&["doctor"]);

    demo.must_fail(&["key", "retire", "quick"], "E2705", 3);
    assert_eq!(demo.must_print(&["key", "retire", "quick", "--yes"])[0]["status"], "complete");
    assert_eq!(demo.must_print(&["key", "show", "quick"])[0]["retired"], true);
    demo.must_fail(&["sign", "--key", "quick", "--message", "hello"], "E2106", 6);
    must_tell_names_apart(&demo, &key["id"]);
    demo.must_fail(&["demo"], "E2503", 6);
}

/// For every kind whose signature is printed apart.
fn must_verify_what_it_prints(demo: &Demo) {
    let typed = demo.place.path().join("typed.json");
    let mail = r#"{"types": {"EIP712Domain": [{"name": "chainId", "type": "uint256"}], "Mail":
        [{"name": "text", "type": "string"}]}, "primaryType": "Mail", "domain": {"chainId": 1}, "message": {"text": "x"}}"#;
    std::fs::write(typed, mail).expect("a file");
    for what in [
        &["--kind", "evm_message", "--message", "hello"][..],
        &["--kind", "btc_message", "--message", "hello"],
        &["--typed-data", "typed.json"],
        &["--message", "hello"],
    ] {
        let output = demo.run(&[&["sign", "--key", "hot", "--yes"], what].concat());
        let told = String::from_utf8(output.stdout).expect("text");
        let is_it =
            |line: &&str| line.starts_with("  0x") || (line.len() > 100 && !line.trim().contains(' '));
        let signature = told.lines().find(is_it).expect("a signature").trim();
        let verify = [&["verify", "--key", "hot", "--signature", signature], what].concat();
        assert_eq!(demo.must_print(&verify)[0]["verified"], true, "{what:?} {signature}");
    }
    let transaction = ["verify", "--key", "hot", "--tx", "02c0", "--signature", "00"];
    let refused = demo.must_fail(&transaction, "E2001", 2);
    assert!(refused["help"].to_string().contains("keymoot request status"), "{refused}");
}

/// What is warned of is asked also in a demo, and what is signed is not lost.
fn must_ask_and_keep(demo: &Demo) {
    let digest = "11".repeat(32);
    let odd = ["sign", "--key", "hot", "--kind", "evm_message", "--hex", &digest];
    let refused = demo.must_fail(&odd, "E2705", 3);
    assert_eq!(refused["undone"], "nothing was sent");
    assert_eq!(demo.must_print(&[&odd[..], &["--yes"]].concat())[0]["verified"], true);
    let nowhere = ["sign", "--key", "hot", "--message", "hello", "--out", "no/such/folder/signed"];
    let before = demo.must_print(&["request", "list", "--status", "any"]).len();
    demo.must_fail(&nowhere, "E2502", 2);
    let after = demo.must_print(&["request", "list", "--status", "any"]).len();
    assert_eq!(before, after, "nothing was asked of the cluster");
}

/// A gateway or coordinator that is down is named, with what starts it, and a signature says that nothing was sent.
fn must_look_at_what_is_down(demo: &Demo) {
    for (name, code) in [("gateway-1", "E5901"), ("coordinator-1", "E5001")] {
        demo.must_print(&["node", "kill", name]);
        let output = demo.run(&["doctor", "--json"]);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(5), "{told}");
        assert!(told.contains(&format!("{name} does not run")) && told.contains(code), "{told}");
        assert!(told.contains(&format!("keymoot node start {name}")), "{told}");
        assert!(
            told.contains("\"disk\"") && told.contains("\"certificate\""),
            "local checks are made: {told}"
        );
        told.lines().for_each(|line| schema::must_fit(&serde_json::from_str(line).expect("an object")));
        let unsigned = demo.must_fail(&["sign", "--key", "quick", "--message", "down"], code, 5);
        assert!(
            unsigned["undone"].to_string().contains("NOT signed: this command has asked for nothing"),
            "{unsigned}"
        );
        let list = demo.must_fail(&["node", "list"], code, 5);
        assert!(!list.to_string().contains("signed request"), "{list}");
        demo.must_print(&["node", "start", name]);
        // A coordinator that has begun again hears of one node after the other.
        let hears_all = || String::from_utf8_lossy(&demo.run(&["health"]).stdout).contains("3 of 3 nodes up");
        let since = Instant::now();
        while !hears_all() {
            assert!(
                since.elapsed() < Duration::from_secs(30),
                "{name} has begun again, and hears of no node"
            );
        }
    }
}

/// What cannot be signed now is pending, is shown, and is waited for.
fn must_follow_requests(demo: &Demo) {
    let nobody = demo.must_fail(&["node", "kill", "node-9"], "E2604", 2);
    assert_eq!(nobody["undone"], "nothing was done");
    must_look_at_what_is_down(demo);
    assert_eq!(demo.must_print(&["node", "kill", "node-3"])[0]["was_running"], true);
    assert_eq!(demo.must_print(&["node", "kill", "node-3"])[0]["was_running"], false);
    let health = demo.run(&["health"]);
    let told = String::from_utf8_lossy(&health.stdout).into_owned();
    assert!(told.contains("ready, degraded: 2 of 3 nodes up, 2 needed"), "{told}");
    assert!(told.contains("node-3 not heard for") && health.status.code() == Some(0), "{told}");
    demo.must_print(&["node", "kill", "node-2"]);
    let refused = demo.must_fail(&["sign", "--key", "quick", "--message", "not now"], "E2104", 5);
    assert!(refused["details"].to_string().contains("killed by you"), "{refused}");
    demo.must_fail(&["doctor"], "E5903", 5);
    let output = demo.run(&["health"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.starts_with("error[E5902]") && told.contains("1 of 3 nodes up, 2 needed"), "{told}");
    assert_eq!(output.status.code(), Some(5));

    let id = refused["request"].as_str().expect("an id");
    let pending = demo.must_print(&["request", "list"]);
    assert_eq!((pending.len(), &pending[0]["id"], &pending[0]["status"]), (1, &id.into(), &"pending".into()));
    assert!(pending[0]["expires_ms"].is_u64() && pending[0]["code"] == "E2104", "{pending:?}");
    let waited = demo.must_fail(&["request", "wait", id, "--wait", "1"], "E2110", 4);
    assert!(waited["undone"].to_string().contains("it goes on until 20"), "{waited}");
    // A key that is being made has its name already.
    demo.must_fail(&["key", "create", "late"], "E2104", 5);
    let taken = demo.must_fail(&["key", "create", "late"], "E2610", 6);
    assert!(taken["details"].to_string().contains("keymoot request wait req_"), "{taken}");

    // Whoever says for how long to wait is not sent away before.
    let patient = ["sign", "--key", "quick", "--message", "later", "--wait", "120", "--json"];
    let mut patient = in_place(demo.place.path(), &patient);
    let patient = patient.env("KEYMOOT_CTX", "demo").stdout(Stdio::piped()).spawn().expect("the binary runs");
    while demo.must_print(&["request", "list"]).len() < 3 {}
    assert_eq!(demo.must_print(&["node", "start", "--all"])[0]["names"].as_array().map(Vec::len), Some(2));
    let signed = patient.wait_with_output().expect("an output");
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stdout));
    let done = demo.must_print(&["request", "wait", id]);
    assert_eq!(done[0]["status"], "complete");
    let again = demo.must_print(&["sign", "--key", "quick", "--message", "not now"]);
    assert_eq!((&again[0]["request"], &again[0]["signature"]), (&id.into(), &done[0]["signature"]));
    assert_eq!(demo.must_print(&["request", "status", id])[0]["signature"], done[0]["signature"]);
    let told = demo.run(&["request", "status", id]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(
        told.contains("\"quick\" signs message at m · by you") && told.contains("verified with"),
        "{told}"
    );
    let unknown = format!("req_{}", "0".repeat(64));
    demo.must_fail(&["request", "status", &unknown], "E4003", 2);
}

/// A name that a key has, or had, is not given again by mistake; and one that several have is nobody's.
fn must_tell_names_apart(demo: &Demo, retired: &Value) {
    let create = ["key", "create", "quick", "--scheme", "frost-ed25519"];
    let taken = demo.must_fail(&create, "E2610", 6);
    assert!(taken["details"].to_string().contains(retired.as_str().expect("an id")), "{taken}");
    let made = demo.must_print(&[&create[..], &["--allow-duplicate-name"]].concat());
    let second = made.last().expect("the key")["id"].as_str().expect("an id").to_owned();
    for command in [
        &["key", "show", "quick"][..],
        &["key", "address", "quick"],
        &["key", "retire", "quick", "--yes"],
        &["sign", "--key", "quick", "--message", "hello"],
    ] {
        let refused = demo.must_fail(command, "E4006", 6);
        let details = refused["details"].to_string();
        assert!(details.contains(&second) && details.contains(" · retired · "), "{refused}");
    }
    assert_eq!(demo.must_print(&["sign", "--key", &second, "--message", "hello"])[0]["verified"], true);
}
