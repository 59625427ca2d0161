//! Requests as clients make them: signed by name, or as the text that stands for an HTTP request.

use keymoot_engine::request::{Ask, ClientId, HttpRequest, Request, RequestId, ToSign};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::dkls23::PayloadHash;
use keymoot_types::Millis;
use keymoot_types::signed::{self, Algorithm, LIFETIME_MAX, Parameters};
use rand_core::RngCore;

use super::{EPOCH, World};
use crate::backend::Backend;
use crate::coverage::Kind;

impl<B: Backend> World<B> {
    /// A request of this client that is made now and valid for so many milliseconds: its name and its bytes.
    pub(super) fn ask_for(&mut self, client: usize, ask: Ask, lasts: u64) -> (RequestId, Vec<u8>) {
        let person = self.clients[client].clone();
        let mut nonce = [0; 16];
        self.chance.fill_bytes(&mut nonce);
        let seconds = lasts.div_ceil(1000);
        if seconds <= LIFETIME_MAX && self.chance.happens(400) {
            self.saw(Kind::ByHttp);
            let created = (EPOCH + self.now) / 1000;
            let parameters = Parameters {
                created,
                expires: created + seconds,
                nonce,
                keyid: ClientId::of(&person.identity()).0,
                algorithm: Algorithm::Ed25519,
                tag: signed::tag(self.committee.group()),
            };
            let http = http_of(&person, &ask, &parameters);
            let read = http.id::<B>().and_then(|id| Ok((id, http.request()?)));
            let (id, request) =
                read.unwrap_or_else(|error| unreachable!("it was made as it is read: {error}"));
            self.watch.request(id, request);
            return (id, http.to_bytes());
        }
        self.saw(Kind::ByName);
        let created = Millis(EPOCH + self.now);
        let client = ClientId::of(&person.identity());
        let request = Request { ask, client, created, expires: created.plus(lasts), nonce };
        let id = request.id::<B>();
        self.watch.request(id, request.clone());
        (id, request.sign(&person).encode().to_vec())
    }
}

fn http_of<B: Backend>(person: &B, ask: &Ask, parameters: &Parameters) -> HttpRequest {
    let (path, body) = match ask {
        Ask::Key(scheme) => ("/v1/keys".to_owned(), format!(r#"{{"scheme":"{scheme}"}}"#)),
        Ask::Sign { key, what: ToSign { path, payload, signing } } => {
            let digits: String = payload.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            let kind = payload.kind().name();
            let signing = signing.map_or_else(String::new, |signing| format!(r#","signing":{signing}"#));
            let body =
                format!(r#"{{"key":"{key}","path":"{path}","kind":"{kind}","payload":"{digits}"{signing}}}"#);
            ("/v1/signatures".to_owned(), body)
        }
        Ask::Retire { key } => (format!("/v1/keys/{key}/retire"), "{}".to_owned()),
    };
    let digest = signed::content_digest(&PayloadHash::Sha256.of(body.as_bytes()));
    let base = signed::base("POST", &path, &digest, parameters)
        .unwrap_or_else(|error| unreachable!("a client knows what it signs: {error}"));
    let signature = person.sign_note(&base).0;
    HttpRequest {
        method: "POST".to_owned(),
        path,
        body: body.into_bytes(),
        input: parameters.to_string(),
        signature,
    }
}
