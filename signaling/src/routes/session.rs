//! WHIP and WHEP sessions: trickle, ICE restart, layers and the end (RFC 9725 §4.2, §4.3).

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName, IF_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, patch, post};

use crate::body;
use crate::house::House;
use crate::media::{Door, LayerWish, Media, MediaError, Patched};
use crate::origin::PeerAddress;
use crate::problem::Problem;
use crate::reception::{Reception, Shared};
use crate::sessions::{Session, fresh_tag};
use crate::token::Scope;

/// The media type of ICE fragments (RFC 8840 §4.4).
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

pub(crate) fn routes<H: House>() -> Router<Shared<H>> {
    Router::new()
        .route("/whip/{room}/{session}", session::<H, WHIP>())
        .route("/whep/{room}/{session}", session::<H, WHEP>())
        .route(
            "/whep/{room}/{session}/layer",
            post(choose_layer::<H>).delete(leave_choice::<H>),
        )
}

const WHIP: bool = true;
const WHEP: bool = false;

fn door(is_whip: bool) -> Door {
    if is_whip { Door::Whip } else { Door::Whep }
}

fn session<H: House, const IS_WHIP: bool>() -> MethodRouter<Shared<H>> {
    patch(change::<H, IS_WHIP>)
        .delete(end::<H, IS_WHIP>)
        .get(idle::<H, IS_WHIP>)
}

/// What a PATCH asks to be unchanged (RFC 9110 §13.1.1).
#[derive(Debug, PartialEq, Eq)]
enum Condition {
    /// `*`: whatever the state; a restart may begin.
    Any,
    /// One of these entity tags, compared strongly.
    OneOf(Vec<String>),
}

async fn change<H: House, const IS_WHIP: bool>(
    State(reception): State<Shared<H>>,
    Path((room, id)): Path<(String, String)>,
    peer: PeerAddress,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let session = enter(&reception, door(IS_WHIP), &room, &id, peer, &headers)?;
    let fragment = body::text(&headers, body, FRAGMENT, ACCEPT_PATCH, reception.sdp_limits()).await?;
    let condition = condition(&headers).ok_or_else(Problem::condition_missing)?;
    let mut tag = session.tag.lock().await;
    if let Condition::OneOf(tags) = &condition
        && !tags.contains(&tag)
    {
        return Err(Problem::stale(
            "If-Match names another ICE session than the present one",
        ));
    }
    let may_restart = condition == Condition::Any;
    let patched = reception
        .house
        .media()
        .patch(session.media, fragment, may_restart)
        .await;
    match patched {
        Ok(Patched::Trickled) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(Patched::Restarted(fragment)) => {
            *tag = fresh_tag();
            let restarted = [(CONTENT_TYPE, FRAGMENT), (ETAG, tag.as_str())];
            Ok((restarted, fragment).into_response())
        }
        Err(error) => Err(refuse(&reception, &id, error)),
    }
}

/// If-Match means nothing here (RFC 9725 §4.3.1).
async fn end<H: House, const IS_WHIP: bool>(
    State(reception): State<Shared<H>>,
    Path((room, id)): Path<(String, String)>,
    peer: PeerAddress,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Who leaves makes room: only who names no session is counted.
    if let Err(problem) = find(&reception, door(IS_WHIP), &room, &id, &headers) {
        reception.keep_pace(reception.client(peer, &headers))?;
        return Err(problem);
    }
    // Of two at once, one finds it.
    let session = reception
        .sessions
        .remove(&id)
        .ok_or_else(Problem::no_such_session)?;
    reception.house.media().close(session.media).await;
    Ok(StatusCode::OK.into_response())
}

async fn idle<H: House, const IS_WHIP: bool>(
    State(reception): State<Shared<H>>,
    Path((room, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    find(&reception, door(IS_WHIP), &room, &id, &headers)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn choose_layer<H: House>(
    State(reception): State<Shared<H>>,
    Path((room, id)): Path<(String, String)>,
    peer: PeerAddress,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let session = enter(&reception, Door::Whep, &room, &id, peer, &headers)?;
    // Which media it is for needs no reading: there is one video.
    let wish: LayerWish = body::json(&headers, body, reception.json_limits()).await?;
    wish_for(&reception, &session, &id, wish).await
}

/// As players do that take the layer for a resource of its own, which is not in the extension's text: the server chooses again.
async fn leave_choice<H: House>(
    State(reception): State<Shared<H>>,
    Path((room, id)): Path<(String, String)>,
    peer: PeerAddress,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = enter(&reception, Door::Whep, &room, &id, peer, &headers)?;
    wish_for(&reception, &session, &id, LayerWish::default()).await
}

async fn wish_for<H: House>(
    reception: &Reception<H>,
    session: &Session,
    id: &str,
    wish: LayerWish,
) -> Result<Response, Problem> {
    match reception.house.media().limit(session.media, wish).await {
        Ok(()) => Ok(StatusCode::OK.into_response()),
        Err(error) => Err(refuse(reception, id, error)),
    }
}

/// The session, for a request that changes it.
pub(super) fn enter<H: House>(
    reception: &Reception<H>,
    door: Door,
    room: &str,
    id: &str,
    peer: PeerAddress,
    headers: &HeaderMap,
) -> Result<Arc<Session>, Problem> {
    let client = reception.client(peer, headers);
    reception.keep_pace(client)?;
    find(reception, door, room, id, headers)
}

/// The session, if it lives and the request has the right to it. A host proves it again with each request (RFC 9725
/// §4.7); a viewer of an open room by knowing the address.
pub(super) fn find<H: House>(
    reception: &Reception<H>,
    door: Door,
    room: &str,
    id: &str,
    headers: &HeaderMap,
) -> Result<Arc<Session>, Problem> {
    reception.check_room(room)?;
    if door == Door::Whip {
        reception.require(headers, Scope::Publish, room)?;
    }
    let found = reception.sessions.find(door, room, id);
    let session = found.ok_or_else(Problem::no_such_session)?;
    if door == Door::Whep && session.needs_token {
        reception.require(headers, Scope::View, room)?;
    }
    if !reception.house.media().is_open(session.media) {
        reception.sessions.remove(id);
        return Err(Problem::no_such_session());
    }
    Ok(session)
}

fn refuse<H: House>(reception: &Reception<H>, id: &str, error: MediaError) -> Problem {
    if error == MediaError::Gone {
        reception.sessions.remove(id);
    }
    error.into()
}

fn condition(headers: &HeaderMap) -> Option<Condition> {
    let values = headers.get_all(IF_MATCH).iter();
    let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    let tags: Vec<&str> = texts
        .iter()
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .collect();
    match tags.as_slice() {
        [] => None,
        // Some clients quote it.
        ["*" | "\"*\""] => Some(Condition::Any),
        tags => Some(Condition::OneOf(tags.iter().map(|&tag| tag.to_owned()).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn if_match(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(IF_MATCH, value.parse().unwrap())])
    }

    #[test]
    fn conditions_are_read_as_clients_write_them() {
        assert_eq!(condition(&HeaderMap::new()), None);
        assert_eq!(condition(&if_match("*")), Some(Condition::Any));
        assert_eq!(condition(&if_match("\"*\"")), Some(Condition::Any));
        let two = Condition::OneOf(vec!["\"a\"".to_owned(), "\"b\"".to_owned()]);
        assert_eq!(condition(&if_match("\"a\", \"b\"")), Some(two));
        let weak = Condition::OneOf(vec!["W/\"a\"".to_owned()]);
        assert_eq!(
            condition(&if_match("W/\"a\"")),
            Some(weak),
            "equal to no strong tag"
        );
    }
}
