//! The routes: one handler for each endpoint of the table, and what handlers share.

pub mod batches;
pub mod docs;
pub mod events;
pub mod health;
pub mod keys;
pub mod nodes;
pub mod requests;
pub mod sessions;
pub mod signatures;
pub mod submit;
pub mod token;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use keymoot_wire::mpc;
use keymoot_wire::problem::Code;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::access::Endpoint;
use crate::gate::gate;
use crate::problem::Refused;
use crate::state::App;
use crate::trace::around;

/// For how long a client may wait for an outcome.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
/// For how long one waits that does not say.
const WAIT_USUAL: Duration = Duration::from_secs(5);

/// All routes. There is no other way to make one: each has a row in the table of access.
pub fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for endpoint in Endpoint::ALL {
        let gate = from_fn_with_state((app.clone(), *endpoint), gate);
        router = router.route(endpoint.path(), handler(*endpoint).route_layer(gate));
    }
    router.layer(from_fn_with_state(app.clone(), around)).with_state(app.clone())
}

fn handler(endpoint: Endpoint) -> MethodRouter<Arc<App>> {
    match endpoint {
        Endpoint::Livez => get(health::livez),
        Endpoint::Readyz => get(health::readyz),
        Endpoint::Canaryz => get(health::canaryz),
        Endpoint::Metrics => get(health::metrics),
        Endpoint::Version => get(health::version),
        Endpoint::OpenApi => get(docs::openapi),
        Endpoint::DocsRoot => get(docs::root),
        Endpoint::DocsIndex => get(docs::index),
        Endpoint::DocsFile => get(docs::file),
        Endpoint::CreateToken => post(token::create),
        Endpoint::CreateKey => post(keys::create),
        Endpoint::ListKeys => get(keys::list),
        Endpoint::GetKey => get(keys::show),
        Endpoint::GetAddresses => get(keys::addresses),
        Endpoint::GetXpub => get(keys::xpub),
        Endpoint::RetireKey => post(keys::retire),
        Endpoint::CreateSignature => post(signatures::create),
        Endpoint::ListSignatures => get(signatures::list),
        Endpoint::GetSignature => get(signatures::show),
        Endpoint::CreateBatch => post(batches::create),
        Endpoint::ListRequests => get(requests::list),
        Endpoint::GetRequest => get(requests::show),
        Endpoint::ListSessions => get(sessions::list),
        Endpoint::GetSession => get(sessions::show),
        Endpoint::WatchEvents => get(events::watch),
        Endpoint::ListNodes => get(nodes::list),
    }
}

/// The parameters of a query, strictly of their shape.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refused> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(query)| Self(query)).map_err(|error: QueryRejection| {
            Refused::new(
                Code::BadQuery,
                error.body_text().trim_start_matches("Failed to deserialize query string: "),
            )
        })
    }
}

/// The one parameter of a path.
pub struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name))
            .map_err(|_| Refused::new(Code::NoSuchPath, "the path is not in UTF-8"))
    }
}

/// No parameters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct NoQuery {}

/// How long to wait.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WaitQuery {
    /// For how many seconds to wait for the outcome, 0 to 60. The header `Prefer: wait=N` says the same.
    pub wait: Option<u64>,
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// At most so many, 1 to 200; usually 50.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// For how long to wait: what the query says, else what the header Prefer says, else `usual`.
///
/// # Errors
/// A query of more than a minute. A preference is only that, and is cut.
pub fn wait(query: Option<u64>, headers: &HeaderMap, usual: Duration) -> Result<Duration, Refused> {
    if let Some(seconds) = query {
        let asked = Duration::from_secs(seconds);
        if asked > WAIT_MAX {
            return Err(Refused::new(Code::BadQuery, "`wait` is 0 to 60 seconds"));
        }
        return Ok(asked);
    }
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let asked = preferences
        .flat_map(|text| text.split(','))
        .find_map(|one| one.trim().strip_prefix("wait=").and_then(|seconds| seconds.trim().parse().ok()));
    Ok(asked.map_or(usual, Duration::from_secs).min(WAIT_MAX))
}

/// The most of a page, and what it has if nobody says.
const PAGE_MAX: u32 = 200;
const PAGE_USUAL: u32 = 50;
/// The longest cursor that is looked at.
const CURSOR_MAX: usize = 1024;

/// Which list a cursor belongs to, so that one is not used with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Keys,
    Requests,
}

impl List {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Keys => "k1:",
            Self::Requests => "r1:",
        }
    }

    /// The coordinators' cursor, wrapped.
    pub fn wrap(self, cursor: &str) -> Option<String> {
        (!cursor.is_empty())
            .then(|| Base64UrlUnpadded::encode_string(format!("{}{cursor}", self.prefix()).as_bytes()))
    }

    /// The page in the coordinators' words.
    ///
    /// # Errors
    /// A limit that no page has; a cursor that is not one of this list.
    pub fn page(self, query: &PageQuery) -> Result<mpc::Page, Refused> {
        let limit = query.limit.unwrap_or(PAGE_USUAL);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(Refused::new(Code::BadQuery, format!("`limit` is 1 to {PAGE_MAX}")));
        }
        let refused = || Refused::new(Code::BadCursor, "the cursor is not one of this list");
        let cursor = match &query.cursor {
            None => String::new(),
            Some(text) if text.len() <= CURSOR_MAX => {
                let bytes = Base64UrlUnpadded::decode_vec(text).map_err(|_| refused())?;
                let inner = String::from_utf8(bytes).map_err(|_| refused())?;
                let inner = inner.strip_prefix(self.prefix()).filter(|inner| !inner.is_empty());
                inner.ok_or_else(refused)?.to_owned()
            }
            Some(_) => return Err(refused()),
        };
        Ok(mpc::Page { limit, cursor })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let cursor = List::Keys.wrap("1795:key_1").unwrap();
        let query = PageQuery { limit: Some(3), cursor: Some(cursor) };
        assert_eq!(List::Keys.page(&query).unwrap(), mpc::Page { limit: 3, cursor: "1795:key_1".into() });
        assert!(List::Requests.page(&query).is_err());
        assert_eq!(List::Keys.wrap(""), None, "there is no next page");
        for bad in ["", "!", "azE6", &"a".repeat(1025)] {
            let query = PageQuery { limit: None, cursor: Some(bad.into()) };
            assert_eq!(List::Keys.page(&query).unwrap_err().problem.code, "E2008", "{bad}");
        }
        for limit in [0, 201] {
            let query = PageQuery { limit: Some(limit), cursor: None };
            assert_eq!(List::Keys.page(&query).unwrap_err().problem.code, "E2007");
        }
    }

    #[test]
    fn a_query_goes_before_a_preference_and_both_are_bounded() {
        let mut headers = HeaderMap::new();
        let of = |query, headers: &HeaderMap| wait(query, headers, WAIT_USUAL).map(|wait| wait.as_secs());
        assert_eq!(of(None, &headers).unwrap(), 5);
        headers.insert("prefer", HeaderValue::from_static("respond-async, wait=20"));
        assert_eq!(of(None, &headers).unwrap(), 20);
        assert_eq!(of(Some(0), &headers).unwrap(), 0);
        headers.insert("prefer", HeaderValue::from_static("wait=9999999"));
        assert_eq!(of(None, &headers).unwrap(), 60);
        headers.insert("prefer", HeaderValue::from_static("wait=soon"));
        assert_eq!(of(None, &headers).unwrap(), 5);
        assert!(of(Some(61), &headers).is_err());
    }
}
