//! The HTTP side of WHEP, lean: a connection per request, each viewer from its own address.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::Error;

/// A server that takes longer to answer a POST is overloaded, and that is a finding.
const ANSWER: Duration = Duration::from_secs(10);
/// Leaving is a courtesy: it must not hold up a stop.
const GOODBYE: Duration = Duration::from_secs(2);
/// SDP answers are a few kilobytes; more is not read.
const MAX_BODY: usize = 256 << 10;
/// Of an error's body, enough to say what was wrong.
const MAX_ERROR: usize = 300;
/// Requests under way at once: well below the usual bound of open files.
const MAX_REQUESTS: usize = 800;
const PRODUCT: &str = concat!("vitrine-loadtest/", env!("CARGO_PKG_VERSION"));

/// A server, resolved once.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    is_tls: bool,
}

impl Server {
    /// Resolves the host of a URL.
    ///
    /// # Errors
    /// When the URL is not of HTTP or its host is unknown.
    pub(super) fn of(url: &Url) -> Result<Server, Error> {
        let is_tls = match url.scheme() {
            "http" => false,
            "https" => true,
            other => return Err(Error::Options(format!("{other}: only http and https are spoken"))),
        };
        let addresses = url
            .socket_addrs(|| None)
            .map_err(|error| Error::Options(format!("{url}: {error}")))?;
        // IPv4 first: on loopback it has an address for every viewer.
        let address = addresses
            .iter()
            .find(|address| address.is_ipv4())
            .or(addresses.first());
        let address = address.ok_or_else(|| Error::Options(format!("{url}: the host has no address")))?;
        Ok(Server {
            address: *address,
            is_tls,
        })
    }
}

/// A session resource the server has made.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) resource: Url,
    pub(super) from: Option<IpAddr>,
}

/// What all requests of a fleet share.
#[derive(Clone)]
pub(super) struct Http {
    tls: TlsConnector,
    requests: Arc<Semaphore>,
}

impl Http {
    pub(super) fn new() -> Result<Http, Error> {
        let roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Options(format!("TLS: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Http {
            tls: TlsConnector::from(Arc::new(config)),
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
        })
    }

    /// POSTs an offer and gives the answer with its session (RFC 9725 §4.2).
    pub(super) async fn offer(
        &self,
        server: &Server,
        endpoint: &Url,
        token: Option<&str>,
        from: Option<IpAddr>,
        offer: String,
    ) -> Result<(Session, String), Error> {
        let request = request(Method::POST, endpoint, token)
            .header(CONTENT_TYPE, "application/sdp")
            .body(Full::from(offer))
            .map_err(|error| Error::Options(error.to_string()))?;
        let response = self.send(server, endpoint, from, request, ANSWER).await?;
        let status = response.status();
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let (kind, location) = (header(CONTENT_TYPE), header(LOCATION));
        let body = body(response).await?;
        if status != StatusCode::CREATED {
            return Err(refused(status, &body));
        }
        if !kind.is_some_and(|kind| kind.trim().to_ascii_lowercase().starts_with("application/sdp")) {
            return Err(Error::Protocol("the 201 is not application/sdp".into()));
        }
        let location = location.ok_or_else(|| Error::Protocol("the 201 has no Location".into()))?;
        let resource = endpoint
            .join(&location)
            .map_err(|error| Error::Protocol(format!("Location {location:?}: {error}")))?;
        Ok((Session { resource, from }, body))
    }

    /// DELETEs a session, waiting a short while at most; says whether the server confirmed it.
    pub(super) async fn delete(&self, server: &Server, session: &Session, token: Option<&str>) -> bool {
        let Ok(request) = request(Method::DELETE, &session.resource, token).body(Full::default()) else {
            return false;
        };
        let sent = self
            .send(server, &session.resource, session.from, request, GOODBYE)
            .await;
        sent.is_ok_and(|response| response.status().is_success())
    }

    /// POSTs JSON and gives the answer's body.
    pub(super) async fn post_json(
        &self,
        server: &Server,
        url: &Url,
        token: Option<&str>,
        from: Option<IpAddr>,
        headers: &[(&str, &str)],
        json: String,
    ) -> Result<String, Error> {
        let mut request = request(Method::POST, url, token).header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::from(json))
            .map_err(|error| Error::Options(error.to_string()))?;
        let response = self.send(server, url, from, request, ANSWER).await?;
        let status = response.status();
        let body = body(response).await?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(refused(status, &body))
        }
    }

    /// GETs a stream of events; its body stays open.
    pub(super) async fn events(
        &self,
        server: &Server,
        url: &Url,
        from: Option<IpAddr>,
    ) -> Result<Incoming, Error> {
        let request = request(Method::GET, url, None)
            .header("Accept", "text/event-stream")
            .body(Full::default())
            .map_err(|error| Error::Options(error.to_string()))?;
        let response = self.send(server, url, from, request, ANSWER).await?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            status => Err(refused(status, &body(response).await?)),
        }
    }

    async fn send(
        &self,
        server: &Server,
        url: &Url,
        from: Option<IpAddr>,
        request: Request<Full<Bytes>>,
        patience: Duration,
    ) -> Result<Response<Incoming>, Error> {
        let _permit = self.requests.acquire().await.map_err(|_| Error::Ended)?;
        let exchange = async {
            let stream = connect(server.address, from).await?;
            if !server.is_tls {
                return exchange(TokioIo::new(stream), request).await;
            }
            let host = url
                .host_str()
                .unwrap_or_default()
                .trim_matches(['[', ']'])
                .to_owned();
            let name = ServerName::try_from(host).map_err(|error| Error::Options(error.to_string()))?;
            let stream = self.tls.connect(name, stream).await.map_err(unreachable)?;
            exchange(TokioIo::new(stream), request).await
        };
        tokio::time::timeout(patience, exchange)
            .await
            .map_err(|_| Error::Timeout(patience, "an answer"))?
    }
}

async fn connect(to: SocketAddr, from: Option<IpAddr>) -> Result<TcpStream, Error> {
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }
    .map_err(unreachable)?;
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0)).map_err(unreachable)?;
    }
    let stream = socket.connect(to).await.map_err(unreachable)?;
    // Head and body go out in two writes.
    stream.set_nodelay(true).map_err(unreachable)?;
    Ok(stream)
}

async fn exchange<T>(stream: TokioIo<T>, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error>
where
    TokioIo<T>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
        .await
        .map_err(broken)?;
    // Ends with the response's body.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(broken)
}

fn request(method: Method, url: &Url, token: Option<&str>) -> hyper::http::request::Builder {
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, host)
        .header(USER_AGENT, PRODUCT);
    match token {
        Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
        None => request,
    }
}

async fn body(response: Response<Incoming>) -> Result<String, Error> {
    let limited = Limited::new(response.into_body(), MAX_BODY);
    let read = tokio::time::timeout(ANSWER, limited.collect());
    let read = read
        .await
        .map_err(|_| Error::Timeout(ANSWER, "the rest of an answer"))?;
    let bytes = read
        .map_err(|error| Error::Protocol(format!("the answer's body: {error}")))?
        .to_bytes();
    String::from_utf8(bytes.into()).map_err(|_| Error::Protocol("the answer is not UTF-8".into()))
}

fn refused(status: StatusCode, body: &str) -> Error {
    Error::Refused {
        status: status.as_u16(),
        body: body.chars().take(MAX_ERROR).collect(),
        retry_after: None,
    }
}

fn unreachable(error: std::io::Error) -> Error {
    Error::Unreachable(error.to_string())
}

fn broken(error: hyper::Error) -> Error {
    Error::Unreachable(error.to_string())
}
