//! Pages and their scripts, embedded from `web/`, and the headers that keep them safe.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rust_embed::RustEmbed;

use crate::house::House;
use crate::problem::Problem;
use crate::reception::Shared;
use crate::settings::DoorSettings;

/// What a page may load: its own server's files; pictures also from elsewhere, as shops keep them on other hosts.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
    img-src 'self' https: data: blob:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; \
    manifest-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors ";
/// What is no page loads nothing and is shown in no frame.
const OTHER_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// Files are asked for again with their tag, so that a new version is there at once.
const REVALIDATE: &str = "no-cache";
/// Bytes of the largest page.
const LARGEST_PAGE: usize = 256 << 10;
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
/// Scripts and pictures are there to be embedded in a shop's own pages.
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

#[derive(RustEmbed)]
#[folder = "../web"]
struct Web;

/// A page by its file in `web/`.
#[derive(Clone, Copy)]
enum Page {
    Watch,
    Host,
    Rooms,
}

pub(crate) fn routes<H: House>() -> Router<Shared<H>> {
    Router::new()
        .route("/", get(front::<H>))
        .route("/watch/{room}", get(watch::<H>))
        .route("/host/{room}", get(host::<H>))
        .route("/assets/{*path}", get(asset))
        .route("/favicon.ico", get(favicon))
}

async fn front<H: House>(
    State(reception): State<Shared<H>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(room) = &reception.settings.front_room else {
        return show(&reception, Page::Rooms, &headers);
    };
    // The page reads its room from its address, which here names none. Rooms are plain: nothing is to be escaped.
    let page = show(&reception, Page::Watch, &HeaderMap::new())?;
    let (mut head, body) = page.into_parts();
    let body = axum::body::to_bytes(body, LARGEST_PAGE)
        .await
        .map_err(|_| Problem::internal())?;
    let file = head
        .headers
        .get(ETAG)
        .and_then(|tag| tag.to_str().ok())
        .unwrap_or_default();
    let tag = format!("\"{}-{room}\"", file.trim_matches('"'));
    let body = if knows(&headers, &tag) {
        head.status = StatusCode::NOT_MODIFIED;
        Body::empty()
    } else {
        let named = format!("data-room=\"{room}\"");
        Body::from(String::from_utf8_lossy(&body).replacen("data-room=\"\"", &named, 1))
    };
    let tag = HeaderValue::from_str(&tag).map_err(|_| Problem::internal())?;
    head.headers.insert(ETAG, tag);
    Ok(Response::from_parts(head, body))
}

/// Whether the client has what the tag stands for.
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    known.is_some_and(|known| known.contains(tag))
}

async fn watch<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    reception.check_room(&room)?;
    show(&reception, Page::Watch, &headers)
}

async fn host<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    reception.check_room(&room)?;
    show(&reception, Page::Host, &headers)
}

fn show<H: House>(reception: &Shared<H>, page: Page, headers: &HeaderMap) -> Result<Response, Problem> {
    let (file, permissions) = match page {
        Page::Watch => ("watch.html", "camera=(), microphone=(), display-capture=()"),
        Page::Rooms => ("rooms.html", "camera=(), microphone=(), display-capture=()"),
        Page::Host => (
            "host.html",
            "camera=(self), microphone=(self), display-capture=(self)",
        ),
    };
    let mut response =
        embedded(file, headers).ok_or_else(|| Problem::not_found("this server has no such page"))?;
    let ancestors = match page {
        Page::Watch => ["'self'"]
            .into_iter()
            .chain(reception.settings.frame_ancestors.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" "),
        // Whoever could frame the host page could have its buttons pressed unseen.
        Page::Host | Page::Rooms => "'none'".to_owned(),
    };
    let policy =
        HeaderValue::from_str(&format!("{PAGE_POLICY}{ancestors}")).map_err(|_| Problem::internal())?;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    let permissions = HeaderValue::from_static(permissions);
    response.headers_mut().insert(PERMISSIONS_POLICY, permissions);
    Ok(response)
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let is_asset = !path.ends_with(".html") && !path.ends_with(".md");
    let found = is_asset.then(|| embedded(&path, &headers)).flatten();
    let mut response = found.ok_or_else(|| Problem::not_found("there is no such file"))?;
    response
        .headers_mut()
        .insert(CORP, HeaderValue::from_static("cross-origin"));
    Ok(response)
}

async fn favicon(headers: HeaderMap) -> Response {
    embedded("favicon.svg", &headers).unwrap_or_else(|| StatusCode::NO_CONTENT.into_response())
}

/// An embedded file, or 304 when the client has it.
fn embedded(path: &str, headers: &HeaderMap) -> Option<Response> {
    let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains('\\');
    if !path.split('/').all(is_plain) {
        return None;
    }
    let file = Web::get(path)?;
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(file.metadata.sha256_hash()));
    let caching = [(ETAG, tag.as_str()), (CACHE_CONTROL, REVALIDATE)];
    if knows(headers, &tag) {
        return Some((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let kind = match file.metadata.mimetype() {
        text if text.starts_with("text/") => format!("{text}; charset=utf-8"),
        other => other.to_owned(),
    };
    Some(
        (
            caching,
            [(CONTENT_TYPE, kind)],
            Body::from(file.data.into_owned()),
        )
            .into_response(),
    )
}

/// Headers of every answer.
#[derive(Clone)]
pub(crate) struct SafeHeaders(Vec<(HeaderName, HeaderValue)>);

impl SafeHeaders {
    pub(crate) fn new(settings: &DoorSettings) -> SafeHeaders {
        let mut headers = vec![
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            // Addresses of sessions are secrets.
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (CONTENT_SECURITY_POLICY, HeaderValue::from_static(OTHER_POLICY)),
        ];
        if settings.secure {
            let year = HeaderValue::from_static("max-age=31536000");
            headers.push((STRICT_TRANSPORT_SECURITY, year));
        }
        SafeHeaders(headers)
    }
}

/// Adds what the answer does not have already.
pub(crate) async fn add_safe_headers(
    State(SafeHeaders(headers)): State<SafeHeaders>,
    mut response: Response,
) -> Response {
    for (name, value) in headers {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}
