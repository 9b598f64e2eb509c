//! Product pictures from the data folder.

use std::path::{Component, Path as FilePath, PathBuf};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::house::House;
use crate::problem::Problem;
use crate::reception::Shared;

/// Bytes of the largest picture served: it is read as a whole.
const LARGEST: u64 = 8 << 20;
/// Seconds a browser may keep a picture: a changed one is seen soon, a show does not ask twice.
const CACHING: &str = "public, max-age=300";
/// An SVG is a document that could run scripts when opened by itself.
const PICTURE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

pub(crate) fn routes<H: House>() -> Router<Shared<H>> {
    Router::new().route("/media/{*path}", get(picture::<H>))
}

async fn picture<H: House>(
    State(reception): State<Shared<H>>,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    let nothing = || Problem::not_found("there is no such picture");
    let kind = media_type(&path).ok_or_else(nothing)?;
    let data = read(reception.settings.pictures.clone(), path).await;
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, CACHING),
        (CONTENT_SECURITY_POLICY, PICTURE_POLICY),
        (CORP, "cross-origin"),
    ];
    Ok((headers, data.ok_or_else(nothing)?).into_response())
}

/// Only pictures are served, whatever else lies in the folder.
fn media_type(path: &str) -> Option<&'static str> {
    let (_, extension) = path.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "avif" => "image/avif",
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        _ => return None,
    })
}

async fn read(folder: PathBuf, path: String) -> Option<Vec<u8>> {
    if !is_below(FilePath::new(&path)) {
        return None;
    }
    let file = tokio::fs::canonicalize(folder.join(&path)).await.ok()?;
    // A link inside the folder may point out of it.
    if !file.starts_with(tokio::fs::canonicalize(&folder).await.ok()?) {
        return None;
    }
    let metadata = tokio::fs::metadata(&file).await.ok()?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return None;
    }
    tokio::fs::read(file).await.ok()
}

/// Whether a path stays below where it begins, through names that are not hidden.
fn is_below(path: &FilePath) -> bool {
    path.components().all(|component| match component {
        Component::Normal(name) => !name.as_encoded_bytes().starts_with(b"."),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        for good in ["a.png", "shoes/red.webp"] {
            assert!(is_below(FilePath::new(good)), "{good}");
        }
        for bad in [
            "../a.png",
            "a/../../b.png",
            "/etc/x.png",
            "./../a.png",
            ".hidden.png",
        ] {
            assert!(!is_below(FilePath::new(bad)), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_link_out_of_the_folder_is_not_followed() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret.png"), "secret").unwrap();
        std::fs::write(folder.path().join("shoe.png"), "shoe").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret.png"), folder.path().join("link.png"))
            .unwrap();
        let read = |name: &str| read(folder.path().to_owned(), name.to_owned());
        assert_eq!(read("shoe.png").await.as_deref(), Some(&b"shoe"[..]));
        assert_eq!(read("link.png").await, None);
        assert_eq!(read("none.png").await, None);
    }
}
