//! A gateway that was taken over, with its certificate and all: it shows its own key in the place of the one that was asked
//! for, and signs with it whatever comes. No command shows anything of that key, or has it sign.

use std::sync::{Arc, Mutex};

use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use crate::ceremony::{Stage, change};
use crate::double;

const MESSAGE: &str = "pay me";

/// What the thief answers with, and what it was asked.
struct Thief {
    key: SigningKey,
    package: Mutex<String>,
    asked: Mutex<Vec<String>>,
}

impl Thief {
    fn key(&self) -> Value {
        json!({
            "id": "key_000102030405060708090a0b0c0d0e0f", "name": "hot", "scheme": "frost-ed25519",
            "public_key": hex::encode(self.key.verifying_key().as_bytes()), "chain_code": "00".repeat(32), "epoch": 0,
            "threshold": { "needed": 2, "total": 2 }, "holders": ["node-1", "node-2"],
            "package": *self.package.lock().expect("a package"), "created_by": "alice", "created_at": null,
            "created_ms": null, "retired": false, "presignatures": 0,
        })
    }

    fn signature(&self) -> String {
        hex::encode(self.key.sign(MESSAGE.as_bytes()).to_bytes())
    }

    /// With a signature of its own where none belongs, with none where one does, of a key that nobody made, and of another id.
    fn requests(&self) -> [Value; 4] {
        let signed = json!({ "encoded": self.signature() });
        let ask = json!({
            "type": "signature", "key": self.key()["id"], "path": "m", "kind": "message",
            "payload": hex::encode(MESSAGE), "signing": null,
        });
        let asks = [
            json!({ "type": "key", "name": "hot\u{1b}[2K", "scheme": "frost-ed25519" }),
            json!({ "type": "gift" }),
        ];
        let [key, gift] = asks.map(|ask| json!({ "ask": ask, "signature": signed }));
        let forged = json!({ "ask": ask, "signature": signed });
        let named = |number: usize, mut more: Value| {
            more["id"] = format!("req_{number:064}").into();
            double::request("complete", &more)
        };
        let other = named(7, json!({ "ask": { "type": "key", "name": "", "scheme": "" } }));
        [named(0, key), named(1, gift), named(2, forged), other]
    }

    fn answer(&self, method: &str, path: &str) -> Value {
        self.asked.lock().expect("a list").push(format!("{method} {path}"));
        match (method, path) {
            ("GET", "/v1/keys") => json!({ "keys": [self.key()] }),
            ("GET", "/v1/events") => Value::Null,
            ("GET", "/v1/requests") => json!({ "requests": self.requests() }),
            ("GET", path) if path.starts_with("/v1/requests/") => {
                let number = path.chars().last().and_then(|last| last.to_digit(10)).expect("a number");
                self.requests()[number as usize].clone()
            }
            ("GET", _) => self.key(),
            ("POST", "/v1/keys") => {
                let ask = json!({ "type": "key", "name": "hot", "scheme": "frost-ed25519" });
                double::request("complete", &json!({ "ask": ask, "key": self.key() }))
            }
            _ => {
                let signature = json!({ "encoded": self.signature() });
                let signed = json!({
                    "kind": "message", "key": self.key()["id"], "path": "m", "signed_data": hex::encode(MESSAGE),
                    "signature": signature,
                });
                double::request("complete", &signed)
            }
        }
    }
}

#[test]
fn a_key_of_a_stolen_gateway_is_never_shown_verified_or_signed_with() {
    let stage = Stage::new();
    stage.must_complete();
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let thief = Arc::new(Thief {
        key: SigningKey::from_bytes(&[0x66; 32]),
        package: Mutex::default(),
        asked: Mutex::default(),
    });
    let answers = Arc::clone(&thief);
    let answer = move |parts: &hyper::http::request::Parts| {
        Some((200, answers.answer(parts.method.as_str(), parts.uri.path())))
    };
    let address = runtime.block_on(double::start(&stage.path("gateway-1"), answer));
    let context = stage.path("config/keymoot/contexts/test.json");
    change(&context, "\"directory\"", &format!("\"gateway\": \"https://{address}\", \"directory\""));
    let signature = thief.signature();
    for (package, why) in [("", "without the certificate"), ("c0ffee", "its certificate is not one of")] {
        package.clone_into(&mut thief.package.lock().expect("a package"));
        for command in [
            &["key", "address", "hot"][..],
            &["key", "xpub", "hot"],
            &["key", "show", "hot"],
            &["key", "list"],
            &["sign", "--key", "hot", "--message", MESSAGE],
            &["verify", "--key", "hot", "--message", MESSAGE, "--signature", &signature],
        ] {
            stage.must_refuse(command, "E2608", 3, why);
        }
        let create = ["key", "create", "hot", "--scheme", "frost-ed25519"];
        stage.must_refuse(&create, "E2608", 3, why);
        // Also without a look at the names that there are.
        let output = stage.run(&[&create[..], &["--allow-duplicate-name", "--json"]].concat());
        let told: Value = serde_json::from_slice(&output.stderr).expect("one JSON object");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{told}");
        assert_eq!(told["code"], "E2608", "{told}");
    }
    for number in 0..4 {
        let id = format!("req_{number:064}");
        for command in [&["request", "status", &id][..], &["request", "wait", &id], &["request", "list"]] {
            for json in [&["--json"][..], &[]] {
                let output = stage.run(&[command, json].concat());
                let told = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
                assert!(!told.contains(&signature), "{command:?} shows what nobody has verified: {told}");
                assert!(
                    !told.contains('\u{1b}'),
                    "{command:?} lets a stranger command the terminal: {told:?}"
                );
            }
        }
    }
    stage.must_refuse(
        &["request", "wait", &format!("req_{:064}", 2)],
        "E2608",
        3,
        "its certificate is not one of",
    );
    stage.must_refuse(&["request", "wait", &format!("req_{:064}", 3)], "E2607", 3, "another request");
    let asked = thief.asked.lock().expect("a list");
    assert!(asked.contains(&"GET /v1/keys/hot".to_owned()), "the double was not asked: {asked:?}");
    assert!(!asked.contains(&"POST /v1/signatures".to_owned()), "it was asked to sign: {asked:?}");
    assert!(asked.contains(&"POST /v1/keys".to_owned()));
}
