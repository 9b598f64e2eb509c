use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

const WAY: Duration = Duration::from_millis(20);

fn settings() -> ChannelSettings {
    ChannelSettings {
        sctp_port: 5000,
        peer_max_message: 65_536,
        max_message: 65_536,
        channel_buffer: 65_536,
        negotiated: Vec::new(),
    }
}

/// A peer that makes an attempt of its own, and answers ours as long as nobody has answered its own.
struct Peer {
    endpoint: Endpoint,
    own: (AssociationHandle, sctp_proto::Association),
    answering: Option<(AssociationHandle, sctp_proto::Association)>,
    is_connected: bool,
}

impl Peer {
    fn new() -> Peer {
        let transport = Arc::new(
            TransportConfig::default()
                .with_local_port(5000)
                .with_remote_port(5000),
        );
        let (mut client, mut server) = (ClientConfig::new(), ServerConfig::new());
        (client.transport, server.transport) = (Arc::clone(&transport), transport);
        let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::new()), Some(Arc::new(server)));
        let own = endpoint.connect(client, peer()).unwrap();
        Peer {
            endpoint,
            own,
            answering: None,
            is_connected: false,
        }
    }

    fn send(&mut self, now: Instant) -> Vec<Bytes> {
        let mut sent = Vec::new();
        let answering = self.answering.iter_mut().map(|(_, association)| association);
        for association in answering.chain([&mut self.own.1]) {
            while let Some(transmit) = association.poll_transmit(now) {
                let Payload::RawEncode(packets) = transmit.payload else {
                    panic!("undecoded")
                };
                sent.extend(packets);
            }
        }
        sent
    }

    /// What comes. With the answer to its own attempt it forgets ours, as one does that knows a single tag of its peer.
    fn receive(&mut self, now: Instant, packet: &Bytes) {
        if packet.get(12) == Some(&INIT_ACK) {
            self.answering = None;
        }
        let Some((handle, event)) = self.endpoint.handle(now, peer(), None, None, packet.clone()) else {
            return;
        };
        match event {
            DatagramEvent::NewAssociation(association) => self.answering = Some((handle, association)),
            DatagramEvent::AssociationEvent(event) if handle == self.own.0 => self.own.1.handle_event(event),
            DatagramEvent::AssociationEvent(_) => {}
        }
        while let Some(event) = self.own.1.poll() {
            self.is_connected |= matches!(event, Event::Connected);
        }
    }
}

fn ours(sctp: &mut Sctp, now: Instant) -> Vec<Bytes> {
    std::iter::from_fn(|| sctp.poll_transmit(now)).flatten().collect()
}

/// Both sides and the way between them.
struct Pair {
    sctp: Sctp,
    peer: Peer,
    events: VecDeque<TransportEvent>,
    now: Instant,
    down: VecDeque<(Instant, Bytes)>,
    up: VecDeque<(Instant, Bytes)>,
}

impl Pair {
    fn new() -> Pair {
        let now = crate::media::begin();
        Pair {
            sctp: Sctp::new(settings(), now),
            peer: Peer::new(),
            events: VecDeque::new(),
            now,
            down: VecDeque::new(),
            up: VecDeque::new(),
        }
    }

    /// A quarter of the way's time passes. Which of the packets that leave are lost.
    fn step(&mut self, mut is_lost: impl FnMut() -> bool) {
        let (now, there) = (self.now, self.now + WAY);
        while let Some((_, packet)) = self.down.pop_front_if(|(at, _)| *at <= now) {
            self.peer.receive(now, &packet);
        }
        while let Some((_, packet)) = self.up.pop_front_if(|(at, _)| *at <= now) {
            self.sctp.receive(now, &packet, &mut self.events);
        }
        if self.sctp.poll_timeout().is_some_and(|at| at <= now) {
            self.sctp.handle_timeout(now, &mut self.events);
        }
        let ours = ours(&mut self.sctp, now).into_iter().filter(|_| !is_lost());
        self.down.extend(ours.map(|packet| (there, packet)));
        let theirs = self.peer.send(now).into_iter();
        self.up.extend(theirs.map(|packet| (there, packet)));
        self.now += WAY / 4;
    }

    fn is_connected(&self) -> bool {
        self.peer.is_connected && self.sctp.established
    }
}

/// Both sides begin; which of our packets, by their number, are lost. When the peer was connected.
fn meet(lost: &[usize]) -> Option<Duration> {
    let (mut pair, mut sent) = (Pair::new(), 0);
    let begin = pair.now;
    for _ in 0..500 {
        let at = pair.now;
        pair.step(|| {
            sent += 1;
            lost.contains(&(sent - 1))
        });
        if pair.is_connected() {
            return Some(at - begin);
        }
    }
    None
}

#[test]
fn attempts_that_cross_make_one_association() {
    assert_eq!(meet(&[]), Some(WAY * 4));
}

#[test]
fn an_answer_that_is_lost_is_repeated_by_our_clock() {
    // Our INIT was the first packet; the peer's clock is at a second or more.
    let connected = meet(&[1]).unwrap();
    assert!(
        connected <= Duration::from_millis(RTO_INITIAL_MS) + WAY * 4,
        "{connected:?}"
    );
    assert!(meet(&[0, 1, 2]).is_some_and(|connected| connected < Duration::from_secs(1)));
}

#[test]
fn nothing_stays_behind_where_all_was_said_to_have_left() {
    let (mut pair, mut rng) = (Pair::new(), SmallRng::seed_from_u64(4));
    while !pair.is_connected() {
        pair.step(|| false);
    }
    let channel = ChannelId(1);
    let open = b"\x03\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00shop";
    let association = &mut pair.peer.own.1;
    let mut stream = association.open_stream(channel.0, Ppid::Dcep).unwrap();
    stream.write_with_ppi(open, Ppid::Dcep).unwrap();
    for _ in 0..4_000 {
        // Alone, and more than it may send at once.
        let messages = if rng.random_bool(0.1) {
            rng.random_range(1..=20)
        } else {
            0
        };
        for _ in 0..messages {
            let message = Bytes::from(vec![7; rng.random_range(1..3_000)]);
            let _ = pair.sctp.send(channel, &message);
        }
        // What it says is acknowledged in the packets that carry ours, or alone.
        if rng.random_bool(0.1) {
            let mut stream = pair.peer.own.1.stream(channel.0).unwrap();
            stream.write_with_ppi(b"hello", Ppid::String).unwrap();
        }
        pair.step(|| rng.random_bool(0.05));
        pair.events.clear();
        while pair.peer.own.1.poll().is_some() {}
        if let Ok(mut stream) = pair.peer.own.1.stream(channel.0) {
            while let Ok(Some(_)) = stream.read_sctp() {}
        }
        // It was asked until it said that there is no more.
        assert_eq!(pair.sctp.poll_transmit(pair.now), None);
    }
}
