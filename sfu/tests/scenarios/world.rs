//! Shards, hosts, viewers and the network between them, on one clock that nobody waits for.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sfu::Shard;
use sfu::backlog::Urgency;
use sfu::media::MediaConfig;
use sfu::negotiation::IceCredentials;
use sfu::playback::{LayerLimit, PlaybackConfig};
use sfu::relay::{Generation, ShardId};
use sfu::sdp::{AnswerParams, Direction, Fragment, Offer};
use sfu::shard::{Event, PeerId, ShardConfig};
use sfu::transport::{Identity, Outbox, Remote, TransportConfig};

use super::client::{Client, Picture};
use super::host::{Camera, Host};
use super::network::Network;
use super::viewer::Viewer;

pub(crate) const ROOM: &str = "demo";

/// What sending costs the shards' thread, which does nothing else meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Toil {
    pub(crate) run: Duration,
    pub(crate) datagram: Duration,
    /// Worked in all, and as of the last look at the load.
    busy: Duration,
    looked: (Instant, Duration),
}

/// Between two looks at the load.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) begin: Instant,
    pub(crate) shards: Vec<Shard>,
    identity: Identity,
    pub(crate) network: Network,
    pub(crate) hosts: Vec<Host>,
    pub(crate) viewers: Vec<Viewer>,
    pub(crate) events: Vec<(Instant, Event)>,
    /// Datagrams of data channels that were the tail of a run.
    pub(crate) riders: usize,
    /// Runs of datagrams that shards sent.
    pub(crate) runs: usize,
    /// Where hosts go live and viewers watch from now on.
    pub(crate) room: &'static str,
    toil: Option<Toil>,
    peers: u64,
    generations: u64,
}

/// Where virtual time begins.
#[expect(
    clippy::disallowed_methods,
    reason = "an instant cannot be made in another way"
)]
fn begin() -> Instant {
    Instant::now()
}

fn address(shard: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 7000 + shard as u16))
}

impl World {
    pub(crate) fn new(seed: u64, shards: u16) -> World {
        World::holding(ms(10), seed, shards)
    }

    /// One whose shards hold frames no longer than that.
    pub(crate) fn holding(hold_max: Duration, seed: u64, shards: u16) -> World {
        let now = begin();
        let identity = Identity::generate().unwrap();
        let config = |id| ShardConfig {
            id: ShardId(id),
            identity: identity.clone(),
            max_peers: 100,
            transport: TransportConfig::default(),
            media: MediaConfig::default(),
            playback: PlaybackConfig::new((now, 3_900_000_000_000_000_000)),
            health_interval: Duration::from_secs(1),
            hold_max,
        };
        World {
            now,
            begin: now,
            shards: (0..shards)
                .map(|id| Shard::new(config(id), seed ^ u64::from(id), now))
                .collect(),
            identity: identity.clone(),
            network: Network::new(seed),
            hosts: Vec::new(),
            viewers: Vec::new(),
            events: Vec::new(),
            riders: 0,
            runs: 0,
            room: ROOM,
            toil: None,
            peers: 0,
            generations: 0,
        }
    }

    /// From now on it takes the shards' thread so long to send a run and each datagram of it, and it tells its load.
    pub(crate) fn toil(&mut self, run: Duration, datagram: Duration) {
        self.toil = Some(Toil {
            run,
            datagram,
            busy: Duration::ZERO,
            looked: (self.now, Duration::ZERO),
        });
    }

    fn client(&mut self, shard: usize, pictures: &[Picture], rtx: bool) -> Client {
        self.peers += 1;
        Client::new(self.now, PeerId(self.peers), shard, pictures, rtx)
    }

    /// A host goes live; returns its place in `hosts`.
    pub(crate) fn go_live(&mut self, shard: usize, camera: Camera) -> usize {
        self.go_live_with(shard, camera, |_| {})
    }

    /// A host goes live, prepared before its offer.
    pub(crate) fn go_live_with(
        &mut self,
        shard: usize,
        camera: Camera,
        prepare: impl FnOnce(&mut Client),
    ) -> usize {
        let client = self.client(shard, &[camera.picture], camera.layers.len() == 1);
        let mut host = Host::new(self.now, self.hosts.len() as u8, client, camera);
        prepare(&mut host.client);
        let (offer, ice) = self.offer(&mut host.client, Direction::Publish);
        self.answer(&mut host.client, &offer, &ice);
        self.generations += 1;
        let generation = Generation(self.generations);
        self.shards[shard]
            .open_publisher(
                self.now,
                host.client.peer,
                self.room.into(),
                generation,
                offer,
                ice,
            )
            .unwrap();
        self.hosts.push(host);
        self.hosts.len() - 1
    }

    /// A viewer comes; returns its place in `viewers`.
    pub(crate) fn watch(&mut self, shard: usize) -> usize {
        self.watch_with(shard, |_| {})
    }

    /// A viewer comes, prepared before its offer.
    pub(crate) fn watch_with(&mut self, shard: usize, prepare: impl FnOnce(&mut Client)) -> usize {
        self.watch_playing(shard, &[Picture::Vp8, Picture::H264], prepare)
    }

    /// A viewer comes who has decoders for some pictures only.
    pub(crate) fn watch_playing(
        &mut self,
        shard: usize,
        pictures: &[Picture],
        prepare: impl FnOnce(&mut Client),
    ) -> usize {
        let client = self.client(shard, pictures, true);
        let mut viewer = Viewer::new(client);
        prepare(&mut viewer.client);
        let (offer, ice) = self.offer(&mut viewer.client, Direction::Play);
        self.answer(&mut viewer.client, &offer, &ice);
        self.shards[shard]
            .open_viewer(self.now, viewer.client.peer, self.room.into(), offer, ice)
            .unwrap();
        self.viewers.push(viewer);
        self.viewers.len() - 1
    }

    fn offer(&self, client: &mut Client, direction: Direction) -> (Offer, IceCredentials) {
        let text = client.offer(self.now);
        let offer = match Offer::parse(&text, direction, client.peer.0) {
            Ok(offer) => offer,
            Err(error) => panic!("{error}:\n{text}"),
        };
        (offer, credentials(client.peer.0))
    }

    fn answer(&self, client: &mut Client, offer: &Offer, ice: &IceCredentials) {
        let answer = offer.answer(&self.params(ice, &[address(client.shard)]));
        client.take_answer(self.now, answer);
    }

    fn params<'a>(&self, ice: &'a IceCredentials, udp: &'a [SocketAddr]) -> AnswerParams<'a> {
        AnswerParams {
            ice,
            fingerprint: self.identity.fingerprint(),
            udp,
            tcp: &[],
            stream: "vitrine",
            max_message: 16 << 10,
        }
    }

    /// A viewer restarts ICE.
    pub(crate) fn restart_ice(&mut self, viewer: usize) {
        let client = &mut self.viewers[viewer].client;
        client.connection.restart_ice();
        let text = client.offer(self.now);
        client.gather();
        let (peer, shard) = (client.peer, client.shard);
        // The same seed: what is sent keeps its SSRCs.
        let offer = Offer::parse(&text, Direction::Play, peer.0).unwrap();
        let local = credentials(peer.0 + 1000);
        assert!(self.shards[shard].restart_ice(peer, local.clone(), offer.ice.clone()));
        // What a PATCH would be answered with is well formed; the client takes it as an answer.
        let udp = [address(shard)];
        let fragment = Fragment::restarted(offer.tag(), &self.params(&local, &udp));
        assert!(Fragment::parse(&fragment).unwrap().ice.is_some());
        let answer = offer.answer(&self.params(&local, &udp));
        self.viewers[viewer].client.take_answer(self.now, answer);
    }

    pub(crate) fn set_limit(&mut self, viewer: usize, limit: LayerLimit) {
        let client = &self.viewers[viewer].client;
        assert!(self.shards[client.shard].set_limit(client.peer, limit));
    }

    pub(crate) fn send(&mut self, viewer: usize, channel: &str, text: &str) -> bool {
        self.send_as(viewer, channel, text, Urgency::State)
    }

    pub(crate) fn send_as(&mut self, viewer: usize, channel: &str, text: &str, urgency: Urgency) -> bool {
        let client = &self.viewers[viewer].client;
        let data = Bytes::copy_from_slice(text.as_bytes());
        self.shards[client.shard].send_message(client.peer, channel, &data, urgency)
    }

    pub(crate) fn send_to_host(&mut self, host: usize, channel: &str, text: &str) -> bool {
        let client = &self.hosts[host].client;
        let data = Bytes::copy_from_slice(text.as_bytes());
        self.shards[client.shard].send_message(client.peer, channel, &data, Urgency::State)
    }

    /// To everybody in the room, wherever they are.
    pub(crate) fn broadcast(&mut self, channel: &str, text: &str, urgency: Urgency) {
        let data = Bytes::copy_from_slice(text.as_bytes());
        for shard in &mut self.shards {
            shard.broadcast(ROOM, channel, &data, urgency);
        }
    }

    /// The operator or the door closes a session.
    pub(crate) fn close(&mut self, shard: usize, peer: PeerId) {
        assert!(self.shards[shard].close(self.now, peer));
    }

    /// Runs until then and returns the time it was before.
    pub(crate) fn run(&mut self, time: Duration) -> Instant {
        let (from, end) = (self.now, self.now + time);
        self.settle();
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.turn();
        }
        self.now = self.now.max(end);
        from
    }

    /// Runs until something is so; panics when it is not within the time.
    #[track_caller]
    pub(crate) fn run_until(&mut self, within: Duration, what: &str, done: impl Fn(&World) -> bool) {
        let end = self.now + within;
        self.settle();
        while !done(self) {
            let next = self.next().filter(|next| *next <= end);
            let Some(next) = next else {
                panic!("not within {within:?}: {what}");
            };
            self.now = self.now.max(next);
            self.turn();
        }
    }

    /// When a peer had keys.
    pub(crate) fn keys_at(&self, peer: PeerId) -> Instant {
        let keys = self.events.iter().find_map(|(at, event)| match event {
            Event::Connected { peer: known, .. } if *known == peer => Some(*at),
            _ => None,
        });
        keys.unwrap()
    }

    /// From a viewer's keys, or its host's where that came later, to its first picture.
    pub(crate) fn first_picture_after(&self, viewer: usize, host: usize) -> Duration {
        let keys = self.keys_at(self.viewers[viewer].client.peer);
        let keys = keys.max(self.keys_at(self.hosts[host].client.peer));
        let mut shown = self.viewers[viewer].screen.shown.iter();
        let first = shown.find(|shown| shown.at >= keys && usize::from(shown.stamp.host) == host);
        first.unwrap().at - keys
    }

    fn next(&mut self) -> Option<Instant> {
        let shards = self.shards.iter().filter_map(Shard::poll_timeout);
        let hosts = self.hosts.iter_mut().filter_map(Host::poll_timeout);
        let viewers = self
            .viewers
            .iter_mut()
            .filter_map(|viewer| viewer.client.poll_timeout());
        shards
            .chain(hosts)
            .chain(viewers)
            .chain(self.network.next())
            .min()
    }

    fn turn(&mut self) {
        let now = self.now;
        while let Some(mut datagram) = self.network.receive(now) {
            if let Some(shard) = (0..self.shards.len()).find(|shard| address(*shard) == datagram.to) {
                let from = Remote::Udp {
                    peer: datagram.from,
                    local: Some(datagram.to.ip()),
                };
                self.shards[shard].handle_datagram(now, from, &mut datagram.bytes);
            } else {
                let clients = self.hosts.iter_mut().map(|host| &mut host.client);
                let mut clients = clients.chain(self.viewers.iter_mut().map(|viewer| &mut viewer.client));
                if let Some(client) = clients.find(|client| client.address == datagram.to) {
                    client.handle_datagram(now, datagram.from, &datagram.bytes);
                }
            }
        }
        for shard in &mut self.shards {
            if shard.poll_timeout().is_some_and(|at| at <= now) {
                shard.handle_timeout(now);
            }
        }
        self.hosts.iter_mut().for_each(|host| host.handle_timeout(now));
        self.viewers
            .iter_mut()
            .for_each(|viewer| viewer.handle_timeout(now));
        self.settle();
    }

    /// Carries everything that somebody has to say onto the network.
    fn settle(&mut self) {
        let mut runs = Vec::new();
        // Relayed messages arrive at once; what they cause is flushed in the next round.
        loop {
            let mut relayed = Vec::new();
            for (from, shard) in self.shards.iter_mut().enumerate() {
                let mut send = |outbox: &Outbox| {
                    runs.extend(
                        outbox
                            .runs()
                            .map(|run| (from, run.to, run.bytes.to_vec(), run.segment)),
                    );
                };
                shard.flush_through(self.now, &mut send);
                send(shard.outbox());
                shard.outbox().clear();
                while let Some(event) = shard.poll_event() {
                    self.events.push((self.now, event));
                }
                while let Some((to, message)) = shard.poll_relay() {
                    relayed.push((from, to, message));
                }
            }
            if relayed.is_empty() {
                break;
            }
            for (from, to, message) in relayed {
                let others = (0..self.shards.len()).filter(|shard| *shard != from);
                let addressed = others.filter(|shard| to.is_none_or(|to| usize::from(to.0) == *shard));
                for shard in addressed.collect::<Vec<_>>() {
                    self.shards[shard].handle_relay(self.now, ShardId(from as u16), message.clone());
                }
            }
        }
        for (shard, to, bytes, segment) in runs {
            self.carry(shard, to, &bytes, segment);
        }
        self.look();
        let now = self.now;
        self.hosts.iter_mut().for_each(|host| host.listen(now));
        self.viewers.iter_mut().for_each(|viewer| viewer.listen(now));
        let clients = self.hosts.iter_mut().map(|host| &mut host.client);
        for client in clients.chain(self.viewers.iter_mut().map(|viewer| &mut viewer.client)) {
            while let Some((to, bytes)) = client.poll_datagram() {
                self.network.send(now, &mut client.up, client.address, to, &bytes);
            }
        }
    }

    /// One run of datagrams onto the network.
    fn carry(&mut self, shard: usize, to: Remote, bytes: &[u8], segment: usize) {
        const DTLS_DATA: u8 = 23;
        self.runs += 1;
        if let Some(toil) = &mut self.toil {
            let took = toil.run + toil.datagram * bytes.chunks(segment).count() as u32;
            toil.busy += took;
            self.now += took;
        }
        let Remote::Udp { peer, .. } = to else { return };
        let clients = self.hosts.iter_mut().map(|host| &mut host.client);
        let mut clients = clients.chain(self.viewers.iter_mut().map(|viewer| &mut viewer.client));
        let Some(client) = clients.find(|client| client.address == peer) else {
            return;
        };
        let tail = bytes.chunks(segment).skip(1).last();
        self.riders += usize::from(tail.is_some_and(|tail| tail[0] == DTLS_DATA));
        for datagram in bytes.chunks(segment) {
            self.network
                .send(self.now, &mut client.down, address(shard), peer, datagram);
        }
    }

    /// The thread's look at its load.
    fn look(&mut self) {
        let Some(toil) = &mut self.toil else { return };
        let (passed, worked) = (self.now - toil.looked.0, toil.busy - toil.looked.1);
        if passed >= LOOK {
            toil.looked = (self.now, toil.busy);
            let share = worked.as_secs_f32() / passed.as_secs_f32();
            for shard in &mut self.shards {
                shard.set_load(share, worked);
            }
        }
    }
}

pub(crate) fn credentials(number: u64) -> IceCredentials {
    IceCredentials {
        ufrag: format!("ufrag{number:011}"),
        pwd: format!("password{number:016}"),
    }
}
