//! Pages and their scripts, and the headers that keep them safe.

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::files::Head;
use crate::house::House;
use crate::problem::Problem;
use crate::reception::Shared;
use crate::settings::DoorSettings;
use crate::shop::Shop;

/// What a page may load: its own server's files; pictures also from elsewhere, as shops keep them on other hosts.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
    img-src 'self' https: data: blob:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; \
    manifest-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors ";
/// What is no page loads nothing and is shown in no frame.
const OTHER_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
const NO_DEVICES: &str = "camera=(), microphone=(), display-capture=()";
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
/// Scripts and pictures are there to be embedded in a shop's own pages.
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A page does not wait longer for its show's head: it is there for previews of links, the page itself asks for it later.
const TITLE_PATIENCE: Duration = Duration::from_millis(50);

/// A page by its file in `web/`.
#[derive(Clone, Copy)]
enum Page {
    /// The watch page at the address that names no room.
    Front,
    Watch,
    Host,
    Rooms,
}

pub(crate) fn routes<H: House>() -> Router<Shared<H>> {
    Router::new()
        .route("/", get(front::<H>))
        .route("/watch/{room}", get(watch::<H>))
        .route("/host/{room}", get(host::<H>))
        .route("/assets/{*path}", get(asset::<H>))
        .route("/favicon.ico", get(favicon::<H>))
}

async fn front<H: House>(
    State(reception): State<Shared<H>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(room) = &reception.settings.front_room else {
        return show(&reception, Page::Rooms, &Head::default(), &headers);
    };
    let head = head_of(&reception, room).await;
    show(&reception, Page::Front, &head, &headers)
}

async fn watch<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Err(problem) = reception.check_room(&room) {
        return no_such_show(&reception, problem, &headers);
    }
    let head = head_of(&reception, &room).await;
    show(&reception, Page::Watch, &head, &headers)
}

/// What anybody may know of a show; nothing where there is none.
async fn head_of<H: House>(reception: &Shared<H>, room: &str) -> Head {
    if reception.watching_needs_token(room) {
        return Head::default();
    }
    let known = tokio::time::timeout(TITLE_PATIENCE, reception.house.shop().room(room)).await;
    let Ok(known) = known else {
        return Head::default();
    };
    let public_url = reception.settings.public_url.as_deref();
    Head {
        title: known.title,
        image: known.image.and_then(|image| whole_address(&image, public_url)),
    }
}

/// A product's picture as others reach it; drawings are shown by none of those who show links.
fn whole_address(image: &str, public_url: Option<&str>) -> Option<String> {
    if image.ends_with(".svg") {
        return None;
    }
    match image.starts_with('/') {
        true => public_url.map(|url| format!("{url}{image}")),
        false => image.starts_with("https://").then(|| image.to_owned()),
    }
}

/// Somebody who looks for a show is told which ones there are, a program what is wrong.
fn no_such_show<H: House>(
    reception: &Shared<H>,
    problem: Problem,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    if !accepted.is_some_and(|accepted| accepted.contains("text/html")) {
        return Err(problem);
    }
    // What it has of another room's address is no answer for this one: never 304.
    let mut headers = headers.clone();
    headers.remove(IF_NONE_MATCH);
    let mut page = show(reception, Page::Rooms, &Head::default(), &headers)?;
    *page.status_mut() = StatusCode::NOT_FOUND;
    Ok(page)
}

async fn host<H: House>(
    State(reception): State<Shared<H>>,
    Path(room): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    reception.check_room(&room)?;
    show(&reception, Page::Host, &Head::default(), &headers)
}

fn show<H: House>(
    reception: &Shared<H>,
    page: Page,
    head: &Head,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (file, permissions) = match page {
        Page::Front => ("front.html", NO_DEVICES),
        Page::Watch => ("watch.html", NO_DEVICES),
        Page::Rooms => ("rooms.html", NO_DEVICES),
        Page::Host => (
            "host.html",
            "camera=(self), microphone=(self), display-capture=(self)",
        ),
    };
    let page_of_file = match head.title.is_empty() {
        true => reception.files.page(file, headers),
        false => reception.files.page_titled(file, head, headers),
    };
    let mut response = page_of_file.ok_or_else(|| Problem::not_found("this server has no such page"))?;
    let ancestors = match page {
        Page::Front | Page::Watch => ["'self'"]
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

async fn asset<H: House>(
    State(reception): State<Shared<H>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = reception.files.asset(&path, &headers);
    let mut response = found.ok_or_else(|| Problem::not_found("there is no such file"))?;
    response
        .headers_mut()
        .insert(CORP, HeaderValue::from_static("cross-origin"));
    Ok(response)
}

async fn favicon<H: House>(State(reception): State<Shared<H>>, headers: HeaderMap) -> Response {
    let found = reception.files.asset("favicon.svg", &headers);
    found.unwrap_or_else(|| StatusCode::NO_CONTENT.into_response())
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
