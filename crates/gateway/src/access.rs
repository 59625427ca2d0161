//! The reviewed table of endpoints and roles. Routes are made of this enum and of nothing else, and what each
//! needs is an exhaustive match: an endpoint without a row does not compile.

use axum::http::Method;
use keymoot_wire::cluster::Role;

/// Declares the endpoints, each with its method and path.
macro_rules! endpoints {
    ($($name:ident = $method:ident $path:literal;)*) => {
        /// Every endpoint there is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Endpoint {
            $(#[doc = concat!("`", stringify!($method), " ", $path, "`")] $name,)*
        }

        impl Endpoint {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The method.
            #[must_use]
            pub const fn method(self) -> Method {
                match self { $(Self::$name => Method::$method,)* }
            }

            /// The path, with its parameters in braces.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self { $(Self::$name => $path,)* }
            }

            /// For logs and metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

endpoints! {
    Livez = GET "/livez";
    Readyz = GET "/readyz";
    Metrics = GET "/metrics";
    Version = GET "/version";
    OpenApi = GET "/openapi.json";
    DocsRoot = GET "/docs";
    DocsIndex = GET "/docs/";
    DocsFile = GET "/docs/{*file}";
    Canaryz = GET "/canaryz";
    CreateToken = POST "/v1/tokens";
    CreateKey = POST "/v1/keys";
    ListKeys = GET "/v1/keys";
    GetKey = GET "/v1/keys/{key}";
    GetAddresses = GET "/v1/keys/{key}/addresses";
    GetXpub = GET "/v1/keys/{key}/xpub";
    RetireKey = POST "/v1/keys/{key}/retire";
    CreateSignature = POST "/v1/signatures";
    ListSignatures = GET "/v1/signatures";
    GetSignature = GET "/v1/signatures/{id}";
    CreateBatch = POST "/v1/batches";
    ListRequests = GET "/v1/requests";
    GetRequest = GET "/v1/requests/{id}";
    ListSessions = GET "/v1/sessions";
    GetSession = GET "/v1/sessions/{id}";
    WatchEvents = GET "/v1/events";
    ListNodes = GET "/v1/nodes";
}

/// What somebody has to show at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing beside what the TLS handshake asks for: it tells nothing about keys or clients.
    Nothing,
    /// A request signed by an enrolled client, of the same name as the certificate. This is where tokens come
    /// from.
    Signature,
    /// A token of a client with this role or a higher one.
    Token(Role),
    /// That, and a request signed by the same client.
    TokenAndSignature(Role),
}

impl Need {
    /// The role that a client must have at least.
    #[must_use]
    pub const fn role(self) -> Option<Role> {
        match self {
            Self::Nothing | Self::Signature => None,
            Self::Token(role) | Self::TokenAndSignature(role) => Some(role),
        }
    }
}

/// The table. Whoever changes a row says why in the change.
#[must_use]
pub const fn need(endpoint: Endpoint) -> Need {
    match endpoint {
        Endpoint::Livez
        | Endpoint::Readyz
        | Endpoint::Metrics
        | Endpoint::Version
        | Endpoint::OpenApi
        | Endpoint::DocsRoot
        | Endpoint::DocsIndex
        | Endpoint::DocsFile => Need::Nothing,
        Endpoint::CreateToken => Need::Signature,
        Endpoint::Canaryz
        | Endpoint::ListKeys
        | Endpoint::GetKey
        | Endpoint::GetAddresses
        | Endpoint::GetXpub
        | Endpoint::ListSignatures
        | Endpoint::GetSignature
        | Endpoint::ListRequests
        | Endpoint::GetRequest
        | Endpoint::ListSessions
        | Endpoint::GetSession
        | Endpoint::WatchEvents
        | Endpoint::ListNodes => Need::Token(Role::Viewer),
        Endpoint::CreateSignature => Need::TokenAndSignature(Role::Requester),
        // A carrier: what is in it is signed item by item, and each item needs the role of its own endpoint.
        Endpoint::CreateBatch => Need::Token(Role::Requester),
        Endpoint::CreateKey => Need::TokenAndSignature(Role::Operator),
        Endpoint::RetireKey => Need::TokenAndSignature(Role::Admin),
    }
}

/// Whether an answer may be of megabytes.
#[must_use]
pub const fn is_list(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::ListKeys | Endpoint::ListSignatures | Endpoint::ListRequests)
}
