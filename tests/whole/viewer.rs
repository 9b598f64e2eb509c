//! A viewer by WHEP that only looks at when its packets come.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, StatusCode};
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::sync::watch;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCSessionDescription, Registry, register_default_interceptors,
};

use super::server::{PATIENCE, Server};

/// When packets of the picture came.
type Arrivals = Arc<Mutex<Vec<Instant>>>;
/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(10);

pub(crate) struct Viewer {
    _connection: Arc<dyn PeerConnection>,
    arrivals: Arrivals,
    /// When it looked at the clock: while the machine stands still, or has no time for it, it does not.
    ticks: Arc<Mutex<Vec<Instant>>>,
}

struct Events {
    gathered: watch::Sender<bool>,
    arrivals: Arrivals,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Events {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.gathered
            .send_replace(state == RTCIceGatheringState::Complete);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let arrivals = self.arrivals.clone();
        tokio::spawn(async move {
            let is_picture = track.kind().await == RtpCodecKind::Video;
            while let Some(event) = track.poll().await {
                if is_picture && matches!(event, TrackRemoteEvent::OnRtpPacket(_)) {
                    arrivals.lock().unwrap().push(Instant::now());
                }
            }
        });
    }
}

/// Offers a connection and takes the answer; none when nobody answers.
pub(crate) async fn exchange(
    connection: &dyn PeerConnection,
    is_gathered: &mut watch::Receiver<bool>,
    request: RequestBuilder,
) -> Option<()> {
    let offer = connection.create_offer(None).await.unwrap();
    connection.set_local_description(offer).await.unwrap();
    is_gathered.wait_for(|done| *done).await.unwrap();
    let offer = connection.local_description().await.unwrap().sdp;
    let answer = request.header(CONTENT_TYPE, "application/sdp").body(offer).send();
    let answer = answer.await.ok()?;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let answer = RTCSessionDescription::answer(answer.text().await.ok()?).unwrap();
    connection.set_remote_description(answer).await.unwrap();
    Some(())
}

impl Viewer {
    /// Watches the demo room; returns when the picture comes.
    pub(crate) async fn watch(server: &Server) -> Viewer {
        let mut media = MediaEngine::default();
        media.register_default_codecs().unwrap();
        let interceptors = register_default_interceptors(Registry::new(), &mut media).unwrap();
        let (gathered, mut is_gathered) = watch::channel(false);
        let arrivals = Arrivals::default();
        let events = Events {
            gathered,
            arrivals: arrivals.clone(),
        };
        let connection: Arc<dyn PeerConnection> = Arc::new(
            PeerConnectionBuilder::new()
                .with_media_engine(media)
                .with_interceptor_registry(interceptors)
                .with_handler(Arc::new(events))
                .with_udp_addrs(vec!["127.0.0.1:0"])
                .build()
                .await
                .unwrap(),
        );
        for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
            connection.add_transceiver_from_kind(kind, None).await.unwrap();
        }
        let request = server.client.post(server.at("/whep/demo"));
        exchange(&*connection, &mut is_gathered, request).await.unwrap();
        let viewer = Viewer {
            _connection: connection,
            arrivals,
            ticks: Arc::default(),
        };
        let ticks = Arc::downgrade(&viewer.ticks);
        tokio::spawn(async move {
            while let Some(ticks) = ticks.upgrade() {
                ticks.lock().unwrap().push(Instant::now());
                drop(ticks);
                tokio::time::sleep(TICK).await;
            }
        });
        let end = Instant::now() + PATIENCE;
        while viewer.arrivals.lock().unwrap().len() < 100 {
            assert!(Instant::now() < end, "no picture");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        viewer
    }

    /// The longest time without a packet of the picture since then. Where the machine stands still, who looks at the
    /// picture does, too, and it does not count.
    pub(crate) fn longest_pause(&self, since: Instant) -> Duration {
        let arrivals = self.arrivals.lock().unwrap();
        let within = arrivals.iter().copied().filter(|at| *at >= since);
        let times: Vec<Instant> = std::iter::once(since)
            .chain(within)
            .chain([Instant::now()])
            .collect();
        let ticks = self.ticks.lock().unwrap();
        let before = |at: Instant| ticks.partition_point(|tick| *tick < at);
        let looks = times.windows(2).map(|pair| before(pair[1]) - before(pair[0]));
        TICK * looks.max().unwrap() as u32
    }
}
