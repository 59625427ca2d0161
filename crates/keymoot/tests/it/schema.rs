//! Just enough of JSON Schema to hold documents against ours. A keyword that is not understood is an error here,
//! so that the schema cannot promise what nobody checks.

use serde_json::{Map, Value};

/// The published schema of this name, as in `lab-v1`.
fn published(name: &str) -> Value {
    let path = format!("{}/schema/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).expect("the schema is JSON")
}

/// Panics unless the document fits the published schema that it names, as in `keymoot/lab/v1`.
pub fn must_fit(document: &Value) {
    let name = document["schema"].as_str().expect("a document names its schema");
    let name = name.strip_prefix("keymoot/").expect("schemas of ours").replace('/', "-");
    let schema = published(&name);
    let findings = check(&schema, document, "$");
    assert!(findings.is_empty(), "{findings:#?}");
}

fn check(schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "title" | "description" => true,
            "type" => {
                rule == type_of(value) || list(rule).iter().any(|one| one == type_of(value)) || {
                    rule == "number" && value.is_number()
                }
            }
            "const" => rule == value,
            "enum" => list(rule).contains(value),
            "minimum" => value.as_f64().is_none_or(|number| Some(number) >= rule.as_f64()),
            "maximum" => value.as_f64().is_none_or(|number| Some(number) <= rule.as_f64()),
            "minItems" => value.as_array().is_none_or(|items| Some(items.len() as u64) >= rule.as_u64()),
            "pattern" => value.as_str().is_none_or(|text| matches(rule.as_str().expect("a pattern"), text)),
            "required" => list(rule).iter().all(|name| value.get(name.as_str().expect("a name")).is_some()),
            "additionalProperties" => {
                rule == false && fields(value).keys().all(|name| schema["properties"].get(name).is_some())
            }
            "properties" => {
                for (name, field) in fields(value) {
                    findings.extend(
                        rule.get(&name)
                            .map(|rule| check(rule, &field, &format!("{place}.{name}")))
                            .into_iter()
                            .flatten(),
                    );
                }
                true
            }
            "items" => {
                for (i, item) in list(value).iter().enumerate() {
                    findings.extend(check(rule, item, &format!("{place}[{i}]")));
                }
                true
            }
            other => panic!("the schema uses `{other}`, which is not checked"),
        };
        if !holds {
            findings.push(format!("{place}: `{keyword}` {rule} does not hold for {value}"));
        }
    }
    findings
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Patterns of ours are a prefix and a number of hexadecimal digits.
fn matches(pattern: &str, text: &str) -> bool {
    let inner =
        pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix("}$")).expect("an anchored pattern");
    let (prefix, length) = inner.split_once("[0-9a-f]{").expect("hexadecimal digits");
    let digits = text.strip_prefix(prefix).unwrap_or_default();
    digits.len() == length.parse::<usize>().expect("a length")
        && digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

#[test]
fn documents_that_do_not_fit_are_found() {
    let schema = published("lab-v1");
    let document: Value = serde_json::from_str(&crate::must_print(&["lab", "--json"])).expect("JSON");
    assert_eq!(check(&schema, &document, "$"), Vec::<String>::new());
    let spoil = |change: fn(&mut Value)| {
        let mut document = document.clone();
        change(&mut document);
        assert!(!check(&schema, &document, "$").is_empty());
    };
    spoil(|document| document["schema"] = "keymoot/lab/v2".into());
    spoil(|document| document["threshold"] = 1.into());
    spoil(|document| document["keys"] = Value::Array(Vec::new()));
    spoil(|document| document["keys"][0]["output_key"] = "00".into());
    spoil(|document| document["keys"][1]["signatures"][0]["verified"] = false.into());
    spoil(|document| document["keys"][1]["dkg"]["extra"] = 1.into());
    spoil(|document| document["keys"][2]["signatures"][0]["recovery_id"] = 4.into());
    spoil(|document| document["keys"][2]["pair_setups"][0]["rounds"][0]["name"] = "open".into());
    spoil(|document| document["keys"][0]["refusal"] = Value::Null);
    spoil(|document| drop(document["keys"][0].as_object_mut().map(|key| key.remove("xpub"))));
}

/// All text of the program's source.
fn source(folder: &std::path::Path, text: &mut String) {
    for entry in
        std::fs::read_dir(folder).expect("a folder of source").map(|entry| entry.expect("an entry").path())
    {
        if entry.is_dir() {
            source(&entry, text);
        } else {
            text.push_str(&std::fs::read_to_string(&entry).expect("source is text"));
        }
    }
}

#[test]
fn every_object_that_is_printed_has_a_published_schema_and_no_schema_is_left_over() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    source(&root.join("src"), &mut text);
    let named = |text: &str| {
        let names = text.split("\"keymoot/").skip(1).filter_map(|rest| rest.split_once("/v1\""));
        names
            .map(|(name, _)| name.to_owned())
            .filter(|name| name.chars().all(|c| c.is_ascii_lowercase()))
            .collect::<std::collections::BTreeSet<_>>()
    };
    let files = std::fs::read_dir(root.join("schema")).expect("a folder of schemas");
    let published: std::collections::BTreeSet<String> = files
        .filter_map(|file| {
            file.ok()?.file_name().into_string().ok()?.strip_suffix("-v1.json").map(str::to_owned)
        })
        .collect();
    assert_eq!(named(&text), published);
    for name in published {
        assert_eq!(self::published(&format!("{name}-v1"))["title"], format!("keymoot/{name}/v1"));
    }
}
