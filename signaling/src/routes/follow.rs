//! What a WHEP player hears of its room and tells of itself (WHEP -03 §4.9.1, server-sent events).

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::{Stream, stream};
use tokio::sync::watch;

use super::events::{KEEP_ALIVE, X_ACCEL_BUFFERING};
use super::session::{enter, find};
use crate::body;
use crate::house::House;
use crate::media::{Door, Media, MediaSession, PlayerReport, RoomMedia};
use crate::origin::PeerAddress;
use crate::problem::Problem;
use crate::reception::{Reception, Shared};

/// Between two looks at whether a stream's session is still there, and the least time between two changes told.
const PACE: Duration = Duration::from_secs(1);

pub(crate) fn routes<H: House>() -> Router<Shared<H>> {
    Router::new()
        .route("/whep/{room}/{session}/events", post(create::<H>))
        .route(
            "/whep/{room}/{session}/events/{stream}",
            get(listen::<H>).delete(forget::<H>),
        )
        .route("/whep/{room}/{session}/report", post(report::<H>))
}

/// The kinds of events, as the `events` attribute of the extension's `Link` names them.
pub(crate) const EVENTS: &str = "active,inactive,layers,viewercount,reconnect";

/// One kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Active,
    Inactive,
    Layers,
    ViewerCount,
    Reconnect,
}

/// Everything, for a request that names nothing.
const ALL: [Kind; 5] = [
    Kind::Active,
    Kind::Inactive,
    Kind::Layers,
    Kind::ViewerCount,
    Kind::Reconnect,
];

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Active => "active",
            Kind::Inactive => "inactive",
            Kind::Layers => "layers",
            Kind::ViewerCount => "viewercount",
            Kind::Reconnect => "reconnect",
        }
    }
}

async fn create<H: House>(
    State(reception): State<Shared<H>>,
    Path((room, id)): Path<(String, String)>,
    peer: PeerAddress,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let session = enter(&reception, Door::Whep, &room, &id, peer, &headers)?;
    let wanted: Option<Vec<String>> = body::optional_json(&headers, body, reception.json_limits()).await?;
    let kinds = match wanted {
        None => ALL.to_vec(),
        Some(names) => kinds(&names)?,
    };
    let stream = session.add_stream(kinds);
    let location = format!("/whep/{room}/{id}/events/{stream}");
    Ok((StatusCode::CREATED, [(LOCATION, location)]).into_response())
}

fn kinds(names: &[String]) -> Result<Vec<Kind>, Problem> {
    let kind = |name: &String| {
        let known = ALL.into_iter().find(|kind| kind.name() == name);
        known.ok_or_else(|| Problem::malformed(format!("there is no event {name:?}; there are {EVENTS}")))
    };
    names.iter().map(kind).collect()
}

/// EventSource sends no token: the stream's address is the proof that its POST had one.
async fn listen<H: House>(
    State(reception): State<Shared<H>>,
    Path((room, id, stream)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    reception.check_room(&room)?;
    let session = reception.sessions.find(Door::Whep, &room, &id);
    let session = session.ok_or_else(Problem::no_such_session)?;
    if !reception.house.media().is_open(session.media) {
        return Err(Problem::no_such_session());
    }
    let (kinds, listener) = session.listen(&stream).ok_or_else(Problem::no_such_session)?;
    let told = Told {
        media: reception.house.media().follow(&room),
        kinds,
        video: session.video,
        before: RoomMedia::default(),
        waiting: Vec::new(),
    };
    let is_there = {
        let (reception, session, stream) = (reception.clone(), session.clone(), stream.clone());
        move || session.is_listening(&stream, listener) && is_open(&reception, session.media)
    };
    let events = events(told, reception.closing.clone(), is_there);
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    let direct = [(CACHE_CONTROL, "no-store"), (X_ACCEL_BUFFERING, "no")];
    Ok((direct, events).into_response())
}

fn is_open<H: House>(reception: &Reception<H>, session: MediaSession) -> bool {
    reception.house.media().is_open(session)
}

async fn forget<H: House>(
    State(reception): State<Shared<H>>,
    Path((room, id, stream)): Path<(String, String, String)>,
    peer: PeerAddress,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = enter(&reception, Door::Whep, &room, &id, peer, &headers)?;
    if session.remove_stream(&stream) {
        Ok(StatusCode::OK.into_response())
    } else {
        Err(Problem::no_such_session())
    }
}

async fn report<H: House>(
    State(reception): State<Shared<H>>,
    Path((room, id)): Path<(String, String)>,
    peer: PeerAddress,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let client = reception.client(peer, &headers);
    reception.keep_pace(client)?;
    let session = find(&reception, Door::Whep, &room, &id, &headers)?;
    let report: PlayerReport = body::json(&headers, body, reception.json_limits()).await?;
    reception.house.media().report(session.media, report);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What a stream has told and is about to tell.
struct Told {
    media: watch::Receiver<RoomMedia>,
    kinds: Vec<Kind>,
    /// The m-line of the picture in the session's SDP.
    video: Option<usize>,
    before: RoomMedia,
    /// In reverse order.
    waiting: Vec<Event>,
}

impl Told {
    /// What changed since the last look.
    fn look(&mut self) {
        let now = self.media.borrow_and_update().clone();
        let mut events = Vec::new();
        if now.live != self.before.live {
            // Nothing is said of a host that was never there.
            events.push((
                if now.live { Kind::Active } else { Kind::Inactive },
                "{}".to_owned(),
            ));
        }
        if now.layers != self.before.layers && !now.layers.is_empty() {
            let layers = serde_json::json!({ self.video.unwrap_or(0).to_string(): now.layers });
            events.push((Kind::Layers, layers.to_string()));
        }
        if now.viewers != self.before.viewers {
            let count = serde_json::json!({ "viewercount": now.viewers });
            events.push((Kind::ViewerCount, count.to_string()));
        }
        self.before = now;
        let wanted = events.into_iter().filter(|(kind, _)| self.kinds.contains(kind));
        let events = wanted.map(|(kind, data)| Event::default().event(kind.name()).data(data));
        self.waiting = events.rev().collect();
    }
}

fn events(
    told: Told,
    closing: watch::Receiver<bool>,
    is_there: impl Fn() -> bool + Send + 'static,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let state = Some((told, closing, is_there));
    stream::unfold(state, async |state| {
        let (mut told, mut closing, is_there) = state?;
        loop {
            if let Some(event) = told.waiting.pop() {
                return Some((Ok(event), Some((told, closing, is_there))));
            }
            if *closing.borrow() {
                // The last thing said: come back, the server will.
                let wanted = told.kinds.contains(&Kind::Reconnect);
                let event = Event::default().event(Kind::Reconnect.name()).data("{}");
                return wanted.then_some((Ok(event), None));
            }
            if !is_there() {
                return None;
            }
            told.look();
            if told.waiting.is_empty() {
                tokio::select! {
                    _ = closing.wait_for(|closing| *closing) => {}
                    () = tokio::time::sleep(PACE) => {}
                }
            }
        }
    })
}
