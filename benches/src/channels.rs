//! The three data channels of a bench's viewer: SCTP over the DTLS of its [`Peer`](crate::peer::Peer), by the crate
//! whose other end the server may be. It acknowledges as browsers do, every second packet or after 200 ms.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier as Ppid, ServerConfig, StreamEvent,
};

/// Labels, stream numbers and DCEP channel types (RFC 8832 §5.1) as the viewer's page opens them.
const CHANNELS: [(&str, u16, u8); 3] = [("shop", 0, 0x00), ("live", 2, 0x81), ("chat", 4, 0x00)];
const DCEP_OPEN: u8 = 3;
/// What a message begins with that tells when it was said, in microseconds of the wall clock.
const STAMP: &str = r#"{"at":"#;

/// One viewer's channels.
pub struct Channels {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    /// Streams acknowledged by the server.
    open: usize,
    /// Messages received.
    pub received: u64,
    /// How long those with a stamp were on their way.
    pub took: Vec<Duration>,
}

impl Channels {
    /// Waits for the server's association.
    pub fn new() -> Channels {
        let server = Some(Arc::new(ServerConfig::new()));
        Channels {
            endpoint: Endpoint::new(Arc::new(EndpointConfig::new()), server),
            association: None,
            open: 0,
            received: 0,
            took: Vec::new(),
        }
    }

    /// Whether all three are open.
    pub fn are_open(&self) -> bool {
        self.open == CHANNELS.len()
    }

    /// Takes one SCTP packet and gives those it asks for.
    pub fn handle(&mut self, now: Instant, packet: Vec<u8>, send: &mut impl FnMut(&[u8])) {
        match self.endpoint.handle(now, server(), None, None, packet.into()) {
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                self.association.get_or_insert((handle, association));
            }
            Some((handle, DatagramEvent::AssociationEvent(event))) => {
                if let Some((known, association)) = &mut self.association
                    && *known == handle
                {
                    association.handle_event(event);
                }
            }
            None => {}
        }
        self.read();
        self.write(now, send);
    }

    /// When [`Channels::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.association.as_ref()?.1.poll_timeout()
    }

    /// Acknowledges and repeats what is due.
    pub fn handle_timeout(&mut self, now: Instant, send: &mut impl FnMut(&[u8])) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            if let Some((_, association)) = &mut self.association {
                association.handle_timeout(now);
            }
            self.write(now, send);
        }
    }

    /// Says something on the channel of that label.
    pub fn say(&mut self, now: Instant, label: &str, text: &str, send: &mut impl FnMut(&[u8])) {
        let (_, stream, _) = CHANNELS.into_iter().find(|(known, ..)| *known == label).unwrap();
        self.stream(stream, text.as_bytes(), Ppid::String);
        self.write(now, send);
    }

    fn stream(&mut self, stream: u16, message: &[u8], ppid: Ppid) {
        let (_, association) = self.association.as_mut().unwrap();
        let mut stream = association.stream(stream).unwrap();
        stream.write_with_ppi(message, ppid).unwrap();
    }

    fn read(&mut self) {
        while let Some(event) = self
            .association
            .as_mut()
            .and_then(|(_, association)| association.poll())
        {
            match event {
                Event::Connected => self.open_all(),
                Event::Stream(StreamEvent::Readable { id }) => self.read_stream(id),
                _ => {}
            }
        }
    }

    fn read_stream(&mut self, id: u16) {
        let (_, association) = self.association.as_mut().unwrap();
        while let Some(mut message) = association
            .stream(id)
            .ok()
            .and_then(|mut stream| stream.read_sctp().ok().flatten())
        {
            if message.ppi == Ppid::Dcep {
                self.open += 1;
                continue;
            }
            self.received += 1;
            let text = message.next(message.len()).map(|chunk| chunk.bytes);
            self.took.extend(text.and_then(|text| since_stamp(&text)));
        }
    }

    fn open_all(&mut self) {
        for (label, id, kind) in CHANNELS {
            let (_, association) = self.association.as_mut().unwrap();
            association.open_stream(id, Ppid::Binary).unwrap();
            let mut open = vec![DCEP_OPEN, kind, 1, 0, 0, 0, 0, 0];
            open.extend((label.len() as u16).to_be_bytes());
            open.extend([0, 0]);
            open.extend(label.bytes());
            self.stream(id, &open, Ppid::Dcep);
        }
    }

    fn write(&mut self, now: Instant, send: &mut impl FnMut(&[u8])) {
        let mut write = |packets: Vec<Bytes>| packets.iter().for_each(|packet| send(packet));
        while let Some(transmit) = self.endpoint.poll_transmit() {
            if let Payload::RawEncode(packets) = transmit.payload {
                write(packets);
            }
        }
        let Some((_, association)) = &mut self.association else {
            return;
        };
        while let Some(transmit) = association.poll_transmit(now) {
            if let Payload::RawEncode(packets) = transmit.payload {
                write(packets);
            }
        }
    }
}

impl Default for Channels {
    fn default() -> Self {
        Channels::new()
    }
}

/// The time now as a message tells it.
pub fn stamp() -> String {
    format!("{STAMP}{}", wall_clock().as_micros())
}

fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn since_stamp(text: &[u8]) -> Option<Duration> {
    let rest = std::str::from_utf8(text).ok()?.strip_prefix(STAMP)?;
    let digits = rest.split(|digit: char| !digit.is_ascii_digit()).next()?;
    let said = Duration::from_micros(digits.parse().ok()?);
    wall_clock().checked_sub(said)
}

/// SCTP inside DTLS has no addresses; the crate wants one.
fn server() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 5000))
}
