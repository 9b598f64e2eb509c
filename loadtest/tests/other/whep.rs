//! The watching side: every viewer is sent a synthetic stream of its own, and what left is counted next to the wire.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use bytes::Bytes;
use loadtest::stamp::Stamp;
use rtc::interceptor::{Interceptor, Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::sansio::Protocol;
use tokio::sync::watch;
use webrtc::media_stream::MediaStreamTrack;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription, Registry, SettingEngineBuilder,
    register_default_interceptors,
};
use webrtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};

/// Pictures of a second, and packets of a picture.
pub(crate) const FRAMES: u32 = 25;
pub(crate) const PACKETS: usize = 5;
/// Pictures from one keyframe to the next.
pub(crate) const GROUP: u32 = 50;
/// The picture changes its height with every keyframe.
pub(crate) const HEIGHTS: [u16; 2] = [360, 720];

/// What left toward all viewers, and what they said.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) packets: AtomicU64,
    pub(crate) frames: AtomicU64,
    pub(crate) repairs: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) doubled: AtomicU64,
    pub(crate) nacked: AtomicU64,
    pub(crate) plis: AtomicU64,
    pub(crate) reports: AtomicU64,
    pub(crate) transport_feedbacks: AtomicU64,
    pub(crate) deleted: AtomicU64,
}

impl Sent {
    pub(crate) fn get(&self, what: impl Fn(&Sent) -> &AtomicU64) -> u64 {
        what(self).load(Ordering::Relaxed)
    }
}

/// How bad the server's own sending is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Every n-th packet of the picture does not leave.
    pub(crate) drop_every: Option<u64>,
    /// Every n-th leaves twice.
    pub(crate) double_every: Option<u64>,
    /// What is asked for again does not leave.
    pub(crate) is_deaf: bool,
}

/// The server.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) whep: reqwest::Url,
    pub(crate) sent: Arc<Sent>,
    address: &'static str,
    faults: Faults,
    is_over: Arc<AtomicBool>,
    sessions: Arc<Mutex<Vec<Arc<dyn PeerConnection>>>>,
}

impl Stage {
    pub(crate) async fn start(faults: Faults) -> Stage {
        Stage::start_at("127.0.0.1:0", faults).await
    }

    /// On a free port of this address, for HTTP and for each viewer's media.
    pub(crate) async fn start_at(address: &'static str, faults: Faults) -> Stage {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let whep = format!("http://{}/whep", listener.local_addr().unwrap());
        let stage = Stage {
            whep: whep.parse().unwrap(),
            sent: Arc::default(),
            address,
            faults,
            is_over: Arc::default(),
            sessions: Arc::default(),
        };
        let app = Router::new()
            .route("/whep", post(join))
            .route("/session/{id}", delete(leave))
            .with_state(stage.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        stage
    }

    /// No more pictures and sound.
    pub(crate) fn fall_silent(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Ends all sessions.
    pub(crate) async fn hang_up(&self) {
        let sessions = std::mem::take(&mut *self.sessions.lock().unwrap());
        for session in sessions {
            session.close().await.unwrap();
        }
    }
}

async fn leave(State(stage): State<Stage>) -> StatusCode {
    stage.sent.deleted.fetch_add(1, Ordering::Relaxed);
    StatusCode::OK
}

struct Events {
    gathered: watch::Sender<bool>,
    connected: watch::Sender<bool>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Events {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.gathered
            .send_replace(state == RTCIceGatheringState::Complete);
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        match state {
            RTCPeerConnectionState::Connected => drop(self.connected.send_replace(true)),
            // It comes back: this crate says so after five seconds without a check, and viewers make one each five or so.
            RTCPeerConnectionState::Disconnected => {}
            _ => drop(self.connected.send_replace(false)),
        }
    }
}

async fn join(State(stage): State<Stage>, headers: HeaderMap, offer: String) -> Response {
    if headers
        .get(header::AUTHORIZATION)
        .is_some_and(|token| token != "Bearer secret")
    {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut media = MediaEngine::default();
    media.register_default_codecs().unwrap();
    let interceptors = register_default_interceptors(Registry::new(), &mut media).unwrap();
    let interceptors = interceptors.with(Slot::from(500), Wire::new(stage.sent.clone(), stage.faults));
    let (gathered, mut is_gathered) = watch::channel(false);
    let (connected, is_connected) = watch::channel(false);
    let connection: Arc<dyn PeerConnection> = Arc::new(
        PeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_interceptor_registry(interceptors)
            .with_setting_engine(SettingEngineBuilder::new().with_lite(true).build())
            .with_handler(Arc::new(Events { gathered, connected }))
            .with_udp_addrs(vec![stage.address])
            .build()
            .await
            .unwrap(),
    );
    let video = track(&connection, RtpCodecKind::Video).await;
    let audio = track(&connection, RtpCodecKind::Audio).await;
    connection
        .set_remote_description(RTCSessionDescription::offer(offer).unwrap())
        .await
        .unwrap();
    let answer = connection.create_answer(None).await.unwrap();
    connection.set_local_description(answer).await.unwrap();
    is_gathered.wait_for(|done| *done).await.unwrap();
    let answer = connection.local_description().await.unwrap().sdp;
    let id = {
        let mut sessions = stage.sessions.lock().unwrap();
        sessions.push(connection);
        sessions.len()
    };
    tokio::spawn(send(stage, is_connected, video, audio));
    let headers = [
        (header::CONTENT_TYPE, "application/sdp".to_owned()),
        (header::LOCATION, format!("/session/{id}")),
    ];
    (StatusCode::CREATED, headers, answer).into_response()
}

async fn track(connection: &Arc<dyn PeerConnection>, kind: RtpCodecKind) -> Outgoing {
    let is_video = kind == RtpCodecKind::Video;
    let ssrc: u32 = rand::random();
    let codec = RTCRtpCodec {
        mime_type: if is_video { "video/VP8" } else { "audio/opus" }.into(),
        clock_rate: if is_video { 90_000 } else { 48_000 },
        channels: if is_video { 0 } else { 2 },
        sdp_fmtp_line: if is_video {
            ""
        } else {
            "minptime=10;useinbandfec=1"
        }
        .into(),
        rtcp_feedback: vec![],
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            rtx: is_video.then(|| RTCRtpRtxParameters { ssrc: rand::random() }),
            ..Default::default()
        },
        codec,
        active: true,
        ..Default::default()
    };
    let id = kind.to_string();
    let track = MediaStreamTrack::new("stage".into(), id.clone(), id, kind, vec![encoding]);
    let track: Arc<dyn TrackLocal> = Arc::new(TrackLocalStaticRTP::new(track));
    let init = RTCRtpTransceiverInit {
        direction: RTCRtpTransceiverDirection::Sendonly,
        streams: vec![],
        send_encodings: vec![],
    };
    connection
        .add_transceiver_from_track(track.clone(), Some(init))
        .await
        .unwrap();
    Outgoing {
        track,
        ssrc,
        number: 0,
        sequence: 65_000,
    }
}

struct Outgoing {
    track: Arc<dyn TrackLocal>,
    ssrc: u32,
    number: u64,
    sequence: u16,
}

impl Outgoing {
    async fn write(&mut self, payload_type: u8, timestamp: u32, marker: bool, mut payload: Vec<u8>) {
        let sent_us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
        payload.extend(
            Stamp {
                sent_us,
                number: self.number,
            }
            .bytes(),
        );
        self.number += 1;
        let header = rtp::Header {
            version: 2,
            payload_type,
            ssrc: self.ssrc,
            timestamp,
            marker,
            sequence_number: self.sequence,
            ..Default::default()
        };
        self.sequence = self.sequence.wrapping_add(1);
        let packet = rtp::Packet {
            header,
            payload: Bytes::from(payload),
        };
        // Fails when the viewer has left.
        let _ = self.track.write_rtp(packet).await;
    }
}

/// A picture every 40 ms, and a packet of sound with it.
async fn send(stage: Stage, mut connected: watch::Receiver<bool>, mut video: Outgoing, mut audio: Outgoing) {
    if connected.wait_for(|up| *up).await.is_err() {
        return;
    }
    let mut tick = tokio::time::interval(Duration::from_millis(1000 / u64::from(FRAMES)));
    for frame in 0_u32.. {
        tick.tick().await;
        if stage.is_over.load(Ordering::Relaxed) || !*connected.borrow() {
            return;
        }
        for n in 0..PACKETS {
            let mut payload = vec![if n == 0 { 0x90 } else { 0x80 }, 0x80];
            payload.extend((0x8000 | (frame as u16 & 0x7fff)).to_be_bytes());
            if n == 0 {
                payload.push(u8::from(frame % GROUP != 0));
                payload.extend([0, 0, 0x9d, 1, 0x2a, 0x80, 0x02]);
                payload.extend(HEIGHTS[(frame / GROUP) as usize % 2].to_le_bytes());
            }
            payload.resize(800, 7);
            video.write(96, frame * 3600, n + 1 == PACKETS, payload).await;
        }
        stage.sent.frames.fetch_add(1, Ordering::Relaxed);
        audio.write(111, frame * 1920, false, vec![0xfc; 60]).await;
    }
}

/// Next to the wire: what leaves is counted, lost and doubled here, behind everything that repairs.
struct Wire {
    sent: Arc<Sent>,
    faults: Faults,
    pictures: u64,
    read: VecDeque<TaggedPacket>,
    written: VecDeque<TaggedPacket>,
}

impl Wire {
    fn new(sent: Arc<Sent>, faults: Faults) -> Wire {
        let (read, written) = (VecDeque::new(), VecDeque::new());
        Wire {
            sent,
            faults,
            pictures: 0,
            read,
            written,
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Wire {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        if let Packet::Rtcp(packets) = &packet.message.packet {
            for packet in packets.iter().map(|packet| packet.as_any()) {
                let add = |count: &AtomicU64, n| {
                    count.fetch_add(n, Ordering::Relaxed);
                };
                if let Some(nack) = packet.downcast_ref::<TransportLayerNack>() {
                    let asked = nack
                        .nacks
                        .iter()
                        .map(|pair| pair.packet_list().len() as u64)
                        .sum();
                    add(&self.sent.nacked, asked);
                } else if packet.is::<PictureLossIndication>() {
                    add(&self.sent.plis, 1);
                } else if packet.is::<ReceiverReport>() {
                    add(&self.sent.reports, 1);
                } else if packet.is::<TransportLayerCc>() {
                    add(&self.sent.transport_feedbacks, 1);
                }
            }
        }
        self.read.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        let Packet::Rtp(rtp) = &packet.message.packet else {
            self.written.push_back(packet);
            return Ok(());
        };
        match rtp.header.payload_type {
            96 => self.pictures += 1,
            97 if self.faults.is_deaf => return Ok(()),
            97 => drop(self.sent.repairs.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
        let hits = |every: Option<u64>| {
            rtp.header.payload_type == 96 && every.is_some_and(|n| self.pictures.is_multiple_of(n))
        };
        if hits(self.faults.drop_every) {
            self.sent.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        if hits(self.faults.double_every) {
            self.sent.doubled.fetch_add(1, Ordering::Relaxed);
            self.sent.packets.fetch_add(1, Ordering::Relaxed);
            let (now, transport) = (packet.now, packet.transport);
            self.written.push_back(TaggedPacket {
                now,
                transport,
                message: packet.message.clone(),
            });
        }
        self.sent.packets.fetch_add(1, Ordering::Relaxed);
        self.written.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.written.pop_front()
    }
}

impl Interceptor for Wire {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
