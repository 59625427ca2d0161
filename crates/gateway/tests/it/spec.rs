//! The description of the interface says what the interface does.

use keymoot_gateway::access::{Endpoint, Need, need};
use keymoot_wire::cluster::Role;
use serde_json::Value;

use crate::raw::Raw;
use crate::scene::Scene;

fn document() -> Value {
    serde_json::to_value(keymoot_gateway::openapi_document()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |path: &String, item: &'static str| (path.clone(), item.to_owned());
    let mut all = Vec::new();
    for (path, item) in paths {
        for method in ["get", "post", "put", "delete", "patch"] {
            if let Some(operation) = item.get(method) {
                let (path, method) = of(path, method);
                all.push((path, method, operation));
            }
        }
    }
    all
}

#[test]
fn every_endpoint_is_described_and_nothing_else() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let mut described: Vec<String> =
        operations(&document).iter().map(|(path, method, _)| format!("{method} {path}")).collect();
    let mut there: Vec<String> = Endpoint::ALL
        .iter()
        .filter(|endpoint| !endpoint.path().starts_with("/docs"))
        .map(|endpoint| format!("{} {}", endpoint.method().as_str().to_lowercase(), endpoint.path()))
        .collect();
    described.sort();
    there.sort();
    assert_eq!(described, there);
}

#[test]
fn every_operation_has_its_security_its_problems_and_its_own_id() {
    let document = document();
    let mut ids = std::collections::BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let endpoint = Endpoint::ALL
            .iter()
            .find(|one| one.path() == path && one.method().as_str().eq_ignore_ascii_case(&method))
            .unwrap();
        let schemes: Vec<&String> = operation["security"][0].as_object().unwrap().keys().collect();
        let wanted: &[&str] = match need(*endpoint) {
            Need::Nothing => &[],
            Need::Signature => &["clientCertificate", "signedRequest"],
            Need::Token(_) => &["clientCertificate", "token"],
            Need::TokenAndSignature(_) => &["clientCertificate", "signedRequest", "token"],
        };
        assert_eq!(schemes, wanted, "{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
        assert!(operation["summary"].is_string(), "{method} {path}");
        let responses = operation["responses"].as_object().unwrap();
        let problems: Vec<&String> = responses.keys().filter(|status| *status >= &"400".to_owned()).collect();
        assert!(problems.contains(&&"500".to_owned()));
        if need(*endpoint) != Need::Nothing {
            for status in ["400", "401", "403", "404", "422", "429", "503"] {
                assert!(responses.contains_key(status), "{method} {path} {status}");
            }
        }
        for status in problems {
            let content = responses[status]["content"].as_object().unwrap();
            let is_own =
                content.contains_key("application/json") && path.ends_with("yz") || path.ends_with("zz");
            assert!(content.contains_key("application/problem+json") || is_own, "{method} {path} {status}");
        }
        if method == "post" {
            assert!(operation["requestBody"]["content"]["application/json"].is_object(), "{path}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut queue = vec![&document];
    let mut count = 0;
    while let Some(value) = queue.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    let place = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(place).is_some(), "{reference}");
                    count += 1;
                }
                queue.extend(fields.values());
            }
            Value::Array(all) => queue.extend(all),
            _ => {}
        }
    }
    assert!(count > 50, "only {count} references");
}

#[test]
fn every_parameter_of_a_path_is_described() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        let named: Vec<&str> = path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        for name in named {
            let is_described =
                |one: &Value| one["name"] == name && one["in"] == "path" && one["required"] == true;
            assert!(parameters.iter().any(is_described), "{method} {path} {name}");
        }
        assert!(parameters.iter().any(|one| one["name"] == "X-Request-Id"), "{method} {path}");
    }
}

#[tokio::test]
async fn the_description_and_its_pages_are_served_offline() {
    let scene = Scene::new().await;
    let raw = Raw::connect(&scene, Some(&scene.identity(Role::Viewer.name()))).await;
    let served = raw.send("GET", "/openapi.json", &vec![], b"").await;
    assert_eq!(served.json(), document());
    assert_eq!(raw.send("GET", "/docs", &vec![], b"").await.header("location"), "/docs/");
    let index = raw.send("GET", "/docs/", &vec![], b"").await;
    let page = String::from_utf8(index.body.to_vec()).unwrap();
    assert!(index.header("content-type").starts_with("text/html") && page.contains("swagger-ui"));
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    assert!(index.header("content-security-policy").contains("default-src 'self'"));
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        let answer = raw.send("GET", &format!("/docs/{file}"), &vec![], b"").await;
        assert!(answer.status == 200 && !answer.body.is_empty(), "{file}");
    }
}
