//! Request bodies: their type checked, their length and time bounded.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Of a body that is too long this much is read and forgotten before the refusal: a client that is still sending when
/// the connection closes may never see why.
const DISCARDED_MAX: usize = 4 << 20;

/// The media type of offers and answers.
pub(crate) const SDP: &str = "application/sdp";

/// How long a body may be, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    pub(crate) max_bytes: usize,
    pub(crate) timeout: Duration,
}

/// Reads a body of this media type as text.
pub(crate) async fn text(
    headers: &HeaderMap,
    body: Body,
    media_type: &'static str,
    hint: HeaderName,
    limits: BodyLimits,
) -> Result<String, Problem> {
    let right_type = has_type(headers, |essence| essence.eq_ignore_ascii_case(media_type));
    let bytes = bytes(headers, body, limits).await?;
    if !right_type {
        return Err(Problem::wrong_type(media_type, Some(hint)));
    }
    String::from_utf8(bytes.into()).map_err(|_| Problem::malformed("the body is not UTF-8 text"))
}

/// Reads a JSON body.
pub(crate) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    limits: BodyLimits,
) -> Result<T, Problem> {
    let bytes = json_bytes(headers, body, limits).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::malformed(format!("the body's JSON is wrong: {error}")))
}

/// A body of JSON, or none at all.
pub(crate) async fn optional_json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    limits: BodyLimits,
) -> Result<Option<T>, Problem> {
    if HttpBody::is_end_stream(&body) {
        return Ok(None);
    }
    json(headers, body, limits).await.map(Some)
}

/// Reads a body that is said to be JSON.
pub(crate) async fn json_bytes(
    headers: &HeaderMap,
    body: Body,
    limits: BodyLimits,
) -> Result<Bytes, Problem> {
    let right_type = has_type(headers, |essence| {
        essence.eq_ignore_ascii_case("application/json")
    });
    let bytes = bytes(headers, body, limits).await?;
    if !right_type {
        return Err(Problem::wrong_type("application/json", None));
    }
    Ok(bytes)
}

/// Whether the client takes SDP: without `Accept` it does (RFC 9110 §12.5.1).
pub(crate) fn accepts_sdp(headers: &HeaderMap) -> bool {
    let mut accepts = headers.get_all(ACCEPT).iter().peekable();
    if accepts.peek().is_none() {
        return true;
    }
    let ranges = accepts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    // The range that says it most closely decides (RFC 9110 §12.5.1).
    let closeness = |range: &str| {
        let known = ["*/*", "application/*", SDP];
        let place = known
            .iter()
            .position(|known| essence(range).eq_ignore_ascii_case(known));
        place.map(|place| (place, weight(range) > 0.0))
    };
    ranges
        .filter_map(closeness)
        .max()
        .is_some_and(|(_, is_welcome)| is_welcome)
}

/// The weight of one member of `Accept`, 1 without one (RFC 9110 §12.4.2).
fn weight(range: &str) -> f32 {
    let parameters = range.split(';').skip(1).map(str::trim);
    let weights =
        parameters.filter_map(|parameter| parameter.strip_prefix("q=").or(parameter.strip_prefix("Q=")));
    weights.last().map_or(1.0, |weight| weight.parse().unwrap_or(1.0))
}

fn has_type(headers: &HeaderMap, is_right: impl Fn(&str) -> bool) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::to_str);
    matches!(kind, Some(Ok(kind)) if is_right(essence(kind)))
}

/// A media type without its parameters.
fn essence(kind: &str) -> &str {
    kind.split(';').next().unwrap_or_default().trim()
}

async fn bytes(headers: &HeaderMap, body: Body, limits: BodyLimits) -> Result<Bytes, Problem> {
    let bytes = tokio::time::timeout(limits.timeout, bounded(body, limits.max_bytes))
        .await
        .map_err(|_| Problem::too_slow())??;
    // An unpacked offer has no bound that the client cannot pass.
    let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
        return Err(Problem::encoded());
    }
    Ok(bytes)
}

async fn bounded(mut body: Body, max_bytes: usize) -> Result<Bytes, Problem> {
    let limited = Limited::new(&mut body, max_bytes).collect().await;
    match limited {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            discard(body).await;
            Err(Problem::too_long(max_bytes))
        }
        Err(_) => Err(Problem::malformed("the body broke off")),
    }
}

async fn discard(mut body: Body) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > DISCARDED_MAX {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))])
    }

    #[test]
    fn accept_decides_whether_sdp_can_be_sent() {
        assert!(accepts_sdp(&HeaderMap::new()));
        for good in [
            "*/*",
            "application/sdp",
            "text/html, application/SDP;q=0.5",
            "application/*",
            "*/*;q=0, application/sdp;q=0.001",
            "application/sdp; charset=utf-8, application/*;q=0",
        ] {
            assert!(accepts_sdp(&accept(good)), "{good}");
        }
        for bad in [
            "text/html",
            "application/json, image/*",
            "application/sdp;q=0",
            "*/*, application/sdp; q=0.000",
            "application/*;q=0, */*",
        ] {
            assert!(!accepts_sdp(&accept(bad)), "{bad}");
        }
    }
}
