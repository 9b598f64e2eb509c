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

/// Both sides begin; which of our packets, by their number, are lost. When the peer was connected.
fn meet(lost: &[usize]) -> Option<Duration> {
    let (mut sctp, mut peer, mut events) = (
        Sctp::new(settings(), crate::media::begin()),
        Peer::new(),
        VecDeque::new(),
    );
    let begin = crate::media::begin();
    let mut sent = 0;
    let mut down: VecDeque<(Instant, Bytes)> = VecDeque::new();
    let mut up = down.clone();
    for step in 0..500 {
        let now = begin + WAY / 4 * step;
        while let Some((_, packet)) = down.pop_front_if(|(at, _)| *at <= now) {
            peer.receive(now, &packet);
        }
        while let Some((_, packet)) = up.pop_front_if(|(at, _)| *at <= now) {
            sctp.receive(now, &packet, &mut events);
        }
        if sctp.poll_timeout().is_some_and(|at| at <= now) {
            sctp.handle_timeout(now, &mut events);
        }
        for packet in ours(&mut sctp, now) {
            if !lost.contains(&sent) {
                down.push_back((now + WAY, packet));
            }
            sent += 1;
        }
        up.extend(peer.send(now).into_iter().map(|packet| (now + WAY, packet)));
        if peer.is_connected && sctp.established {
            return Some(now - begin);
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
