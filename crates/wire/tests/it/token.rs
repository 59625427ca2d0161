//! Tokens: whose count, for whom, for how long, and each way in which one can be wrong.

mod foreign;
mod forged;

use std::sync::Arc;

use arc_swap::ArcSwap;
use keymoot_wire::authority::{TlsKey, Validity};
use keymoot_wire::cluster::{ClusterDocument, DocumentHandle, Hex, Role};
use keymoot_wire::identity::PeerRole;
use keymoot_wire::tls::{Credentials, Peer};
use keymoot_wire::token::{
    IssuerKind, KEYS_AGE_MAX, LEEWAY, MintError, Minter, Subject, TokenError, Unbound, Verified, Verifier,
    bearer,
};

use crate::scene::{CLUSTER, Process, Scene, must_id};

const NOW: u64 = 1_700_000_000;

/// A scene with a verifier of tokens.
struct Stage {
    scene: Scene,
    document: DocumentHandle,
    verifier: Verifier,
}

impl Stage {
    fn must_build() -> Self {
        keymoot_wire::install_providers();
        let scene = Scene::must_build();
        let document = scene.document.clone().into_handle();
        let verifier = Verifier::new(document.clone(), Unbound::Refused);
        Self { scene, document, verifier }
    }

    fn must_credit(&self, name: &str) -> Arc<Credentials> {
        self.scene.must_identify(name).current()
    }

    fn peer(&self, name: &str) -> Peer {
        self.must_credit(name).as_peer().clone()
    }

    /// What a process says of itself.
    fn must_mint_own(&self, name: &str) -> String {
        let credentials = self.must_credit(name);
        let minter = Minter::service(&credentials).expect("a key on P-256");
        minter.mint(&credentials.id().to_uri(), &credentials.as_peer().x5t, 300, NOW).expect("a token")
    }

    /// What the gateway says of a client.
    fn must_mint_for(&self, client: &str, x5t: &[u8; 32]) -> String {
        let minter = Minter::local(&self.must_credit("gateway-1")).expect("a key on P-256");
        minter.mint(client, x5t, 300, NOW).expect("a token")
    }

    fn verify(&self, token: &str, by: &str) -> Result<Verified, TokenError> {
        self.verifier.verify(token, Some(&self.peer(by)), NOW)
    }
}

#[test]
fn a_process_speaks_for_itself() {
    let stage = Stage::must_build();
    for (name, role) in [
        ("node-1", PeerRole::Node),
        ("coordinator-1", PeerRole::Coordinator),
        ("gateway-1", PeerRole::Gateway),
    ] {
        let verified = stage.verify(&stage.must_mint_own(name), name).expect("a good token");
        let subject = Subject::Process(must_id(role, name));
        assert_eq!(verified, Verified { subject, issuer: IssuerKind::Service, expires: NOW + 300 });
    }
}

#[test]
fn a_process_speaks_for_nobody_else() {
    let stage = Stage::must_build();
    let token = stage.must_mint_own("node-1");
    assert_eq!(stage.verify(&token, "node-2"), Err(TokenError::UnknownIssuer));
    assert_eq!(stage.verifier.verify(&token, None, NOW), Err(TokenError::UnknownIssuer));
    // A node that calls itself another one, or somebody else its subject.
    let credentials = stage.must_credit("node-2");
    let key = credentials.key_der();
    let as_other =
        Minter::from_der(key, &must_id(PeerRole::Node, "node-1").to_uri(), CLUSTER).expect("a key");
    let token = as_other.mint("node-1", &credentials.as_peer().x5t, 300, NOW).expect("a token");
    assert_eq!(stage.verify(&token, "node-2"), Err(TokenError::UnknownIssuer));
    assert_eq!(stage.verify(&token, "node-1"), Err(TokenError::UnknownKey));
    let own = Minter::service(&credentials).expect("a key");
    let token = own.mint("alice", &credentials.as_peer().x5t, 300, NOW).expect("a token");
    assert_eq!(stage.verify(&token, "node-2"), Err(TokenError::Subject));
}

#[test]
fn a_client_cannot_issue_for_itself() {
    let stage = Stage::must_build();
    let token = stage.must_mint_own("alice");
    assert_eq!(stage.verify(&token, "alice"), Err(TokenError::UnknownIssuer));
    let credentials = stage.must_credit("alice");
    let minter = Minter::local(&credentials).expect("a key");
    let token = minter.mint("alice", &credentials.as_peer().x5t, 300, NOW).expect("a token");
    assert_eq!(stage.verify(&token, "alice"), Err(TokenError::UnknownKey), "only gateways issue for clients");
    let minter = Minter::local(&stage.must_credit("node-1")).expect("a key");
    let token = minter.mint("alice", &credentials.as_peer().x5t, 300, NOW).expect("a token");
    assert_eq!(stage.verify(&token, "alice"), Err(TokenError::UnknownKey), "nor do nodes");
}

#[test]
fn a_gateway_speaks_for_enrolled_clients() {
    let stage = Stage::must_build();
    let token = stage.must_mint_for("alice", &stage.peer("alice").x5t);
    let verified = stage.verify(&token, "alice").expect("a good token");
    let subject = Subject::Client { name: "alice".to_owned(), role: Role::Requester };
    assert_eq!(verified, Verified { subject, issuer: IssuerKind::Local, expires: NOW + 300 });
    let token = stage.must_mint_for("bob", &stage.peer("alice").x5t);
    assert_eq!(
        stage.verify(&token, "alice"),
        Err(TokenError::Subject),
        "a token about bob, brought by alice"
    );
}

#[test]
fn a_stolen_token_is_worth_nothing() {
    let stage = Stage::must_build();
    let token = stage.must_mint_for("alice", &stage.peer("alice").x5t);
    assert_eq!(stage.verify(&token, "node-1"), Err(TokenError::BoundToAnother));
    assert_eq!(stage.verifier.verify(&token, None, NOW), Err(TokenError::BoundToAnother));
    // Even with another certificate for the same key and name.
    let alice = stage.scene.process("alice");
    let certificate =
        stage.scene.authority.renew(&alice.certificate, Validity::days(1)).expect("a certificate");
    let renewed = must_credit(&stage.scene, &certificate, &alice.key);
    let by_renewed = stage.verifier.verify(&token, Some(renewed.as_peer()), NOW);
    assert_eq!(by_renewed, Err(TokenError::BoundToAnother));
    // Bound to the certificate that brings it, but about somebody else.
    let token = stage.must_mint_for("alice", &stage.peer("node-1").x5t);
    assert_eq!(stage.verify(&token, "node-1"), Err(TokenError::Subject));
}

fn must_credit(scene: &Scene, certificate: &str, key: &TlsKey) -> Arc<Credentials> {
    let process = Process {
        id: must_id(PeerRole::Client, "alice"),
        key: TlsKey::create().expect("a key"),
        certificate: certificate.to_owned(),
    };
    let credentials =
        Credentials::from_pem(&process.certificate, key.key_pem(), scene.authority.certificate_pem());
    Arc::new(credentials.expect("good credentials"))
}

#[test]
fn a_token_is_good_for_its_time() {
    let stage = Stage::must_build();
    let token = stage.must_mint_for("alice", &stage.peer("alice").x5t);
    let at = |now| stage.verifier.verify(&token, Some(&stage.peer("alice")), now).map(drop);
    assert_eq!(at(NOW - LEEWAY), Ok(()));
    assert_eq!(at(NOW - LEEWAY - 1), Err(TokenError::NotYet));
    assert_eq!(at(NOW + 300 + LEEWAY - 1), Ok(()));
    assert_eq!(at(NOW + 300 + LEEWAY), Err(TokenError::Expired));
    assert_eq!(at(u64::MAX), Err(TokenError::Expired));
    assert_eq!(at(0), Err(TokenError::NotYet));
}

#[test]
fn nobody_mints_what_everybody_would_refuse() {
    let stage = Stage::must_build();
    let credentials = stage.must_credit("node-1");
    let minter = Minter::service(&credentials).expect("a key");
    for lifetime in [0, 901, u64::MAX] {
        let refused = minter.mint("node-1", &[0; 32], lifetime, NOW);
        assert!(matches!(refused, Err(MintError::Lifetime(told)) if told == lifetime));
    }
    assert!(minter.mint("node-1", &[0; 32], 900, NOW).is_ok());
    assert!(matches!(Minter::new("no key", "x", "y"), Err(MintError::Key)));
    assert!(Minter::new(stage.scene.process("node-1").key.key_pem(), "x", "y").is_ok());
}

#[test]
fn a_token_is_for_one_cluster() {
    let stage = Stage::must_build();
    let credentials = stage.must_credit("node-1");
    let uri = credentials.id().to_uri();
    let minter = Minter::from_der(credentials.key_der(), &uri, "elsewhere").expect("a key");
    let token = minter.mint(&uri, &credentials.as_peer().x5t, 300, NOW).expect("a token");
    assert_eq!(stage.verify(&token, "node-1"), Err(TokenError::Audience));
    let minter = Minter::from_der(credentials.key_der(), "keymoot:elsewhere", CLUSTER).expect("a key");
    let token = minter.mint(&uri, &credentials.as_peer().x5t, 300, NOW).expect("a token");
    assert_eq!(stage.verify(&token, "node-1"), Err(TokenError::UnknownIssuer));
}

#[test]
fn a_gateway_that_is_revoked_issues_nothing_any_more() {
    let stage = Stage::must_build();
    let token = stage.must_mint_for("alice", &stage.peer("alice").x5t);
    assert!(stage.verify(&token, "alice").is_ok());
    let mut fields = stage.scene.document.fields().clone();
    fields.revoked.push(Hex(stage.peer("gateway-1").spki));
    stage.document.store(Arc::new(ClusterDocument::new(fields).expect("a valid document")));
    assert_eq!(stage.verify(&token, "alice"), Err(TokenError::UnknownKey));
}

#[test]
fn whoever_is_revoked_has_no_token_any_more() {
    let stage = Stage::must_build();
    let of_node = stage.must_mint_own("node-1");
    let of_alice = stage.must_mint_for("alice", &stage.peer("alice").x5t);
    let mut fields = stage.scene.document.fields().clone();
    fields.revoked.extend(["node-1", "alice"].map(|name| Hex(stage.peer(name).spki)));
    stage.document.store(Arc::new(ClusterDocument::new(fields).expect("a valid document")));
    assert_eq!(stage.verify(&of_node, "node-1"), Err(TokenError::UnknownIssuer));
    assert_eq!(stage.verify(&of_alice, "alice"), Err(TokenError::Subject));
}

#[test]
fn a_client_that_is_struck_off_has_no_token_any_more() {
    let stage = Stage::must_build();
    let token = stage.must_mint_for("alice", &stage.peer("alice").x5t);
    let alice = stage.peer("alice");
    let mut fields = stage.scene.document.fields().clone();
    fields.clients.clear();
    let handle: DocumentHandle =
        Arc::new(ArcSwap::from_pointee(ClusterDocument::new(fields).expect("valid")));
    let verifier = Verifier::new(handle, Unbound::Refused);
    assert_eq!(verifier.verify(&token, Some(&alice), NOW), Err(TokenError::Subject));
}

#[test]
fn a_bearer_token_comes_in_one_form() {
    assert_eq!(bearer(Some("Bearer abc.def")), Ok("abc.def"));
    assert_eq!(bearer(Some("bearer abc")), Ok("abc"));
    assert_eq!(bearer(None), Err(TokenError::Missing));
    assert_eq!(bearer(Some("Bearer ")), Err(TokenError::Missing));
    for other in ["Basic abc", "Bearer", "Bearer a b", "Bearer  a", ""] {
        assert_eq!(bearer(Some(other)), Err(TokenError::Malformed), "{other}");
    }
}
