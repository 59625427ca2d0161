//! A cluster whose nodes serve GG20 and have no moduli yet: whoever asks is told what is missing, and who is how far.

use serde_json::Value;

use crate::commands::Demo;

#[test]
fn who_waits_for_moduli_is_told_who_is_how_far() {
    let all = keymoot_types::Scheme::ALL.map(keymoot_types::Scheme::name).join(",");
    let demo = Demo::must_start_with(&[("KEYMOOT_SCHEMES", &all)]);
    let made = demo.must_print(&["key", "create", "notary", "--protocol", "gg20"]);
    let is_of = |object: &&Value, schema: &str| object["schema"] == format!("keymoot/{schema}/v1");
    let key = made.iter().find(|object| is_of(object, "key")).expect("a key");
    assert_eq!(key["scheme"], "gg20");
    // Safe primes take minutes here, and all nodes: what is there after seconds is no table.
    let told: Vec<&Value> = made.iter().filter(|object| is_of(object, "moduli")).collect();
    assert!(told.iter().all(|object| object["made"] == false) && !told.is_empty(), "{told:?}");
    let last = told.last().expect("it was told")["nodes"].as_array().expect("a list").clone();
    assert!(last.iter().all(|node| node["serves"] == true && node["wanted"] == 4), "{last:?}");

    demo.must_print(&["node", "kill", "node-3"]);
    let refused = demo.must_fail(&["sign", "--key", "notary", "--message", "hello"], "E2108", 5);
    let what = refused["what"].as_str().expect("words");
    assert!(what.contains("of 4 safe primes") && what.contains("node-3 is not reachable"), "{refused}");
    assert!(refused["undone"].to_string().contains("NOT signed yet"), "{refused}");
    let id = refused["request"].as_str().expect("an id");
    let patient = ["sign", "--key", "notary", "--message", "hello", "--wait", "3"];
    let again = demo.must_fail(&patient, "E2108", 5);
    assert_eq!(again["request"], id, "it is the same request");
    let pending = demo.must_print(&["request", "list"]);
    assert_eq!((&pending[0]["id"], &pending[0]["code"]), (&id.into(), &"E2108".into()), "{pending:?}");
    let listed = demo.run(&["node", "list"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("moduli for gg20: not made yet · node-1 has "), "{listed}");
    let nodes = demo.must_print(&["node", "list"]);
    assert_eq!((nodes.len(), &nodes[3]["nodes"][2]["connected"]), (4, &false.into()), "{nodes:?}");
}
