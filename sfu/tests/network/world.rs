//! A shard, a camera, viewers and their lines, on one clock that nobody waits for.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sfu::Shard;
use sfu::media::MediaConfig;
use sfu::playback::PlaybackConfig;
use sfu::relay::{Generation, Relay, RelayedMedia, ShardId};
use sfu::shard::ShardConfig;
use sfu::transport::{Identity, Remote, TransportConfig};

use super::bottleneck::Bottleneck;
use super::camera::{Camera, Shooting};
use super::told::Tells;
use super::viewer::{Viewer, credentials};

const ROOM: &str = "show";

/// Where virtual time begins.
#[expect(
    clippy::disallowed_methods,
    reason = "an instant cannot be made in another way"
)]
fn begin() -> Instant {
    Instant::now()
}

fn server() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 7000))
}

/// Arrival, order, where to, and what.
type Datagram = Reverse<(Duration, u64, SocketAddr, Vec<u8>)>;

pub(crate) struct World {
    begin: Instant,
    pub(crate) now: Duration,
    shard: Shard,
    identity: Identity,
    pub(crate) camera: Shooting,
    pub(crate) lines: Vec<Bottleneck>,
    pub(crate) viewers: Vec<Viewer>,
    /// On their way to viewers, and to the server.
    flying: BinaryHeap<Datagram>,
    rising: BinaryHeap<Datagram>,
    sent: u64,
    generation: Generation,
    is_up: bool,
    media: Camera,
    /// How many seconds what the camera takes at a time is on its way to the shard, and what is.
    pub(crate) late: fn(f64) -> f64,
    coming: VecDeque<(Duration, RelayedMedia)>,
}

impl World {
    pub(crate) fn new(seed: u64, camera: Camera) -> World {
        let begin = begin();
        let identity = Identity::generate().unwrap();
        let config = ShardConfig {
            id: ShardId(0),
            identity: identity.clone(),
            max_peers: 300,
            transport: TransportConfig::default(),
            media: MediaConfig::default(),
            playback: PlaybackConfig {
                initial_bitrate: 1_500_000,
                // The light viewers do as Firefox does.
                start_delay: Duration::from_millis(50),
                ..PlaybackConfig::new((begin, 3_900_000_000_000_000_000))
            },
            health_interval: Duration::from_secs(1),
            hold_max: Duration::from_millis(10),
        };
        World {
            begin,
            now: Duration::ZERO,
            shard: Shard::new(config, seed, begin),
            identity,
            camera: Shooting::new(camera.clone(), seed),
            lines: Vec::new(),
            viewers: Vec::new(),
            flying: BinaryHeap::new(),
            rising: BinaryHeap::new(),
            sent: 0,
            generation: Generation(1),
            is_up: false,
            media: camera,
            late: |_| 0.0,
            coming: VecDeque::new(),
        }
    }

    /// A line; gives its place.
    pub(crate) fn line(&mut self, line: Bottleneck) -> usize {
        self.lines.push(line);
        self.lines.len() - 1
    }

    /// A viewer behind a line; gives its place.
    pub(crate) fn watch(&mut self, line: usize) -> usize {
        self.watch_as(line, Tells::ALL)
    }

    /// The same for one who tells less than a browser.
    pub(crate) fn watch_as(&mut self, line: usize, tells: Tells) -> usize {
        let number = self.viewers.len() as u64 + 1;
        let at = (server(), self.identity.fingerprint());
        let viewer = Viewer::new(self.begin, self.now, number, line, tells, at);
        let (offer, peer) = (viewer.offer(), viewer.peer);
        self.shard
            .open_viewer(
                self.begin + self.now,
                peer,
                ROOM.into(),
                offer,
                credentials(number, "server"),
            )
            .unwrap();
        self.viewers.push(viewer);
        if !self.is_up {
            self.is_up = true;
            self.go_on_air();
        }
        self.viewers.len() - 1
    }

    fn go_on_air(&mut self) {
        let up = Relay::Up {
            room: ROOM.into(),
            generation: self.generation,
            media: self.media.media(),
        };
        self.shard.handle_relay(self.begin + self.now, ShardId(1), up);
    }

    /// The host's connection breaks; another begins with its first picture `pause` seconds later.
    pub(crate) fn host_returns(&mut self, pause: f64) {
        let down = Relay::Down {
            room: ROOM.into(),
            generation: self.generation,
        };
        self.shard.handle_relay(self.begin + self.now, ShardId(1), down);
        self.generation = Generation(self.generation.0 + 1);
        self.go_on_air();
        self.camera.begin_anew(self.now + Duration::from_secs_f64(pause));
    }

    /// Runs until a time since the beginning.
    pub(crate) fn run_to(&mut self, seconds: f64) {
        let end = Duration::from_secs_f64(seconds);
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.turn();
        }
        self.now = end;
    }

    /// What a viewer's line is believed to carry, bits per second.
    pub(crate) fn estimate(&self, viewer: usize) -> u64 {
        let (viewers, _) = self
            .shard
            .viewers(self.begin + self.now, ROOM, self.viewers.len());
        let peer = self.viewers[viewer].peer;
        let found = viewers.iter().find(|viewer| viewer.peer == peer);
        found.map_or(0, |viewer| viewer.estimate)
    }

    fn next(&self) -> Option<Duration> {
        let shard = self.shard.poll_timeout();
        let shard = shard.map(|at| at.saturating_duration_since(self.begin));
        let viewers = self.viewers.iter().map(Viewer::poll_timeout);
        let flying = [&self.flying, &self.rising].map(|heap| heap.peek().map(|Reverse((at, ..))| *at));
        viewers
            .chain(shard)
            .chain(flying.into_iter().flatten())
            .chain([self.camera.next])
            .chain(self.coming.front().map(|(due, _)| *due))
            .min()
    }

    fn turn(&mut self) {
        let (now, at) = (self.now, self.begin + self.now);
        while let Some(Reverse((due, ..))) = self.flying.peek()
            && *due <= now
            && let Some(Reverse((_, _, peer, mut bytes))) = self.flying.pop()
        {
            let viewer = self.viewers.iter_mut().find(|viewer| viewer.address == peer);
            let Some(viewer) = viewer else { continue };
            viewer.handle_datagram(now, &mut bytes);
        }
        self.viewers
            .iter_mut()
            .for_each(|viewer| viewer.handle_timeout(now));
        if self.camera.next <= now {
            let due = now + Duration::from_secs_f64((self.late)(now.as_secs_f64()));
            let due = self.coming.back().map_or(due, |(before, _)| due.max(*before));
            let items = self.camera.shoot(self.begin + due).into_iter();
            self.coming.extend(items.map(|item| (due, item)));
        }
        while let Some((due, _)) = self.coming.front()
            && *due <= now
            && let Some((_, item)) = self.coming.pop_front()
        {
            let media = Relay::Media {
                room: ROOM.into(),
                generation: self.generation,
                item,
            };
            self.shard.handle_relay(at, ShardId(1), media);
        }
        self.arrive(now, at);
        if self.shard.poll_timeout().is_some_and(|due| due <= at) {
            self.shard.handle_timeout(at);
        }
        self.shard.flush(at);
        while self.shard.poll_event().is_some() {}
        while let Some((_, message)) = self.shard.poll_relay() {
            if let Relay::Keyframe { encoding, .. } = message {
                self.camera.ask(now, encoding);
            }
        }
        for run in self.shard.outbox().runs() {
            let Remote::Udp { peer, .. } = run.to else {
                continue;
            };
            let Some(viewer) = self.viewers.iter().find(|viewer| viewer.address == peer) else {
                continue;
            };
            let line = &mut self.lines[viewer.line];
            for datagram in run.bytes.chunks(run.segment) {
                if let Some(arrival) = line.pass(now, datagram.len()) {
                    self.sent += 1;
                    self.flying
                        .push(Reverse((arrival, self.sent, peer, datagram.to_vec())));
                }
            }
        }
        self.shard.outbox().clear();
        for viewer in &mut self.viewers {
            let line = &mut self.lines[viewer.line];
            for bytes in viewer.take_datagrams() {
                let Some(arrival) = line.pass_back(now) else {
                    continue;
                };
                self.sent += 1;
                self.rising
                    .push(Reverse((arrival, self.sent, viewer.address, bytes)));
            }
        }
    }

    /// Datagrams that reach the server.
    fn arrive(&mut self, now: Duration, at: Instant) {
        while let Some(Reverse((due, ..))) = self.rising.peek()
            && *due <= now
            && let Some(Reverse((_, _, peer, mut bytes))) = self.rising.pop()
        {
            let from = Remote::Udp {
                peer,
                local: Some(server().ip()),
            };
            self.shard.handle_datagram(at, from, &mut bytes);
        }
    }
}
