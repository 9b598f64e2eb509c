//! Rooms as anybody may see them.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::house::House;
use crate::problem::Problem;
use crate::reception::Shared;
use crate::shop::{RoomSummary, Shop};

#[derive(Serialize)]
struct Rooms {
    rooms: Vec<RoomSummary>,
}

pub(crate) fn routes<H: House>() -> Router<Shared<H>> {
    Router::new()
        .route("/api/rooms", get(list::<H>))
        .route("/api/rooms/{room}", get(one::<H>))
}

/// Private rooms are left out: their names are for those who have a token.
async fn list<H: House>(State(reception): State<Shared<H>>) -> Json<Rooms> {
    let mut rooms = reception.house.shop().rooms().await;
    rooms.retain(|room| !reception.watching_needs_token(&room.room));
    Json(Rooms { rooms })
}

async fn one<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
) -> Result<Json<RoomSummary>, Problem> {
    reception.check_room(&room)?;
    Ok(Json(reception.house.shop().room(&room).await))
}
