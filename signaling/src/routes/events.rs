//! The shop over event streams and POSTs, for pages without data channels.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;

use crate::access;
use crate::body;
use crate::house::House;
use crate::origin::PeerAddress;
use crate::problem::Problem;
use crate::reception::{Reception, Shared, unix_seconds};
use crate::sessions::Slot;
use crate::shop::{Shop, ShopReply, ShopStream};
use crate::token::Scope;

/// A comment this often keeps proxies from closing a quiet stream.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Names the stream a message belongs to.
const X_CLIENT: HeaderName = HeaderName::from_static("x-client");

pub(crate) fn routes<H: House>() -> Router<Shared<H>> {
    Router::new()
        .route("/api/rooms/{room}/events", get(listen::<H>))
        .route("/api/rooms/{room}/messages", post(say::<H>))
}

#[derive(Deserialize)]
struct Wish {
    /// EventSource cannot set headers.
    token: Option<String>,
    /// `epoch:seq` of the last event seen.
    resume: Option<String>,
    name: Option<String>,
    /// `batch`, when several events may come in one message.
    accepts: Option<String>,
}

/// The `hello` said for a stream (`overlay/PROTOCOL.md`).
#[derive(Serialize)]
struct Hello<'a> {
    v: u8,
    t: &'static str,
    versions: [u8; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<Resume>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepts: Option<[&'a str; 1]>,
    client: &'static str,
}

#[derive(Debug, PartialEq, Serialize)]
struct Resume {
    epoch: serde_json::Value,
    seq: u64,
}

async fn listen<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
    Query(wish): Query<Wish>,
    peer: PeerAddress,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    reception.check_room(&room)?;
    let client = reception.client(peer, &headers);
    let token = wish.token.as_deref().or_else(|| access::bearer(&headers));
    check_watcher(&reception, token, &room)?;
    let resume = match wish.resume.as_deref() {
        Some(text) => Some(resume(text).ok_or_else(|| Problem::malformed("resume is <epoch>:<seq>"))?),
        None => None,
    };
    let hello = Hello {
        v: 1,
        t: "hello",
        versions: [1],
        token,
        resume,
        name: wish.name.as_deref(),
        accepts: wish.accepts.as_deref().map(|accepts| [accepts]),
        client: "events",
    };
    let hello = serde_json::to_vec(&hello).map_err(|_| Problem::internal())?;
    let slot = reception.slot(client)?;
    let connected = reception
        .house
        .shop()
        .connect(&room, Bytes::from(hello), client)
        .await;
    match connected {
        Ok(stream) => {
            let events = events(stream, slot, reception.closing.clone());
            let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
            // Some proxies collect a response before they pass it on, unless told not to.
            let direct = [(CACHE_CONTROL, "no-store"), (X_ACCEL_BUFFERING, "no")];
            Ok((direct, events).into_response())
        }
        Err(refused) => Ok(refused.into_response()),
    }
}

pub(crate) const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// First the stream's secret, then its messages, until the shop lets the client go or the door closes.
fn events(
    stream: ShopStream,
    slot: Slot,
    mut closing: watch::Receiver<bool>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let open = format!("{{\"client\":\"{:016x}\"}}", stream.client);
    let open = stream::iter([Event::default().event("open").data(open)]);
    let messages = ReceiverStream::new(stream.messages).map(move |message| {
        // The slot lives as long as the stream that reads it.
        let _held = &slot;
        Event::default().data(String::from_utf8_lossy(&message))
    });
    let closed = async move {
        // An error means that the door is gone already.
        let _ = closing.wait_for(|closing| *closing).await;
    };
    open.chain(messages).map(Ok).take_until(Box::pin(closed))
}

async fn say<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
    peer: PeerAddress,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    reception.check_room(&room)?;
    let from = reception.client(peer, &headers);
    reception.may_name(from)?;
    let named = headers.get(X_CLIENT).and_then(|value| value.to_str().ok());
    let client = named.and_then(|text| u64::from_str_radix(text, 16).ok());
    let client = client.ok_or_else(|| {
        Problem::malformed("X-Client must be the secret that the event stream's first event names")
    })?;
    let message = body::json_bytes(&headers, body, reception.json_limits()).await?;
    match reception.house.shop().message(client, message).await {
        // What it came to is told on the stream.
        ShopReply::Ok(_) | ShopReply::Done => Ok(StatusCode::ACCEPTED.into_response()),
        refused => {
            if matches!(refused, ShopReply::NotFound(_)) {
                reception.named_nobody(from);
            }
            Ok(refused.into_response())
        }
    }
}

/// Whether the token, or none, allows to watch the room. A token that proves nothing is refused even where none is
/// needed: its owner believes to be somebody.
pub(crate) fn check_watcher<H: House>(
    reception: &Reception<H>,
    token: Option<&str>,
    room: &str,
) -> Result<(), Problem> {
    let now = unix_seconds();
    if reception.watching_needs_token(room) {
        access::require(&reception.tokens, token, now, Scope::View, room)?;
    } else if let Some(token) = token {
        access::check(&reception.tokens, token, now)?;
    }
    Ok(())
}

fn resume(text: &str) -> Option<Resume> {
    let (epoch, seq) = text.rsplit_once(':')?;
    let seq = seq.parse().ok()?;
    // The shop knows what its epochs look like.
    let epoch = match epoch.parse::<u64>() {
        Ok(number) => number.into(),
        Err(_) => epoch.into(),
    };
    Some(Resume { epoch, seq })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_resume_from_has_an_epoch_and_a_number() {
        let numbered = Resume {
            epoch: 7.into(),
            seq: 12,
        };
        assert_eq!(resume("7:12"), Some(numbered));
        let named = Resume {
            epoch: "a-b".into(),
            seq: 0,
        };
        assert_eq!(resume("a-b:0"), Some(named));
        for bad in ["", "7", "7:", "7:x", "7:-1"] {
            assert_eq!(resume(bad), None, "{bad}");
        }
    }
}
