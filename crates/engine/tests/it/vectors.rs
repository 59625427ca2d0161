//! The vectors of signed requests that other implementations are compared with, too.

use keymoot_engine::real::Real;
use keymoot_engine::request::{ClientKey, HttpRequest};
use keymoot_types::signed;

#[derive(serde::Deserialize)]
struct Vector {
    name: String,
    verifies: bool,
    key: Key,
    client_id: String,
    group: String,
    method: String,
    path: String,
    body: String,
    signature_input: String,
    signature: String,
}

#[derive(serde::Deserialize)]
struct Key {
    #[serde(rename = "type")]
    kind: String,
    public: String,
}

impl Vector {
    fn key(&self) -> ClientKey {
        let public = hex::decode(&self.key.public).unwrap();
        match self.key.kind.as_str() {
            "ed25519" => ClientKey::ed25519(public.try_into().unwrap()),
            "p256" => ClientKey::p256(&public),
            other => panic!("{other} is no type of key"),
        }
        .unwrap()
    }

    fn request(&self) -> HttpRequest {
        HttpRequest {
            method: self.method.clone(),
            path: self.path.clone(),
            body: self.body.clone().into_bytes(),
            input: self.signature_input.clone(),
            signature: hex::decode(&self.signature).unwrap().try_into().unwrap(),
        }
    }

    /// As a node looks at it. Some name a key as people do, which is nothing to a node.
    fn is_taken(&self) -> bool {
        let request = self.request();
        request.is_for(self.group.parse().unwrap()) && request.is_signed_by::<Real>(&self.key())
    }
}

#[test]
fn signed_requests_verify_as_the_vectors_say() {
    let all: Vec<Vector> = serde_json::from_str(include_str!("../../../wire/vectors/signed.json")).unwrap();
    for vector in &all {
        assert_eq!(hex::encode(vector.key().id().0), vector.client_id, "{}", vector.name);
        assert_eq!(vector.is_taken(), vector.verifies, "{}", vector.name);
    }
    let kinds = |kind: &str, verifies| {
        all.iter().filter(|one| one.key.kind == kind && one.verifies == verifies).count()
    };
    assert!([("ed25519", true), ("p256", true)].iter().all(|(kind, verifies)| kinds(kind, *verifies) > 0));
    let tag = signed::tag(all[0].group.parse().unwrap());
    assert!(all[0].signature_input.contains(&tag));
}
