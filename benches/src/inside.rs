//! A shard, a publisher and viewers in memory, on a clock that is moved by hand: what the media path does without the
//! kernel, the same in every run.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use sfu::Shard;
use sfu::media::{MediaConfig, RtpPacket};
use sfu::playback::PlaybackConfig;
use sfu::relay::{Generation, ShardId};
use sfu::sdp::{Direction, Offer};
use sfu::shard::{PeerId, ShardConfig};
use sfu::transport::{Identity, Remote, TransportConfig};

use crate::feedback::Feedback;
use crate::pattern::{FRAME_RATE, Frame, Pattern};
use crate::peer::{Part, Party, Peer, TRANSPORT_SEQUENCE, credentials};
use crate::publisher::Stream;

const ROOM: &str = "inside";
const STEP: Duration = Duration::from_millis(10);

/// Everybody.
pub struct Inside {
    /// The shard.
    pub shard: Shard,
    /// What time it is.
    pub now: Instant,
    /// Datagrams other than media that came to viewers: reports, and data channels that nobody answers here.
    pub others: u64,
    stream: Stream,
    /// The publisher, then the viewers.
    peers: Vec<(Peer, Feedback)>,
    frame: u32,
}

impl Inside {
    /// A publisher on the air and viewers, connected.
    pub fn new(viewers: u64, pattern: Pattern, bitrate: u32) -> Inside {
        let (now, party) = (Instant::now(), Party::new());
        let config = ShardConfig {
            id: ShardId(0),
            identity: Identity::generate().unwrap(),
            max_peers: 100_000,
            transport: TransportConfig::default(),
            media: MediaConfig::default(),
            playback: PlaybackConfig::new((now, 3_900_000_000_000_000_000)),
            health_interval: Duration::from_secs(1),
            hold_max: Duration::ZERO,
        };
        let stream = Stream::new(pattern, bitrate);
        let mut inside = Inside {
            shard: Shard::new(config, 1, now),
            now,
            others: 0,
            peers: Vec::new(),
            frame: 0,
            stream,
        };
        for number in 1..=viewers + 1 {
            let mut peer = Peer::new(&party, number, now);
            let (part, direction) = match number {
                1 => (inside.stream.part(), Direction::Publish),
                _ => (Part::Viewer, Direction::Play),
            };
            let offer = Offer::parse(&peer.offer(part), direction, number).unwrap();
            let ice = credentials("server", number);
            peer.answered(ice.clone());
            let (id, room) = (PeerId(number), ROOM.into());
            let shard = &mut inside.shard;
            match direction {
                Direction::Publish => shard.open_publisher(now, id, room, Generation(1), offer, ice),
                Direction::Play => shard.open_viewer(now, id, room, offer, ice),
            }
            .unwrap();
            inside.peers.push((peer, Feedback::default()));
        }
        inside.connect();
        inside
    }

    fn connect(&mut self) {
        let deadline = self.now + Duration::from_secs(20);
        while !self.peers.iter().all(|(peer, _)| peer.is_connected()) {
            assert!(self.now < deadline, "peers do not connect");
            self.now += STEP;
            for place in 0..self.peers.len() {
                let mut sent = Vec::new();
                self.peers[place]
                    .0
                    .handle_timeout(self.now, &mut |datagram: &[u8]| sent.push(datagram.to_vec()));
                self.hand_in(place, sent);
            }
            self.carry();
        }
    }

    fn hand_in(&mut self, place: usize, datagrams: Vec<Vec<u8>>) {
        for mut datagram in datagrams {
            self.shard.handle_datagram(self.now, remote(place), &mut datagram);
        }
    }

    /// Carries what the shard has to say, and the answers.
    fn carry(&mut self) {
        loop {
            self.turn(&mut |_| {});
            let mut replies = Vec::new();
            for run in self.shard.outbox().runs() {
                let Some(place) = place(run.to) else { continue };
                let (peer, feedback) = &mut self.peers[place];
                let mut sent = Vec::new();
                for datagram in run.bytes.chunks(run.segment) {
                    let mut send = |reply: &[u8]| sent.push(reply.to_vec());
                    peer.handle_datagram(self.now, datagram, &mut send);
                    note(
                        self.now.saturating_duration_since(peer.began()),
                        datagram,
                        feedback,
                    );
                }
                replies.push((place, sent));
            }
            self.shard.outbox().clear();
            if replies.iter().all(|(_, sent)| sent.is_empty()) {
                return;
            }
            for (place, sent) in replies {
                self.hand_in(place, sent);
            }
        }
    }

    /// One turn of the thread's loop. What it wrote is in the outbox.
    fn turn(&mut self, around: &mut impl FnMut(bool)) {
        around(true);
        if self.shard.poll_timeout().is_some_and(|at| at <= self.now) {
            self.shard.handle_timeout(self.now);
        }
        self.shard.flush(self.now);
        while self.shard.poll_event().is_some() {}
        while self.shard.poll_relay().is_some() {}
        around(false);
    }

    /// The next frame, whole, to everybody; then time passes to the one after it. `around` is called before (true) and
    /// after (false) whatever the shard does. Returns the packets.
    pub fn frame(&mut self, around: &mut impl FnMut(bool)) -> usize {
        let frame: Frame = self.stream.frame(self.frame);
        self.frame += 1;
        let mut packets: Vec<Vec<u8>> = Vec::new();
        for place in 0..frame.parts.len() {
            let keys = self.peers[0].0.keys.as_mut().unwrap();
            packets.push(self.stream.seal(&frame, place, keys));
        }
        around(true);
        for packet in &mut packets {
            self.shard.handle_datagram(self.now, remote(0), packet);
        }
        around(false);
        self.turn(around);
        self.listen();
        self.now += Duration::from_secs(1) / FRAME_RATE;
        packets.len()
    }

    /// Viewers note what came.
    fn listen(&mut self) {
        for run in self.shard.outbox().runs() {
            let Some(place) = place(run.to) else { continue };
            let (peer, feedback) = &mut self.peers[place];
            for datagram in run.bytes.chunks(run.segment) {
                let is_media = matches!(datagram, [128..=191, second, ..] if !(192..=223).contains(second));
                self.others += u64::from(!is_media);
                note(
                    self.now.saturating_duration_since(peer.began()),
                    datagram,
                    feedback,
                );
            }
        }
        self.shard.outbox().clear();
    }

    /// Every viewer sends feedback for what came. `around` is not called for receiver reports.
    pub fn feedback(&mut self, around: &mut impl FnMut(bool)) {
        for place in 1..self.peers.len() {
            let (peer, feedback) = &mut self.peers[place];
            let is_plain = feedback.is_plain();
            let Some(compound) = feedback.take() else { continue };
            let mut sealed = Vec::new();
            peer.keys.as_mut().unwrap().seal_rtcp(&compound, &mut sealed);
            if is_plain {
                around(true);
            }
            self.shard.handle_datagram(self.now, remote(place), &mut sealed);
            if is_plain {
                around(false);
            }
        }
        self.turn(around);
        self.listen();
    }
}

fn note(at: Duration, datagram: &[u8], feedback: &mut Feedback) {
    let [first, second, ..] = datagram else { return };
    if !(128..192).contains(first) || (192..224).contains(second) {
        return;
    }
    // The count of padding is encrypted; nothing here reads the payload.
    let mut datagram = datagram.to_vec();
    datagram[0] &= !0x20;
    let Some(packet) = RtpPacket::parse(&datagram) else {
        return;
    };
    if let Some(&number) = packet.extension(TRANSPORT_SEQUENCE).and_then(<[u8]>::first_chunk) {
        let number = u16::from_be_bytes(number);
        feedback.arrived(number, at.as_micros() as u64, packet.ssrc(), packet.sequence());
    }
}

fn remote(place: usize) -> Remote {
    let address = Ipv4Addr::from_bits(0x0a00_0000 + place as u32);
    Remote::Udp {
        peer: SocketAddr::from((address, 5000)),
        local: None,
    }
}

fn place(remote: Remote) -> Option<usize> {
    match remote {
        Remote::Udp {
            peer: SocketAddr::V4(peer),
            ..
        } => Some((peer.ip().to_bits() - 0x0a00_0000) as usize),
        _ => None,
    }
}
