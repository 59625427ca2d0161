//! The gate in front of every route: certificate, token, role, budget. What it lets through has a [`Call`].

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use keymoot_wire::cluster::Role;
use keymoot_wire::held::Held;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::metered::Meter;
use keymoot_wire::problem::Code;
use keymoot_wire::tls::{ClientCertificates, Peer};

use crate::access::{Endpoint, Need, is_list, need};
use crate::limits::Place;
use crate::problem::Refused;
use crate::state::{App, Call};
use crate::tokens;
use crate::trace::RequestId;

/// Who is at the other end of the connection: `None` where certificates are optional and there is none.
#[derive(Clone, Debug)]
pub struct Connection(pub Option<Arc<Peer>>);

/// What a request holds until its answer has left: its place, one of those for lists if it asks for one, and one for each
/// byte of its body.
type Holds = (Place, Option<Place>, Option<Meter<Arc<str>>>);

/// The gate of one endpoint.
pub async fn gate(
    State((app, endpoint)): State<(Arc<App>, Endpoint)>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match enter(&app, endpoint, request) {
        // Whoever does not read its answer keeps it in memory.
        Ok((request, holds)) => held(endpoint, next.run(request).await, holds),
        Err(refused) => refused.into_response(),
    };
    response.extensions_mut().insert(endpoint);
    response
}

/// An answer that holds its places until it has been sent or dropped. An event stream has a place of its own.
fn held(endpoint: Endpoint, response: Response, holds: Holds) -> Response {
    if endpoint == Endpoint::WatchEvents {
        return response;
    }
    response.map(|body| Body::new(Held::new(body, Arc::new(holds))))
}

fn enter(app: &App, endpoint: Endpoint, request: Request) -> Result<(Request, Holds), Refused> {
    let need = need(endpoint);
    let peer = request.extensions().get::<Connection>().and_then(|connection| connection.0.clone());
    if need == Need::Nothing {
        let holder = peer.map_or_else(|| "".into(), |peer| peer.id.to_uri().into());
        return Ok((request, (app.open.take(&holder, 1)?, None, None)));
    }
    if app.is_stopping() {
        return Err(Refused::new(Code::ShuttingDown, "the gateway is stopping"));
    }
    check_peer(app, peer.as_deref())?;
    let trace = request.extensions().get::<RequestId>().map_or_else(|| "".into(), |id| id.0.clone());
    let client = match need.role() {
        Some(role) => admit(app, peer.as_deref(), request.headers(), role)?,
        // Whoever asks for a token shows who it is by its signature, which the handler checks. The places that it
        // holds meanwhile are those of its certificate's owner.
        None => named(peer.as_deref())?,
    };
    tracing::Span::current().record("client", &*client);
    let place = app.requests.take(&client, 1)?;
    let list = if is_list(endpoint) { Some(app.lists.take(&client, 1)?) } else { None };
    if let Err(seconds) = app.budgets.take(&client, Instant::now()) {
        let mut refused = Refused::new(Code::TooManyRequests, "the budget of this client is used up");
        refused.retry_after = Some(seconds);
        return Err(refused);
    }
    let (parts, body) = request.into_parts();
    let (body, meter) = app.bytes.meter(&client, body)?;
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(Call { client, trace, peer });
    Ok((request, (place, list, Some(meter))))
}

/// The owner of the certificate.
fn named(peer: Option<&Peer>) -> Result<Arc<str>, Refused> {
    peer.map(|peer| peer.id.name().into()).ok_or_else(|| {
        Refused::new(Code::CertificateMissing, "a token is bound to a certificate, and there is none")
    })
}

/// A connection may be older than the document of the moment.
fn check_peer(app: &App, peer: Option<&Peer>) -> Result<(), Refused> {
    match peer {
        None if app.client_certificates == ClientCertificates::Required => {
            Err(Refused::new(Code::CertificateMissing, "there is no client certificate"))
        }
        None => Ok(()),
        Some(peer) => {
            let known = peer.is_known_to(&app.document.load());
            known.map_err(|refusal| Refused::caused(Code::CertificateRefused, &refusal))?;
            if peer.id.role() == PeerRole::Client {
                Ok(())
            } else {
                let detail = format!("the certificate is of a {}, not of a client", peer.id.role());
                Err(Refused::new(Code::WrongPeer, detail))
            }
        }
    }
}

/// The client that the token names, if it may do this.
fn admit(app: &App, peer: Option<&Peer>, headers: &HeaderMap, needed: Role) -> Result<Arc<str>, Refused> {
    let (name, role) = app.tokens.verify(bearer(headers)?, peer)?;
    if role < needed {
        let detail = format!("this needs the role {needed}, and `{name}` has the role {role}");
        return Err(Refused::new(Code::RoleTooLow, detail));
    }
    Ok(name)
}

/// The token in the one header Authorization.
fn bearer(headers: &HeaderMap) -> Result<&str, Refused> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next().map(|value| value.to_str().unwrap_or_default());
    if all.next().is_some() {
        return Err(Refused::new(Code::BadHeader, "the header Authorization is there more than once"));
    }
    keymoot_wire::token::bearer(value).map_err(tokens::refused)
}
