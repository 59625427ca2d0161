//! Sessions in progress. Each coordinator knows its own, so all are asked.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use futures_util::future::join_all;
use keymoot_wire::mpc;
use keymoot_wire::mpc::mpc_coordinator_client::MpcCoordinatorClient;
use keymoot_wire::problem::Code;
use keymoot_wire::rest::{SessionList, SessionView};
use tokio::time::timeout;
use tonic::{Response, Status};

use super::{Named, NoQuery, Params};
use crate::coordinators::Via;
use crate::present;
use crate::problem::Refused;
use crate::state::{App, Call};

/// For how long one coordinator may take to say what it knows.
pub const ASK_TIME: Duration = Duration::from_secs(2);

/// Sessions in progress at all coordinators.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", operation_id = "list_sessions",
    responses((status = 200, description = "the sessions", body = SessionList)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Params(NoQuery {}): Params<NoQuery>,
) -> Result<Json<SessionList>, Refused> {
    gather(&app, &call).await.map(Json)
}

/// One session in progress, with how far each node has come.
#[utoipa::path(get, path = "/v1/sessions/{id}", tag = "sessions", operation_id = "get_session",
    params(("id" = String, Path, description = "the id of the session")),
    responses((status = 200, description = "the session", body = SessionView)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Extension(call): Extension<Call>,
    Named(id): Named,
    Params(NoQuery {}): Params<NoQuery>,
) -> Result<Json<SessionView>, Refused> {
    let found = gather(&app, &call).await?.sessions.into_iter().find(|session| session.id == id);
    found.map(Json).ok_or_else(|| Refused::new(Code::NoSuchSession, "no session of this id is in progress"))
}

async fn gather(app: &App, call: &Call) -> Result<SessionList, Refused> {
    let answers = ask_all(app, &call.trace, |via| async move {
        MpcCoordinatorClient::new(via.channel()).list_sessions(via.request(mpc::ListSessionsRequest {})).await
    });
    let mut list = SessionList::default();
    for (coordinator, answer) in answers.await? {
        match answer {
            Some(found) => {
                let sessions = found.sessions.into_iter();
                list.sessions.extend(sessions.map(|session| present::session(session, &coordinator)));
            }
            None => list.silent_coordinators.push(coordinator),
        }
    }
    list.sessions.sort_by(|a, b| (a.age_ms, &a.id).cmp(&(b.age_ms, &b.id)));
    Ok(list)
}

/// Asks all coordinators at once. `None` stands for one that did not answer.
///
/// # Errors
/// None of them answered.
pub async fn ask_all<T, F, A>(app: &App, trace: &str, ask: F) -> Result<Vec<(String, Option<T>)>, Refused>
where
    F: Fn(Via) -> A,
    A: Future<Output = Result<Response<T>, Status>>,
{
    let calls = app.coordinators.all(trace).into_iter().map(|(name, via)| {
        let call = via.map(&ask);
        async move {
            let answer = match call {
                Ok(call) => timeout(ASK_TIME, call).await.ok().and_then(Result::ok),
                Err(_) => None,
            };
            (name, answer.map(Response::into_inner))
        }
    });
    let answers = join_all(calls).await;
    if answers.iter().all(|(_, answer)| answer.is_none()) {
        return Err(Refused::new(Code::CoordinatorsUnavailable, "no coordinator could be reached"));
    }
    Ok(answers)
}
