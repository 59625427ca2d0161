//! The gate in front of all services: certificate, cluster document, token, table; in this order, for each call.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use std::sync::Arc;

use http::{Request, Response, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::held::Held;
use keymoot_wire::identity::{PeerId, PeerRole};
use keymoot_wire::metered::{Meter, Metered, full};
use keymoot_wire::places::Bound;
use keymoot_wire::problem::Code;
use keymoot_wire::tls::Peer;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::{Call, Shut};
use crate::clock::wall_ms;
use crate::entrance::{Place, Places};
use crate::tokens::Tokens;
use crate::traces;

/// Who calls. Services find it in the extensions of each request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) peer: PeerId,
    /// What it calls its call in its log; empty if it does not say.
    pub(crate) trace: Arc<str>,
}

/// What the gate goes by.
pub(crate) struct Guard {
    pub(crate) document: DocumentHandle,
    pub(crate) tokens: Tokens,
    pub(crate) places: CallPlaces,
}

/// Places of calls that are in progress: from when they are let in until their answers have left.
pub(crate) struct CallPlaces {
    /// For all calls.
    pub(crate) calls: Arc<Places>,
    /// For those whose answers are long, beside that.
    pub(crate) lists: Arc<Places>,
    /// For the bytes that they bring, but those of streams.
    pub(crate) bytes: Arc<Places>,
}

/// What a call holds.
type HeldPlaces = (Place, Option<Place>, Option<Meter<PeerId>>);

/// Somebody who is let in.
struct Admitted {
    caller: Caller,
    /// What bounds what the call brings; nothing for streams.
    scales: Option<Scales>,
    places: Arc<HeldPlaces>,
}

/// The longest body, in bytes, and where they are counted together with those of all others.
struct Scales {
    longest: usize,
    meter: Meter<PeerId>,
    bound: Bound,
}

/// The gate, as a layer.
#[derive(Clone)]
pub(crate) struct Gate {
    guard: Arc<Guard>,
}

impl Gate {
    pub(crate) fn new(document: DocumentHandle, tokens: Tokens, places: CallPlaces) -> Self {
        Self { guard: Arc::new(Guard { document, tokens, places }) }
    }
}

impl Guard {
    /// Who calls, if it may.
    fn admit<B>(&self, request: &Request<B>, peer: Option<&Arc<Peer>>) -> Result<Admitted, Status> {
        let path = request.uri().path();
        let call = Call::of_path(path).ok_or_else(|| Status::unimplemented("there is no such call"))?;
        let peer =
            peer.ok_or_else(|| Code::CertificateMissing.to_status("there is no client certificate"))?;
        let document = self.document.load();
        // The document may be newer than the connection.
        peer.is_known_to(&document)
            .map_err(|refusal| Code::CertificateRefused.to_status(refusal.to_string()))?;
        let mut headers = request.headers().get_all(header::AUTHORIZATION).iter();
        // Of two headers nobody knows which one counts.
        let (first, second) = (headers.next(), headers.next());
        let authorization = first.filter(|_| second.is_none()).and_then(|value| value.to_str().ok());
        self.tokens.check(authorization, peer, wall_ms() / 1_000)?;
        let role = match peer.id.role() {
            PeerRole::Client => document.client(peer.id.name()).map(|client| client.role),
            PeerRole::Node | PeerRole::Coordinator | PeerRole::Gateway => None,
        };
        call.door().opens(peer.id.role(), role).map_err(|shut| match shut {
            Shut::Peer => {
                Code::WrongPeer.to_status(format!("a {} has no business at {path}", peer.id.role().name()))
            }
            Shut::Role(least) => {
                Code::RoleTooLow.to_status(format!("{path} is for the role {least} and above"))
            }
        })?;
        let busy = |what| {
            let words = format!("this peer has too many {what} in progress; nothing was begun");
            move || Code::Busy.to_status(words)
        };
        let place = self.places.calls.take(&peer.id).ok_or_else(busy("calls"))?;
        let list = if call.is_list() {
            Some(self.places.lists.take(&peer.id).ok_or_else(busy("lists"))?)
        } else {
            None
        };
        let scales = match call.longest() {
            None => None,
            Some(longest) => {
                let (meter, bound) =
                    self.places.bytes.meter(&peer.id).ok_or_else(busy("bytes of requests"))?;
                Some(Scales { longest, meter, bound })
            }
        };
        let places = Arc::new((place, list, scales.as_ref().map(|scales| Arc::clone(&scales.meter))));
        let caller = Caller { peer: peer.id.clone(), trace: traces::of(request.headers()) };
        Ok(Admitted { caller, scales, places })
    }
}

impl Scales {
    /// A body that ends with an error when it is longer than it may be, or there is no place for more of it, before more of
    /// it is taken in.
    fn weigh(self, body: Body) -> Body {
        let Self { longest, meter, bound } = self;
        let limited = Limited::new(Metered::new(body, meter, bound), longest);
        Body::new(limited.map_err(move |error| {
            if error.is::<LengthLimitError>() {
                let words = format!("the call brings more than {longest} bytes; nothing was begun");
                return Code::BodyTooLarge.to_status(words);
            }
            if full(&*error).is_some() {
                return Code::Busy
                    .to_status("there is no room for more bytes of requests; nothing was begun");
            }
            Status::from_error(error)
        }))
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { guard: Arc::clone(&self.guard), inner }
    }
}

/// The services behind the gate.
#[derive(Clone)]
pub(crate) struct Gated<S> {
    guard: Arc<Guard>,
    inner: S,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // Of the connection. All who ask for it share one.
        let peer = request.extensions_mut().remove::<Peer>().map(Arc::new);
        match self.guard.admit(&request, peer.as_ref()) {
            Ok(Admitted { caller, scales, places }) => {
                request.extensions_mut().insert(caller);
                if let Some(peer) = peer {
                    request.extensions_mut().insert(peer);
                }
                let request = match scales {
                    Some(scales) => request.map(|body| scales.weigh(body)),
                    None => request,
                };
                // The one that is ready is taken; the copy waits for its own readiness.
                let copy = self.inner.clone();
                let mut ready = std::mem::replace(&mut self.inner, copy);
                Box::pin(async move {
                    let answer = ready.call(request).await?;
                    // Whoever does not read its answer keeps it in memory.
                    Ok(answer.map(|body| Body::new(Held::new(body, places))))
                })
            }
            Err(status) => {
                let code = Code::of_status(&status);
                metrics::counter!("keymoot_control_refused_total", "code" => code.as_str()).increment(1);
                let peer = peer.map(|peer| peer.id.to_uri());
                let (path, reason) = (request.uri().path().to_owned(), status.message().to_owned());
                tracing::warn!(code = code.as_str(), peer, path, reason, "a call is refused");
                Box::pin(std::future::ready(Ok(status.into_http())))
            }
        }
    }
}
