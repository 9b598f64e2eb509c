//! Who may do what: bearer tokens on requests (RFC 6750 §2.1, RFC 9725 §4.7).

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::problem::Problem;
use crate::token::{Claims, Scope, Tokens};

/// The bearer token of a request. Another scheme counts as none.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What the request's token says; the request needs one with this scope for the room.
pub(crate) fn require(
    tokens: &Tokens,
    token: Option<&str>,
    now: u64,
    scope: Scope,
    room: &str,
) -> Result<Claims, Problem> {
    let token = token.ok_or_else(Problem::token_missing)?;
    let claims = check(tokens, token, now)?;
    if claims.allows(scope, room) {
        Ok(claims)
    } else {
        Err(Problem::scope_missing(scope.name(), room))
    }
}

/// What a token says, if it is one.
pub(crate) fn check(tokens: &Tokens, token: &str, now: u64) -> Result<Claims, Problem> {
    tokens
        .verify(token, now)
        .map_err(|error| Problem::token_invalid(error.to_string()))
}
