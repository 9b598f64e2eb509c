//! A shard and its peers in memory, on a clock that is moved by hand: what the server does without the kernel, the same
//! in every run. Whatever the shard does is metered, and nothing else.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use sfu::Shard;
use sfu::media::{MediaConfig, RtpPacket};
use sfu::playback::PlaybackConfig;
use sfu::relay::{Generation, ShardId};
use sfu::sdp::{Direction, Offer};
use sfu::shard::{PeerId, ShardConfig};
use sfu::transport::{Identity, Remote, TransportConfig};

use crate::channels::Channels;
use crate::feedback::Feedback;
use crate::peer::{Part, Party, Peer, TRANSPORT_SEQUENCE, credentials};

/// The room that everybody is in.
pub(crate) const ROOM: &str = "room";
/// A step of the clock: a line of a few milliseconds.
const STEP: Duration = Duration::from_millis(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A peer and where it is.
pub(crate) struct Guest {
    pub(crate) peer: Peer,
    pub(crate) remote: Remote,
    pub(crate) feedback: Feedback,
    /// Where it opens data channels.
    channels: Option<Channels>,
}

/// A shard and its peers.
pub struct Indoors<M> {
    /// The shard.
    pub shard: Shard,
    /// What time it is.
    pub now: Instant,
    /// What the meter ran up in the shard.
    pub metered: i64,
    /// In the order of their numbers.
    pub(crate) guests: VecDeque<Guest>,
    party: Party,
    meter: M,
    admitted: u64,
    has_channels: bool,
}

impl<M: FnMut() -> i64> Indoors<M> {
    /// An empty shard. What `meter` counts (bytes allocated, say) is added up over what the shard does.
    pub fn new(party: Party, mut meter: M) -> Indoors<M> {
        let now = Instant::now();
        let config = config(now);
        let before = meter();
        let shard = Shard::new(config, 1, now);
        let metered = meter() - before;
        Indoors {
            shard,
            now,
            metered,
            guests: VecDeque::new(),
            party,
            meter,
            admitted: 0,
            has_channels: false,
        }
    }

    /// Viewers open the three data channels too, and have joined when these are open.
    pub fn with_channels(mut self) -> Indoors<M> {
        self.has_channels = true;
        self
    }

    /// Lets the shard do something.
    pub fn serve<T>(&mut self, work: impl FnOnce(&mut Shard, Instant) -> T) -> T {
        let before = (self.meter)();
        let done = work(&mut self.shard, self.now);
        self.metered += (self.meter)() - before;
        done
    }

    /// A session begins: its offer, parsed as the service does, and the shard's part.
    pub fn admit(&mut self, part: Part) {
        self.admitted += 1;
        let number = self.admitted;
        let mut peer = Peer::new(&self.party, number, self.now);
        let text = peer.offer(part);
        let ice = credentials("server", number);
        peer.answered(ice.clone());
        let remote = Remote::Udp {
            peer: SocketAddr::from((peer.address, 5000)),
            local: Some([127, 0, 0, 1].into()),
        };
        let (id, room) = (PeerId(number), ROOM.into());
        self.serve(|shard, now| match part {
            Part::Viewer => {
                let offer = Offer::parse(&text, Direction::Play, number).unwrap();
                shard.open_viewer(now, id, room, offer, ice).unwrap();
            }
            Part::Chromium | Part::Encoder => {
                let offer = Offer::parse(&text, Direction::Publish, number).unwrap();
                let generation = Generation(number);
                shard
                    .open_publisher(now, id, room, generation, offer, ice)
                    .unwrap();
            }
        });
        self.guests.push_back(Guest {
            peer,
            remote,
            feedback: Feedback::default(),
            channels: (self.has_channels && part == Part::Viewer).then(Channels::new),
        });
    }

    /// The oldest peer leaves without a word, and the operator closes its session.
    pub fn dismiss(&mut self) {
        let number = self.guests.pop_front().unwrap().peer.number;
        self.serve(|shard, now| shard.close(now, PeerId(number)));
        self.carry();
    }

    /// Peers admitted and not dismissed.
    pub fn len(&self) -> usize {
        self.guests.len()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.guests.is_empty()
    }

    /// Lets time pass until everybody has joined.
    pub fn settle(&mut self) {
        let deadline = self.now + CONNECT_TIMEOUT;
        while !self.guests.iter().all(Guest::has_joined) {
            assert!(self.now < deadline, "peers do not connect");
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

    fn step(&mut self) {
        self.now += STEP;
        for place in 0..self.guests.len() {
            let sent = self.guests[place].handle_timeout(self.now);
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

    /// One turn of the thread's loop. What it wrote is in the outbox.
    pub(crate) fn turn(&mut self) {
        self.serve(|shard, now| {
            if shard.poll_timeout().is_some_and(|at| at <= now) {
                shard.handle_timeout(now);
            }
            shard.flush(now);
            while shard.poll_event().is_some() {}
            while shard.poll_relay().is_some() {}
        });
    }

    /// Carries datagrams to and fro until nobody has more to say.
    fn carry(&mut self) {
        loop {
            self.turn();
            let replies = self.deliver();
            if replies.iter().all(|(_, sent)| sent.is_empty()) {
                return;
            }
            for (place, sent) in replies {
                self.hand_in(place, sent);
            }
        }
    }

    /// What the shard wrote comes to the peers. Returns what each answers.
    pub(crate) fn deliver(&mut self) -> Vec<(usize, Vec<Vec<u8>>)> {
        let mut replies = Vec::new();
        for run in self.shard.outbox().runs() {
            if let Some((place, guest)) = guest(&mut self.guests, run.to) {
                let datagrams = run.bytes.chunks(run.segment);
                replies.push((place, guest.take(self.now, datagrams)));
            }
        }
        self.clear();
        replies
    }

    /// The same, answer by answer with where it comes from.
    pub(crate) fn answers(&mut self) -> Vec<(Remote, Vec<u8>)> {
        let all = self.deliver().into_iter();
        all.flat_map(|(place, answers)| {
            let remote = self.guests[place].remote;
            answers.into_iter().map(move |answer| (remote, answer))
        })
        .collect()
    }

    /// Peers note what media came, and answer nothing. Returns how many other datagrams did.
    pub(crate) fn listen(&mut self) -> u64 {
        let mut others = 0;
        for run in self.shard.outbox().runs() {
            let Some((_, guest)) = guest(&mut self.guests, run.to) else {
                continue;
            };
            for datagram in run.bytes.chunks(run.segment) {
                others += u64::from(!guest.note(self.now, datagram));
            }
        }
        self.clear();
        others
    }

    fn clear(&mut self) {
        self.serve(|shard, _| shard.outbox().clear());
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

/// Whoever is reached there, and its place.
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
    fn has_joined(&self) -> bool {
        self.peer.is_connected() && self.channels.as_ref().is_none_or(Channels::are_open)
    }

    /// Takes datagrams and gives the answers.
    fn take<'d>(&mut self, now: Instant, datagrams: impl Iterator<Item = &'d [u8]>) -> Vec<Vec<u8>> {
        let mut sent: Vec<Vec<u8>> = Vec::new();
        for datagram in datagrams {
            if self.note(now, datagram) {
                continue;
            }
            let mut send = |datagram: &[u8]| sent.push(datagram.to_vec());
            self.peer.handle_datagram(now, datagram, &mut send);
            for packet in std::mem::take(&mut self.peer.data) {
                if let Some(channels) = &mut self.channels {
                    channels.handle(now, packet, &mut |packet: &[u8]| {
                        self.peer.send_data(packet, &mut send)
                    });
                }
            }
        }
        sent
    }

    /// What is due by itself.
    fn handle_timeout(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut sent: Vec<Vec<u8>> = Vec::new();
        let mut send = |datagram: &[u8]| sent.push(datagram.to_vec());
        self.peer.handle_timeout(now, &mut send);
        if let Some(channels) = &mut self.channels {
            channels.handle_timeout(now, &mut |packet: &[u8]| self.peer.send_data(packet, &mut send));
        }
        sent
    }

    /// Notes a packet of media for the next feedback; false for anything else.
    fn note(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let [first, second, ..] = datagram else {
            return false;
        };
        if !(128..192).contains(first) || (192..224).contains(second) {
            return false;
        }
        // The count of padding is encrypted; nothing here reads the payload.
        let mut datagram = datagram.to_vec();
        datagram[0] &= !0x20;
        let Some(packet) = RtpPacket::parse(&datagram) else {
            return true;
        };
        if let Some(&number) = packet.extension(TRANSPORT_SEQUENCE).and_then(<[u8]>::first_chunk) {
            let at = now.saturating_duration_since(self.peer.began()).as_micros() as u64;
            let number = u16::from_be_bytes(number);
            self.feedback
                .arrived(number, at, packet.ssrc(), packet.sequence());
        }
        true
    }
}
