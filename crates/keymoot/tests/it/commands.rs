//! All commands that talk to a cluster, against one with real processes: what they print fits the published schemas.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};

use serde_json::Value;

use crate::{keymoot, schema};

/// A demo that stays until this is dropped.
struct Demo {
    place: tempfile::TempDir,
    process: Child,
}

impl Demo {
    fn must_start() -> Self {
        let place = tempfile::tempdir().expect("a place for temporary files");
        let mut process = in_place(place.path(), &["demo", "--patience", "120"])
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

    fn run(&self, arguments: &[&str]) -> Output {
        in_place(self.place.path(), arguments).env("KEYMOOT_CTX", "demo").output().expect("the binary runs")
    }

    /// The objects that a command prints, each of which fits its schema.
    fn must_print(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.run(&[arguments, &["--json"]].concat());
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*complaints), (Some(0), ""), "{arguments:?}");
        let lines = String::from_utf8(output.stdout).expect("text");
        let objects: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect();
        objects.iter().for_each(schema::must_fit);
        objects
    }

    fn must_fail(&self, arguments: &[&str], code: &str, exit: i32) -> Value {
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
    assert_eq!(demo.must_print(&["health"])[0]["ready"], true);
    assert_eq!(demo.must_print(&["node", "list"]).len(), 3);
    let made = demo.must_print(&["key", "create", "quick", "--scheme", "frost-ed25519"]);
    assert!(made.len() > 6, "its rounds are told as they pass: {made:?}");
    let key = made.last().expect("the key").clone();
    assert_eq!(demo.must_print(&["key", "show", "quick"])[0]["id"], key["id"]);
    assert_eq!(demo.must_print(&["key", "list"]).len(), 2);
    assert_eq!(demo.must_print(&["key", "address", "quick"])[0]["addresses"][0]["chain"], "solana");
    demo.must_print(&["key", "xpub", "hot"]);
    demo.must_fail(&["key", "xpub", "quick"], "E2001", 2);
    demo.must_fail(&["key", "show", "nobody"], "E4002", 2);
    demo.must_fail(&["sign", "--key", "quick", "--message", "x", "--kind", "raw_digest"], "E2702", 3);

    let sign = ["sign", "--key", "quick", "--message", "hello"];
    let signed = demo.must_print(&sign);
    let signature = signed[0]["signature"].as_str().expect("a signature");
    let verify = ["verify", "--key", "quick", "--message", "hello", "--signature", signature];
    assert_eq!(demo.must_print(&verify)[0]["verified"], true);
    let other = ["verify", "--key", "quick", "--message", "hellp", "--signature", signature];
    demo.must_fail(&other, "E2607", 3);
    demo.must_print(&["session", "list"]);
    let bench =
        demo.must_print(&["bench", "--clients", "2", "--seconds", "1", "--rate", "20", "--key", "quick"]);
    assert_eq!(
        (&bench[0]["errors"], bench[0]["signatures"].as_u64() > Some(0)),
        (&0.into(), true),
        "{bench:?}"
    );

    demo.must_fail(&["node", "kill", "node-9"], "E2604", 2);
    for node in ["node-3", "node-2"] {
        demo.must_print(&["node", "kill", node]);
    }
    let refused = demo.must_fail(&["sign", "--key", "quick", "--message", "not now"], "E2104", 5);
    assert!(refused["details"].to_string().contains("killed by you"), "{refused}");
    demo.must_fail(&["doctor"], "E5903", 5);
    assert_eq!(demo.must_print(&["node", "start", "--all"])[0]["names"].as_array().map(Vec::len), Some(2));
    let again = demo.must_print(&["sign", "--key", "quick", "--message", "not now"]);
    assert_eq!(again[0]["request"], refused["request"], "the same command is the same request");
    demo.must_print(&["doctor"]);

    demo.must_fail(&["key", "retire", "quick"], "E2001", 2);
    assert_eq!(demo.must_print(&["key", "retire", "quick", "--yes"])[0]["status"], "complete");
    assert_eq!(demo.must_print(&["key", "show", "quick"])[0]["retired"], true);
    demo.must_fail(&["demo"], "E2503", 6);
}
