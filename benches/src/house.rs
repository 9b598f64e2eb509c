//! The server's media threads as they are, on loopback, and what they use of the processor.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use nix::time::{ClockId, clock_gettime};
use sfu::media::MediaConfig;
use sfu::negotiation::IceCredentials;
use sfu::playback::PlaybackConfig;
use sfu::relay::{Generation, RoomName, ShardId};
use sfu::sdp::{Direction, Offer};
use sfu::shard::{OpenError, PeerId, ShardConfig};
use sfu::transport::{Identity, TransportConfig};
use tokio::sync::{mpsc, oneshot};
use vitrine::media::command::{Command, ShardReport};
use vitrine::media::lanes::ShardLane;
use vitrine::media::pause::TURN_INTERVAL;
use vitrine::media::shard_thread::ShardSeat;
use vitrine::net::udp::UdpPort;

use crate::peer::{Part, Peer, credentials};

/// Running shards.
pub struct House {
    lanes: Vec<ShardLane>,
    doors: Vec<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
    generations: u64,
}

impl House {
    /// Starts shards, each on its thread and port, as the server does. `change` may change their configuration.
    pub fn open(shards: u16, change: impl Fn(&mut ShardConfig)) -> House {
        House::turning_every(TURN_INTERVAL, shards, change)
    }

    /// The same with another time from turn to turn of a busy shard.
    pub fn turning_every(interval: Duration, shards: u16, change: impl Fn(&mut ShardConfig)) -> House {
        House::start(interval, shards, None, change)
    }

    /// One shard that has a core of its own: the calling thread, and those it starts from now on, keep to another.
    pub fn apart(interval: Duration, change: impl Fn(&mut ShardConfig)) -> House {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        static MINE: OnceLock<Option<[CoreId; 2]>> = OnceLock::new();
        // Asked a second time, the system would only name the core that was kept to.
        let cores = MINE.get_or_init(|| cores.first_chunk().copied());
        let Some([theirs, others]) = *cores else {
            return House::start(interval, 1, None, change);
        };
        core_affinity::set_for_current(others);
        House::start(interval, 1, Some(theirs), change)
    }

    fn start(
        interval: Duration,
        shards: u16,
        core: Option<CoreId>,
        change: impl Fn(&mut ShardConfig),
    ) -> House {
        let identity = Identity::generate().unwrap();
        let now = Instant::now();
        let mut doors = Vec::new();
        let (seats, lanes): (Vec<ShardSeat>, Vec<ShardLane>) = (0..shards)
            .map(|_| {
                let udp = UdpPort::bind(0).unwrap();
                doors.push(SocketAddr::from(([127, 0, 0, 1], udp.number().unwrap())));
                let (seat, lane) = ShardSeat::new(udp, None).unwrap();
                (seat.turning_every(interval), lane)
            })
            .unzip();
        let (events, mut news) = mpsc::channel(8192);
        // Somebody must take the news; it ends with the shards.
        std::thread::spawn(move || while news.blocking_recv().is_some() {});
        let threads = seats.into_iter().zip(0..).map(|(seat, id)| {
            let mut config = ShardConfig {
                id: ShardId(id),
                identity: identity.clone(),
                max_peers: 100_000,
                transport: TransportConfig::default(),
                media: MediaConfig::default(),
                playback: PlaybackConfig {
                    initial_bitrate: 1_500_000,
                    ..PlaybackConfig::new((now, 3_900_000_000_000_000_000))
                },
                health_interval: Duration::from_secs(1),
                hold_max: Duration::from_millis(12),
            };
            change(&mut config);
            let (alive, _) = oneshot::channel();
            seat.start(config, u64::from(id), core, lanes.clone(), events.clone(), alive)
                .unwrap()
        });
        let threads = threads.collect();
        House {
            lanes,
            doors,
            threads,
            generations: 0,
        }
    }

    /// Where a shard is reached.
    pub fn door(&self, shard: usize) -> SocketAddr {
        self.doors[shard]
    }

    /// A shard's lane.
    pub fn lane(&self, shard: usize) -> &ShardLane {
        &self.lanes[shard]
    }

    /// Offers a peer to a shard, and gives it the answer.
    pub fn admit(&mut self, shard: usize, room: &str, peer: &mut Peer, part: Part) {
        let direction = match part {
            Part::Viewer => Direction::Play,
            Part::Chromium | Part::Encoder => Direction::Publish,
        };
        let offer = Offer::parse(&peer.offer(part), direction, peer.number).unwrap();
        let ice = credentials("server", peer.number);
        peer.answered(ice.clone());
        self.open_peer(shard, room.into(), PeerId(peer.number), part, offer, ice)
            .unwrap();
    }

    fn open_peer(
        &mut self,
        shard: usize,
        room: RoomName,
        peer: PeerId,
        part: Part,
        offer: Offer,
        ice: IceCredentials,
    ) -> Result<(), OpenError> {
        let offer = Box::new(offer);
        let (reply, opened) = oneshot::channel();
        self.generations += 1;
        let command = match part {
            Part::Viewer => Command::OpenViewer {
                peer,
                room,
                offer,
                ice,
                reply,
            },
            Part::Chromium | Part::Encoder => Command::OpenPublisher {
                peer,
                room,
                generation: Generation(self.generations),
                offer,
                ice,
                reply,
            },
        };
        self.lanes[shard].command(command).unwrap();
        opened.blocking_recv().unwrap()
    }

    /// What a shard counted.
    pub fn report(&self, shard: usize) -> ShardReport {
        let (reply, report) = oneshot::channel();
        self.lanes[shard].command(Command::Stats { reply }).unwrap();
        report.blocking_recv().unwrap()
    }

    /// Processor time a shard's thread has used, by the kernel's count.
    pub fn cpu(&self, shard: usize) -> Duration {
        thread_cpu(&format!("shard-{shard}"))
    }

    /// For how long a shard's thread had something to do and no processor to do it on, by the kernel's count.
    pub fn waited(&self, shard: usize) -> Duration {
        schedstat(&task(&format!("shard-{shard}")))[1]
    }

    /// Says goodbye to everybody and ends the threads.
    pub fn close(self) {
        for lane in &self.lanes {
            let (reply, done) = oneshot::channel();
            lane.command(Command::Shutdown { reply }).unwrap();
            done.blocking_recv().unwrap();
        }
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

/// Processor time of this process's thread of that name.
pub fn thread_cpu(name: &str) -> Duration {
    cpu_of(&task(name))
}

/// What the kernel tells of this process's thread of that name.
fn task(name: &str) -> PathBuf {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let paths = tasks.map(|task| task.unwrap().path());
    let named = paths
        .filter(|path| std::fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim_end() == name));
    // The newest: an older house's thread may still be on its way out.
    named.max().unwrap().join("schedstat")
}

/// Processor time of the calling thread, to the nanosecond: what `/proc` says of a thread that runs is as old as the
/// last tick of the kernel's clock.
pub fn own_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

pub(crate) fn cpu_of(path: &Path) -> Duration {
    schedstat(path)[0]
}

/// How long a thread was on a processor, and how long it waited for one.
fn schedstat(path: &Path) -> [Duration; 2] {
    let text = std::fs::read_to_string(path).unwrap();
    let mut nanos = text.split(' ').map(|number| number.parse().unwrap());
    [(); 2].map(|()| Duration::from_nanos(nanos.next().unwrap()))
}

/// A room's name.
pub fn room(number: usize) -> Arc<str> {
    Arc::from(format!("room{number}"))
}
