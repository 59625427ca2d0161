//! Coordinators with nothing behind them: they keep what they are given and answer by its words.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::Stream;
use keymoot_types::GroupId;
use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::identity::PeerRole;
use keymoot_wire::mpc;
use keymoot_wire::mpc::mpc_coordinator_server::{MpcCoordinator, MpcCoordinatorServer};
use keymoot_wire::mpc::mpc_keys_server::{MpcKeys, MpcKeysServer};
use keymoot_wire::mpc::mpc_registry_server::{MpcRegistry, MpcRegistryServer};
use keymoot_wire::problem::Code;
use keymoot_wire::rest::{CreateKeyBody, CreateSignatureBody};
use keymoot_wire::signed::{is_for, verify};
use keymoot_wire::tls::{Acceptor, ClientCertificates, Identity, Peer, Serving, server_config};
use keymoot_wire::token::{Subject, Unbound, Verifier, bearer};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tonic::{Request, Response, Status};

use crate::scene::now_ms;

/// What a coordinator does with a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Answers,
    /// Its store is gone.
    Storeless,
    /// It takes calls and says nothing.
    Hangs,
}

/// What all replicas share.
pub struct Store {
    pub requests: Mutex<BTreeMap<String, (Vec<u8>, mpc::Request)>>,
    pub keys: Mutex<Vec<mpc::Key>>,
    pub events: broadcast::Sender<mpc::SessionEvent>,
}

impl Store {
    pub fn new() -> Arc<Self> {
        let events = broadcast::channel(64).0;
        Arc::new(Self { requests: Mutex::default(), keys: Mutex::default(), events })
    }
}

/// One replica.
#[derive(Clone)]
pub struct Fake {
    pub name: String,
    pub store: Arc<Store>,
    document: DocumentHandle,
    verifier: Arc<Verifier>,
    mood: Arc<Mutex<Mood>>,
    /// The ids of requests that came with calls.
    traces: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub fn start(
        name: &str,
        listener: TcpListener,
        identity: &Arc<Identity>,
        document: &DocumentHandle,
        store: &Arc<Store>,
    ) -> Self {
        let verifier = Arc::new(Verifier::new(document.clone(), Unbound::Refused));
        let fake = Self {
            name: name.to_owned(),
            store: store.clone(),
            document: document.clone(),
            verifier,
            mood: Arc::default(),
            traces: Arc::default(),
        };
        let roles = vec![PeerRole::Gateway];
        let serving = Serving { roles, certificates: ClientCertificates::Required, http1: false };
        let config = server_config(identity, document, serving).unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(MpcKeysServer::new(fake.clone()))
            .add_service(MpcCoordinatorServer::new(fake.clone()))
            .add_service(MpcRegistryServer::new(fake.clone()))
            .serve_with_incoming(Acceptor::new(listener, config).incoming());
        tokio::spawn(server);
        fake
    }

    pub fn feel(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// The ids that came since this was asked last.
    pub fn take_traces(&self) -> Vec<String> {
        std::mem::take(&mut self.traces.lock().unwrap())
    }

    /// Every call comes from a gateway, with its certificate, its own token, and the id of a request.
    async fn admit<T>(&self, request: Request<T>) -> Result<T, Status> {
        let peer = request.extensions().get::<Peer>().expect("a certificate").clone();
        let header = request.metadata().get("authorization").map(|value| value.to_str().unwrap());
        let token = bearer(header).expect("a token");
        let verified = self.verifier.verify(token, Some(&peer), now_ms() / 1000).expect("a good token");
        assert_eq!(verified.subject, Subject::Process(peer.id));
        let trace = request.metadata().get("keymoot-trace").expect("an id").to_str().unwrap().to_owned();
        self.traces.lock().unwrap().push(trace);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Answers => Ok(request.into_inner()),
            Mood::Storeless => Err(Code::StoreUnavailable.to_status("the store does not answer")),
            Mood::Hangs => std::future::pending().await,
        }
    }

    fn requests(&self) -> MutexGuard<'_, BTreeMap<String, (Vec<u8>, mpc::Request)>> {
        self.store.requests.lock().unwrap()
    }

    /// Verifies as a node would, and names the request by its nonce.
    fn verified(&self, signed: &mpc::SignedRequest) -> (String, String) {
        let document = self.document.load();
        let told = keymoot_wire::signed::parameters(signed).unwrap();
        let client = document.client_of_key(&told.keyid).expect("an enrolled client");
        let parameters = verify(signed, &client.key).expect("the gateway changes nothing");
        let group: GroupId = document.group_id();
        is_for(&parameters, group, now_ms() / 1000).expect("of its time");
        (format!("req_{}", hex::encode(parameters.nonce)), client.name.clone())
    }

    fn settle(
        &self,
        signed: &mpc::SignedRequest,
        make: impl FnOnce(&mut mpc::Request),
    ) -> Result<Response<mpc::Request>, Status> {
        let (id, client) = self.verified(signed);
        let bytes = [signed.path.as_bytes(), &signed.body].concat();
        let mut requests = self.requests();
        if let Some((known, request)) = requests.get(&id) {
            if *known == bytes {
                return Ok(Response::new(request.clone()));
            }
            return Err(Code::Conflict.to_status("this nonce was used for another request"));
        }
        let now = now_ms();
        let mut request = mpc::Request {
            id: id.clone(),
            client,
            created_ms: now,
            expires_ms: now + 60_000,
            attempts: 1,
            ..mpc::Request::default()
        };
        make(&mut request);
        requests.insert(id, (bytes, request.clone()));
        Ok(Response::new(request))
    }

    fn key(&self, name: &str) -> Result<mpc::Key, Status> {
        let keys = self.store.keys.lock().unwrap();
        let mut found = keys.iter().filter(|key| key.id == name || key.name == name);
        match (found.next(), found.next()) {
            (Some(key), None) => Ok(key.clone()),
            (None, _) => Err(Code::NoSuchKey.to_status("no key has this id or name")),
            (Some(_), Some(_)) => Err(Code::NameAmbiguous.to_status("several keys have this name")),
        }
    }
}

fn finish(request: &mut mpc::Request, status: mpc::RequestStatus) {
    request.set_status(status);
    if status != mpc::RequestStatus::Pending {
        request.finished_ms = now_ms();
    }
}

/// The page of a list that a cursor, which is a number here, begins.
fn page<T: Clone>(all: &[T], page: Option<mpc::Page>) -> (Vec<T>, String) {
    let page = page.expect("a page");
    let from: usize = if page.cursor.is_empty() { 0 } else { page.cursor.parse().unwrap() };
    let to = (from + page.limit as usize).min(all.len());
    let next = if to < all.len() { to.to_string() } else { String::new() };
    (all[from..to].to_vec(), next)
}

#[tonic::async_trait]
impl MpcKeys for Fake {
    async fn create_key(
        &self,
        request: Request<mpc::CreateKeyRequest>,
    ) -> Result<Response<mpc::Request>, Status> {
        let signed = self.admit(request).await?.signed.unwrap();
        let body: CreateKeyBody = serde_json::from_slice(&signed.body).unwrap();
        self.settle(&signed, |request| {
            let (name, scheme) = (body.name.clone(), body.scheme.clone());
            request.ask = Some(mpc::request::Ask::KeyAsk(mpc::KeyAsk { name, scheme }));
            if body.name == "slow" {
                return finish(request, mpc::RequestStatus::Pending);
            }
            let key = mpc::Key {
                id: request.id.replace("req_", "key_"),
                name: body.name,
                scheme: body.scheme,
                public_key: vec![2; 33],
                chain_code: vec![3; 32],
                threshold: 2,
                holders: vec!["node-1".into(), "node-2".into(), "node-3".into()],
                created_by: request.client.clone(),
                created_ms: now_ms(),
                ..mpc::Key::default()
            };
            self.store.keys.lock().unwrap().insert(0, key.clone());
            request.result = Some(mpc::request::Result::Key(key));
            finish(request, mpc::RequestStatus::Complete);
        })
    }

    async fn get_key(&self, request: Request<mpc::GetKeyRequest>) -> Result<Response<mpc::Key>, Status> {
        let ask = self.admit(request).await?;
        self.key(&ask.key).map(Response::new)
    }

    async fn list_keys(
        &self,
        request: Request<mpc::ListKeysRequest>,
    ) -> Result<Response<mpc::ListKeysResponse>, Status> {
        let ask = self.admit(request).await?;
        let (keys, next_cursor) = page(&self.store.keys.lock().unwrap(), ask.page);
        Ok(Response::new(mpc::ListKeysResponse { keys, next_cursor }))
    }

    async fn retire_key(
        &self,
        request: Request<mpc::RetireKeyRequest>,
    ) -> Result<Response<mpc::Request>, Status> {
        let signed = self.admit(request).await?.signed.unwrap();
        self.settle(&signed, |request| {
            let key = signed.path.trim_start_matches("/v1/keys/").trim_end_matches("/retire").to_owned();
            request.ask = Some(mpc::request::Ask::RetireAsk(mpc::RetireAsk { key }));
            finish(request, mpc::RequestStatus::Complete);
        })
    }

    async fn get_addresses(
        &self,
        request: Request<mpc::GetAddressesRequest>,
    ) -> Result<Response<mpc::GetAddressesResponse>, Status> {
        let ask = self.admit(request).await?;
        let key = self.key(&ask.key)?;
        let address = mpc::ChainAddress {
            chain: "bitcoin".into(),
            network: ask.network,
            form: "p2wpkh".into(),
            address: "bc1q".into(),
        };
        let (path, public_key) = (ask.path, key.public_key);
        let answer = mpc::GetAddressesResponse { key: key.id, path, public_key, addresses: vec![address] };
        Ok(Response::new(answer))
    }

    async fn get_xpub(
        &self,
        request: Request<mpc::GetXpubRequest>,
    ) -> Result<Response<mpc::GetXpubResponse>, Status> {
        let ask = self.admit(request).await?;
        let key = self.key(&ask.key)?;
        if key.scheme == "frost-ed25519" {
            return Err(Code::NotForThisKey.to_status("a key of this scheme has no extended public key"));
        }
        let (xpub, fingerprint) = (format!("xpub-{}", ask.network), vec![0x5c, 0x9e, 0x22, 0x8d]);
        Ok(Response::new(mpc::GetXpubResponse { key: key.id, xpub, fingerprint, descriptors: Vec::new() }))
    }
}

#[tonic::async_trait]
impl MpcCoordinator for Fake {
    async fn create_signing_session(
        &self,
        request: Request<mpc::CreateSigningSessionRequest>,
    ) -> Result<Response<mpc::Request>, Status> {
        let signed = self.admit(request).await?.signed.unwrap();
        let body: CreateSignatureBody = serde_json::from_slice(&signed.body).unwrap();
        self.settle(&signed, |request| {
            let ask = mpc::SignatureAsk {
                key: body.key,
                path: body.path,
                kind: body.kind.clone(),
                payload: hex::decode(body.payload.trim_start_matches("0x")).unwrap(),
                signed_data: vec![7; 32],
                signing: body.signing.map(u32::from),
            };
            request.ask = Some(mpc::request::Ask::SignatureAsk(ask));
            match body.kind.as_str() {
                "slow" => finish(request, mpc::RequestStatus::Pending),
                "lonely" => {
                    request.code = Code::NotEnoughSigners.as_str().into();
                    request.reason = "need 2, reachable 1 (node-1)".into();
                    finish(request, mpc::RequestStatus::Pending);
                }
                "denied" => {
                    let denial = mpc::Denial { node: "node-2".into(), reason: "no rule allows it".into() };
                    request.denials = vec![denial];
                    request.code = Code::Denied.as_str().into();
                    finish(request, mpc::RequestStatus::Denied);
                }
                "cheated" => {
                    request.culprits = vec!["node-3".into()];
                    request.code = Code::CheatersNamed.as_str().into();
                    finish(request, mpc::RequestStatus::Failed);
                }
                _ => {
                    let mut encoded = vec![0x11; 32];
                    encoded.extend([0x22; 32]);
                    encoded.push(1);
                    let (signers, session) = (vec!["node-1".into(), "node-3".into()], "ses_1".into());
                    let made = mpc::Signature { encoded, signers, session };
                    request.result = Some(mpc::request::Result::Signature(made));
                    finish(request, mpc::RequestStatus::Complete);
                }
            }
        })
    }

    async fn get_session_status(
        &self,
        request: Request<mpc::GetSessionStatusRequest>,
    ) -> Result<Response<mpc::Request>, Status> {
        let ask = self.admit(request).await?;
        let found = self.requests().get(&ask.request).map(|(_, request)| request.clone());
        found.map(Response::new).ok_or_else(|| Status::not_found("no request has this id"))
    }

    async fn aggregate_signatures(
        &self,
        request: Request<mpc::AggregateSignaturesRequest>,
    ) -> Result<Response<mpc::Request>, Status> {
        let ask = self.admit(request).await?;
        assert!(ask.wait_ms > 0, "asking without waiting is another call");
        let found = self.requests().get(&ask.request).map(|(_, request)| request.clone());
        found.map(Response::new).ok_or_else(|| Status::not_found("no request has this id"))
    }

    async fn list_requests(
        &self,
        request: Request<mpc::ListRequestsRequest>,
    ) -> Result<Response<mpc::ListRequestsResponse>, Status> {
        let ask = self.admit(request).await?;
        let all = self.requests();
        let is_wanted = |request: &&mpc::Request| match &request.ask {
            _ if ask.key.is_empty() => true,
            Some(mpc::request::Ask::SignatureAsk(asked)) => asked.key == ask.key,
            _ => false,
        };
        let all: Vec<mpc::Request> =
            all.values().map(|(_, request)| request).filter(is_wanted).cloned().collect();
        let (requests, next_cursor) = page(&all, ask.page);
        Ok(Response::new(mpc::ListRequestsResponse { requests, next_cursor }))
    }

    async fn list_sessions(
        &self,
        request: Request<mpc::ListSessionsRequest>,
    ) -> Result<Response<mpc::ListSessionsResponse>, Status> {
        self.admit(request).await?;
        let participant = mpc::Participant { node: "node-1".into(), round: Some(1), complete: false };
        let session = mpc::Session {
            id: format!("ses_of_{}", self.name),
            kind: "signing".into(),
            participants: vec![participant],
            age_ms: 3,
            left_ms: 30_000,
            ..mpc::Session::default()
        };
        Ok(Response::new(mpc::ListSessionsResponse { sessions: vec![session] }))
    }

    type WatchSessionsStream = Pin<Box<dyn Stream<Item = Result<mpc::SessionEvent, Status>> + Send>>;

    async fn watch_sessions(
        &self,
        request: Request<mpc::WatchSessionsRequest>,
    ) -> Result<Response<Self::WatchSessionsStream>, Status> {
        let ask = self.admit(request).await?;
        let mut events = self.store.events.subscribe();
        Ok(Response::new(Box::pin(async_stream::stream! {
            while let Ok(event) = events.recv().await {
                if ask.request.is_empty() || event.request == ask.request {
                    yield Ok(event);
                }
            }
        })))
    }
}

#[tonic::async_trait]
impl MpcRegistry for Fake {
    async fn register_node(
        &self,
        _request: Request<mpc::RegisterNodeRequest>,
    ) -> Result<Response<mpc::RegisterNodeResponse>, Status> {
        Err(Status::unimplemented("a gateway registers nobody"))
    }

    async fn discover_nodes(
        &self,
        request: Request<mpc::DiscoverNodesRequest>,
    ) -> Result<Response<mpc::DiscoverNodesResponse>, Status> {
        self.admit(request).await?;
        let member = |name: &str, connected| mpc::Member {
            name: name.into(),
            role: "node".into(),
            address: "none".into(),
            live: connected,
            connected,
            silent_ms: connected.then_some(20),
            version: "0.1.0".into(),
            clock_skew_ms: Some(-3),
            same_document: true,
            moduli: connected.then_some(mpc::ModuliState { safe_primes: 3, wanted: 4, ..Default::default() }),
        };
        let members = vec![member("node-1", true), member("node-2", true), member("node-3", false)];
        Ok(Response::new(mpc::DiscoverNodesResponse { members }))
    }

    async fn unregister_node(
        &self,
        _request: Request<mpc::UnregisterNodeRequest>,
    ) -> Result<Response<mpc::UnregisterNodeResponse>, Status> {
        Err(Status::unimplemented("a gateway unregisters nobody"))
    }
}
