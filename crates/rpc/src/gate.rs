//! Who may ask. Whoever does can have things signed, so: no web page, unless it is named, neither by its own address nor by
//! a name that it has pointed here; and where there is a token, nobody without it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use keymoot_wire::problem::Code;
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::codes;
use crate::hall::Entrance;
use crate::refusal::{Refusal, UNAUTHORIZED};
use crate::serve::{Trace, refuse};

/// Asks who it is before anything is read.
pub async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match admit(&app, &request) {
        Ok(Admitted::Known) if !enters(&request) => {
            let trace = request.extensions().get::<Trace>().cloned().unwrap_or_default();
            let what = "as many callers are connected as there is room for";
            refuse(StatusCode::TOO_MANY_REQUESTS, &Refusal::of_code(Code::Busy, what), &trace)
        }
        Ok(_) => next.run(request).await,
        Err((status, what)) => {
            let trace = request.extensions().get::<Trace>().cloned().unwrap_or_default();
            tracing::warn!(why = what, trace = &*trace.0, "a caller was not admitted");
            refuse(status, &Refusal::new(UNAUTHORIZED, codes::NOT_ADMITTED, what), &trace)
        }
    }
}

/// Who has got in.
enum Admitted {
    /// Somebody who may have things signed.
    Known,
    /// Anybody, with a question that anybody may ask.
    Anybody,
}

/// Whether there is a place among the known for this connection.
fn enters(request: &Request) -> bool {
    request.extensions().get::<Entrance>().is_none_or(Entrance::admit)
}

fn admit(app: &App, request: &Request) -> Result<Admitted, (StatusCode, &'static str)> {
    let (headers, config) = (request.headers(), &app.config);
    if !is_named_so(headers, request.uri(), &config.hosts) {
        return Err((StatusCode::FORBIDDEN, "the signer is asked under a name that is not its own"));
    }
    if !is_from(headers, &config.origins) {
        return Err((StatusCode::FORBIDDEN, "a web page asks, and its origin is not in the configuration"));
    }
    // A browser asks whether it may ask without the token; and whether the process runs, anybody may know.
    let is_open = request.method() == Method::OPTIONS || request.uri().path() == "/upcheck";
    match &config.token {
        Some(token) if !is_open && !shows(headers, token) => {
            Err((StatusCode::UNAUTHORIZED, "the header Authorization does not have the token"))
        }
        Some(_) if is_open => Ok(Admitted::Anybody),
        _ => Ok(Admitted::Known),
    }
}

/// Whether it is asked by an address, as localhost, or under a name of the configuration. A page that has its own name
/// point to this machine would be here under that name.
fn is_named_so(headers: &HeaderMap, uri: &Uri, names: &[String]) -> bool {
    let is_ours = |authority: &str| {
        let Ok(authority) = authority.parse::<http::uri::Authority>() else { return false };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host.parse::<IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || names.iter().any(|name| name.eq_ignore_ascii_case(host))
    };
    let mut hosts = headers.get_all(header::HOST).iter();
    let is_host_ours = hosts.next().and_then(|host| host.to_str().ok()).is_some_and(is_ours);
    let is_uri_ours = uri.authority().is_none_or(|authority| is_ours(authority.as_str()));
    is_host_ours && is_uri_ours && hosts.next().is_none()
}

/// Whether a text is an origin as browsers write it: scheme, host, and the port if it is not the usual one. `null` is what
/// anybody's page can have, and `*` is everybody.
pub fn is_origin(text: &str) -> bool {
    let Ok(url) = text.parse::<reqwest::Url>() else { return false };
    matches!(url.scheme(), "http" | "https")
        && !text.contains('*')
        && url.origin().ascii_serialization() == text
}

fn is_from(headers: &HeaderMap, origins: &[String]) -> bool {
    let mut given = headers.get_all(header::ORIGIN).iter();
    given.all(|origin| origins.iter().any(|known| origin == known.as_str()))
}

fn shows(headers: &HeaderMap, token: &str) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer "));
    given.is_some_and(|given| given.as_bytes().ct_eq(token.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs.map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_name_that_somebody_else_has_pointed_here_is_not_ours() {
        let names = ["signer.internal".to_owned()];
        let root = Uri::from_static("/");
        let is_ours = |host: &str| is_named_so(&headers(&[(header::HOST, host)]), &root, &names);
        for host in
            ["127.0.0.1:9000", "[::1]:9000", "localhost", "LOCALHOST:1", "10.1.2.3", "Signer.Internal:80"]
        {
            assert!(is_ours(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:9000", "", "a b"] {
            assert!(!is_ours(host), "{host}");
        }
        assert!(!is_named_so(&HeaderMap::new(), &root, &names));
        let mut two = headers(&[(header::HOST, "localhost")]);
        two.append(header::HOST, HeaderValue::from_static("localhost"));
        assert!(!is_named_so(&two, &root, &names), "two hosts are none");
        let foreign = Uri::from_static("http://evil.example/");
        assert!(!is_named_so(&headers(&[(header::HOST, "localhost")]), &foreign, &names));
    }

    #[test]
    fn a_web_page_may_ask_only_if_it_is_named() {
        let origins = ["https://app.example".to_owned()];
        let may_ask = |origin: &str| is_from(&headers(&[(header::ORIGIN, origin)]), &origins);
        assert!(may_ask("https://app.example") && is_from(&HeaderMap::new(), &origins));
        for origin in
            ["null", "http://app.example", "https://app.example:8443", "https://app.example.evil", ""]
        {
            assert!(!may_ask(origin), "{origin}");
        }
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for good in ["https://app.example", "http://localhost:3000"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "*",
            "null",
            "",
            "https://app.example/",
            "https://App.example",
            "https://app.example:443",
            "app.example",
            "file://x",
            "https://*.example",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    #[test]
    fn a_token_is_shown_whole() {
        let is_let_in = |value: &str| shows(&headers(&[(header::AUTHORIZATION, value)]), "secret");
        assert!(is_let_in("Bearer secret"));
        for value in ["Bearer secre", "Bearer secrets", "Bearer ", "secret", "Basic secret"] {
            assert!(!is_let_in(value), "{value}");
        }
        assert!(!shows(&HeaderMap::new(), "secret"));
    }
}
