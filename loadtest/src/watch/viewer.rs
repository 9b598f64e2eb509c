//! One viewer by WHEP.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Client;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::time::Instant;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{MediaEngine, Registry, register_default_interceptors};

use super::WatchOptions;
use super::frames::{Frames, Watched};
use crate::Error;
use crate::peer::Peer;
use crate::session::Session;

pub(super) struct Viewer {
    peer: Peer,
    session: Session,
    frames: Arc<Mutex<Frames>>,
}

impl Viewer {
    /// Joins and begins to count.
    pub(super) async fn join(client: &Client, options: &WatchOptions) -> Result<Viewer, Error> {
        let mut media = MediaEngine::default();
        media.register_default_codecs()?;
        let interceptors = register_default_interceptors(Registry::new(), &mut media)?;
        let frames = Arc::new(Mutex::new(Frames::new(Instant::now())));
        let counted = frames.clone();
        let on_track = Box::new(move |track: Arc<dyn TrackRemote>| {
            tokio::spawn(count(track, counted.clone()));
        });
        let mut peer = Peer::new(&options.whep_url, media, interceptors, on_track).await?;
        let joined = async {
            for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
                peer.connection.add_transceiver_from_kind(kind, None).await?;
            }
            let offer = peer.offer().await?;
            let token = options.token.as_deref();
            let (session, answer) = Session::open(client, &options.whep_url, token, offer).await?;
            match peer.connect(answer).await {
                Ok(()) => Ok(session),
                Err(error) => {
                    session.close().await;
                    Err(error)
                }
            }
        };
        match joined.await {
            Ok(session) => Ok(Viewer {
                peer,
                session,
                frames,
            }),
            Err(error) => {
                peer.close().await;
                Err(error)
            }
        }
    }

    /// Leaves and says what there was to see.
    pub(super) async fn leave(self) -> Watched {
        let now = Instant::now();
        let seen = {
            let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *frames, Frames::new(now)).finish(now)
        };
        self.session.close().await;
        self.peer.close().await;
        seen
    }
}

async fn count(track: Arc<dyn TrackRemote>, frames: Arc<Mutex<Frames>>) {
    let is_picture = track.kind().await == RtpCodecKind::Video;
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else {
            continue;
        };
        let mut frames = frames.lock().unwrap_or_else(PoisonError::into_inner);
        let (header, bytes) = (&packet.header, packet.payload.len());
        if is_picture {
            frames.picture(Instant::now(), header.sequence_number, header.marker, bytes);
        } else {
            frames.sound(bytes);
        }
    }
}
