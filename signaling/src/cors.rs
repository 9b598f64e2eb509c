//! Cross-origin requests: any page may talk to the door, whose rights come from tokens, never from cookies.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, HeaderName, HeaderValue,
};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// `Accept-Post` (RFC 9725 §4.2).
pub(crate) const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/// By name, for `*` does not cover Authorization (Fetch §3.3.4); `*` for what players add of their own.
const ALLOWED_HEADERS: &str =
    "Authorization, Content-Type, If-Match, Idempotency-Key, Last-Event-ID, X-Client, *";
const EXPOSED_HEADERS: &str = "Location, Link, ETag, Retry-After, Accept-Post, Accept-Patch";
/// Seconds; browsers cap it at two hours.
const PREFLIGHT_AGE: &str = "7200";

/// Answers OPTIONS without asking for a token (RFC 9725 §4.7) and opens every other answer to other origins.
pub(crate) async fn open_to_all(request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        options(request.uri().path())
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(EXPOSED_HEADERS),
    );
    response
}

/// No `Link` here: RFC 9725 §4.6.
fn options(path: &str) -> Response {
    let always = [
        (ALLOW, METHODS),
        (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS),
        (ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE),
    ];
    let mut response = (StatusCode::NO_CONTENT, always).into_response();
    if is_endpoint(path) {
        response
            .headers_mut()
            .insert(ACCEPT_POST, HeaderValue::from_static("application/sdp"));
    }
    response
}

/// Whether this is the address of a WHIP or WHEP endpoint.
fn is_endpoint(path: &str) -> bool {
    let room = path
        .strip_prefix("/whip/")
        .or_else(|| path.strip_prefix("/whep/"));
    room.is_some_and(|room| !room.is_empty() && !room.contains('/'))
}
