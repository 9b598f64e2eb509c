//! What those who run the server look at.

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::house::House;
use crate::problem::Problem;
use crate::reception::Shared;

pub(crate) fn routes<H: House>() -> Router<Shared<H>> {
    Router::new()
        .route("/api/openapi.json", get(async || openapi()))
        .route("/metrics", get(metrics::<H>))
        .route("/healthz", get(async || plain("ok")))
        .route("/readyz", get(ready::<H>))
}

async fn metrics<H: House>(State(reception): State<Shared<H>>) -> Result<Response, Problem> {
    let text = reception.house.metrics().await.ok_or_else(Problem::internal)?;
    let kind = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, [(CACHE_CONTROL, "no-store")], text).into_response())
}

async fn ready<H: House>(State(reception): State<Shared<H>>) -> Result<Response, Problem> {
    if *reception.closing.borrow() {
        return Err(Problem::unavailable("the server is stopping"));
    }
    match reception.house.unready() {
        None => Ok(plain("ready")),
        Some(why) => Err(Problem::unavailable(why)),
    }
}

fn plain(text: &'static str) -> Response {
    ([(CACHE_CONTROL, "no-store")], text).into_response()
}

/// The API's own description, which a test holds against the routes.
fn openapi() -> Response {
    let description = include_str!("../../openapi.json");
    ([(CONTENT_TYPE, "application/json")], description).into_response()
}
