//! OpenAPI 3.1, made of the handlers and of the table of access: nobody writes down twice what an endpoint
//! needs.

use axum::http::Method;
use keymoot_wire::problem::{PROBLEM_TYPE, Problem};
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, Ref, Required, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::access::{Endpoint, Need, need};
use crate::routes::{batches, docs, events, health, keys, nodes, requests, sessions, signatures, token};

/// The names of the security schemes.
const CERTIFICATE: &str = "clientCertificate";
const TOKEN: &str = "token";
const SIGNATURE: &str = "signedRequest";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Keymoot",
        description = "Threshold signatures: keys that no place holds. Every call needs a client certificate \
                       and a token bound to it; whoever asks for a key or a signature signs the request \
                       itself (RFC 9421), and every node verifies that signature. Errors are problems of RFC \
                       9457 with stable codes."
    ),
    paths(
        health::livez, health::readyz, health::canaryz, health::metrics, health::version, docs::openapi,
        token::create, keys::create, keys::list, keys::show, keys::addresses, keys::xpub, keys::retire,
        signatures::create, signatures::list, signatures::show, batches::create, requests::list,
        requests::show, sessions::list, sessions::show, events::watch, nodes::list
    ),
    components(schemas(Problem)),
    modifiers(&FromTable),
    tags(
        (name = "keys", description = "Keys of the cluster"),
        (name = "signatures", description = "Signatures, alone and in batches"),
        (name = "requests", description = "Requests of any kind"),
        (name = "sessions", description = "What goes on"),
        (name = "nodes", description = "Who holds shares"),
        (name = "tokens", description = "Tokens for this cluster"),
        (name = "health", description = "For machines that look after machines"),
        (name = "docs", description = "This description")
    )
)]
struct Api;

/// The description of the whole interface.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// Adds to each operation what the table of access says, and the problems that it may answer with.
struct FromTable;

impl Modify for FromTable {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        let certificate = SecurityScheme::MutualTls {
            description: Some(
                "a certificate of the cluster's authority, pinned in the cluster document".into(),
            ),
            extensions: None,
        };
        components.add_security_scheme(CERTIFICATE, certificate);
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
        let bearer = bearer.description(Some("bound to the certificate (RFC 8705); from POST /v1/tokens"));
        components.add_security_scheme(TOKEN, SecurityScheme::Http(bearer.build()));
        let signature = ApiKeyValue::with_description(
            "Signature",
            "RFC 9421 over \"@method\" \"@path\" \"content-digest\"; with Signature-Input and Content-Digest",
        );
        components.add_security_scheme(SIGNATURE, SecurityScheme::ApiKey(ApiKey::Header(signature)));
        for endpoint in Endpoint::ALL {
            if let Some(operation) = operation_of(api, *endpoint) {
                complete(operation, *endpoint);
            }
        }
    }
}

fn operation_of(api: &mut utoipa::openapi::OpenApi, endpoint: Endpoint) -> Option<&mut Operation> {
    let item = api.paths.paths.get_mut(endpoint.path())?;
    match method_of(endpoint)? {
        HttpMethod::Get => item.get.as_mut(),
        HttpMethod::Post => item.post.as_mut(),
        _ => None,
    }
}

fn method_of(endpoint: Endpoint) -> Option<HttpMethod> {
    match endpoint.method().as_str() {
        "GET" => Some(HttpMethod::Get),
        "POST" => Some(HttpMethod::Post),
        _ => None,
    }
}

fn complete(operation: &mut Operation, endpoint: Endpoint) {
    let need = need(endpoint);
    let names: &[&str] = match need {
        Need::Nothing => &[],
        Need::Signature => &[CERTIFICATE, SIGNATURE],
        Need::Token(_) => &[CERTIFICATE, TOKEN],
        Need::TokenAndSignature(_) => &[CERTIFICATE, TOKEN, SIGNATURE],
    };
    let all = names.iter().fold(SecurityRequirement::default(), |all, name| {
        let none: [&str; 0] = [];
        all.add(*name, none)
    });
    operation.security = Some(vec![all]);
    if let Some(role) = need.role() {
        let text = operation.description.get_or_insert_default();
        text.push_str(&format!("\n\nNeeds the role {role} or a higher one."));
    }
    if matches!(need, Need::Signature | Need::TokenAndSignature(_)) {
        let parameters = operation.parameters.get_or_insert_default();
        parameters.extend(SIGNED_HEADERS.map(|(name, required, text)| header(name, required, text)));
    }
    let parameters = operation.parameters.get_or_insert_default();
    parameters.push(header(
        "X-Request-Id",
        Required::False,
        "the id of this request in all logs; made if absent",
    ));
    for (status, text) in problems(endpoint, need) {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new().description(*text).content(PROBLEM_TYPE, content).build();
        operation.responses.responses.entry((*status).to_owned()).or_insert_with(|| response.into());
    }
}

const SIGNED_HEADERS: [(&str, Required, &str); 4] = [
    ("Content-Digest", Required::True, "SHA-256 of the body: `sha-256=:…:`"),
    (
        "Signature-Input",
        Required::True,
        "`keymoot=(\"@method\" \"@path\" \"content-digest\");created=SECONDS;expires=SECONDS;nonce=\"…\";keyid=\"…\";\
         alg=\"ed25519\";tag=\"keymoot/GROUP\"`, in this order. `nonce`: 32 hexadecimal digits, lower case. `keyid`: the \
         public key of Ed25519, or the SHA-256 of the compressed key of P-256 (`alg=\"ecdsa-p256-sha256\"`), 64 digits. \
         `expires` at most 900 after `created`. `keymoot context show` prints keyid, alg and tag",
    ),
    ("Signature", Required::True, "`keymoot=:…:`"),
    ("Idempotency-Key", Required::False, "where it is there, it is the nonce of the signature"),
];

fn header(name: &str, required: Required, text: &str) -> Parameter {
    let kind = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String);
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(text))
        .schema(Some(kind))
        .build()
}

type Described = (&'static str, &'static str);

fn problems(endpoint: Endpoint, need: Need) -> Vec<&'static Described> {
    const OF_READING: [Described; 4] = [
        ("400", "a parameter, a header or the text of the body is not valid"),
        ("404", "there is no such thing"),
        ("422", "what was asked cannot be"),
        ("503", "no coordinator can answer now"),
    ];
    const OF_THE_GATE: [Described; 4] = [
        ("401", "who asks is not known: certificate, token or signature"),
        ("403", "who asks may not"),
        ("429", "too many at once, or too often"),
        ("504", "the answer took too long"),
    ];
    const OF_WRITING: [Described; 3] = [
        ("409", "the nonce was used for another request, or the key is retired"),
        ("413", "the body is too large"),
        ("415", "the body is not `application/json`"),
    ];
    const ALWAYS: [Described; 1] = [("500", "a defect of keymoot")];
    let mut all: Vec<&Described> = ALWAYS.iter().collect();
    if need != Need::Nothing {
        all.extend(OF_READING.iter().chain(&OF_THE_GATE));
    }
    if endpoint.method() == Method::POST {
        all.extend(&OF_WRITING);
    }
    all
}
