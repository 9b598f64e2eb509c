//! A shard and its viewers in memory, on a clock that is moved by hand: what a viewer costs without the kernel.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sfu::Shard;
use sfu::backlog::Urgency;
use sfu::media::MediaConfig;
use sfu::playback::PlaybackConfig;
use sfu::relay::ShardId;
use sfu::sdp::{Direction, Offer};
use sfu::shard::{PeerId, ShardConfig};
use sfu::transport::{Identity, Remote, TransportConfig};

use crate::channels::Channels;
use crate::peer::{Part, Party, Peer, credentials};

/// The room of everybody.
pub const ROOM: &str = "room";
/// A step of the clock: a line of a few milliseconds.
const STEP: Duration = Duration::from_millis(5);

struct Guest {
    peer: Peer,
    channels: Channels,
    remote: Remote,
}

/// A shard and its viewers.
pub struct Indoors<M> {
    /// The shard.
    pub shard: Shard,
    /// What time it is.
    pub now: Instant,
    guests: VecDeque<Guest>,
    party: Party,
    meter: M,
    /// What the meter ran up in the shard.
    pub metered: i64,
    admitted: u64,
}

impl<M: FnMut() -> i64> Indoors<M> {
    /// An empty shard. What `meter` counts (bytes allocated, say) is added up over what the shard does and nothing
    /// else.
    pub fn new(party: Party, mut meter: M) -> Indoors<M> {
        let now = Instant::now();
        let config = config(now);
        let before = meter();
        let shard = Shard::new(config, 1, now);
        let metered = meter() - before;
        Indoors {
            shard,
            now,
            guests: VecDeque::new(),
            party,
            meter,
            metered,
            admitted: 0,
        }
    }

    /// Lets the shard do something.
    pub fn serve<T>(&mut self, work: impl FnOnce(&mut Shard, Instant) -> T) -> T {
        let before = (self.meter)();
        let done = work(&mut self.shard, self.now);
        self.metered += (self.meter)() - before;
        done
    }

    /// A viewer's session begins: its offer, parsed as the service does, and the shard's part.
    pub fn admit(&mut self) {
        self.admitted += 1;
        let number = self.admitted;
        let mut peer = Peer::new(&self.party, number, self.now);
        let text = peer.offer(Part::Viewer);
        let ice = credentials("server", number);
        peer.answered(ice.clone());
        let remote = Remote::Udp {
            peer: SocketAddr::from((peer.address, 5000)),
            local: Some([127, 0, 0, 1].into()),
        };
        self.serve(|shard, now| {
            let offer = Offer::parse(&text, Direction::Play, number).unwrap();
            shard
                .open_viewer(now, PeerId(number), ROOM.into(), offer, ice)
                .unwrap();
        });
        self.guests.push_back(Guest {
            peer,
            channels: Channels::new(),
            remote,
        });
    }

    /// The oldest viewer leaves without a word, and the operator closes its session.
    pub fn dismiss(&mut self) {
        let number = self.guests.pop_front().unwrap().peer.number;
        self.serve(|shard, now| shard.close(now, PeerId(number)));
        self.carry();
    }

    /// Viewers admitted and not dismissed.
    pub fn len(&self) -> usize {
        self.guests.len()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.guests.is_empty()
    }

    /// Lets time pass until every viewer's channels are open.
    pub fn settle(&mut self) {
        let deadline = self.now + Duration::from_secs(30);
        while !self.guests.iter().all(|guest| guest.channels.are_open()) {
            assert!(self.now < deadline, "viewers do not connect");
            self.step();
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// Every viewer renews its consent.
    pub fn check(&mut self) {
        for place in 0..self.guests.len() {
            let guest = &self.guests[place];
            let (remote, mut check) = (guest.remote, Vec::new());
            guest
                .peer
                .check(&mut |datagram: &[u8]| check.extend_from_slice(datagram));
            self.serve(|shard, now| shard.handle_datagram(now, remote, &mut check));
        }
        self.carry();
    }

    /// One message to everybody.
    pub fn broadcast(&mut self, channel: &str, data: &Bytes) {
        self.serve(|shard, _| shard.broadcast(ROOM, channel, data, Urgency::State));
        self.carry();
    }

    /// Messages that came to all viewers.
    pub fn received(&self) -> u64 {
        self.guests.iter().map(|guest| guest.channels.received).sum()
    }

    fn step(&mut self) {
        self.now += STEP;
        self.serve(|shard, now| {
            if shard.poll_timeout().is_some_and(|at| at <= now) {
                shard.handle_timeout(now);
            }
        });
        for place in 0..self.guests.len() {
            let guest = &mut self.guests[place];
            let (now, mut sent) = (self.now, Vec::new());
            let mut send = |datagram: &[u8]| sent.push(datagram.to_vec());
            guest.peer.handle_timeout(now, &mut send);
            let mut packets: Vec<Vec<u8>> = Vec::new();
            guest
                .channels
                .handle_timeout(now, &mut |packet: &[u8]| packets.push(packet.to_vec()));
            for packet in packets {
                guest.peer.send_data(&packet, &mut send);
            }
            self.hand_in(place, sent);
        }
        self.carry();
    }

    fn hand_in(&mut self, place: usize, datagrams: Vec<Vec<u8>>) {
        let remote = self.guests[place].remote;
        for mut datagram in datagrams {
            self.serve(|shard, now| shard.handle_datagram(now, remote, &mut datagram));
        }
    }

    /// Carries datagrams to and fro until nobody has more to say.
    fn carry(&mut self) {
        loop {
            let sent = self.serve(|shard, now| {
                shard.flush(now);
                while shard.poll_event().is_some() {}
                while shard.poll_relay().is_some() {}
                !shard.outbox().is_empty()
            });
            if !sent {
                return;
            }
            let mut replies = Vec::new();
            for run in self.shard.outbox().runs() {
                let Some((place, guest)) = guest(&mut self.guests, run.to) else {
                    continue;
                };
                let mut sent = Vec::new();
                for datagram in run.bytes.chunks(run.segment) {
                    guest.take(self.now, datagram, &mut sent);
                }
                replies.push((place, sent));
            }
            self.serve(|shard, _| shard.outbox().clear());
            for (place, sent) in replies {
                self.hand_in(place, sent);
            }
        }
    }
}

fn config(now: Instant) -> ShardConfig {
    ShardConfig {
        id: ShardId(0),
        identity: Identity::generate().unwrap(),
        max_peers: 100_000,
        transport: TransportConfig::default(),
        media: MediaConfig::default(),
        playback: PlaybackConfig::new((now, 3_900_000_000_000_000_000)),
        hold_max: Duration::ZERO,
        health_interval: Duration::from_secs(1),
    }
}

/// Whoever is reached there; they stand in the order of their numbers.
fn guest(guests: &mut VecDeque<Guest>, remote: Remote) -> Option<(usize, &mut Guest)> {
    let Remote::Udp { peer, .. } = remote else {
        return None;
    };
    let first = guests.front()?.peer.address;
    let place = match peer.ip() {
        IpAddr::V4(address) => address.to_bits().checked_sub(first.to_bits())? as usize,
        IpAddr::V6(_) => return None,
    };
    Some((place, guests.get_mut(place)?))
}

impl Guest {
    fn take(&mut self, now: Instant, datagram: &[u8], sent: &mut Vec<Vec<u8>>) {
        let mut send = |datagram: &[u8]| sent.push(datagram.to_vec());
        self.peer.handle_datagram(now, datagram, &mut send);
        for packet in std::mem::take(&mut self.peer.data) {
            let mut packets: Vec<Vec<u8>> = Vec::new();
            self.channels
                .handle(now, packet, &mut |packet: &[u8]| packets.push(packet.to_vec()));
            for packet in packets {
                self.peer.send_data(&packet, &mut send);
            }
        }
    }
}
