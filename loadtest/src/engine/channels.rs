//! SCTP over DTLS (RFC 8261) with the viewer's data channels on it (RFC 8831, RFC 8832).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier as Ppid, ReliabilityType, StreamEvent, TransportConfig,
};

use super::answer;

/// Retransmission timeouts in milliseconds: about what browsers' SCTP comes to on a short line.
const RTO_INITIAL_MS: u64 = 400;
const RTO_MIN_MS: u64 = 200;
const RTO_MAX_MS: u64 = 2_000;
/// DATA in one chunk: a DTLS datagram less its record and SCTP's headers.
const MAX_PAYLOAD: u32 = 1200 - 37 - 28;
/// What the server may have on the way to us, and the longest message put together.
const RECEIVE_BUFFER: u32 = 256 << 10;
/// Streams in each direction; ours are the first ones.
const MAX_STREAMS: u16 = 64;

/// The chunk that begins an association (RFC 9260 §3.2), first in its packet.
const INIT: u8 = 1;
const DCEP_ACK: u8 = 0x02;
const DCEP_OPEN: u8 = 0x03;
/// Channel types (RFC 8832 §8.2.2).
const RELIABLE: u8 = 0x00;
const UNRELIABLE_UNORDERED: u8 = 0x81;

/// The channels of the shop protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    Shop,
    Live,
    Chat,
}

impl Label {
    const ALL: [Label; 3] = [Label::Shop, Label::Live, Label::Chat];

    fn name(self) -> &'static str {
        match self {
            Label::Shop => "shop",
            Label::Live => "live",
            Label::Chat => "chat",
        }
    }
}

/// What the channels brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Brought {
    /// The server has acknowledged all of them.
    Open,
    /// A text.
    Text(Bytes),
    /// The association is no more.
    Lost,
}

/// The association of one viewer.
pub(super) struct Channels {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    /// The stream of the first channel: even for the DTLS client (RFC 8832 §6).
    first: u16,
    is_up: bool,
    acknowledged: Vec<u16>,
    readable: Vec<u16>,
}

impl Channels {
    pub(super) fn new(agreed: answer::Channels, is_dtls_client: bool) -> Channels {
        let max_message = match agreed.max_message {
            0 => RECEIVE_BUFFER,
            some => some,
        };
        let transport = TransportConfig::default()
            .with_max_receive_buffer_size(RECEIVE_BUFFER)
            .with_max_receive_message_size(RECEIVE_BUFFER)
            .with_max_send_message_size(max_message)
            .with_max_num_inbound_streams(MAX_STREAMS)
            .with_max_num_outbound_streams(MAX_STREAMS)
            .with_max_init_retransmits(None)
            .with_max_data_retransmits(None)
            .with_rto_initial_ms(RTO_INITIAL_MS)
            .with_rto_min_ms(RTO_MIN_MS)
            .with_rto_max_ms(RTO_MAX_MS)
            .with_local_port(5000)
            .with_remote_port(agreed.port);
        let mut config = EndpointConfig::new();
        config.max_payload_size(MAX_PAYLOAD);
        let mut endpoint = Endpoint::new(Arc::new(config), None);
        let mut client = ClientConfig::new();
        client.transport = Arc::new(transport);
        let association = endpoint.connect(client, peer()).ok();
        Channels {
            endpoint,
            association,
            first: u16::from(!is_dtls_client),
            is_up: false,
            acknowledged: Vec::new(),
            readable: Vec::new(),
        }
    }

    /// Takes a packet out of a DTLS record.
    pub(super) fn receive(&mut self, now: Instant, packet: &[u8], brought: &mut Vec<Brought>) {
        // A server may begin, too. Ours goes on: a collision ends with one association either way (RFC 9260 §5.2.1).
        if packet.get(12) == Some(&INIT) {
            return;
        }
        let packet = Bytes::copy_from_slice(packet);
        if let Some((_, DatagramEvent::AssociationEvent(event))) =
            self.endpoint.handle(now, peer(), None, None, packet)
            && let Some((_, association)) = &mut self.association
        {
            association.handle_event(event);
        }
        self.pump(brought);
    }

    pub(super) fn timeout(&mut self, now: Instant, brought: &mut Vec<Brought>) {
        if let Some((_, association)) = &mut self.association {
            association.handle_timeout(now);
        }
        self.pump(brought);
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.association.as_ref()?.1.poll_timeout()
    }

    /// Packets for DTLS.
    pub(super) fn transmit(&mut self, now: Instant, mut send: impl FnMut(&[u8])) {
        loop {
            let own = self
                .association
                .as_mut()
                .and_then(|(_, association)| association.poll_transmit(now));
            let Some(transmit) = own.or_else(|| self.endpoint.poll_transmit()) else {
                return;
            };
            if let Payload::RawEncode(packets) = transmit.payload {
                packets.iter().for_each(|packet| send(packet));
            }
        }
    }

    /// Says something. False when the channel is not open.
    pub(super) fn send(&mut self, label: Label, text: &str) -> bool {
        self.write(self.stream(label), text.as_bytes(), Ppid::String)
    }

    fn stream(&self, label: Label) -> u16 {
        let place = Label::ALL.iter().position(|known| *known == label).unwrap_or(0);
        self.first + 2 * place as u16
    }

    fn write(&mut self, stream: u16, data: &[u8], ppid: Ppid) -> bool {
        let stream = self
            .association
            .as_mut()
            .and_then(|(_, association)| association.stream(stream).ok());
        stream.is_some_and(|mut stream| stream.write_with_ppi(data, ppid).is_ok())
    }

    fn pump(&mut self, brought: &mut Vec<Brought>) {
        while let Some(event) = self
            .association
            .as_mut()
            .and_then(|(_, association)| association.poll())
        {
            match event {
                Event::Connected if !self.is_up => {
                    self.is_up = true;
                    self.open();
                }
                Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => brought.push(Brought::Lost),
                Event::Stream(StreamEvent::Readable { id }) if !self.readable.contains(&id) => {
                    self.readable.push(id);
                }
                _ => {}
            }
        }
        while let Some(&id) = self.readable.last() {
            let stream = self
                .association
                .as_mut()
                .and_then(|(_, association)| association.stream(id).ok());
            match stream.and_then(|mut stream| stream.read_sctp().ok().flatten()) {
                Some(mut message) => {
                    let len = message.len();
                    let data = message.next(len).map(|chunk| chunk.bytes).unwrap_or_default();
                    self.message(id, message.ppi, data, brought);
                }
                None => {
                    self.readable.pop();
                }
            }
        }
    }

    /// Opens the three channels (RFC 8832 §5.1).
    fn open(&mut self) {
        for label in Label::ALL {
            let id = self.stream(label);
            let (kind, is_live) = match label {
                Label::Live => (UNRELIABLE_UNORDERED, true),
                Label::Shop | Label::Chat => (RELIABLE, false),
            };
            let mut message = vec![
                DCEP_OPEN,
                kind,
                1,
                0,
                0,
                0,
                0,
                0,
                0,
                label.name().len() as u8,
                0,
                0,
            ];
            message.extend_from_slice(label.name().as_bytes());
            if let Some((_, association)) = &mut self.association
                && let Ok(mut stream) = association.open_stream(id, Ppid::String)
                && stream.write_with_ppi(&message, Ppid::Dcep).is_ok()
                && is_live
            {
                let _ = stream.set_reliability_params(true, ReliabilityType::Rexmit, 0);
            }
        }
    }

    fn message(&mut self, id: u16, ppid: Ppid, data: Bytes, brought: &mut Vec<Brought>) {
        match ppid {
            Ppid::Dcep if data.first() == Some(&DCEP_ACK) => {
                if !self.acknowledged.contains(&id) && self.acknowledged.len() < Label::ALL.len() {
                    self.acknowledged.push(id);
                    if self.acknowledged.len() == Label::ALL.len() {
                        brought.push(Brought::Open);
                    }
                }
            }
            // A channel of the server's own: taken, its messages are read like any.
            Ppid::Dcep => {
                self.write(id, &[DCEP_ACK], Ppid::Dcep);
            }
            Ppid::String | Ppid::Binary => brought.push(Brought::Text(data)),
            Ppid::StringEmpty | Ppid::BinaryEmpty | Ppid::Unknown => {}
        }
    }
}

/// SCTP runs inside DTLS and has no addresses; the crate wants one.
fn peer() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 5000))
}
