//! WHIP and WHEP endpoints: an offer opens a session (RFC 9725 §4.2; WHEP -04 §4.2).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderValue, LINK, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::follow::EVENTS;
use crate::body::{self, SDP};
use crate::cors::ACCEPT_POST;
use crate::house::House;
use crate::media::{Answer, Door, Media, MediaError};
use crate::origin::PeerAddress;
use crate::problem::Problem;
use crate::reception::Shared;
use crate::sessions::Slot;
use crate::shop::Shop;
use crate::token::Scope;

/// The layer extension, whose resource is `{session}/layer`.
const LAYER_EXTENSION: &str = "urn:ietf:params:whep:ext:core:layer";

/// The events extension, whose resource is `{session}/events`.
const EVENTS_EXTENSION: &str = "urn:ietf:params:whep:ext:core:server-sent-events";

pub(crate) fn routes<H: House>() -> Router<Shared<H>> {
    Router::new()
        .route("/whip/{room}", post(publish::<H>).get(idle_whip::<H>))
        .route("/whep/{room}", post(watch::<H>).get(idle_whep::<H>))
}

async fn publish<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
    peer: PeerAddress,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    open(&reception, Door::Whip, &room, peer, &headers, body).await
}

async fn watch<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
    peer: PeerAddress,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    open(&reception, Door::Whep, &room, peer, &headers, body).await
}

/// RFC 9725 §4.1: a GET gets a 2xx without content.
async fn idle_whip<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
) -> Result<Response, Problem> {
    reception.check_room(&room)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// By its content type a player knows a WHEP endpoint from a page.
async fn idle_whep<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
) -> Result<Response, Problem> {
    reception.check_room(&room)?;
    Ok(([(CONTENT_TYPE, SDP)], Body::empty()).into_response())
}

async fn open<H: House>(
    reception: &Shared<H>,
    door: Door,
    room: &str,
    peer: PeerAddress,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    reception.check_room(room)?;
    let client = reception.client(peer, headers);
    reception.keep_pace(client)?;
    let (needs_token, scope) = match door {
        Door::Whip => (true, Scope::Publish),
        Door::Whep => (reception.watching_needs_token(room), Scope::View),
    };
    if needs_token {
        reception.require(headers, scope, room)?;
    }
    let offer = body::text(headers, body, SDP, ACCEPT_POST, reception.sdp_limits()).await?;
    if !body::accepts_sdp(headers) {
        return Err(Problem::not_acceptable());
    }
    let must_be_live = door == Door::Whep && !reception.settings.viewers_may_wait;
    if must_be_live && !reception.house.shop().room(room).await.live {
        return Err(Problem::nobody_live());
    }
    let media = reception.house.media();
    reception
        .sessions
        .sweep(Instant::now(), |session| media.is_open(session));
    let slot = reception.slot(client)?;
    let (answer, slot) = Opening::begin(reception, door, room, offer, (client, slot)).await?;
    let (id, tag) = reception.sessions.enter(slot, door, room, &answer, needs_token);
    let location = match door {
        Door::Whip => format!("/whip/{room}/{id}"),
        Door::Whep => format!("/whep/{room}/{id}"),
    };
    let links = links(reception, door, &location);
    let created = [(CONTENT_TYPE, SDP), (LOCATION, &location), (ETAG, &tag)];
    let mut response = (StatusCode::CREATED, created, answer.sdp).into_response();
    for link in links {
        response.headers_mut().append(LINK, link);
    }
    Ok(response)
}

/// A session on its way to the client who asked for it. Where that client has gone meanwhile, nobody will ever have its
/// address: it is closed, and has its slot until then.
struct Opening<H: House> {
    reception: Shared<H>,
    opened: Option<(Answer, Slot)>,
}

impl<H: House> Opening<H> {
    /// Opens a session for the client, who has a slot for it. Once begun it comes to its end, whoever waits for it.
    async fn begin(
        reception: &Shared<H>,
        door: Door,
        room: &str,
        offer: String,
        (client, slot): (IpAddr, Slot),
    ) -> Result<(Answer, Slot), Problem> {
        let (reception, room) = (Arc::clone(reception), room.to_owned());
        let opening = tokio::spawn(async move {
            let answer = reception.house.media().open(door, &room, offer, client).await?;
            let opened = Some((answer, slot));
            Ok::<_, MediaError>(Opening { reception, opened })
        });
        let mut opening = opening.await.map_err(|_| Problem::internal())??;
        opening.opened.take().ok_or_else(Problem::internal)
    }
}

impl<H: House> Drop for Opening<H> {
    fn drop(&mut self) {
        let Some((answer, slot)) = self.opened.take() else {
            return;
        };
        let reception = Arc::clone(&self.reception);
        // Without a runtime the server has ended, and its sessions with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                reception.house.media().close(answer.session).await;
                drop(slot);
            });
        }
    }
}

/// One `Link` for each ICE server (RFC 9725 §4.6) and extension (§4.9).
fn links<H: House>(reception: &Shared<H>, door: Door, location: &str) -> Vec<HeaderValue> {
    let servers = reception
        .settings
        .ice_servers
        .iter()
        .map(|server| server.link().to_owned());
    let extensions = [
        format!("<{location}/layer>; rel=\"{LAYER_EXTENSION}\""),
        format!("<{location}/events>; rel=\"{EVENTS_EXTENSION}\"; events=\"{EVENTS}\""),
    ];
    let extensions = extensions.into_iter().filter(|_| door == Door::Whep);
    servers
        .chain(extensions)
        .filter_map(|link| HeaderValue::from_str(&link).ok())
        .collect()
}
