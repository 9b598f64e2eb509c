//! Rooms as anybody may see them, and their viewers as the operator does.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::house::House;
use crate::media::{Media, RoomViewers};
use crate::problem::Problem;
use crate::reception::Shared;
use crate::shop::{RoomSummary, Shop};
use crate::token::Scope;

#[derive(Serialize)]
struct Rooms {
    rooms: Vec<RoomSummary>,
}

pub(crate) fn routes<H: House>() -> Router<Shared<H>> {
    Router::new()
        .route("/api/rooms", get(list::<H>))
        .route("/api/rooms/{room}", get(one::<H>))
        .route("/api/rooms/{room}/viewers", get(viewers::<H>))
}

/// Viewers told one by one: enough to see what is wrong, and an answer of a few hundred kilobytes.
const MOST_VIEWERS: usize = 1000;

/// Private rooms are left out: their names are for those who have a token.
async fn list<H: House>(State(reception): State<Shared<H>>) -> Json<Rooms> {
    let mut rooms = reception.house.shop().rooms().await;
    rooms.retain(|room| !reception.watching_needs_token(&room.room));
    Json(Rooms { rooms })
}

/// Of a private room everybody may know whether it is live, and no more.
async fn one<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
) -> Result<Json<RoomSummary>, Problem> {
    reception.check_room(&room)?;
    let mut known = reception.house.shop().room(&room).await;
    if reception.watching_needs_token(&room) {
        known.title.clear();
        known.image = None;
    }
    Ok(Json(known))
}

async fn viewers<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
    headers: HeaderMap,
) -> Result<Json<RoomViewers>, Problem> {
    reception.check_room(&room)?;
    reception.require(&headers, Scope::Operator, &room)?;
    Ok(Json(reception.house.media().viewers(&room, MOST_VIEWERS).await))
}
