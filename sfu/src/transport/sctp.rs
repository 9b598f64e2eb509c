//! SCTP over DTLS (RFC 8261) and the data channels on it (RFC 8831).

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sctp_proto::{
    AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier as Ppid, ReliabilityType, ServerConfig, StreamEvent, TransportConfig,
};
use smallvec::SmallVec;

use super::channels::OpenChannels;
use super::dcep::{DCEP_ACK, Dcep, Reliability, parse_dcep};
use super::intake::{Intake, Taken};
use super::prompt::prompt;
use super::{ChannelId, SendError, TransportEvent};

/// Retransmission timeouts in milliseconds. RFC 9260 §16 says 1 s at first and at least: meant for bulk, too long for
/// somebody who pressed Buy. What would be acknowledged later than the least asks for it at once ([`prompt`]).
const RTO_INITIAL_MS: u64 = 200;
const RTO_MIN_MS: u64 = 120;
/// What follows sooner is acknowledged together with what was before it, every second packet at once (RFC 9260 §6.2);
/// what does not asks for it. Half of the shortest timeout, so that a steady row of messages meets none.
const SPARSE: Duration = Duration::from_millis(RTO_MIN_MS / 2);
/// Where doubling ends: a line that comes back is used again within a second.
const RTO_MAX_MS: u64 = 1_000;
/// After this many unanswered INITs (about eight seconds) we only wait for the peer's.
const MAX_INIT_RETRANSMITS: usize = 9;
/// DATA in one chunk: a DTLS datagram less its record overhead (13 header, 8 nonce, 16 tag) and SCTP's headers.
const MAX_PAYLOAD: u32 = 1200 - 37 - 28;
/// The longest time from one INIT ACK to its repetition; then the peer's clock is fast enough.
const LONGEST_ANSWER: Duration = Duration::from_secs(1);
/// Streams offered in each direction. Browsers number channels from 0 in steps of two.
pub(super) const MAX_STREAMS: u16 = 256;
/// Channels open at once: three are ours, the rest is room to reopen them.
const MAX_CHANNELS: usize = 16;
/// Channels of one peer refused, or closed for what was said on them: with every one the association keeps something.
/// Then the peer is let go.
const MAX_REFUSED: u32 = 64;
/// INITs answered while none was completed; a peer repeats one INIT, it does not make new ones.
const MAX_INITS: usize = 4;
/// What a peer may have on the way to us; also the end of any message being put together.
const RECEIVE_BUFFER: u32 = 128 << 10;
/// Events waiting for the caller; beyond, messages stay in SCTP and its window closes.
const MAX_EVENTS: usize = 256;

/// What the offer and the configuration say about data channels.
#[derive(Clone, Debug)]
pub(super) struct ChannelSettings {
    pub(super) sctp_port: u16,
    /// Messages longer than this the peer does not take.
    pub(super) peer_max_message: usize,
    /// Messages longer than this close their channel.
    pub(super) max_message: usize,
    /// Bytes a channel may hold unsent or unacknowledged.
    pub(super) channel_buffer: usize,
    pub(super) negotiated: Vec<(u16, String)>,
}

/// Our INIT ACK, until the peer has gone on: whether it is lost only the peer's clock would tell.
struct Answer {
    packet: Bytes,
    again: Option<Instant>,
    wait: Duration,
}

impl Answer {
    fn new(packet: Bytes, now: Instant) -> Answer {
        let wait = Duration::from_millis(RTO_INITIAL_MS);
        Answer {
            packet,
            again: Some(now + wait),
            wait,
        }
    }

    /// The packet once more, when it is time. A peer that has it ignores another (RFC 9260 §5.2.3).
    fn repeat(&mut self, now: Instant) -> Option<Bytes> {
        self.again.filter(|at| *at <= now)?;
        self.wait *= 2;
        self.again = (self.wait <= LONGEST_ANSWER).then_some(now + self.wait);
        Some(self.packet.clone())
    }
}

/// The SCTP association of one peer.
///
/// Both sides begin it, so that it takes the faster of the two clocks to repeat what was lost; some peers only answer,
/// others only begin. RFC 9260 §5.2.1 wants one tag in both attempts where they cross; the crate has one for each, and
/// pion, which talks to the tag it heard last, would talk to nobody. So the peer's INIT ends our attempt, unless that is
/// past its first answer. Then the answer to the INIT is repeated by our clock.
pub(super) struct Sctp {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, sctp_proto::Association)>,
    /// Whether the association is our attempt and past the point of giving way.
    echoed: bool,
    inits: usize,
    answer: Option<Answer>,
    established: bool,
    lost: bool,
    intake: Intake,
    /// Channels refused so far, and whether that or what is kept was too much.
    refused: u32,
    is_excessive: bool,
    settings: ChannelSettings,
    channels: OpenChannels,
    /// Whether the last poll has given all there is.
    is_drained: bool,
    /// Streams with messages not yet read.
    readable: SmallVec<[u16; 4]>,
    /// When data left last.
    last_data: Option<Instant>,
    dropped: u64,
}

/// First chunk types that decide who completes the handshake (RFC 9260 §3.2).
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;

impl Sctp {
    pub(super) fn new(settings: ChannelSettings, now: Instant) -> Sctp {
        let transport = TransportConfig::default()
            .with_max_receive_buffer_size(RECEIVE_BUFFER)
            .with_max_receive_message_size(RECEIVE_BUFFER)
            .with_max_send_message_size(settings.peer_max_message.try_into().unwrap_or(u32::MAX))
            .with_max_num_inbound_streams(MAX_STREAMS)
            .with_max_num_outbound_streams(MAX_STREAMS)
            .with_max_init_retransmits(Some(MAX_INIT_RETRANSMITS))
            .with_max_data_retransmits(None)
            .with_rto_initial_ms(RTO_INITIAL_MS)
            .with_rto_min_ms(RTO_MIN_MS)
            .with_rto_max_ms(RTO_MAX_MS)
            .with_local_port(settings.sctp_port)
            .with_remote_port(settings.sctp_port);
        let transport = Arc::new(transport);
        let mut endpoint_config = EndpointConfig::new();
        endpoint_config.max_payload_size(MAX_PAYLOAD);
        let mut server = ServerConfig::new();
        server.transport = Arc::clone(&transport);
        let mut endpoint = Endpoint::new(Arc::new(endpoint_config), Some(Arc::new(server)));
        let mut client = ClientConfig::new();
        client.transport = transport;
        let association = endpoint.connect(client, peer()).ok();
        Sctp {
            endpoint,
            association,
            echoed: false,
            inits: 0,
            answer: None,
            established: false,
            lost: false,
            intake: Intake::new(now),
            refused: 0,
            is_excessive: false,
            settings,
            channels: OpenChannels::default(),
            is_drained: false,
            readable: SmallVec::new(),
            last_data: None,
            dropped: 0,
        }
    }

    /// Takes one packet out of a DTLS record.
    pub(super) fn receive(&mut self, now: Instant, packet: &[u8], events: &mut VecDeque<TransportEvent>) {
        let chunk = packet.get(12).copied();
        if chunk == Some(INIT) && (self.established || self.echoed || self.inits >= MAX_INITS) {
            // RFC 9260 §5.2.2 would have an answer that changes nothing.
            return;
        }
        let packet = match self.intake.take(now, packet) {
            Taken::Packet(packet) => packet,
            Taken::Nothing => {
                self.dropped += 1;
                return;
            }
            Taken::TooMuch => {
                self.is_excessive = true;
                return;
            }
        };
        let Some((handle, event)) = self.endpoint.handle(now, peer(), None, None, packet) else {
            self.dropped += 1;
            return;
        };
        match (event, &mut self.association) {
            (DatagramEvent::NewAssociation(theirs), _) => {
                self.inits += 1;
                self.association = Some((handle, theirs));
            }
            (DatagramEvent::AssociationEvent(event), Some((ours, association))) if *ours == handle => {
                association.handle_event(event);
                self.echoed |= chunk == Some(INIT_ACK);
            }
            // Of an attempt that was given up.
            _ => self.dropped += 1,
        }
        self.pump(events);
    }

    /// The association, to be read from or written to.
    fn association(&mut self) -> Option<&mut sctp_proto::Association> {
        if !self.established {
            return None;
        }
        self.association.as_mut().map(|(_, association)| association)
    }

    /// Moves what happened into `events`.
    pub(super) fn pump(&mut self, events: &mut VecDeque<TransportEvent>) {
        loop {
            let mut progress = false;
            while let Some((_, association)) = &mut self.association
                && let Some(event) = association.poll()
            {
                progress = true;
                self.on_event(event, events);
            }
            progress |= self.read(events);
            if !progress {
                return;
            }
        }
    }

    fn on_event(&mut self, event: Event, events: &mut VecDeque<TransportEvent>) {
        match event {
            Event::Connected => {
                self.established = true;
                self.answer = None;
            }
            Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => {
                self.lost = self.established;
                self.echoed = false;
                if !self.established {
                    self.association = None;
                }
            }
            Event::Stream(StreamEvent::Readable { id }) if !self.readable.contains(&id) => {
                self.readable.push(id);
            }
            Event::Stream(StreamEvent::Finished { id }) => self.forget(ChannelId(id), events),
            _ => {}
        }
    }

    /// Reads whole messages while there is room for events; whether there were any.
    fn read(&mut self, events: &mut VecDeque<TransportEvent>) -> bool {
        let mut progress = false;
        while let Some(&id) = self.readable.last() {
            if events.len() >= MAX_EVENTS {
                return progress;
            }
            let message = self
                .association()
                .and_then(|association| association.stream(id).ok())
                .and_then(|mut stream| stream.read_sctp().ok().flatten());
            let Some(mut message) = message else {
                self.readable.retain(|readable| *readable != id);
                continue;
            };
            progress = true;
            let data = message
                .next(message.len())
                .map(|chunk| chunk.bytes)
                .unwrap_or_default();
            self.on_message(ChannelId(id), message.ppi, data, events);
        }
        progress
    }

    fn on_message(
        &mut self,
        channel: ChannelId,
        ppid: Ppid,
        data: Bytes,
        events: &mut VecDeque<TransportEvent>,
    ) {
        let data = match ppid {
            Ppid::Dcep => return self.on_dcep(channel, &data, events),
            Ppid::String | Ppid::Binary => data,
            // Empty messages carry one byte that means nothing (RFC 8831 §6.6).
            Ppid::StringEmpty | Ppid::BinaryEmpty => Bytes::new(),
            Ppid::Unknown => {
                self.dropped += 1;
                return;
            }
        };
        if !self.channels.contains(channel) {
            let negotiated = self.settings.negotiated.iter().find(|(id, _)| *id == channel.0);
            let Some(label) = negotiated.map(|(_, label)| label.clone()) else {
                self.dropped += 1;
                return;
            };
            self.open(channel, label, events);
        }
        if data.len() > self.settings.max_message {
            self.refuse(channel);
            self.forget(channel, events);
            return;
        }
        events.push_back(TransportEvent::Message { channel, data });
    }

    fn on_dcep(&mut self, channel: ChannelId, message: &[u8], events: &mut VecDeque<TransportEvent>) {
        match parse_dcep(message) {
            Some(Dcep::Open {
                unordered,
                reliability,
                label,
                ..
            }) => {
                if self.channels.contains(channel) {
                    self.dropped += 1;
                    return;
                }
                if self.channels.len() >= MAX_CHANNELS {
                    return self.refuse(channel);
                }
                self.open(channel, label.to_owned(), events);
                let _ = self.write(channel, &Bytes::from_static(&DCEP_ACK), Ppid::Dcep);
                let (kind, value) = match reliability {
                    Reliability::Reliable => (ReliabilityType::Reliable, 0),
                    Reliability::Retransmits(times) => (ReliabilityType::Rexmit, times),
                    Reliability::LifetimeMs(ms) => (ReliabilityType::Timed, ms),
                };
                let stream = self.association().and_then(|a| a.stream(channel.0).ok());
                if let Some(mut stream) = stream {
                    let _ = stream.set_reliability_params(unordered, kind, value);
                }
            }
            Some(Dcep::Ack) => {}
            None => {
                self.refuse(channel);
                self.forget(channel, events);
            }
        }
    }

    fn open(&mut self, channel: ChannelId, label: String, events: &mut VecDeque<TransportEvent>) {
        self.channels.insert(channel);
        events.push_back(TransportEvent::ChannelOpen { channel, label });
    }

    /// Closes our direction; the peer closes its own (RFC 8831 §6.7) and the number is free again.
    fn refuse(&mut self, channel: ChannelId) {
        self.refused += 1;
        self.is_excessive |= self.refused > MAX_REFUSED;
        if let Some(mut stream) = self.association().and_then(|a| a.stream(channel.0).ok()) {
            let _ = stream.close();
        }
    }

    fn forget(&mut self, channel: ChannelId, events: &mut VecDeque<TransportEvent>) {
        if self.channels.remove(channel) {
            events.push_back(TransportEvent::ChannelClosed { channel });
        }
    }

    /// Queues one text message.
    pub(super) fn send(&mut self, channel: ChannelId, message: &Bytes) -> Result<(), SendError> {
        if !self.channels.contains(channel) {
            return Err(SendError::NotOpen);
        }
        if message.len() > self.settings.peer_max_message {
            return Err(SendError::TooLong);
        }
        let held = self.held(channel);
        if held > 0 && held + message.len() > self.settings.channel_buffer {
            return Err(SendError::Full);
        }
        if message.is_empty() {
            self.write(channel, &Bytes::from_static(&[0]), Ppid::StringEmpty)
        } else {
            self.write(channel, message, Ppid::String)
        }
    }

    fn write(&mut self, channel: ChannelId, message: &Bytes, ppid: Ppid) -> Result<(), SendError> {
        let written = self
            .association()
            .and_then(|association| association.stream(channel.0).ok())
            .and_then(|mut stream| {
                stream.set_default_payload_type(ppid).ok()?;
                // The one way in that does not copy.
                stream.write_chunks(&mut [message.clone()]).ok()
            });
        let Some(written) = written else {
            return Err(SendError::NotOpen);
        };
        self.channels.wrote(channel, written);
        Ok(())
    }

    /// Bytes of a channel SCTP still keeps: unsent, or unacknowledged.
    fn held(&mut self, channel: ChannelId) -> usize {
        self.association()
            .and_then(|association| association.stream(channel.0).ok())
            .and_then(|stream| stream.buffered_amount().ok())
            .unwrap_or(0)
    }

    /// Bytes of a channel never handed to the network.
    pub(super) fn unsent(&self, channel: ChannelId) -> usize {
        self.channels.unsent(channel)
    }

    /// Whether the association has not let all of a channel go when it was asked.
    pub(super) fn is_held_back(&self, channel: ChannelId) -> bool {
        self.channels.is_held_back(channel)
    }

    /// The next packets for DTLS.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<Bytes>> {
        if std::mem::take(&mut self.is_drained) {
            self.channels.settle();
            return None;
        }
        let association = self.association.as_mut();
        let own = association.and_then(|(_, association)| association.poll_transmit(now));
        let transmit = own.or_else(|| self.endpoint.poll_transmit());
        let Some(transmit) = transmit else {
            self.channels.settle();
            return self.answer.as_mut()?.repeat(now).map(|packet| vec![packet]);
        };
        let Payload::RawEncode(mut packets) = transmit.payload else {
            return Some(Vec::new());
        };
        if !self.established
            && let Some(packet) = packets.iter().find(|packet| packet.get(12) == Some(&INIT_ACK))
        {
            self.answer = Some(Answer::new(packet.clone(), now));
        }
        let mut has_data = false;
        for packet in &packets {
            has_data |= self.channels.count(packet);
        }
        // With new data came all that may leave now.
        self.is_drained = has_data;
        if has_data {
            let last = self.last_data.replace(now);
            if last.is_none_or(|last| now.saturating_duration_since(last) >= SPARSE) {
                // An acknowledgement of ours may be the last packet.
                packets.iter_mut().rev().any(prompt);
            }
        }
        Some(packets)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let association = self.association.as_ref();
        let timer = association.and_then(|(_, association)| association.poll_timeout());
        let answer = self.answer.as_ref().and_then(|answer| answer.again);
        timer.into_iter().chain(answer).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, events: &mut VecDeque<TransportEvent>) {
        if let Some((_, association)) = &mut self.association {
            association.handle_timeout(now);
        }
        self.pump(events);
    }

    /// Whether the association was up and is no more.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether it is to be let go for what it has had kept or refused.
    pub(super) fn is_excessive(&self) -> bool {
        self.is_excessive
    }

    /// Packets and messages nobody waited for.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// SCTP runs inside DTLS and has no addresses; the crate wants one.
fn peer() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, sctp_proto::DEFAULT_SCTP_PORT))
}

#[cfg(test)]
mod tests;
