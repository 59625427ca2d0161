//! Keys: made and retired by signed requests, shown to whoever may read.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::{Extension, Json};
use keymoot_types::{KeyId, Network};
use keymoot_wire::mpc;
use keymoot_wire::mpc::mpc_keys_client::MpcKeysClient;
use keymoot_wire::problem::Code;
use keymoot_wire::rest::{AddressesView, CreateKeyBody, EmptyBody, KeyPage, KeyView, RequestView, XpubView};
use serde::Deserialize;
use utoipa::IntoParams;

use super::submit::{NAME_MAX, check_alone, check_path, created, submit};
use super::{List, Named, NoQuery, PageQuery, Params, WAIT_USUAL, WaitQuery, wait};
use crate::access::Endpoint;
use crate::coordinators::{ANSWER_MAX, Plan};
use crate::present;
use crate::problem::Refused;
use crate::signed::read_signed;
use crate::state::{App, Call};

/// Asks for a key.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", operation_id = "create_key", params(WaitQuery),
    request_body = CreateKeyBody, responses(
        (status = 201, description = "the request is finished: the key is made, or it is said why not",
            body = RequestView),
        (status = 202, description = "the key is being made", body = RequestView)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Params(query): Params<WaitQuery>,
    request: Request,
) -> Result<Response, Refused> {
    make(&app, &call, Endpoint::CreateKey, query, request).await
}

/// Retires a key: it signs nothing any more. This cannot be undone.
#[utoipa::path(post, path = "/v1/keys/{key}/retire", tag = "keys", operation_id = "retire_key",
    params(("key" = String, Path, description = "the id of the key"), WaitQuery),
    request_body = EmptyBody, responses(
        (status = 201, description = "the request is finished", body = RequestView),
        (status = 202, description = "the key is being retired", body = RequestView)))]
pub async fn retire(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Params(query): Params<WaitQuery>,
    request: Request,
) -> Result<Response, Refused> {
    make(&app, &call, Endpoint::RetireKey, query, request).await
}

async fn make(
    app: &App,
    call: &Call,
    endpoint: Endpoint,
    query: WaitQuery,
    request: Request,
) -> Result<Response, Refused> {
    let wait = wait(query.wait, request.headers(), WAIT_USUAL)?;
    let signed = read_signed(app, request).await?;
    check_alone(endpoint, &signed, call)?;
    let view = present::request(submit(app, &call.trace, endpoint, signed, wait).await?);
    Ok(created(view.status.is_final(), &format!("/v1/requests/{}", view.id), view))
}

/// Keys, newest first.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", operation_id = "list_keys", params(PageQuery),
    responses((status = 200, description = "a page of keys", body = KeyPage)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Params(query): Params<PageQuery>,
) -> Result<Json<KeyPage>, Refused> {
    let page = &List::Keys.page(&query)?;
    let found = app.coordinators.call(reading(&app, &call, call.client.as_bytes()), |via, _| async move {
        let ask = mpc::ListKeysRequest { page: Some(page.clone()) };
        let mut keys = MpcKeysClient::new(via.channel()).max_decoding_message_size(ANSWER_MAX);
        keys.list_keys(via.request(ask)).await
    });
    let found = found.await?;
    let keys = found.keys.into_iter().map(present::key).collect();
    Ok(Json(KeyPage { keys, next_cursor: List::Keys.wrap(&found.next_cursor) }))
}

/// One key.
#[utoipa::path(get, path = "/v1/keys/{key}", tag = "keys", operation_id = "get_key",
    params(("key" = String, Path, description = "the id, or the name if exactly one key has it")),
    responses((status = 200, description = "the key", body = KeyView)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Named(key): Named,
    Params(NoQuery {}): Params<NoQuery>,
) -> Result<Json<KeyView>, Refused> {
    Ok(Json(present::key(find(&app, &call, &named(key)?).await?)))
}

async fn find(app: &App, call: &Call, key: &str) -> Result<mpc::Key, Refused> {
    let found = app.coordinators.call(reading(app, call, key.as_bytes()), |via, _| async move {
        let mut keys = MpcKeysClient::new(via.channel()).max_decoding_message_size(ANSWER_MAX);
        keys.get_key(via.request(mpc::GetKeyRequest { key: key.to_owned() })).await
    });
    Ok(found.await?)
}

/// The id of a key, of which it may be the name.
///
/// # Errors
/// No key has this name, or several.
pub async fn id_of(app: &App, call: &Call, key: String) -> Result<String, Refused> {
    if key.parse::<KeyId>().is_ok() { Ok(key) } else { Ok(find(app, call, &key).await?.id) }
}

/// Which addresses.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AddressQuery {
    /// The path below the key, as in "m/0/7"; usually "m".
    pub path: Option<String>,
    /// "mainnet", "testnet", "signet" or "regtest": that of the cluster, if anything is said.
    pub network: Option<String>,
}

/// Addresses of a key on the chains that its scheme serves.
#[utoipa::path(get, path = "/v1/keys/{key}/addresses", tag = "keys", operation_id = "get_addresses",
    params(("key" = String, Path, description = "the id, or the name if only one key has it"), AddressQuery),
    responses((status = 200, description = "the addresses", body = AddressesView)))]
pub async fn addresses(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Named(key): Named,
    Params(query): Params<AddressQuery>,
) -> Result<Json<AddressesView>, Refused> {
    let key = named(key)?;
    let path = query.path.unwrap_or_else(|| "m".into());
    check_path(&path)?;
    let network = known(query.network)?;
    let ask = &mpc::GetAddressesRequest { key, path, network };
    let found = app.coordinators.call(reading(&app, &call, ask.key.as_bytes()), |via, _| async move {
        MpcKeysClient::new(via.channel()).get_addresses(via.request(ask.clone())).await
    });
    Ok(Json(present::addresses(found.await?)))
}

/// For which network.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NetworkQuery {
    /// "mainnet", "testnet", "signet" or "regtest": that of the cluster, if anything is said.
    pub network: Option<String>,
}

/// The extended public key (BIP-32) of a key on secp256k1.
#[utoipa::path(get, path = "/v1/keys/{key}/xpub", tag = "keys", operation_id = "get_xpub",
    params(("key" = String, Path, description = "the id, or the name if only one key has it"), NetworkQuery),
    responses((status = 200, description = "the extended public key", body = XpubView)))]
pub async fn xpub(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Named(key): Named,
    Params(query): Params<NetworkQuery>,
) -> Result<Json<XpubView>, Refused> {
    let ask = &mpc::GetXpubRequest { key: named(key)?, network: known(query.network)? };
    let found = app.coordinators.call(reading(&app, &call, ask.key.as_bytes()), |via, _| async move {
        MpcKeysClient::new(via.channel()).get_xpub(via.request(ask.clone())).await
    });
    Ok(Json(present::xpub(found.await?)))
}

/// A call that reads and does not wait.
pub fn reading<'a>(app: &App, call: &'a Call, sticky: &'a [u8]) -> Plan<'a> {
    Plan { sticky, trace: &call.trace, wait: Duration::ZERO, budget: app.limits.budget }
}

/// A text that can be the id or the name of a key.
pub fn named(key: String) -> Result<String, Refused> {
    if (1..=NAME_MAX).contains(&key.len()) && !key.chars().any(char::is_control) {
        Ok(key)
    } else {
        Err(Refused::new(Code::NoSuchKey, "no key has such a name"))
    }
}

fn known(network: Option<String>) -> Result<String, Refused> {
    let Some(network) = network else { return Ok(String::new()) };
    if network.parse::<Network>().is_ok() {
        Ok(network)
    } else {
        Err(Refused::new(Code::BadQuery, "`network` is mainnet, testnet, signet or regtest"))
    }
}
