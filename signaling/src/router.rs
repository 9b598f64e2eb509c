//! All routes together, with what holds for every answer.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use tokio::sync::watch;

use crate::cors;
use crate::house::House;
use crate::problem::Problem;
use crate::reception::{Reception, Shared};
use crate::routes::{endpoint, events, follow, operation, pages, pictures, rooms, selling, session, tokens};
use crate::settings::DoorSettings;
use crate::token::Tokens;

/// The routes of `API.md` over a house. Event streams end when `closing` turns true.
///
/// The router must be served by [`crate::listen`], which tells it where requests come from.
pub fn router<H: House>(
    house: H,
    settings: DoorSettings,
    tokens: Tokens,
    closing: watch::Receiver<bool>,
) -> Router {
    let headers = pages::SafeHeaders::new(&settings);
    let reception: Shared<H> = Arc::new(Reception::new(house, settings, tokens, closing));
    Router::new()
        .merge(endpoint::routes())
        .merge(session::routes())
        .merge(follow::routes())
        .merge(rooms::routes())
        .merge(events::routes())
        .merge(selling::routes())
        .merge(tokens::routes())
        .merge(operation::routes())
        .merge(pages::routes())
        .merge(pictures::routes())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .fallback(async || Problem::not_found("there is nothing at this address"))
        .layer(middleware::map_response(async |response| {
            Problem::adopt(response)
        }))
        .layer(middleware::from_fn(cors::open_to_all))
        .layer(middleware::map_response_with_state(
            headers,
            pages::add_safe_headers,
        ))
        .with_state(reception)
}
