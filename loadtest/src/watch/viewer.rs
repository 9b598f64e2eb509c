//! One viewer by WHEP.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::{Client, Url};
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::time::Instant;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{MediaEngine, Registry, register_default_interceptors};

use super::frames::{Frames, Sight};
use crate::Error;
use crate::clip::keyframe::{self, Codec};
use crate::clip::size;
use crate::joining::{Goodbye, Opened};
use crate::peer::Peer;
use crate::publish::stamp::Stamp;
use crate::session::Session;

/// A viewer that has joined.
pub(crate) struct Viewer {
    peer: Peer,
    session: Session,
    answer: String,
    frames: Arc<Mutex<Frames>>,
    /// When the answer came.
    pub(crate) answered: Instant,
}

impl Viewer {
    /// POSTs an offer. From then on there is something at the server to take back.
    pub(crate) async fn open(client: &Client, whep: &Url, token: Option<&str>) -> Result<Viewer, Error> {
        let mut media = MediaEngine::default();
        media.register_default_codecs()?;
        let interceptors = register_default_interceptors(Registry::new(), &mut media)?;
        let frames = Arc::new(Mutex::new(Frames::new(Instant::now())));
        let counted = frames.clone();
        let on_track = Box::new(move |track: Arc<dyn TrackRemote>| {
            tokio::spawn(count(track, counted.clone()));
        });
        let mut peer = Peer::new(whep, media, interceptors, on_track).await?;
        let opened = async {
            for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
                peer.connection.add_transceiver_from_kind(kind, None).await?;
            }
            let offer = peer.offer().await?;
            Session::open(client, whep, token, offer).await
        };
        match opened.await {
            Ok((session, answer)) => Ok(Viewer {
                peer,
                session,
                answer,
                frames,
                answered: Instant::now(),
            }),
            Err(error) => {
                peer.close().await;
                Err(error)
            }
        }
    }

    /// What was seen since the last time.
    pub(crate) fn take(&self) -> Sight {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Resolves when the connection is lost.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        self.peer.ended()
    }

    /// Ends, and says what there was still to see.
    pub(crate) async fn leave(self, goodbye: Goodbye) -> Sight {
        let now = Instant::now();
        let sight = {
            let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
            let sight = frames.take();
            let rest = std::mem::replace(&mut *frames, Frames::new(now)).finish(now);
            sight.with(rest)
        };
        self.end(goodbye).await;
        sight
    }
}

impl Opened for Viewer {
    async fn connect(&mut self) -> Result<(), Error> {
        self.peer.connect(std::mem::take(&mut self.answer)).await
    }

    async fn end(self, goodbye: Goodbye) {
        if goodbye == Goodbye::Leave {
            self.session.close().await;
        }
        self.peer.close().await;
    }
}

async fn count(track: Arc<dyn TrackRemote>, frames: Arc<Mutex<Frames>>) {
    let is_picture = track.kind().await == RtpCodecKind::Video;
    let mut codec = None;
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else {
            continue;
        };
        let (header, payload, now) = (&packet.header, &packet.payload, Instant::now());
        if is_picture && codec.is_none() {
            let agreed = track.codec(header.ssrc).await;
            codec = agreed.and_then(|agreed| Codec::from_mime(&agreed.mime_type));
        }
        let age = Stamp::read(payload).map(|stamp| stamp.age());
        let mut frames = frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.packet(now, age);
        if !is_picture {
            frames.sound(payload.len());
            continue;
        }
        frames.picture(now, header.sequence_number, header.marker, payload.len());
        let keyframe = codec.filter(|codec| keyframe::in_payload(*codec, payload));
        if let Some((_, height)) = keyframe.and_then(|codec| size::of_keyframe(codec, payload)) {
            frames.keyframe(height);
        }
    }
}
