//! The cluster document: what is read, what is refused and with which words, and whose signature counts.

use std::time::Instant;

use keymoot_types::Network;
use keymoot_wire::authority::Authority;
use keymoot_wire::cluster::{
    ClientEntry, ClientKey, ClusterDocument, ClusterError, ClusterFields, Hex, IssuerEntry, Role,
    SignedDocument, client_id,
};
use keymoot_wire::identity::PeerRole;

use crate::scene::{CLUSTER, Scene, ed25519};

#[test]
fn a_document_survives_its_text() {
    let document = Scene::must_build().document;
    let read = ClusterDocument::parse(&document.to_text()).expect("its own text");
    assert_eq!(read, document);
    assert_eq!(read.digest(), document.digest());
    assert_eq!(
        ClusterDocument::new(read.fields().clone()).expect("the same fields").to_text(),
        read.to_text()
    );
}

#[test]
fn another_text_of_the_same_fields_is_another_document() {
    let document = Scene::must_build().document;
    let spaced = ClusterDocument::parse(&format!("{} ", document.to_text())).expect("valid JSON");
    assert_eq!(spaced.fields(), document.fields());
    assert_ne!(spaced.digest(), document.digest());
}

#[test]
fn everybody_is_found_by_name_number_and_key() {
    let scene = Scene::must_build();
    let document = &scene.document;
    assert_eq!(document.node("node-2").map(|node| node.index), Some(2));
    assert_eq!(document.node_of_index(3).map(|node| node.name.as_str()), Some("node-3"));
    assert_eq!(document.coordinator(1).map(|entry| entry.name.as_str()), Some("coordinator-2"));
    assert_eq!(document.coordinator_number("coordinator-2"), Some(1));
    assert!(document.coordinator(2).is_none() && document.node("alice").is_none());
    let alice = document.client("alice").expect("enrolled");
    assert_eq!(document.client_of_key(&client_id(&alice.key)), Some(alice));
    assert!(document.client_of_key(&[0; 32]).is_none());
    let pins = document.pins(PeerRole::Gateway, "gateway-1").expect("listed");
    assert_eq!(pins[0].0, *scene.process("gateway-1").key.spki_sha256());
    assert!(document.pins(PeerRole::Node, "gateway-1").is_none());
    assert_eq!(document.signers().to_string(), "2-of-3");
}

/// So many clients, each with another key on P-256.
fn must_enrol_many(count: usize) -> Vec<ClientEntry> {
    use p256::elliptic_curve::sec1::ToEncodedPoint as _;
    let step = p256::ProjectivePoint::GENERATOR;
    let points = std::iter::successors(Some(step), |point| Some(*point + step));
    let enrolled = (0..count).zip(points).map(|(number, point)| {
        let public = Hex(point.to_affine().to_encoded_point(true).as_bytes().try_into().expect("33 bytes"));
        // Not in the order of their names.
        let name = format!("client-{}", number * 7919 % count);
        ClientEntry { name, role: Role::Viewer, key: ClientKey::P256 { public }, tls: Vec::new() }
    });
    enrolled.collect()
}

#[test]
fn long_lists_are_not_walked_for_every_question() {
    let mut fields = Scene::must_build().document.fields().clone();
    fields.clients.extend(must_enrol_many(3_000));
    fields.revoked = (0..3_000_u32).map(|number| Hex(client_id_of(number * 7919 % 3_000))).collect();
    let document = ClusterDocument::new(fields).expect("a long document");
    let ids: Vec<_> = document.clients.iter().map(|client| client_id(&client.key)).collect();

    let began = Instant::now();
    for _ in 0..50 {
        assert!(document.clients.iter().all(|client| client_id(&client.key) != [0; 32]));
    }
    let walks = began.elapsed();
    let began = Instant::now();
    for (client, id) in document.clients.iter().zip(&ids) {
        assert_eq!(document.client_of_key(id), Some(client));
        assert_eq!(document.client(&client.name), Some(client));
    }
    for revoked in &document.revoked {
        assert!(document.is_revoked(&revoked.0));
    }
    let digest = document.digest();
    assert!((0..1_000).all(|_| document.digest() == digest));
    let questions = began.elapsed();
    assert!(questions < walks, "10,000 questions took {questions:?}, and 50 walks {walks:?}");

    for unknown in ["", "client-", "client-3000", "zoe", "a"] {
        assert_eq!(document.client(unknown), None, "{unknown}");
    }
    for unknown in [[0; 32], [0xff; 32]] {
        assert!(document.client_of_key(&unknown).is_none() && !document.is_revoked(&unknown));
    }
}

/// The digest of some key.
fn client_id_of(number: u32) -> [u8; 32] {
    keymoot_wire::identity::certificate_sha256(&number.to_be_bytes())
}

#[test]
fn roles_are_ordered_by_what_they_may() {
    assert!(
        Role::Viewer < Role::Requester && Role::Requester < Role::Operator && Role::Operator < Role::Admin
    );
}

#[test]
fn a_client_is_named_by_its_key() {
    let key = ed25519(7);
    assert_eq!(client_id(&ClientKey::Ed25519 { public: key }), key.0);
    let point = p256_key();
    let id = client_id(&ClientKey::P256 { public: Hex(point) });
    assert_eq!(id, keymoot_wire::identity::certificate_sha256(&point), "SHA-256 of the compressed point");
}

/// The generator of P-256.
fn p256_key() -> [u8; 33] {
    let text = "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
    text.parse::<Hex<33>>().expect("hex").0
}

/// Changes one thing and tells the refusal.
fn must_refuse(scene: &Scene, change: impl FnOnce(&mut ClusterFields)) -> String {
    let mut fields = scene.document.fields().clone();
    change(&mut fields);
    ClusterDocument::new(fields).expect_err("refused").to_string()
}

#[test]
fn each_broken_rule_of_the_whole_has_its_own_words() {
    let scene = Scene::must_build();
    let refused = |change: fn(&mut ClusterFields), words: &str| {
        let told = must_refuse(&scene, change);
        assert!(told.contains(words), "`{told}` does not say `{words}`");
    };
    refused(|all| all.format = "keymoot-cluster/v2".to_owned(), "the format is `keymoot-cluster/v2`");
    refused(|all| all.version = 0, "versions count from 1");
    refused(|all| all.cluster = "My Cluster".to_owned(), "the cluster `My Cluster` is not 1 to 63");
    refused(|all| all.group = "key_00".to_owned(), "the group is no identifier");
    refused(|all| all.threshold.needed = 1, "the threshold is impossible");
    refused(|all| all.threshold.needed = 4, "the threshold is impossible");
    refused(|all| all.threshold.total = 4, "the threshold counts 4 nodes, but 3 are listed");
    refused(|all| all.coordinators.clear(), "there are 0 coordinators, not 1 to 16");
    refused(|all| all.authority = "none".to_owned(), "the authority's certificate is not valid");
    let twice = |all: &mut ClusterFields| all.authority = all.authority.repeat(2);
    refused(twice, "the authority's certificate is not valid");
    let leaf = must_refuse(&scene, |all| all.authority = scene.process("node-1").certificate.clone());
    assert!(leaf.contains("the authority's certificate is not valid"));
}

#[test]
fn each_broken_rule_of_an_entry_has_its_own_words() {
    let scene = Scene::must_build();
    let refused = |change: fn(&mut ClusterFields), words: &str| {
        let told = must_refuse(&scene, change);
        assert!(told.contains(words), "`{told}` does not say `{words}`");
    };
    refused(|all| all.nodes.swap(0, 1), "node `node-2` has the index 2, but at its place it must be 1");
    refused(|all| all.nodes[1].name = "node-1".to_owned(), "two nodes with the name `node-1`");
    refused(|all| all.nodes[1].identity = all.nodes[0].identity, "the identity of `node-2` is listed twice");
    refused(|all| all.nodes[1].seal = all.nodes[0].seal, "the sealing key of `node-2` is listed twice");
    refused(|all| all.nodes[2].seal = Hex([0; 32]), "the sealing key of `node-3` is not a public key");
    // A point of small order: signatures under it verify for anything.
    refused(|all| all.nodes[0].identity = Hex([0; 32]), "the identity of `node-1` is not a public key");
    refused(|all| all.nodes[0].tls.clear(), "there are 0 TLS keys of one process, not 1 to 4");
    refused(|all| all.nodes[0].tls = all.clients[0].tls.clone(), "a TLS key of `alice` is listed twice");
    refused(|all| all.coordinators[1].name = "coordinator-1".to_owned(), "two coordinators with the name");
    refused(|all| all.gateways[0].name = String::new(), "the gateway `` is not 1 to 63");
    assert!(
        must_refuse(&scene, |all| {
            all.clients[0].key = ClientKey::P256 { public: Hex([5; 33]) };
        })
        .contains("the request key of `alice` is not a public key")
    );
    let copied = |all: &mut ClusterFields| {
        let mut bob = all.clients[0].clone();
        (bob.name, bob.tls) = ("bob".to_owned(), Vec::new());
        all.clients.push(bob);
    };
    refused(copied, "the request key of `bob` is listed twice");
}

#[test]
fn an_address_is_https_host_and_port_and_nothing_else() {
    let scene = Scene::must_build();
    for bad in [
        "",
        "http://127.0.0.1:7100",
        "https://127.0.0.1",
        "https://127.0.0.1:0",
        "https://127.0.0.1:70000",
        "https://127.0.0.1:7100/",
        "https://user@127.0.0.1:7100",
        "https://127.0.0.1:7100/x?y",
        "127.0.0.1:7100",
    ] {
        let told = must_refuse(&scene, |all| all.coordinators[0].address = bad.to_owned());
        assert!(told.contains("not of the form https://host:port"), "{bad}: {told}");
    }
    for good in ["https://[::1]:7100", "https://c1.example.org:443", "https://10.0.0.1:7100"] {
        let mut fields = scene.document.fields().clone();
        fields.coordinators[0].address = good.to_owned();
        assert!(ClusterDocument::new(fields).is_ok(), "{good}");
    }
}

#[test]
fn an_issuer_has_one_source_of_keys_that_cannot_be_faked() {
    let scene = Scene::must_build();
    let issuer = |name: &str, url: Option<&str>| IssuerEntry {
        issuer: name.to_owned(),
        jwks_url: url.map(ToOwned::to_owned),
        keys: None,
        clients: None,
    };
    let kept = |clients: &[&str]| {
        let clients = Some(clients.iter().map(|name| (*name).to_owned()).collect());
        IssuerEntry { clients, ..issuer("https://id.example.org", Some("https://id.example.org/jwks")) }
    };
    for (entry, words) in [
        (kept(&[]), "speaks for no client"),
        (kept(&["alice", "Bob"]), "the client `Bob` is not 1 to 63"),
        (issuer("https://id.example.org", None), "must have either"),
        (issuer("https://id.example.org", Some("http://id.example.org/jwks")), "neither https"),
        (issuer("keymoot:scene", Some("https://id.example.org/jwks")), "only the cluster's own"),
        (issuer("", Some("https://id.example.org/jwks")), "empty"),
    ] {
        let told = must_refuse(&scene, |all| all.issuers.push(entry));
        assert!(told.contains(words), "{told}");
    }
    let mut fields = scene.document.fields().clone();
    fields.issuers.push(issuer("https://id.example.org", Some("https://id.example.org/jwks")));
    fields.issuers.push(issuer("http://localhost:9000", Some("http://localhost:9000/jwks")));
    let document = ClusterDocument::new(fields).expect("good issuers");
    assert_eq!(ClusterDocument::parse(&document.to_text()).expect("its own text"), document);
}

#[test]
fn a_document_names_its_bitcoin_network_unless_it_is_mainnet() {
    let document = Scene::must_build().document;
    assert!(document.bitcoin == Network::Mainnet && !document.to_text().contains("\"bitcoin\""));
    for network in [Network::Testnet, Network::Signet, Network::Regtest] {
        let mut fields = document.fields().clone();
        fields.bitcoin = network;
        let there = ClusterDocument::new(fields).expect("a good document");
        assert_ne!(there.digest(), document.digest());
        assert_eq!(ClusterDocument::parse(&there.to_text()).expect("its own text").bitcoin, network);
        let odd = there.to_text().replace(network.name(), "moonnet");
        assert!(matches!(ClusterDocument::parse(&odd), Err(ClusterError::Json(_))));
    }
}

#[test]
fn unknown_and_doubled_fields_are_refused_everywhere() {
    let text = Scene::must_build().document.to_text();
    for (place, with) in [
        ("{", "{\"extra\": 1,"),
        ("\"index\": 1,", "\"index\": 1, \"extra\": 1,"),
        ("\"role\": \"requester\",", "\"role\": \"requester\", \"extra\": 1,"),
        ("\"type\": \"ed25519\",", "\"type\": \"ed25519\", \"extra\": 1,"),
        ("\"needed\": 2,", "\"needed\": 2, \"needed\": 2,"),
        ("\"requester\"", "\"king\""),
        ("\"allow-all\"", "\"allow-some\""),
        ("\"0101", "\"01F1"),
        ("\"0101", "\"01"),
    ] {
        assert!(text.contains(place), "{place}");
        let changed = text.replacen(place, with, 1);
        assert!(matches!(ClusterDocument::parse(&changed), Err(ClusterError::Json(_))), "{place}");
    }
    assert!(matches!(ClusterDocument::parse(""), Err(ClusterError::Json(_))));
}

#[test]
fn only_the_authoritys_signature_counts() {
    let scene = Scene::must_build();
    let signed = SignedDocument::sign(&scene.document, &scene.authority).expect("a signature");
    let text = signed.to_text().expect("JSON");
    let read = SignedDocument::parse(&text).expect("its own text");
    let authority = scene.authority.certificate_pem();
    assert_eq!(read.verify(authority).expect("signed"), scene.document);

    let other = Authority::create(CLUSTER).expect("an authority");
    assert!(matches!(read.verify(other.certificate_pem()), Err(ClusterError::Signature)));
    assert!(SignedDocument::sign(&scene.document, &other).is_err());

    let mut changed = read.clone();
    changed.document = changed.document.replace("\"version\": 1", "\"version\": 2");
    assert!(matches!(changed.verify(authority), Err(ClusterError::Signature)));
    for signature in ["", "AAAA", "not base64"] {
        let changed = SignedDocument { signature: signature.to_owned(), ..read.clone() };
        assert!(matches!(changed.verify(authority), Err(ClusterError::Signature)));
    }
    assert!(SignedDocument::parse("{\"document\":\"\",\"signature\":\"\",\"extra\":1}").is_err());
}

#[test]
fn a_document_that_names_another_authority_is_refused_though_signed() {
    let scene = Scene::must_build();
    let other = Authority::create(CLUSTER).expect("an authority");
    let mut fields = scene.document.fields().clone();
    fields.authority = other.certificate_pem().to_owned();
    let document = ClusterDocument::new(fields).expect("valid by itself");
    // Signed properly, but by the authority that it names and not by ours.
    let signed = SignedDocument::sign(&document, &other).expect("a signature");
    let refused = signed.verify(scene.authority.certificate_pem());
    assert!(matches!(refused, Err(ClusterError::Signature)));
}
