//! The sockets of the door: connections taken in, their number, head size and slowness bounded, TLS where configured,
//! HTTP/1.1 and HTTP/2, and an end that lets requests finish.

mod crowd;
mod fair;
mod tls;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::Service;

use crate::complaint::Complaint;
use crate::network::Network;
use crate::origin::PeerAddress;
use crowd::Crowd;
use fair::{Credit, Fair};
pub use tls::{Tls, TlsError};

/// Header fields of one request; browsers send about twenty.
const MAX_HEADERS: usize = 64;
/// Requests at once on one HTTP/2 connection; a page has a stream of events and a few more.
const MAX_STREAMS: u32 = 64;
/// An HTTP/2 connection without traffic is asked this often whether it is alive, and has as long to answer.
const H2_PING: Duration = Duration::from_secs(20);
/// TCP asks after this much silence whether the other side still is.
const TCP_IDLE: Duration = Duration::from_secs(30);
/// Data that nobody takes for so long ends the connection: a reader that stopped must not hold it.
const TCP_UNSENT: Duration = Duration::from_secs(30);
/// Wait after the system refused a connection, for lack of file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Limits of connections.
#[derive(Clone, Debug)]
pub struct ListenSettings {
    /// The longest head of a request, bytes, at least 8192; more is 431.
    pub head_max_bytes: usize,
    /// The longest body that any request may have, bytes. A connection that says much more than its requests take is
    /// closed.
    pub body_max_bytes: usize,
    /// The longest time the head of a request may take to come, the TLS handshake included; and the longest idle time
    /// between two on one connection.
    pub head_timeout: Duration,
    /// Connections at once; more are closed at once.
    pub max_connections: usize,
    /// Connections of one address at once. Private networks and these proxies are not counted.
    pub max_connections_per_address: usize,
    /// Proxies, as in [`crate::DoorSettings`].
    pub trusted_proxies: Arc<[Network]>,
    /// How long requests may take to finish when the door closes.
    pub grace: Duration,
    /// How often it is looked whether the certificate has been renewed.
    pub renewal: Duration,
}

impl Default for ListenSettings {
    fn default() -> Self {
        ListenSettings {
            head_max_bytes: 16 << 10,
            body_max_bytes: 64 << 10,
            head_timeout: Duration::from_secs(10),
            max_connections: 20_000,
            max_connections_per_address: 500,
            trusted_proxies: Arc::default(),
            grace: Duration::from_secs(2),
            renewal: Duration::from_secs(60),
        }
    }
}

/// Connections the kernel keeps until they are taken, and at most `net.core.somaxconn` of them: when a sale begins,
/// everybody without a data channel opens one. Beyond, a client's own kernel tries again, a second later and more.
const BACKLOG: i32 = 4096;

/// Listens on an address. An unspecified IPv6 address takes IPv4 as well.
///
/// # Errors
/// What the system says.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let kind = socket2::Type::STREAM;
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves connections until `closing` turns true; then requests under way may finish within the grace time.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: ListenSettings,
    mut tls: Option<Tls>,
    mut closing: watch::Receiver<bool>,
) {
    let mut renewal = tokio::time::interval(settings.renewal);
    let crowd = Crowd::new(
        settings.max_connections,
        settings.max_connections_per_address,
        Arc::clone(&settings.trusted_proxies),
    );
    let mut connections = JoinSet::new();
    let (mut failures, mut refusals) = (Complaint::default(), Complaint::default());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = renewal.tick() => {
                if let Some(tls) = &mut tls {
                    tls.renew();
                }
                continue;
            }
            _ = closing.wait_for(|closing| *closing) => break,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Without a file descriptor to spare every attempt fails, twenty a second.
                if let Some(times) = failures.again(Instant::now()) {
                    tracing::warn!(%error, times, "cannot take connections");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let from = from.ip().to_canonical();
        let place = match crowd.enter(from) {
            Ok(place) => place,
            Err(bound) => {
                if let Some(times) = refusals.again(Instant::now()) {
                    tracing::warn!(%from, times, "connections are closed at once, beyond {bound}");
                }
                continue;
            }
        };
        let visit = Visit {
            from,
            router: router.clone(),
            settings: settings.clone(),
            closing: closing.clone(),
        };
        let tls = tls.as_ref().map(Tls::acceptor);
        connections.spawn(async move {
            visit.begin(stream, tls).await;
            drop(place);
        });
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(settings.grace, finished).await.is_err() {
        tracing::info!("requests were still under way; closing their connections");
    }
}

/// One connection.
struct Visit {
    from: IpAddr,
    router: Router,
    settings: ListenSettings,
    closing: watch::Receiver<bool>,
}

impl Visit {
    async fn begin(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        let from = self.from;
        if let Err(error) = tune(&stream) {
            tracing::debug!(%from, %error, "a connection ended before it began");
            return;
        }
        match tls {
            None => self.talk(stream).await,
            Some(tls) => {
                let shaken = tokio::time::timeout(self.settings.head_timeout, tls.accept(stream)).await;
                match shaken {
                    Ok(Ok(stream)) => self.talk(stream).await,
                    Ok(Err(error)) => tracing::debug!(%from, %error, "no TLS"),
                    Err(_) => tracing::debug!(%from, "the TLS handshake took too long"),
                }
            }
        }
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut self, stream: S) {
        let spoke = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&spoke);
        let (router, from) = (self.router, PeerAddress(self.from));
        let credit = Credit::default();
        let stream = Fair::new(stream, credit.clone(), Instant::now());
        let (head, body) = (self.settings.head_max_bytes, self.settings.body_max_bytes);
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            heard.store(true, Ordering::Relaxed);
            let has_body = !request.body().is_end_stream();
            credit.grant(if has_body { head + 2 * body } else { head });
            request.extensions_mut().insert(from);
            let credit = credit.clone();
            let counted = move |body: Incoming| {
                Body::new(body.map_frame(move |frame| {
                    // In pieces a body is longer on the way than it is.
                    credit.grant(2 * frame.data_ref().map_or(0, Bytes::len));
                    frame
                }))
            };
            router.clone().call(request.map(counted))
        });
        let protocol = protocol(&self.settings);
        let connection = protocol.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        // hyper's own timer begins with the first bytes of HTTP/1; this one also covers those who send none, or half
        // of HTTP/2's preface.
        let mut first_head = std::pin::pin!(tokio::time::sleep(self.settings.head_timeout));
        let (mut waiting, mut open) = (true, true);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(from = %from.0, %error, "a connection broke");
                    }
                    return;
                }
                () = first_head.as_mut(), if waiting => {
                    waiting = false;
                    if !spoke.load(Ordering::Relaxed) {
                        return;
                    }
                }
                _ = self.closing.wait_for(|closing| *closing), if open => {
                    open = false;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

fn protocol(settings: &ListenSettings) -> Builder<TokioExecutor> {
    let mut protocol = Builder::new(TokioExecutor::new());
    protocol
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.head_timeout)
        .max_buf_size(settings.head_max_bytes)
        .max_headers(MAX_HEADERS);
    protocol
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(H2_PING)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(settings.head_max_bytes).unwrap_or(u32::MAX));
    protocol
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_IDLE).with_interval(TCP_IDLE))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(TCP_UNSENT))?;
    Ok(())
}
