//! One peer connection of the `rtc` crate on a line of its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc::data_channel::{RTCDataChannelId, RTCDataChannelInit};
use rtc::interceptor::{NackResponderBuilder, Registry, Slot};
use rtc::peer_connection::configuration::interceptor_registry::{
    configure_rtcp_reports, configure_simulcast_extension_headers, configure_twcc_receiver_only,
};
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent};
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp::Packet;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use rtc::sansio::Protocol;
use rtc::sdp::extmap::SDES_MID_URI;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use sfu::shard::PeerId;

use super::ears::{self, Asked, Ears};
use super::network::Line;

/// A picture's codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Picture {
    Vp8,
    H264,
}

impl Picture {
    pub(crate) fn payload_type(self) -> u8 {
        match self {
            Picture::Vp8 => 96,
            Picture::H264 => 102,
        }
    }

    pub(crate) fn codec(self) -> RTCRtpCodec {
        let feedback = |typ: &str, parameter: &str| RTCPFeedback {
            typ: typ.into(),
            parameter: parameter.into(),
        };
        let (mime_type, sdp_fmtp_line) = match self {
            Picture::Vp8 => ("video/VP8", ""),
            Picture::H264 => (
                "video/H264",
                "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
            ),
        };
        RTCRtpCodec {
            mime_type: mime_type.into(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: sdp_fmtp_line.into(),
            rtcp_feedback: vec![
                feedback("nack", ""),
                feedback("nack", "pli"),
                feedback("ccm", "fir"),
            ],
        }
    }
}

pub(crate) const AUDIO_PAYLOAD_TYPE: u8 = 111;

pub(crate) fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: "audio/opus".into(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".into(),
        rtcp_feedback: vec![],
    }
}

pub(crate) struct Client {
    pub(crate) connection: RTCPeerConnection,
    pub(crate) peer: PeerId,
    pub(crate) shard: usize,
    pub(crate) address: SocketAddr,
    pub(crate) up: Line,
    pub(crate) down: Line,
    pub(crate) connected_at: Option<Instant>,
    pub(crate) state: RTCPeerConnectionState,
    /// SSRCs of its own that somebody wants a keyframe of.
    pub(crate) asked: Asked,
    /// Open channels by label, and what came on them.
    pub(crate) open: HashMap<String, RTCDataChannelId>,
    pub(crate) messages: Vec<(String, String)>,
    /// Its offers say that they are Firefox's.
    pub(crate) is_firefox: bool,
    woken_at: Instant,
}

impl Client {
    pub(crate) fn new(now: Instant, peer: PeerId, shard: usize, pictures: &[Picture], rtx: bool) -> Client {
        let mut media = MediaEngine::default();
        let mut register = |codec: RTCRtpCodec, payload_type: u8, kind| {
            let parameters = RTCRtpCodecParameters {
                rtp_codec: codec,
                payload_type,
            };
            media.register_codec(parameters, kind).unwrap();
        };
        register(opus(), AUDIO_PAYLOAD_TYPE, RtpCodecKind::Audio);
        for picture in pictures {
            register(picture.codec(), picture.payload_type(), RtpCodecKind::Video);
            if !rtx {
                continue;
            }
            let rtx = RTCRtpCodec {
                mime_type: "video/rtx".into(),
                clock_rate: 90_000,
                channels: 0,
                sdp_fmtp_line: format!("apt={}", picture.payload_type()),
                rtcp_feedback: vec![],
            };
            register(rtx, picture.payload_type() + 1, RtpCodecKind::Video);
        }
        configure_simulcast_extension_headers(&mut media).unwrap();
        let mid = RTCRtpHeaderExtensionCapability {
            uri: SDES_MID_URI.into(),
        };
        media
            .register_header_extension(mid, RtpCodecKind::Audio, None)
            .unwrap();
        // Its own NACKs know nothing of RTX and would be repeated for what has come; `Viewer` writes them.
        let registry = Registry::new().with(Slot::NackResponder, NackResponderBuilder::new().build());
        let asked = Asked::default();
        let registry = registry.with(Slot::from(ears::SLOT), Ears::new(asked.clone()));
        let registry = configure_rtcp_reports(registry);
        let registry = configure_twcc_receiver_only(registry, &mut media).unwrap();
        let connection = RTCPeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .build(now)
            .unwrap();
        let [high, low] = (peer.0 as u16).to_be_bytes();
        let address = SocketAddr::from(([10, 1, high, low], 5000));
        let mut client = Client {
            connection,
            peer,
            shard,
            address,
            up: Line::good(),
            down: Line::good(),
            connected_at: None,
            state: RTCPeerConnectionState::New,
            asked,
            open: HashMap::new(),
            messages: Vec::new(),
            is_firefox: false,
            woken_at: now,
        };
        client.gather();
        client
    }

    /// Names its one address as a candidate, which an ICE restart makes necessary again.
    pub(crate) fn gather(&mut self) {
        let address = self.address;
        let candidate = CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".to_owned(),
                address: address.ip().to_string(),
                port: address.port(),
                component: 1,
                ..Default::default()
            },
            ..Default::default()
        };
        let candidate = RTCIceCandidate::from(&candidate.new_candidate_host().unwrap());
        self.connection
            .add_local_candidate(candidate.to_json().unwrap())
            .unwrap();
    }

    pub(crate) fn open_channel(&mut self, label: &str, init: Option<RTCDataChannelInit>) {
        self.connection.create_data_channel(label, init).unwrap();
    }

    pub(crate) fn offer(&mut self, now: Instant) -> String {
        let offer = self.connection.create_offer(None).unwrap();
        self.connection.set_local_description(now, offer).unwrap();
        let text = self.connection.local_description().unwrap().sdp;
        if self.is_firefox {
            text.replacen("o=-", "o=mozilla...THIS_IS_SDPARTA-99.0", 1)
        } else {
            text
        }
    }

    pub(crate) fn take_answer(&mut self, now: Instant, answer: String) {
        let answer = RTCSessionDescription::answer(answer).unwrap();
        self.connection.set_remote_description(now, answer).unwrap();
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.state == RTCPeerConnectionState::Connected
    }

    pub(crate) fn say(&mut self, now: Instant, label: &str, text: &str) {
        let channel = self.open[label];
        self.connection
            .data_channel(channel)
            .unwrap()
            .send_text(now, text)
            .unwrap();
    }

    pub(crate) fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let datagram = TaggedBytesMut {
            now,
            transport: TransportContext {
                local_addr: self.address,
                peer_addr: from,
                transport_protocol: TransportProtocol::UDP,
                ecn: None,
            },
            message: BytesMut::from(bytes),
        };
        // An error is a packet it could not read; what it makes of that is its own affair.
        let _ = self.connection.handle_read(datagram);
    }

    pub(crate) fn poll_timeout(&mut self) -> Option<Instant> {
        // It may name the past; a step forward keeps the world turning.
        let at = self.connection.poll_timeout()?;
        Some(at.max(self.woken_at + Duration::from_millis(1)))
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.woken_at = now;
            let _ = self.connection.handle_timeout(now);
        }
    }

    /// The next datagram to send, and where to.
    pub(crate) fn poll_datagram(&mut self) -> Option<(SocketAddr, BytesMut)> {
        let datagram = self.connection.poll_write()?;
        Some((datagram.transport.peer_addr, datagram.message))
    }

    /// Takes events and everything that came; gives the media.
    pub(crate) fn listen(&mut self, now: Instant) -> Vec<Packet> {
        while let Some(event) = self.connection.poll_event() {
            match event {
                RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) => {
                    self.state = state;
                    if state == RTCPeerConnectionState::Connected {
                        self.connected_at.get_or_insert(now);
                    }
                }
                RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(channel)) => {
                    let label = self.connection.data_channel(channel).unwrap().label().to_owned();
                    self.open.insert(label, channel);
                }
                _ => {}
            }
        }
        let mut media = Vec::new();
        while let Some(read) = self.connection.poll_read() {
            match read.message {
                RTCMessage::RtpPacket(_, packet) => media.push(packet),
                RTCMessage::DataChannelMessage(channel, message) => {
                    let label = self.open.iter().find(|(_, known)| **known == channel);
                    let label = label.map_or_else(String::new, |(label, _)| label.clone());
                    let text = String::from_utf8_lossy(&message.data).into_owned();
                    self.messages.push((label, text));
                }
                _ => {}
            }
        }
        media
    }
}
