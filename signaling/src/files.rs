//! The files of `web/` as they are sent: compressed once each, under addresses that name their release.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use rust_embed::RustEmbed;

use crate::encoding::Encoding;

/// Asked for again with its tag, so that a new version is there at once.
const REVALIDATE: &str = "no-cache";
/// The address changes with what is behind it: never asked for again (RFC 8246).
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Pages with a show's title that are kept as they are sent; more are made anew, all of them.
const MAX_TITLED: usize = 256;
/// What a page is called that names no show.
const UNTITLED: [&str; 2] = [
    "<title>Live shopping</title>",
    "\"og:title\" content=\"Live shopping\"",
];
/// What a preview begins with; its picture stands behind.
const PREVIEW: &str = "<meta property=\"og:type\" content=\"video.other\">";
/// What addresses of files begin with.
const ASSETS: &str = "\"/assets/";

#[derive(RustEmbed)]
#[folder = "../web"]
struct Web;

/// All of them.
pub(crate) struct Files {
    /// Names the files of this build, all together: modules of two builds never meet in one page. 16 hexadecimal digits.
    release: String,
    by_path: BTreeMap<String, File>,
    /// By the page's file and the show in its head.
    titled: Mutex<HashMap<(String, Head), Arc<File>>>,
}

/// What a show's page says of it to those who show a link before it is followed (the Open Graph protocol).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Head {
    pub(crate) title: String,
    /// A picture's whole address.
    pub(crate) image: Option<String>,
}

/// One file, and what it became for those who take it compressed.
struct File {
    kind: HeaderValue,
    /// Of the plain file; the compressed ones differ from it by their encoding's name (RFC 9110 §8.8.3.3).
    tag: String,
    plain: Bytes,
    brotli: OnceLock<Bytes>,
    gzip: OnceLock<Bytes>,
}

impl Files {
    /// Takes the embedded files; pages of a server with a front room have it in the place of none.
    pub(crate) fn new(front_room: Option<&str>) -> Files {
        let found = Web::iter()
            .filter(|path| !path.ends_with(".md"))
            .filter_map(|path| Some((path.to_string(), Web::get(&path)?)));
        let embedded: BTreeMap<_, _> = found.collect();
        // No secret, and the same on all servers of one build: those behind one address hand out the same names.
        let mut hasher = DefaultHasher::new();
        for (path, file) in &embedded {
            (path, file.metadata.sha256_hash()).hash(&mut hasher);
        }
        let release = format!("{:016x}", hasher.finish());
        let mut by_path = BTreeMap::new();
        for (path, file) in embedded {
            let kind = file.metadata.mimetype().to_owned();
            let mut tag = URL_SAFE_NO_PAD.encode(file.metadata.sha256_hash());
            let mut plain = Bytes::from(file.data.into_owned());
            if path.ends_with(".html") {
                // A page is another one when a file has changed that it names.
                tag = format!("{tag}-{release}");
                plain = named(&plain, ASSETS, &format!("{ASSETS}{release}/"));
                if let (Some(room), "watch.html") = (front_room, path.as_str()) {
                    // The page reads its room from its address, which at the front names none. Rooms are plain: nothing is to
                    // be escaped.
                    let front = named(&plain, "data-room=\"\"", &format!("data-room=\"{room}\""));
                    by_path.insert(
                        "front.html".to_owned(),
                        File::new(&kind, format!("{tag}-{room}"), front),
                    );
                }
            }
            by_path.insert(path, File::new(&kind, tag, plain));
        }
        Files {
            release,
            by_path,
            titled: Mutex::default(),
        }
    }

    /// A page by its file's name.
    pub(crate) fn page(&self, name: &str, headers: &HeaderMap) -> Option<Response> {
        Some(self.by_path.get(name)?.answer(headers, REVALIDATE))
    }

    /// A page with a show in its head.
    pub(crate) fn page_titled(&self, name: &str, head: &Head, headers: &HeaderMap) -> Option<Response> {
        let page = self.by_path.get(name)?;
        let mut titled = self.titled.lock().unwrap_or_else(PoisonError::into_inner);
        if titled.len() >= MAX_TITLED {
            titled.clear();
        }
        let file = titled
            .entry((name.to_owned(), head.clone()))
            .or_insert_with(|| Arc::new(page.titled(head)))
            .clone();
        drop(titled);
        Some(file.answer(headers, REVALIDATE))
    }

    /// A file by its path below `/assets/`, with or without a release before it. Under another release's name, as from a page
    /// that was loaded just before the server was renewed, there is the present file, which nobody keeps under that name.
    pub(crate) fn asset(&self, path: &str, headers: &HeaderMap) -> Option<Response> {
        let (caching, path) = match path.split_once('/') {
            Some((release, rest)) if release == self.release => (FOR_EVER, rest),
            Some((release, rest)) if is_release(release) => (REVALIDATE, rest),
            _ => (REVALIDATE, path),
        };
        let is_asset = !path.ends_with(".html");
        let file = is_asset.then(|| self.by_path.get(path)).flatten()?;
        Some(file.answer(headers, caching))
    }
}

fn is_release(part: &str) -> bool {
    part.len() == 16 && part.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Text as HTML has it, in elements and attributes.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            c => html.push(c),
        }
    }
    html
}

/// A preview with a picture. The title is replaced before: it cannot hold what is looked for here, for it is escaped.
fn pictured(image: &str) -> String {
    let image = escaped(image);
    format!(
        "{PREVIEW}\n<meta property=\"og:image\" content=\"{image}\">\n<meta name=\"twitter:card\" content=\"summary_large_image\">"
    )
}

fn named(page: &Bytes, from: &str, to: &str) -> Bytes {
    Bytes::from(String::from_utf8_lossy(page).replace(from, to))
}

impl File {
    /// `kind` is the media type.
    fn new(kind: &str, tag: String, plain: Bytes) -> File {
        let kind = match kind.starts_with("text/") {
            true => format!("{kind}; charset=utf-8"),
            false => kind.to_owned(),
        };
        let unknown = HeaderValue::from_static("application/octet-stream");
        File {
            kind: HeaderValue::from_str(&kind).unwrap_or(unknown),
            tag,
            plain,
            brotli: OnceLock::new(),
            gzip: OnceLock::new(),
        }
    }

    /// The same page of a show.
    fn titled(&self, show: &Head) -> File {
        let mut hasher = DefaultHasher::new();
        show.hash(&mut hasher);
        let title = escaped(&show.title);
        let [head, preview] = UNTITLED;
        let page = named(&self.plain, head, &format!("<title>{title}</title>"));
        let page = named(&page, preview, &format!("\"og:title\" content=\"{title}\""));
        let page = match &show.image {
            Some(image) => named(&page, PREVIEW, &pictured(image)),
            None => page,
        };
        File {
            kind: self.kind.clone(),
            tag: format!("{}-{:x}", self.tag, hasher.finish()),
            plain: page,
            brotli: OnceLock::new(),
            gzip: OnceLock::new(),
        }
    }

    /// The file in the best encoding that the client takes, or 304 when it has it.
    fn answer(&self, headers: &HeaderMap, caching: &'static str) -> Response {
        let (encoding, body) = self.encoded(Encoding::wished(headers));
        let tag = match encoding.name() {
            Some(name) => format!("\"{}-{name}\"", self.tag),
            None => format!("\"{}\"", self.tag),
        };
        let about = [
            (ETAG, tag.as_str()),
            (CACHE_CONTROL, caching),
            (VARY, "Accept-Encoding"),
        ];
        if knows(headers, &tag) {
            return (StatusCode::NOT_MODIFIED, about).into_response();
        }
        let mut response = (about, [(CONTENT_TYPE, self.kind.clone())], Body::from(body)).into_response();
        if let Some(name) = encoding.name() {
            response
                .headers_mut()
                .insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        response
    }

    /// Plain where compressing makes it no smaller.
    fn encoded(&self, encoding: Encoding) -> (Encoding, Bytes) {
        let body = match encoding {
            Encoding::Plain => &self.plain,
            Encoding::Gzip => self.gzip.get_or_init(|| encoding.apply(&self.plain)),
            Encoding::Brotli => self.brotli.get_or_init(|| encoding.apply(&self.plain)),
        };
        match body.len() < self.plain.len() {
            true => (encoding, body.clone()),
            false => (Encoding::Plain, self.plain.clone()),
        }
    }
}

/// Whether the client has what the tag stands for.
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    known.is_some_and(|known| known.contains(tag))
}
