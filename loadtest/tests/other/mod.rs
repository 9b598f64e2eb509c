//! Another WHIP and WHEP server: the smallest one that the `webrtc` crate makes, on loopback.
//!
//! It answers with ICE-lite, counts every packet of every RID, and hands the best layer it has on to its viewers.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]

pub(crate) mod whep;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use loadtest::stamp::Stamp;
use rtc::interceptor::{Interceptor, Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::sansio::Protocol;
use tokio::sync::watch;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCSessionDescription, Registry, SettingEngineBuilder, register_default_interceptors,
};

/// What arrived under one RID (`audio` for sound).
#[derive(Debug, Default, Clone)]
pub(crate) struct Arrived {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) timestamps: Vec<u32>,
    pub(crate) sequence: Vec<u16>,
    pub(crate) picture_ids: Vec<u16>,
    pub(crate) stamps: Vec<Option<Stamp>>,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) arrived: BTreeMap<String, Arrived>,
    pub(crate) offers: Vec<String>,
    pub(crate) deleted: usize,
    /// RTX packets on the wire, by the RID they name.
    pub(crate) repairs: BTreeMap<String, u64>,
    pub(crate) sender_reports: u64,
    pub(crate) tokens: Vec<Option<String>>,
    pub(crate) messages: Vec<String>,
}

/// What publishers send, to speak back to them: each track with its SSRC.
type Tracks = Arc<Mutex<Vec<(Arc<dyn TrackRemote>, u32)>>>;

#[derive(Clone)]
pub(crate) struct Other {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Seen>>,
    sessions: Arc<Mutex<HashMap<String, Arc<dyn PeerConnection>>>>,
    tracks: Tracks,
    /// Every n-th video packet is dropped before it is looked at.
    drop_every: Arc<Mutex<Option<u64>>>,
    /// Answers POSTs with this status instead.
    pub(crate) refuse: Arc<Mutex<Option<u16>>>,
    /// Answers lead nowhere: they have no candidates.
    pub(crate) nowhere: Arc<AtomicBool>,
    /// Answers wait while this is held.
    pub(crate) answers: Arc<tokio::sync::Mutex<()>>,
}

impl Other {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            sessions: Arc::default(),
            tracks: Arc::default(),
            drop_every: Arc::default(),
            refuse: Arc::default(),
            nowhere: Arc::default(),
            answers: Arc::default(),
        };
        let app = Router::new()
            .route("/whip/{room}", post(whip))
            .route("/session/{id}", axum::routing::delete(delete))
            .with_state(other.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        other
    }

    pub(crate) fn whip(&self) -> reqwest::Url {
        format!("http://{}/whip/demo", self.address).parse().unwrap()
    }

    pub(crate) fn lose_every(&self, n: u64) {
        *self.drop_every.lock().unwrap() = Some(n);
    }

    /// A PLI for every video stream that has been seen.
    pub(crate) async fn ask_for_keyframes(&self) {
        let tracks = self.tracks.lock().unwrap().clone();
        for (track, media_ssrc) in tracks {
            let request = PictureLossIndication {
                sender_ssrc: 1,
                media_ssrc,
            };
            track.write_rtcp(vec![Box::new(request)]).await.unwrap();
        }
    }

    /// Ends all sessions from the server's side, as a restart would.
    pub(crate) async fn hang_up(&self) {
        let sessions: Vec<_> = self.sessions.lock().unwrap().drain().collect();
        for (_, session) in sessions {
            session.close().await.unwrap();
        }
    }

    /// Sessions that there are.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.lock().unwrap().len()
    }

    pub(crate) fn packets(&self, rid: &str) -> u64 {
        self.seen
            .lock()
            .unwrap()
            .arrived
            .get(rid)
            .map_or(0, |a| a.packets)
    }
}

async fn whip(
    State(other): State<Other>,
    Path(_): Path<String>,
    headers: HeaderMap,
    offer: String,
) -> Response {
    if let Some(status) = *other.refuse.lock().unwrap() {
        return StatusCode::from_u16(status).unwrap().into_response();
    }
    let token = headers
        .get(header::AUTHORIZATION)
        .map(|v| v.to_str().unwrap().to_owned());
    {
        let mut seen = other.seen.lock().unwrap();
        seen.offers.push(offer.clone());
        seen.tokens.push(token);
    }
    let (seen, tracks) = (other.seen.clone(), other.tracks.clone());
    let wire = Wire {
        other: other.clone(),
        read: Vec::new(),
        written: Vec::new(),
        count: 0,
        rid_id: None,
    };
    let (connection, answer) = answer(offer, Some(wire), move |track| {
        tokio::spawn(record(track, seen.clone(), tracks.clone()));
    })
    .await;
    let answer = if other.nowhere.load(Ordering::Relaxed) {
        let lines = answer.split_inclusive('\n');
        lines.filter(|line| !line.starts_with("a=candidate")).collect()
    } else {
        answer
    };
    let _turn = other.answers.lock().await;
    let id = format!("{:x}", rand::random::<u64>());
    other.sessions.lock().unwrap().insert(id.clone(), connection);
    let headers = [
        (header::CONTENT_TYPE, "application/sdp".to_owned()),
        (header::LOCATION, format!("/session/{id}")),
    ];
    (StatusCode::CREATED, headers, answer).into_response()
}

async fn delete(State(other): State<Other>, Path(id): Path<String>) -> StatusCode {
    let session = other.sessions.lock().unwrap().remove(&id);
    let Some(session) = session else {
        return StatusCode::NOT_FOUND;
    };
    session.close().await.unwrap();
    other.seen.lock().unwrap().deleted += 1;
    StatusCode::OK
}

async fn record(track: Arc<dyn TrackRemote>, seen: Arc<Mutex<Seen>>, tracks: Tracks) {
    let mut names = HashMap::new();
    while let Some(event) = track.poll().await {
        match event {
            TrackRemoteEvent::OnOpen(init) => {
                let name = init.rid.filter(|r| !r.is_empty());
                let video = track.kind().await == RtpCodecKind::Video;
                if video {
                    tracks.lock().unwrap().push((track.clone(), init.ssrc));
                }
                names.insert(
                    init.ssrc,
                    name.unwrap_or_else(|| if video { "video" } else { "audio" }.to_owned()),
                );
            }
            TrackRemoteEvent::OnRtpPacket(packet) => {
                let name = names
                    .get(&packet.header.ssrc)
                    .cloned()
                    .unwrap_or_else(|| "unknown".into());
                let mut seen = seen.lock().unwrap();
                let arrived = seen.arrived.entry(name.clone()).or_default();
                arrived.packets += 1;
                arrived.bytes += packet.payload.len() as u64;
                arrived.sequence.push(packet.header.sequence_number);
                arrived.timestamps.push(packet.header.timestamp);
                arrived.stamps.push(Stamp::read(&packet.payload));
                if name != "audio" {
                    let id = u16::from_be_bytes([packet.payload[2], packet.payload[3]]);
                    arrived.picture_ids.push(id & 0x7fff);
                }
            }
            _ => {}
        }
    }
}

struct Events {
    gathered: watch::Sender<bool>,
    on_track: Box<dyn Fn(Arc<dyn TrackRemote>) + Send + Sync>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Events {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.gathered
            .send_replace(state == RTCIceGatheringState::Complete);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        (self.on_track)(track);
    }
}

async fn answer(
    offer: String,
    wire: Option<Wire>,
    on_track: impl Fn(Arc<dyn TrackRemote>) + Send + Sync + 'static,
) -> (Arc<dyn PeerConnection>, String) {
    let mut media = MediaEngine::default();
    media.register_default_codecs().unwrap();
    let mut interceptors = register_default_interceptors(Registry::new(), &mut media).unwrap();
    if let Some(wire) = wire {
        interceptors = interceptors.with(Slot::from(500), wire);
    }
    let (gathered, mut is_gathered) = watch::channel(false);
    let connection: Arc<dyn PeerConnection> = Arc::new(
        PeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_interceptor_registry(interceptors)
            .with_setting_engine(SettingEngineBuilder::new().with_lite(true).build())
            .with_handler(Arc::new(Events {
                gathered,
                on_track: Box::new(on_track),
            }))
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .build()
            .await
            .unwrap(),
    );
    connection
        .set_remote_description(RTCSessionDescription::offer(offer).unwrap())
        .await
        .unwrap();
    let answer = connection.create_answer(None).await.unwrap();
    connection.set_local_description(answer).await.unwrap();
    is_gathered.wait_for(|done| *done).await.unwrap();
    let answer = connection.local_description().await.unwrap().sdp;
    (connection, answer)
}

/// Sits next to the wire: loses packets, and looks at what comes in before anything is undone.
struct Wire {
    other: Other,
    read: Vec<TaggedPacket>,
    written: Vec<TaggedPacket>,
    count: u64,
    rid_id: Option<u8>,
}

impl Wire {
    fn lost(&mut self, packet: &rtp::Packet) -> bool {
        if packet.header.payload_type == 97 {
            let name = self.rid_id.and_then(|id| packet.header.get_extension(id));
            let name = name.map_or("unnamed".into(), |n| String::from_utf8(n.to_vec()).unwrap());
            *self.other.seen.lock().unwrap().repairs.entry(name).or_default() += 1;
            return false;
        }
        if packet.header.payload_type != 96 {
            return false;
        }
        self.count += 1;
        let every = *self.other.drop_every.lock().unwrap();
        every.is_some_and(|n| self.count.is_multiple_of(n))
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Wire {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        match &packet.message.packet {
            Packet::Rtp(rtp) if self.lost(rtp) => return Ok(()),
            Packet::Rtcp(packets) => {
                let reports = packets
                    .iter()
                    .filter(|p| p.as_any().is::<rtc::rtcp::sender_report::SenderReport>());
                self.other.seen.lock().unwrap().sender_reports += reports.count() as u64;
            }
            _ => {}
        }
        self.read.push(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        self.written.push(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.written.pop()
    }
}

impl Interceptor for Wire {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        let repaired = |e: &&rtc::interceptor::RTPHeaderExtension| e.uri.ends_with("repaired-rtp-stream-id");
        if let Some(extension) = info.rtp_header_extensions.iter().find(repaired) {
            self.rid_id = Some(extension.id as u8);
        }
    }
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

/// Waits until something holds, looking often; panics after `limit`.
pub(crate) async fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "waited {limit:?} for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
