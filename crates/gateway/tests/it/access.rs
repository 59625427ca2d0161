//! The whole matrix: endpoint × role × certificate × token, compared with the table as it was reviewed. The
//! table is written down here a second time, so that a change of one of them alone is noticed.

use keymoot_gateway::access::{Endpoint, Need, need};
use keymoot_wire::cluster::Role;
use keymoot_wire::tls::ClientCertificates;
use keymoot_wire::token::Minter;

use crate::raw::{Headers, Raw, bearer, signed, tls};
use crate::scene::{CLUSTER, ROLES, Scene, Wanted, key_of, now_ms};

/// Which certificate the connection has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    Own,
    AnotherClients,
    ANodes,
}

/// Which token goes with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brought {
    Nothing,
    Good,
    Expired,
    OtherAudience,
    AlgNone,
    Hs256,
    OtherCertificates,
}

const SHOWN: [Shown; 4] = [Shown::Nothing, Shown::Own, Shown::AnotherClients, Shown::ANodes];
const BROUGHT: [Brought; 7] = [
    Brought::Nothing,
    Brought::Good,
    Brought::Expired,
    Brought::OtherAudience,
    Brought::AlgNone,
    Brought::Hs256,
    Brought::OtherCertificates,
];

/// The table as it was reviewed: who may, at the least.
fn reviewed(endpoint: Endpoint) -> &'static str {
    match endpoint.name() {
        "Livez" | "Readyz" | "Metrics" | "Version" | "OpenApi" | "DocsRoot" | "DocsIndex" | "DocsFile" => {
            "anybody"
        }
        "CreateToken" => "signer",
        "Canaryz" | "ListKeys" | "GetKey" | "GetAddresses" | "GetXpub" | "ListSignatures"
        | "GetSignature" | "ListRequests" | "GetRequest" | "ListSessions" | "GetSession" | "WatchEvents"
        | "ListNodes" => "viewer",
        "CreateSignature" | "CreateBatch" => "requester",
        "CreateKey" => "operator",
        "RetireKey" => "admin",
        other => panic!("{other} has not been reviewed"),
    }
}

/// 0 stands for "was let in": what the handler then says is another matter.
fn expected(endpoint: Endpoint, role: Role, shown: Shown, brought: Brought) -> u16 {
    let least = match reviewed(endpoint) {
        "anybody" => return 0,
        "signer" => {
            return match shown {
                Shown::Nothing => 401,
                Shown::Own => 0,
                Shown::AnotherClients | Shown::ANodes => 403,
            };
        }
        "viewer" => Role::Viewer,
        "requester" => Role::Requester,
        "operator" => Role::Operator,
        _ => Role::Admin,
    };
    match (shown, brought) {
        (Shown::ANodes, _) => 403,
        (Shown::Own, Brought::Good) if role >= least => 0,
        (Shown::Own, Brought::Good) => 403,
        _ => 401,
    }
}

/// A token with another header and the same claims.
fn reheaded(token: &str, header: &str, signature: &str) -> String {
    let claims = token.split('.').nth(1).unwrap();
    format!("{header}.{claims}.{signature}")
}

fn token(scene: &Scene, role: Role, brought: Brought) -> Option<String> {
    let gateway = scene.gateway_identity.current();
    let (name, now) = (role.name(), now_ms() / 1000);
    let own = scene.identity(name).current().as_peer().x5t;
    let minter = Minter::local(&gateway).unwrap();
    let good = || minter.mint(name, &own, 600, now).unwrap();
    Some(match brought {
        Brought::Nothing => return None,
        Brought::Good => good(),
        Brought::Expired => minter.mint(name, &own, 600, now - 3600).unwrap(),
        Brought::OtherAudience => {
            let issuer = format!("keymoot:{CLUSTER}");
            let elsewhere = Minter::from_der(gateway.key_der(), &issuer, "elsewhere").unwrap();
            elsewhere.mint(name, &own, 600, now).unwrap()
        }
        // {"alg":"none","typ":"JWT"} and {"alg":"HS256","typ":"JWT"}.
        Brought::AlgNone => reheaded(&good(), "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", ""),
        Brought::Hs256 => reheaded(&good(), "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", &"A".repeat(43)),
        Brought::OtherCertificates => {
            minter.mint(name, &scene.identity("node-1").current().as_peer().x5t, 600, now).unwrap()
        }
    })
}

const KEY: &str = "key_00000000000000000000000000000000";

fn path_of(endpoint: Endpoint) -> String {
    let path = endpoint.path().replace("{key}", KEY).replace("{*file}", "index.html");
    path.replace("{id}", "req_00000000000000000000000000000000")
}

fn body_of(endpoint: Endpoint) -> String {
    match endpoint {
        Endpoint::CreateKey => r#"{"scheme":"dkls23","name":"hot"}"#.into(),
        Endpoint::CreateSignature => {
            format!(r#"{{"key":"{KEY}","path":"m","kind":"message","payload":"00"}}"#)
        }
        Endpoint::CreateBatch => r#"{"requests":[]}"#.into(),
        Endpoint::CreateToken | Endpoint::RetireKey => "{}".into(),
        _ => String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_lets_in_whom_the_table_lets_in_and_nobody_else() {
    let scene = Scene::of(Wanted { certificates: ClientCertificates::Optional, ..Wanted::default() }).await;
    let mut cells = 0;
    for role in ROLES {
        let another = if role == Role::Viewer { Role::Admin } else { Role::Viewer };
        for shown in SHOWN {
            let identity = match shown {
                Shown::Nothing => None,
                Shown::Own => Some(scene.identity(role.name())),
                Shown::AnotherClients => Some(scene.identity(another.name())),
                Shown::ANodes => Some(scene.identity("node-1")),
            };
            let raw = Raw::connect(&scene, identity.as_ref()).await;
            for brought in BROUGHT {
                let token = token(&scene, role, brought);
                for endpoint in Endpoint::ALL {
                    let (path, body) = (path_of(*endpoint), body_of(*endpoint));
                    let mut headers: Headers = token.iter().map(|token| bearer(token)).collect();
                    if endpoint.method() == "POST" {
                        headers.extend(signed(&key_of(role), &path, body.as_bytes()));
                    }
                    let answer = raw.open(endpoint.method().as_str(), &path, &headers, body.as_bytes()).await;
                    let status = answer.status().as_u16();
                    let is_in = !matches!(status, 401 | 403);
                    let wanted = expected(*endpoint, role, shown, brought);
                    let cell = format!("{endpoint:?} × {role} × {shown:?} × {brought:?}: {status}");
                    assert!(if wanted == 0 { is_in } else { status == wanted }, "{cell}, not {wanted}");
                    assert!(status < 500 || status == 503, "{cell}");
                    cells += 1;
                }
            }
        }
    }
    assert_eq!(cells, ROLES.len() * SHOWN.len() * BROUGHT.len() * Endpoint::ALL.len());
}

#[test]
fn the_table_in_the_code_is_the_reviewed_one() {
    for endpoint in Endpoint::ALL {
        let is = match need(*endpoint) {
            Need::Nothing => "anybody",
            Need::Signature => "signer",
            Need::Token(role) | Need::TokenAndSignature(role) => role.name(),
        };
        assert_eq!(is, reviewed(*endpoint), "{endpoint:?}");
        // Whatever changes something is signed; a batch is signed item by item.
        let is_signed = matches!(need(*endpoint), Need::Signature | Need::TokenAndSignature(_));
        let is_carrier = *endpoint == Endpoint::CreateBatch;
        assert_eq!(endpoint.method() == "POST", is_signed || is_carrier, "{endpoint:?}");
    }
}

#[tokio::test]
async fn without_a_certificate_nobody_comes_in_where_one_is_required() {
    let scene = Scene::new().await;
    // The client notices when it reads: in TLS 1.3 the server speaks last.
    let refused = match tls(&scene, None, b"h2").await {
        Err(_) => true,
        Ok(mut stream) => {
            let mut byte = [0];
            tokio::io::AsyncReadExt::read(&mut stream, &mut byte).await.is_err()
        }
    };
    assert!(refused);
}

#[tokio::test]
async fn who_is_revoked_is_out_at_once_on_open_connections_too() {
    let scene = Scene::new().await;
    let identity = scene.identity("viewer");
    let raw = Raw::connect(&scene, Some(&identity)).await;
    let token = raw.token(&key_of(Role::Viewer)).await;
    assert_eq!(raw.get("/v1/keys", &token).await.status, 200);
    scene.change(|all| all.revoked.push(keymoot_wire::cluster::Hex(identity.current().as_peer().spki)));
    let answer = raw.get("/v1/keys", &token).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (401, "E3002".to_owned()));
}

#[tokio::test]
async fn a_token_that_was_good_before_is_good_only_for_what_it_was() {
    let scene = Scene::new().await;
    let requester = Raw::connect(&scene, Some(&scene.identity("requester"))).await;
    let others = Raw::connect(&scene, Some(&scene.identity("viewer"))).await;
    let token = requester.token(&key_of(Role::Requester)).await;
    let batch = r#"{"requests":[]}"#.as_bytes();
    let headers = vec![bearer(&token), ("content-type", "application/json".to_owned())];
    for _ in 0..2 {
        assert_eq!(requester.get("/v1/keys", &token).await.status, 200);
        assert_eq!(requester.send("POST", "/v1/batches", &headers, batch).await.code(), "E2001", "it may");
        let elsewhere = others.get("/v1/keys", &token).await;
        assert_eq!((elsewhere.status.as_u16(), elsewhere.code()), (401, "E3006".to_owned()));
        let forged = format!("{}AAAA", &token[..token.len() - 4]);
        assert_eq!(requester.get("/v1/keys", &forged).await.code(), "E3004");
    }
    // Its role is that of the document of the moment.
    scene.change(|all| {
        all.clients.iter_mut().filter(|one| one.name == "requester").for_each(|one| one.role = Role::Viewer);
    });
    assert_eq!(requester.send("POST", "/v1/batches", &headers, batch).await.code(), "E3101");
    assert_eq!(requester.get("/v1/keys", &token).await.status, 200);
    // Whoever minted it is nobody any more.
    let gateway = keymoot_wire::cluster::Hex(scene.gateway_identity.current().as_peer().spki);
    scene.change(|all| all.revoked.push(gateway));
    assert_eq!(requester.get("/v1/keys", &token).await.code(), "E3004");
}
