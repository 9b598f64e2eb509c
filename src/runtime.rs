//! Starts and stops the media side: ports bound, an identity made, a thread per shard, the service over them.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::Rng;
use sfu::media::MediaConfig;
use sfu::playback::{PlaybackConfig, PlayoutDelay};
use sfu::relay::ShardId;
use sfu::shard::ShardConfig;
use sfu::transport::{Identity, TransportConfig, TransportError};
use tokio::sync::{mpsc, oneshot};

use crate::directory::Directory;
use crate::media::bulletin::Bulletin;
use crate::media::lanes::ShardLane;
use crate::media::news::{NEWS, News, spread};
use crate::media::service::{MediaService, ShardDoor, Told};
use crate::media::shard_thread::ShardSeat;
use crate::net::interfaces::HostAddresses;
use crate::net::tcp::TcpPort;
use crate::net::udp::UdpPort;
use crate::telemetry::Telemetry;

/// Events waiting from all shards together. A message is a few hundred bytes, so a full lane is a few megabytes and
/// a stall of the shop that clients feel anyway.
const EVENTS: usize = 8192;
/// How often hosts hear how their picture arrives.
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);
/// Free UDP ports looked at for one whose number is free for TCP, too: others take ports meanwhile.
const FREE_PORT_ATTEMPTS: u32 = 16;
/// Seconds between the NTP era and the Unix epoch (RFC 5905 §6).
const NTP_UNIX_SECONDS: u64 = 2_208_988_800;

/// What the media side needs to know.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// UDP port of the first shard; the others follow. 0 takes free ones.
    pub port: u16,
    /// Shards, at least one.
    pub shards: u16,
    /// Listen for ICE-TCP on the same numbers.
    pub tcp: bool,
    /// Addresses to name in candidates instead of the interfaces' own.
    pub public_addresses: Vec<IpAddr>,
    /// Most peers of the process.
    pub max_peers: usize,
    /// The share of its time, 0 to 1, above which a shard takes no more viewers.
    pub load_max: f32,
    /// Give every shard a core of its own.
    pub pin_threads: bool,
    /// How long a busy shard holds a frame's packets toward the last one.
    pub hold_max: Duration,
    /// Transport limits.
    pub transport: TransportConfig,
    /// Ingest limits.
    pub media: MediaConfig,
    /// What players are told of how long to hold a picture.
    pub playout_delay: Option<PlayoutDelay>,
}

impl Default for MediaSettings {
    fn default() -> Self {
        MediaSettings {
            port: 7000,
            shards: std::thread::available_parallelism()
                .ok()
                .and_then(|cores| u16::try_from(cores.get()).ok())
                .unwrap_or(1),
            tcp: true,
            public_addresses: Vec::new(),
            max_peers: 10_000,
            load_max: 0.9,
            pin_threads: false,
            hold_max: Duration::from_millis(12),
            transport: TransportConfig::default(),
            media: MediaConfig::default(),
            playout_delay: None,
        }
    }
}

/// Why the media side did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port could not be had.
    #[error("cannot bind UDP port {port} (media_port)")]
    Bind {
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no poll or thread.
    #[error("cannot start a shard")]
    Thread(#[from] io::Error),
    /// No certificate.
    #[error("cannot make a DTLS identity")]
    Identity(#[from] TransportError),
    /// Two metrics of one name.
    #[error("cannot register metrics")]
    Metrics(#[from] prometheus::Error),
}

/// The running media side.
pub struct MediaRuntime {
    /// Opens and changes sessions.
    pub service: MediaService,
    /// Who is where.
    pub directory: Arc<Directory>,
    /// The process's metrics.
    pub telemetry: Arc<Telemetry>,
    /// UDP ports, the first shard's first.
    pub ports: Vec<u16>,
    threads: Vec<JoinHandle<()>>,
}

impl MediaRuntime {
    /// Starts everything; to be called within a tokio runtime. What the shop should hear comes out of the receiver.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn start(settings: &MediaSettings) -> Result<(MediaRuntime, mpsc::Receiver<News>), StartError> {
        let identity = Identity::generate()?;
        let shards = settings.shards.max(1);
        let mut seats = Vec::new();
        let mut doors = Vec::new();
        for shard in 0..shards {
            let (seat, door) = seat(settings, shard)?;
            seats.push(seat);
            doors.push(door);
        }
        let ports: Vec<u16> = doors.iter().map(|door| door.udp_port).collect();
        let telemetry = Arc::new(Telemetry::new(&ports)?);
        let lanes: Vec<ShardLane> = doors.iter().map(|door| door.lane.clone()).collect();

        let (event_lane, events) = mpsc::channel(EVENTS);
        let directory = Arc::new(Directory::new(shards));
        let bulletin = Arc::new(Bulletin::default());
        let (news_lane, news) = mpsc::channel(NEWS);
        let playback = PlaybackConfig {
            playout_delay: settings.playout_delay,
            ..playback(Instant::now(), SystemTime::now())
        };
        let mut threads = Vec::new();
        let mut alive = Vec::new();
        for (shard, seat) in (0..shards).zip(seats) {
            let config = ShardConfig {
                id: ShardId(shard),
                identity: identity.clone(),
                max_peers: settings.max_peers.div_ceil(usize::from(shards)),
                transport: settings.transport.clone(),
                media: settings.media.clone(),
                playback: playback.clone(),
                health_interval: HEALTH_INTERVAL,
                hold_max: settings.hold_max,
            };
            let core = settings.pin_threads.then(|| core(shard)).flatten();
            let seed = rand::rng().next_u64();
            let (ends, thread) = oneshot::channel();
            alive.push((ShardId(shard), thread));
            threads.push(seat.start(config, seed, core, lanes.clone(), event_lane.clone(), ends)?);
        }
        tokio::spawn(spread(
            events,
            directory.clone(),
            telemetry.clone(),
            bulletin.clone(),
            news_lane.clone(),
        ));
        let service = MediaService::new(
            doors,
            directory.clone(),
            HostAddresses::new(settings.public_addresses.clone()),
            identity.fingerprint(),
            settings.transport.max_message,
            Told {
                news: news_lane,
                bulletin,
                players: telemetry.players.clone(),
            },
        );
        tokio::spawn(service.clone().weigh());
        for (shard, thread) in alive {
            let service = service.clone();
            tokio::spawn(async move { service.outlive(shard, thread).await });
        }
        let runtime = MediaRuntime {
            service,
            directory,
            telemetry,
            ports,
            threads,
        };
        Ok((runtime, news))
    }

    /// The metrics as of now.
    ///
    /// # Errors
    /// When a metric cannot be written.
    pub async fn metrics(&self) -> Result<String, prometheus::Error> {
        self.telemetry.render(&self.service.reports().await)
    }

    /// Refuses new sessions, says goodbye to every peer and ends the threads.
    pub async fn shut_down(self) {
        if !self.service.shut_down().await {
            // The process is about to end; a thread that is stuck is not waited for.
            return;
        }
        for thread in self.threads {
            let joined = tokio::task::spawn_blocking(move || thread.join());
            if !matches!(joined.await, Ok(Ok(()))) {
                tracing::error!("a shard's thread panicked");
            }
        }
    }
}

fn seat(settings: &MediaSettings, shard: u16) -> Result<(ShardSeat, ShardDoor), StartError> {
    let port = match settings.port {
        0 => 0,
        first => first.saturating_add(shard),
    };
    let (udp_port, udp, tcp) = bind(port, settings.tcp)?;
    let tcp_port = tcp.as_ref().map(|_| udp_port);
    let (seat, lane) = ShardSeat::new(udp, tcp)?;
    let seat = seat.refusing_above(settings.load_max);
    let door = ShardDoor {
        lane,
        udp_port,
        tcp_port,
    };
    Ok((seat, door))
}

/// A port for UDP and, where wanted, the same number for TCP, so that one rule in a firewall opens both. UDP is what
/// matters: without TCP the server runs. Where any port will do, one is looked for that is free for both.
fn bind(port: u16, with_tcp: bool) -> Result<(u16, UdpPort, Option<TcpPort>), StartError> {
    let mut attempts = if port == 0 { FREE_PORT_ATTEMPTS } else { 1 };
    loop {
        let bound = UdpPort::bind(port).and_then(|bound| Ok((bound.number()?, bound)));
        let (number, udp) = bound.map_err(|source| StartError::Bind { port, source })?;
        if !with_tcp {
            return Ok((number, udp, None));
        }
        attempts -= 1;
        match TcpPort::bind(number) {
            Ok(tcp) => return Ok((number, udp, Some(tcp))),
            Err(error) if attempts == 0 => {
                tracing::warn!(port = number, %error, "no ICE-TCP: cannot listen");
                return Ok((number, udp, None));
            }
            Err(error) => tracing::debug!(port = number, %error, "not free for ICE-TCP, trying another"),
        }
    }
}

fn core(shard: u16) -> Option<core_affinity::CoreId> {
    let cores = core_affinity::get_core_ids()?;
    cores.get(usize::from(shard) % cores.len().max(1)).copied()
}

/// Playback with the NTP time of an instant; what browsers and encoders send decides the rest.
fn playback(now: Instant, wall: SystemTime) -> PlaybackConfig {
    let unix = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let ntp = unix + Duration::from_secs(NTP_UNIX_SECONDS);
    PlaybackConfig::new((now, ntp.as_nanos()))
}
