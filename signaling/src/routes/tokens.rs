//! Tokens made by operators.

use std::ops::RangeInclusive;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::body;
use crate::house::House;
use crate::problem::Problem;
use crate::reception::{Shared, unix_seconds};
use crate::room::is_room_name;
use crate::token::{Claims, Scope};

/// Seconds a token is good for when the request does not say: a long show's day.
const TTL_DEFAULT: u64 = 12 * 3600;
/// Seconds a token may be good for: a minute to a year.
const TTL: RangeInclusive<u64> = 60..=366 * 24 * 3600;
/// Bytes of the longest `sub` and `name`.
const NAME_MAX: usize = 64;

pub(crate) fn routes<H: House>() -> Router<Shared<H>> {
    Router::new().route("/api/tokens", post(make::<H>))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    scopes: Vec<String>,
    room: String,
    sub: Option<String>,
    name: Option<String>,
    ttl_seconds: Option<u64>,
}

async fn make<H: House>(
    State(reception): State<Shared<H>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // Which room it must be for is in the body, which only somebody with the scope may send.
    let token = crate::access::bearer(&headers).ok_or_else(Problem::token_missing)?;
    let maker = crate::access::check(&reception.tokens, token, unix_seconds())?;
    if !maker.has(Scope::Operator) {
        return Err(Problem::scope_missing(Scope::Operator.name(), "making tokens"));
    }
    let wanted: Wanted = body::json(&headers, body, reception.json_limits()).await?;
    let claims = claims(wanted, unix_seconds()).map_err(Problem::malformed)?;
    // An operator of one room makes tokens of that room: `*` is not its name.
    if !maker.is_for(&claims.room) {
        return Err(Problem::scope_missing(Scope::Operator.name(), &claims.room));
    }
    let token = reception.tokens.sign(&claims).map_err(|_| Problem::internal())?;
    let made = Json(json!({"token": token, "expires_at": claims.exp}));
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], made).into_response())
}

fn claims(wanted: Wanted, now: u64) -> Result<Claims, String> {
    let mut scope = Vec::new();
    for name in &wanted.scopes {
        let known = Scope::from_name(name);
        scope.push(
            known.ok_or_else(|| format!("no scope {name}: accepted are publish, view, host and operator"))?,
        );
    }
    if scope.is_empty() {
        return Err("scopes is empty: accepted are publish, view, host and operator".to_owned());
    }
    if wanted.room != "*" && !is_room_name(&wanted.room) {
        return Err("room is a room's name, or * for all".to_owned());
    }
    let ttl = wanted.ttl_seconds.unwrap_or(TTL_DEFAULT);
    if !TTL.contains(&ttl) {
        return Err(format!(
            "ttl_seconds is {ttl}: accepted is {} to {}",
            TTL.start(),
            TTL.end()
        ));
    }
    let too_long = |text: &Option<String>| {
        text.as_ref()
            .is_some_and(|text| text.is_empty() || text.len() > NAME_MAX)
    };
    if too_long(&wanted.sub) || too_long(&wanted.name) {
        return Err(format!("sub and name have 1 to {NAME_MAX} bytes"));
    }
    Ok(Claims {
        scope,
        sub: wanted.sub.unwrap_or_else(Claims::fresh_subject),
        room: wanted.room,
        name: wanted.name,
        iat: now,
        exp: now + ttl,
    })
}
