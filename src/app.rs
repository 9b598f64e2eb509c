//! The whole server: started in the order in which its parts need each other, stopped in the other.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use dashmap::DashSet;
use loadtest::PublishOptions;
use overlay::ledger::{Ledger, ShowRecord};
use overlay::{Shop, ShopConfig};
use sfu::playback::PlayoutDelay;
use signaling::token::{Claims, Scope, Tokens};
use signaling::{DoorSettings, House, IceServer, RoomRule, listen};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle as Task;

use crate::banner::Banner;
use crate::config::{Config, DEMO_ROOM};
use crate::directory::Directory;
use crate::media::service::MediaService;
use crate::runtime::{MediaRuntime, MediaSettings};
use crate::secret;
use crate::shop::clock::{Clock, unix_now};
use crate::shop::identities::TokenIdentities;
use crate::shop::ledger;
use crate::shop::ledger_health::{Health, LedgerHealth};
use crate::shop::ledger_thread;
use crate::shop::service::{REQUESTS, ShopService};
use crate::shop::task::ShopTask;
use crate::telemetry::Telemetry;

/// How soon the demo looks whether it may return.
const DEMO_RETURN: Duration = Duration::from_secs(2);
/// How long the demo's publisher may take to say goodbye.
const DEMO_GOODBYE: Duration = Duration::from_secs(1);
/// How long the last buys may take to be decided when the server ends, after three seconds in which they could still be
/// answered. Containers give ten seconds, then they kill.
const LAST_BUYS: Duration = Duration::from_secs(4);

/// What the HTTP door opens on.
struct Server {
    media: MediaService,
    shop: ShopService,
    telemetry: Arc<Telemetry>,
    is_ready: Arc<AtomicBool>,
    ledger: LedgerHealth,
}

impl House for Server {
    type Media = MediaService;
    type Shop = ShopService;

    fn media(&self) -> &MediaService {
        &self.media
    }

    fn shop(&self) -> &ShopService {
        &self.shop
    }

    async fn metrics(&self) -> Option<String> {
        let is_well = self.ledger.at(Instant::now()) == Health::Well;
        self.telemetry.shop.ledger_up.set(i64::from(is_well));
        let reports = self.media.reports().await;
        self.telemetry.render(&reports).ok()
    }

    fn unready(&self) -> Option<&'static str> {
        if !self.is_ready.load(Ordering::Relaxed) || !self.media.is_ready() {
            return Some("the server is starting or stopping, or has lost a media thread");
        }
        match self.ledger.at(Instant::now()) {
            Health::Well => None,
            Health::Fails => Some("the ledger's database refuses or is not to be reached: buys are refused"),
            Health::StandsStill => Some("the ledger's database does not answer: buys wait"),
        }
    }
}

/// The shop's parts that must end in order.
struct ShopSide {
    service: ShopService,
    stop: oneshot::Sender<()>,
    task: Task<()>,
    ledger: JoinHandle<()>,
    health: LedgerHealth,
}

/// Reads whatever the configuration names, as a start would.
///
/// # Errors
/// What would keep a server from starting.
pub fn examine(config: &Config) -> anyhow::Result<()> {
    tls(config)?;
    door_settings(config)?;
    ledger::read_catalogue(config)?;
    Ok(())
}

/// Runs the server until the process is told to end (SIGINT, SIGTERM).
///
/// # Errors
/// What kept it from starting.
pub async fn run(config: Config) -> anyhow::Result<()> {
    // First: a wish to end that comes while it starts, or right behind the banner, is heard too.
    let mut end = End::new()?;
    let tokens = secret::tokens(&config)?;
    let _folder = lock_folder(&config)?;
    std::fs::create_dir_all(config.data_dir.join("media"))?;
    let opening = config.clone();
    // A database may take its time, and its client waits in its own way.
    let (ledger, shows) = tokio::task::spawn_blocking(move || ledger::open_to_serve(&opening)).await??;
    let listener = bind(&config)?;
    let address = listener.local_addr()?;
    let tls = tls(&config)?;
    let (runtime, news) = MediaRuntime::start(&media_settings(&config))?;
    let shop = start_shop(&config, (ledger, shows), &tokens, &runtime, news)?;

    let is_ready = Arc::new(AtomicBool::new(true));
    let server = Server {
        media: runtime.service.clone(),
        shop: shop.service.clone(),
        telemetry: runtime.telemetry.clone(),
        is_ready: is_ready.clone(),
        ledger: shop.health.clone(),
    };
    let (close, closing) = watch::channel(false);
    let router = signaling::router(server, door_settings(&config)?, tokens.clone(), closing.clone());
    let door = tokio::spawn(listen::serve(
        listener,
        router,
        listen_settings(&config),
        tls,
        closing,
    ));

    let (stop_demo, demo_stopped) = oneshot::channel();
    let demo = config.demo.then(|| {
        let url = format!("{}://{}/whip/{DEMO_ROOM}", config.scheme(), own_door(address));
        let token = sign(&tokens, DEMO_ROOM, &[Scope::Publish], "demo", u64::from(u32::MAX));
        start_demo(url, token, runtime.directory.clone(), demo_stopped)
    });
    let banner = banner(&config, address, &tokens, &runtime)?;
    tracing::info!(http = %address, media = ?banner.media_ports, data = %banner.data.display(), "on");
    // Whoever has closed the output does not want it.
    let _ = write!(io::stdout(), "{banner}");

    end.wished().await;
    tracing::info!("ending: sessions are closed, requests finished, buys decided");
    is_ready.store(false, Ordering::Relaxed);
    if let Some(demo) = demo {
        // Gone already if the demo ended by itself.
        let _ = stop_demo.send(());
        let _ = tokio::time::timeout(DEMO_GOODBYE, demo).await;
    }
    runtime.service.drain();
    // Before the door closes and the sessions end: receipts travel through both.
    let _ = shop.stop.send(());
    if shop.task.await.is_err() {
        tracing::error!("the shop's task panicked");
    }
    let _ = close.send(true);
    runtime.shut_down().await;
    if door.await.is_err() {
        tracing::error!("the door's task panicked");
    }
    // The shop's lane is gone with it: the ledger decides what waits and ends.
    let ended = tokio::task::spawn_blocking(move || shop.ledger.join());
    let ended = tokio::time::timeout(LAST_BUYS, ended).await;
    let ended =
        ended.context("the ledger's database does not answer; what waited for it was not answered either")?;
    anyhow::ensure!(matches!(ended, Ok(Ok(()))), "the ledger's thread panicked");
    Ok(())
}

/// Keeps the data folder for this process: two servers would each sell the same stock, and write over each other's
/// secrets. The system gives it back when the process ends, however it ends.
fn lock_folder(config: &Config) -> anyhow::Result<File> {
    let folder = config.data_dir.display();
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("cannot make the data folder {folder}"))?;
    let path = config.data_dir.join("lock");
    let lock = File::create(&path).with_context(|| format!("cannot write in the data folder {folder}"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            anyhow::bail!("the data folder {folder} is in use by another server")
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock the data folder {folder}"))
        }
    }
}

fn bind(config: &Config) -> anyhow::Result<TcpListener> {
    let address: SocketAddr = config.http_listen.parse()?;
    let bound = match listen::bind(address) {
        // A machine without IPv6.
        Err(error)
            if address.is_ipv6()
                && address.ip().is_unspecified()
                && error.kind() != io::ErrorKind::AddrInUse =>
        {
            listen::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        bound => bound,
    };
    bound.with_context(|| format!("cannot listen on {address} (http_listen)"))
}

fn start_shop(
    config: &Config,
    (ledger, shows): (Box<dyn Ledger>, Vec<ShowRecord>),
    tokens: &Tokens,
    runtime: &MediaRuntime,
    news: mpsc::Receiver<crate::media::news::News>,
) -> anyhow::Result<ShopSide> {
    let metrics = runtime.telemetry.shop.clone();
    let settings = ShopConfig {
        hold_ms: i64::try_from(config.shop_hold_seconds)? * 1000,
        turn_ms: i64::try_from(config.shop_turn_seconds)? * 1000,
        guest_checkout: config.shop_guest_checkout,
        buys_per_ten_seconds: config.shop_buys_per_ten_seconds,
        chat_per_second: config.shop_chat_per_second,
        questions_per_ten_seconds: config.shop_questions_per_ten_seconds,
        reactions_per_ten_seconds: config.shop_reactions_per_ten_seconds,
        messages_per_ten_seconds: config.shop_messages_per_ten_seconds,
        address_messages_per_ten_seconds: config.shop_address_messages_per_ten_seconds,
        max_rooms: config.shop_max_rooms,
    };
    // The letter keeps it a text wherever digits alone would become a number.
    let epoch = format!("e{:016x}", rand::random::<u64>());
    let clock = Clock::start();
    let shop = Shop::new(clock.now(), settings, epoch, shows);
    let (lane, answers, ledger) = ledger_thread::start(ledger, metrics.clone(), clock.clone())?;
    let health = lane.health().clone();
    let (requests, asked) = mpsc::channel(REQUESTS);
    let (stop, stopped) = oneshot::channel();
    let identities = Box::new(TokenIdentities::new(tokens.clone()));
    let task = ShopTask::new(
        shop,
        clock,
        identities,
        lane,
        runtime.service.clone(),
        runtime.directory.clone(),
        metrics.clone(),
    );
    Ok(ShopSide {
        service: ShopService::new(requests, Arc::new(DashSet::new()), metrics),
        stop,
        task: tokio::spawn(task.run(asked, news, answers, stopped)),
        ledger,
        health,
    })
}

/// How this process reaches its own door: by the address it listens on, or by loopback when that is all of them.
fn own_door(address: SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!("localhost:{}", address.port()),
        false => address.to_string(),
    }
}

/// Publishes the demo clip by the same door as everybody, whenever nobody else is in the room.
fn start_demo(
    url: String,
    token: anyhow::Result<String>,
    directory: Arc<Directory>,
    mut stopped: oneshot::Receiver<()>,
) -> Task<()> {
    tokio::spawn(async move {
        let options = || {
            let options = PublishOptions::new(url.parse()?, loadtest::demo::clip()?);
            anyhow::Ok(PublishOptions {
                token: Some(
                    token
                        .as_ref()
                        .map_err(|error| anyhow::anyhow!("{error}"))?
                        .clone(),
                ),
                is_own_server: true,
                reconnect: false,
                // A jump in the picture would show; viewers get their keyframe from the server's cache.
                ignore_pli: true,
                ..options
            })
        };
        let options = match options() {
            Ok(options) => options,
            Err(error) => return tracing::warn!(%error, "there is no demo"),
        };
        let mut has_failed = false;
        loop {
            if directory.presence(DEMO_ROOM).publishers == 0 {
                let goodbye = async {
                    // Ends either way: a sender that is gone says goodbye, too.
                    let _ = (&mut stopped).await;
                };
                directory.stands_in(DEMO_ROOM, true);
                let ended = loadtest::publish(options.clone(), goodbye).await;
                directory.stands_in(DEMO_ROOM, false);
                match ended {
                    Ok(_) => return,
                    // A host has taken its place.
                    Err(_) if directory.presence(DEMO_ROOM).publishers > 0 => has_failed = false,
                    Err(error) if has_failed => tracing::debug!(%error, "the demo is off the air"),
                    Err(error) => {
                        has_failed = true;
                        tracing::warn!(%error, "the demo is off the air; it is tried again every two seconds");
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(DEMO_RETURN) => {}
                _ = &mut stopped => return,
            }
        }
    })
}

/// A token for a room, good for so many seconds.
///
/// # Errors
/// When it cannot be signed.
pub fn sign(
    tokens: &Tokens,
    room: &str,
    scope: &[Scope],
    subject: &str,
    seconds: u64,
) -> anyhow::Result<String> {
    let now = u64::try_from(unix_now().0 / 1000)?;
    Ok(tokens.sign(&Claims {
        scope: scope.to_vec(),
        room: room.to_owned(),
        sub: subject.to_owned(),
        name: None,
        iat: now,
        exp: now.saturating_add(seconds),
    })?)
}

fn banner(
    config: &Config,
    address: SocketAddr,
    tokens: &Tokens,
    runtime: &MediaRuntime,
) -> anyhow::Result<Banner> {
    let front = config.front_room();
    let first = config.rooms.first().map(String::as_str);
    let room = front.or(first).unwrap_or(DEMO_ROOM).to_owned();
    let scopes = [Scope::Publish, Scope::Host];
    let url = match config.public_url() {
        None => format!("{}://localhost:{}", config.scheme(), address.port()),
        Some(url) => url.to_owned(),
    };
    Ok(Banner {
        url,
        is_front: front.is_some(),
        token: sign(tokens, &room, &scopes, "host", config.token_lifetime_seconds)?,
        room,
        media_ports: runtime.ports.clone(),
        media_tcp: config.media_tcp,
        data: std::path::absolute(&config.data_dir)?,
    })
}

/// The wish that the process end: SIGINT or SIGTERM.
struct End {
    interrupt: Signal,
    terminate: Signal,
}

impl End {
    fn new() -> io::Result<End> {
        Ok(End {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn wished(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn media_settings(config: &Config) -> MediaSettings {
    let mut settings = MediaSettings {
        port: config.media_port,
        shards: config.shards(),
        tcp: config.media_tcp,
        public_addresses: config.media_public_addresses.clone(),
        max_peers: config.media_max_peers,
        load_max: f32::from(config.media_load_max_percent) / 100.0,
        pin_threads: config.media_pin_threads,
        hold_max: Duration::from_millis(config.media_hold_max_ms),
        ..MediaSettings::default()
    };
    settings.transport.consent_timeout = Duration::from_secs(config.media_consent_timeout_seconds);
    settings.transport.connect_timeout = Duration::from_secs(config.media_connect_timeout_seconds);
    settings.transport.channel_buffer = config.media_channel_buffer_bytes;
    settings.media.history_bytes = config.media_history_bytes;
    settings.media.history_time = Duration::from_secs(config.media_history_seconds);
    settings.media.keyframe_interval = Duration::from_millis(config.media_keyframe_interval_ms);
    if config.media_playout_delay_max_ms > 0 {
        let [min, max] = [
            config.media_playout_delay_min_ms,
            config.media_playout_delay_max_ms,
        ];
        settings.playout_delay = Some(PlayoutDelay::new(
            Duration::from_millis(min),
            Duration::from_millis(max),
        ));
    }
    settings
}

fn door_settings(config: &Config) -> anyhow::Result<DoorSettings> {
    let ice_servers = config
        .media_ice_servers
        .iter()
        .map(|url| IceServer::new(url, None));
    let ice_servers = ice_servers
        .collect::<Result<Vec<_>, _>>()
        .context("media_ice_servers")?;
    Ok(DoorSettings {
        rooms: match config.rooms.as_slice() {
            [] => RoomRule::Any,
            rooms => RoomRule::Only(rooms.iter().cloned().collect()),
        },
        watch_needs_token: config.watch_needs_token,
        viewers_may_wait: config.viewers_may_wait,
        sdp_max_bytes: config.http_sdp_max_bytes,
        json_max_bytes: config.http_json_max_bytes,
        body_timeout: Duration::from_secs(config.http_body_timeout_seconds),
        sessions_per_address: config.http_sessions_per_address,
        session_requests_per_second: config.http_session_requests_per_second,
        trusted_proxies: config.http_trusted_proxies.clone(),
        ice_servers,
        front_room: config.front_room().map(str::to_owned),
        frame_ancestors: config.http_frame_ancestors.clone(),
        public_url: config.public_url().map(str::to_owned),
        secure: !config.http_tls_certificate.is_empty(),
        ..DoorSettings::new(config.data_dir.join("media"))
    })
}

fn tls(config: &Config) -> anyhow::Result<Option<listen::Tls>> {
    let (certificate, key) = (&config.http_tls_certificate, &config.http_tls_key);
    if certificate.is_empty() {
        return Ok(None);
    }
    let tls = listen::Tls::load(certificate.as_ref(), key.as_ref());
    Ok(Some(tls.context("http_tls_certificate, http_tls_key")?))
}

fn listen_settings(config: &Config) -> listen::ListenSettings {
    listen::ListenSettings {
        head_max_bytes: config.http_head_max_bytes,
        body_max_bytes: config.http_sdp_max_bytes.max(config.http_json_max_bytes),
        head_timeout: Duration::from_secs(config.http_head_timeout_seconds),
        max_connections: config.http_max_connections,
        max_connections_per_address: config.http_max_connections_per_address,
        trusted_proxies: config.http_trusted_proxies.clone().into(),
        ..listen::ListenSettings::default()
    }
}
