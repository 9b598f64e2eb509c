//! Opening one WHIP session: the offer with its simulcast, and what the answer made of it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use reqwest::Client;
use rtc::interceptor::Slot;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RTCRtpRtxParameters, RTCRtpSendParameters, RtpCodecKind,
};
use rtc::sdp::extmap::{SDES_MID_URI, SDES_RTP_STREAM_ID_URI};
use webrtc::media_stream::MediaStreamTrack;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    MediaEngine, Registry, configure_nack, configure_rtcp_reports, configure_simulcast_extension_headers,
};
use webrtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit, RtpSender};

use super::PublishOptions;
use super::repair::{Feedback, Repair, SLOT};
use crate::Error;
use crate::clip::Clip;
use crate::joining::{Goodbye, Opened};
use crate::peer::Peer;
use crate::session::Session;

const VIDEO_PAYLOAD_TYPE: u8 = 96;
const RTX_PAYLOAD_TYPE: u8 = 97;
const AUDIO_PAYLOAD_TYPE: u8 = 111;
/// All tracks are one stream: players keep its sound and picture together.
const STREAM_ID: &str = "vitrine-loadtest";

/// One RTP stream the answer accepted.
pub(super) struct Outgoing {
    pub(super) track: Arc<dyn TrackLocal>,
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
    /// Which rendition it carries; none for the sound.
    pub(super) rendition: Option<usize>,
    /// Header extensions of every packet: mid and rid.
    pub(super) extensions: Vec<(u8, Bytes)>,
}

/// A sender with what it offered.
type Offered = (Arc<dyn RtpSender>, RTCRtpEncodingParameters);

/// An open session.
pub(super) struct Connection {
    peer: Peer,
    session: Session,
    answer: String,
    /// Sound first, then the pictures the answer took, smallest first, each with its place in the clip.
    offered: Vec<(Option<usize>, Offered)>,
    /// The media section of the pictures, for whoever repairs them.
    mid: Arc<OnceLock<String>>,
    /// What can be sent, in the order of what was offered; nothing before [`Connection::connect`].
    pub(super) streams: Vec<Outgoing>,
}

impl Connection {
    /// POSTs the offer. From then on there is something at the server to take back.
    pub(super) async fn open(
        client: &Client,
        options: &PublishOptions,
        feedback: &Arc<Feedback>,
    ) -> Result<Self, Error> {
        let clip = &options.clip;
        let encodings = video_encodings(clip);
        let rids = encodings
            .iter()
            .filter_map(|e| {
                Some((
                    e.rtp_coding_parameters.rtx.as_ref()?.ssrc,
                    e.rtp_coding_parameters.rid.clone(),
                ))
            })
            .collect();
        let mid = Arc::new(OnceLock::new());
        let mut media = media_engine(clip)?;
        let interceptors = configure_rtcp_reports(configure_nack(Registry::new(), &mut media))
            .with(Slot::from(SLOT), Repair::new(rids, mid.clone(), feedback.clone()));
        let mut peer = Peer::new(&options.whip_url, media, interceptors, Box::new(|_| {})).await?;

        match Self::negotiate(&mut peer, client, options, encodings).await {
            Ok((session, answer, offered)) => Ok(Self {
                peer,
                session,
                answer,
                offered,
                mid,
                streams: Vec::new(),
            }),
            Err(error) => {
                peer.close().await;
                Err(error)
            }
        }
    }

    async fn negotiate(
        peer: &mut Peer,
        client: &Client,
        options: &PublishOptions,
        encodings: Vec<RTCRtpEncodingParameters>,
    ) -> Result<(Session, String, Vec<(Option<usize>, Offered)>), Error> {
        let mut offered = Vec::new();
        if options.clip.audio().is_some() {
            let encoding = audio_encoding();
            let sender = add_track(peer, RtpCodecKind::Audio, vec![encoding.clone()]).await?;
            offered.push((None, (sender, encoding)));
        }
        let video = add_track(peer, RtpCodecKind::Video, encodings.clone()).await?;
        let offer = peer.offer().await?;
        let (session, answer) =
            Session::open(client, &options.whip_url, options.token.as_deref(), offer).await?;
        let taken = taken(&answer, &options.clip);
        let pictures = encodings
            .into_iter()
            .enumerate()
            .filter(|(n, _)| taken.contains(n));
        offered.extend(pictures.map(|(n, encoding)| (Some(n), (video.clone(), encoding))));
        Ok((session, answer, offered))
    }

    /// Resolves when the connection is lost.
    pub(super) fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        self.peer.ended()
    }
}

impl Opened for Connection {
    /// Also fails when the answer does not fit.
    async fn connect(&mut self) -> Result<(), Error> {
        self.peer.connect(std::mem::take(&mut self.answer)).await?;
        for (rendition, (sender, encoding)) in &self.offered {
            let stream = Outgoing::new(&self.peer, sender, *rendition, encoding).await?;
            self.streams.push(stream);
        }
        if let Some((_, (video, _))) = self.offered.iter().find(|(rendition, _)| rendition.is_some()) {
            let _ = self.mid.set(self.peer.mid_of(video).await?);
        }
        Ok(())
    }

    async fn end(self, goodbye: Goodbye) {
        if goodbye == Goodbye::Leave {
            self.session.close().await;
        }
        self.peer.close().await;
    }
}

impl Outgoing {
    async fn new(
        peer: &Peer,
        sender: &Arc<dyn RtpSender>,
        rendition: Option<usize>,
        encoding: &RTCRtpEncodingParameters,
    ) -> Result<Self, Error> {
        let RTCRtpSendParameters { rtp_parameters, .. } = sender.get_parameters().await?;
        let codec = rtp_parameters
            .codecs
            .iter()
            .find(|c| {
                c.rtp_codec
                    .mime_type
                    .eq_ignore_ascii_case(&encoding.codec.mime_type)
            })
            .ok_or_else(|| Error::Protocol(format!("the answer leaves out {}", encoding.codec.mime_type)))?;
        let id_of = |uri: &str| {
            let id = rtp_parameters.header_extensions.iter().find(|e| e.uri == uri)?.id;
            u8::try_from(id).ok()
        };
        let mid = peer.mid_of(sender).await?;
        let rid = encoding.rtp_coding_parameters.rid.clone();
        let extensions = [(SDES_MID_URI, mid), (SDES_RTP_STREAM_ID_URI, rid)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(uri, value)| Some((id_of(uri)?, Bytes::from(value))))
            .collect();
        Ok(Self {
            track: sender.track().clone(),
            ssrc: encoding.rtp_coding_parameters.ssrc.ok_or(Error::Ended)?,
            payload_type: codec.payload_type,
            rendition,
            extensions,
        })
    }
}

async fn add_track(
    peer: &Peer,
    kind: RtpCodecKind,
    encodings: Vec<RTCRtpEncodingParameters>,
) -> Result<Arc<dyn RtpSender>, Error> {
    let id = kind.to_string();
    let track = MediaStreamTrack::new(STREAM_ID.into(), id.clone(), id, kind, encodings);
    let init = RTCRtpTransceiverInit {
        direction: RTCRtpTransceiverDirection::Sendonly,
        streams: vec![],
        send_encodings: vec![],
    };
    let track: Arc<dyn TrackLocal> = Arc::new(TrackLocalStaticRTP::new(track));
    let transceiver = peer
        .connection
        .add_transceiver_from_track(track, Some(init))
        .await?;
    transceiver.sender().await?.ok_or(Error::Ended)
}

/// One encoding per rendition, with fresh SSRCs for it and its retransmissions.
fn video_encodings(clip: &Clip) -> Vec<RTCRtpEncodingParameters> {
    let simulcast = clip.renditions().len() > 1;
    let encoding = |rid: &str| RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            rid: if simulcast { rid.into() } else { String::new() },
            ssrc: Some(rand::random()),
            rtx: Some(RTCRtpRtxParameters { ssrc: rand::random() }),
            fec: None,
        },
        codec: video_codec(clip),
        active: true,
        ..Default::default()
    };
    clip.renditions().iter().map(|r| encoding(&r.rid)).collect()
}

fn audio_encoding() -> RTCRtpEncodingParameters {
    RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(rand::random()),
            ..Default::default()
        },
        codec: audio_codec(),
        active: true,
        ..Default::default()
    }
}

fn video_codec(clip: &Clip) -> RTCRtpCodec {
    let feedback = |typ: &str, parameter: &str| RTCPFeedback {
        typ: typ.into(),
        parameter: parameter.into(),
    };
    RTCRtpCodec {
        mime_type: format!("video/{}", clip.codec().name()),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: String::new(),
        rtcp_feedback: vec![
            feedback("ccm", "fir"),
            feedback("nack", ""),
            feedback("nack", "pli"),
        ],
    }
}

fn audio_codec() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: "audio/opus".into(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1;stereo=1".into(),
        rtcp_feedback: vec![],
    }
}

/// Exactly what the clip needs: one video codec with RTX, Opus, and the extensions that name streams.
fn media_engine(clip: &Clip) -> Result<MediaEngine, Error> {
    let rtx = RTCRtpCodec {
        mime_type: "video/rtx".into(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: format!("apt={VIDEO_PAYLOAD_TYPE}"),
        rtcp_feedback: vec![],
    };
    let mut media = MediaEngine::default();
    for (rtp_codec, payload_type, kind) in [
        (video_codec(clip), VIDEO_PAYLOAD_TYPE, RtpCodecKind::Video),
        (rtx, RTX_PAYLOAD_TYPE, RtpCodecKind::Video),
        (audio_codec(), AUDIO_PAYLOAD_TYPE, RtpCodecKind::Audio),
    ] {
        media.register_codec(
            RTCRtpCodecParameters {
                rtp_codec,
                payload_type,
            },
            kind,
        )?;
    }
    configure_simulcast_extension_headers(&mut media)?;
    let mid = RTCRtpHeaderExtensionCapability {
        uri: SDES_MID_URI.into(),
    };
    media.register_header_extension(mid, RtpCodecKind::Audio, None)?;
    Ok(media)
}

/// Which renditions the answer takes (RFC 8853 §5.3.2): those it lists and does not pause; without a list, the best one alone.
fn taken(answer: &str, clip: &Clip) -> Vec<usize> {
    let renditions = clip.renditions();
    let list = answer
        .lines()
        .find_map(|line| line.trim_end().strip_prefix("a=simulcast:recv "));
    let Some(list) = list else {
        if renditions.len() > 1 {
            tracing::warn!("the server does not take simulcast; only the largest rendition is sent");
        }
        return renditions.len().checked_sub(1).into_iter().collect();
    };
    let listed = |rid: &str| list.split([';', ',', ' ']).any(|item| item == rid);
    let taken: Vec<_> = renditions
        .iter()
        .enumerate()
        .filter(|(_, r)| listed(&r.rid))
        .map(|(n, _)| n)
        .collect();
    if taken.len() < renditions.len() {
        tracing::warn!(
            "the server takes {} of {} renditions ({list})",
            taken.len(),
            renditions.len()
        );
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_decides_what_is_sent() {
        let clip = crate::demo::clip().unwrap();
        assert_eq!(taken("v=0\r\na=simulcast:recv l;m;h\r\n", &clip), [0, 1, 2]);
        assert_eq!(taken("a=simulcast:recv h;~m;l\r\n", &clip), [0, 2]);
        assert_eq!(taken("v=0\r\n", &clip), [2]);
    }
}
