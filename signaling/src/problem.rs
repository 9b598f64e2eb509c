//! Refusals as problem details (RFC 9457), and the only place where a refusal gets its HTTP status.

use std::time::Duration;

use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::media::MediaError;
use crate::shop::ShopReply;

/// The media type of a problem.
const PROBLEM_JSON: &str = "application/problem+json";
/// Seconds a client is asked to wait when the reason names no time of its own.
const RETRY_SOON: u64 = 5;

/// A refused request.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    /// Boxed to keep results small.
    headers: Box<HeaderMap>,
}

#[derive(Serialize)]
struct Details<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            detail: detail.into(),
            headers: Box::default(),
        }
    }

    fn with(mut self, name: HeaderName, value: &str) -> Problem {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    fn retry_after(self, seconds: u64) -> Problem {
        self.with(RETRY_AFTER, &seconds.max(1).to_string())
    }

    /// 400: not what it should be.
    pub(crate) fn malformed(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401: no token where one is needed (RFC 6750 §3: no error code then).
    pub(crate) fn token_missing() -> Problem {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "this needs a token: send Authorization: Bearer <token>",
        )
        .with(WWW_AUTHENTICATE, "Bearer realm=\"vitrine\"")
    }

    /// 401: a token that proves nothing.
    pub(crate) fn token_invalid(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, detail).with(
            WWW_AUTHENTICATE,
            "Bearer realm=\"vitrine\", error=\"invalid_token\"",
        )
    }

    /// 403: a good token that does not allow this.
    pub(crate) fn scope_missing(scope: &str, room: &str) -> Problem {
        Problem::new(
            StatusCode::FORBIDDEN,
            format!("the token does not have the scope {scope} for {room}"),
        )
        .with(
            WWW_AUTHENTICATE,
            &format!("Bearer realm=\"vitrine\", error=\"insufficient_scope\", scope=\"{scope}\""),
        )
    }

    /// 404.
    pub(crate) fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    /// 404: no such room here.
    pub(crate) fn no_such_room() -> Problem {
        Problem::not_found(
            "no such room: names have 1 to 64 of A-Z, a-z, 0-9, _ and -, and must be among those of this server",
        )
    }

    /// 404: no such session, or it has ended.
    pub(crate) fn no_such_session() -> Problem {
        Problem::not_found("no such session, or it has ended")
    }

    /// 405; the router adds `Allow`.
    pub(crate) fn method_not_allowed() -> Problem {
        Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this address does not take this method",
        )
    }

    /// 406: the client takes no SDP.
    pub(crate) fn not_acceptable() -> Problem {
        Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "the answer is application/sdp, which Accept leaves out",
        )
        .with(ACCEPT, "application/sdp")
    }

    /// 408: the body did not come in time.
    pub(crate) fn too_slow() -> Problem {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")
    }

    /// 409: a publisher is needed and there is none (WHEP -04 §4.3.8).
    pub(crate) fn nobody_live() -> Problem {
        Problem::new(StatusCode::CONFLICT, "nobody is live in this room now").retry_after(RETRY_SOON)
    }

    /// 412: If-Match names another state.
    pub(crate) fn stale(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PRECONDITION_FAILED, detail)
    }

    /// 413: longer than `max` bytes.
    pub(crate) fn too_long(max: usize) -> Problem {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is longer than {max} bytes"),
        )
    }

    /// 415: another type of content. `hint` is `Accept-Post` or `Accept-Patch`.
    pub(crate) fn wrong_type(accepted: &str, hint: Option<HeaderName>) -> Problem {
        let problem = Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("the body must be {accepted}, and Content-Type must say so"),
        );
        match hint {
            Some(hint) => problem.with(hint, accepted),
            None => problem,
        }
    }

    /// 415: a body that is compressed (RFC 9110 §15.5.16).
    pub(crate) fn encoded() -> Problem {
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must not be compressed: leave out Content-Encoding",
        )
        .with(ACCEPT_ENCODING, "identity")
    }

    /// 428: RFC 9725 §4.3.1.
    pub(crate) fn condition_missing() -> Problem {
        Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "a PATCH needs If-Match: the session's ETag, or * to restart ICE",
        )
    }

    /// 429: too often, or too much at once.
    pub(crate) fn too_many(detail: impl Into<String>, wait: Duration) -> Problem {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(seconds)
    }

    /// 500: our fault; the log knows more.
    pub(crate) fn internal() -> Problem {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong here")
    }

    /// 503.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY_SOON)
    }

    /// What another part of the router refused in its own words, as a problem. Problems stay as they are.
    pub(crate) fn adopt(response: Response) -> Response {
        let status = response.status();
        let is_error = status.is_client_error() || status.is_server_error();
        let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_told =
            kind.is_some_and(|kind| kind == PROBLEM_JSON.as_bytes() || kind.starts_with(b"text/html"));
        if !is_error || is_told {
            return response;
        }
        let title = status.canonical_reason().unwrap_or("the request was refused");
        let mut problem = Problem::new(status, title.to_lowercase());
        for name in [ALLOW, RETRY_AFTER, WWW_AUTHENTICATE] {
            if let Some(value) = response.headers().get(&name) {
                problem.headers.insert(name, value.clone());
            }
        }
        problem.into_response()
    }
}

impl From<MediaError> for Problem {
    fn from(error: MediaError) -> Problem {
        let detail = error.to_string();
        match error {
            MediaError::Malformed(_) => Problem::malformed(detail),
            MediaError::Unacceptable(_) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            MediaError::Unavailable { retry_after, .. } => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(retry_after.into())
            }
            MediaError::Taken { retry_after, .. } => {
                Problem::new(StatusCode::CONFLICT, detail).retry_after(retry_after.into())
            }
            MediaError::Gone => Problem::no_such_session(),
            MediaError::RestartNotAllowed => Problem::stale(detail),
        }
    }
}

/// The shop's reply as a response: 200 with its JSON, 204, or a problem.
impl IntoResponse for ShopReply {
    fn into_response(self) -> Response {
        match self {
            ShopReply::Ok(json) => ([(CONTENT_TYPE, "application/json")], json).into_response(),
            ShopReply::Versioned(json, version) => {
                let tag = format!("\"{version}\"");
                ([(CONTENT_TYPE, "application/json"), (ETAG, &*tag)], json).into_response()
            }
            ShopReply::Done => StatusCode::NO_CONTENT.into_response(),
            ShopReply::Bad(detail) => Problem::malformed(detail).into_response(),
            ShopReply::NotFound(detail) => Problem::not_found(detail).into_response(),
            ShopReply::Conflict(detail) => Problem::new(StatusCode::CONFLICT, detail).into_response(),
            ShopReply::Stale(detail) => Problem::stale(detail).into_response(),
            ShopReply::TooMany { retry_after_ms } => {
                let wait = Duration::from_millis(retry_after_ms);
                Problem::too_many("too many requests", wait).into_response()
            }
            ShopReply::Unavailable => {
                Problem::unavailable("the shop is stopping, overloaded, or without its database")
                    .into_response()
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let details = Details {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let body = serde_json::to_vec(&details).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        response.headers_mut().extend(*self.headers);
        let own = [(CONTENT_TYPE, PROBLEM_JSON), (CACHE_CONTROL, "no-store")];
        for (name, value) in own {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
