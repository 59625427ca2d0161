//! Keys.

use std::sync::Arc;

use keymoot_engine::addresses::{NoAddress, addresses, extended};
use keymoot_types::{KeyId, Network, Path, PathError};
use keymoot_wire::mpc::mpc_keys_server::MpcKeys;
use keymoot_wire::mpc::{
    self, CreateKeyRequest, GetAddressesRequest, GetAddressesResponse, GetKeyRequest, GetXpubRequest,
    GetXpubResponse, ListKeysRequest, ListKeysResponse, RetireKeyRequest,
};
use keymoot_wire::problem::Code;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use super::{Place, caller};
use crate::answers::Scribe;
use crate::asking::{self, Purpose};
use crate::lookup;
use crate::record::KeyRecord;
use crate::room::Room;

/// The service.
pub(crate) struct KeysService {
    pub(crate) room: Arc<Room>,
    /// The same as of the lists of requests.
    pub(crate) lists: Arc<Semaphore>,
}

#[tonic::async_trait]
impl MpcKeys for KeysService {
    async fn create_key(&self, request: Request<CreateKeyRequest>) -> Result<Response<mpc::Request>, Status> {
        let caller = caller(&request)?;
        let asked = request.into_inner();
        let judged = asking::judge(&self.room, &caller, asked.signed, Purpose::Key)?;
        let wait = asking::patience(asked.wait_ms);
        asking::follow(&self.room, &judged, wait).await.map(Response::new)
    }

    async fn get_key(&self, request: Request<GetKeyRequest>) -> Result<Response<mpc::Key>, Status> {
        let key = self.find(&request.into_inner().key).await?;
        let shown = self.shown(&[key]).await?.pop();
        shown.map(Response::new).ok_or_else(|| Code::Defect.to_status("the key was not shown"))
    }

    async fn list_keys(
        &self,
        request: Request<ListKeysRequest>,
    ) -> Result<Response<ListKeysResponse>, Status> {
        let place = Place::of(request.into_inner().page)?;
        let before = place.before.as_ref().map(|(order, id)| (*order, id.as_str()));
        // The semaphore is never closed.
        let _turn = self.lists.acquire().await;
        let found = self.room.book.keys(before, place.limit).await.map_err(lookup::unavailable)?;
        let keys = self.shown(&found.items).await?;
        Ok(Response::new(ListKeysResponse { keys, next_cursor: Place::cursor(found.next) }))
    }

    async fn retire_key(&self, request: Request<RetireKeyRequest>) -> Result<Response<mpc::Request>, Status> {
        let caller = caller(&request)?;
        let asked = request.into_inner();
        let judged = asking::judge(&self.room, &caller, asked.signed, Purpose::Retirement)?;
        let wait = asking::patience(asked.wait_ms);
        asking::follow(&self.room, &judged, wait).await.map(Response::new)
    }

    async fn get_addresses(
        &self,
        request: Request<GetAddressesRequest>,
    ) -> Result<Response<GetAddressesResponse>, Status> {
        let GetAddressesRequest { key, path, network } = request.into_inner();
        let key = self.find(&key).await?;
        let path = if path.is_empty() { "m".to_owned() } else { path };
        let steps: Path =
            path.parse().map_err(|error: PathError| Code::BadPath.to_status(error.to_string()))?;
        let shown =
            addresses(&key.details, &steps, &network, self.network()).map_err(|error| unfit(&error))?;
        let addresses = shown.addresses.into_iter().map(|one| mpc::ChainAddress {
            chain: one.chain.to_owned(),
            network: one.network.to_owned(),
            form: one.form.to_owned(),
            address: one.address,
        });
        let (key, public_key, addresses) = (key.id.to_string(), shown.public_key, addresses.collect());
        Ok(Response::new(GetAddressesResponse { key, path, public_key, addresses }))
    }

    async fn get_xpub(&self, request: Request<GetXpubRequest>) -> Result<Response<GetXpubResponse>, Status> {
        let GetXpubRequest { key, network } = request.into_inner();
        let key = self.find(&key).await?;
        let shown = extended(&key.details, &network, self.network()).map_err(|error| unfit(&error))?;
        let (key, xpub, fingerprint) = (key.id.to_string(), shown.xpub, shown.fingerprint.to_vec());
        Ok(Response::new(GetXpubResponse { key, xpub, fingerprint, descriptors: shown.descriptors }))
    }
}

/// Why a key has no address there.
fn unfit(error: &NoAddress) -> Status {
    let code = match error {
        NoAddress::Network | NoAddress::OtherNetwork(_) => Code::InvalidRequest,
        NoAddress::Path(_) | NoAddress::NoPaths => Code::NotForThisKey,
    };
    code.to_status(error.to_string())
}

impl KeysService {
    /// The Bitcoin network that the cluster is for.
    fn network(&self) -> Network {
        self.room.document.load().bitcoin
    }

    /// The key with this id, or the only one of this name.
    async fn find(&self, text: &str) -> Result<Arc<KeyRecord>, Status> {
        let missing = || Code::NoSuchKey.to_status(format!("there is no key {text:?}"));
        let id = match text.parse::<KeyId>() {
            Ok(id) => id,
            Err(_) if text.is_empty() || text.len() > 64 => return Err(missing()),
            Err(_) => match self.room.book.named(text).await.map_err(lookup::unavailable)?.as_slice() {
                [] => return Err(missing()),
                [id] => *id,
                several => {
                    let words = format!("{} keys are named {text:?}", several.len());
                    return Err(Code::NameAmbiguous.to_status(words));
                }
            },
        };
        self.room.book.key_now(id).await.map_err(lookup::unavailable)?.ok_or_else(missing)
    }

    /// Keys as callers see them, with what is in stock for each.
    async fn shown(&self, keys: &[Arc<KeyRecord>]) -> Result<Vec<mpc::Key>, Status> {
        let counts = self.room.count(keys.iter().map(|key| key.id).collect()).await?;
        let document = self.room.document.load();
        let scribe = Scribe { names: &self.room.names, document: &document };
        Ok(keys.iter().zip(counts).map(|(key, count)| scribe.key(key, count)).collect())
    }
}
