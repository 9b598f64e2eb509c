//! What one offer and its answer agreed on: the plain values that SDP becomes and that transport and media
//! are built from. Nothing here is text any more.

mod profile;

use std::fmt;

/// Audio or video; an RTP session here has at most one of each (RFC 9725 §4.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Picture.
    Video,
}

/// A short SDP token (`a=mid`, a rid): at most 16 bytes, so that it travels in a one-byte RTP header
/// extension (RFC 8285 §4.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    len: u8,
    bytes: [u8; Label::MAX_LEN],
}

impl Label {
    /// The most bytes a label can have.
    pub const MAX_LEN: usize = 16;

    /// A label of 1 to 16 printable ASCII bytes without spaces; anything else is `None`.
    pub fn new(text: &[u8]) -> Option<Label> {
        if text.is_empty() || text.len() > Self::MAX_LEN || !text.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut bytes = [0; Self::MAX_LEN];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Label {
            len: text.len() as u8,
            bytes,
        })
    }

    /// The label's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A codec and the parameters that decide whether a receiver can play it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 7587, always 48 kHz and two channels in SDP.
    Opus,
    /// Opus with what came before it once more in each packet (RFC 2198).
    RedundantOpus,
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9 {
        /// `profile-id`, 0 if absent.
        profile: u8,
    },
    /// RFC 6184.
    H264 {
        /// `profile-level-id`: profile_idc, profile-iop, level_idc; 42000a if a publisher says none, 640034 if a viewer does.
        profile_level_id: [u8; 3],
        /// `packetization-mode`: 0 or 1; what is not said is 0 of a publisher, 1 of a viewer.
        packetization_mode: u8,
    },
    /// The AV1 RTP specification of AOM.
    Av1 {
        /// `profile`, 0 if absent.
        profile: u8,
    },
}

impl Codec {
    /// Audio or video.
    pub fn kind(self) -> MediaKind {
        match self {
            Codec::Opus | Codec::RedundantOpus => MediaKind::Audio,
            _ => MediaKind::Video,
        }
    }

    /// RTP clock rate in Hz.
    pub fn clock_rate(self) -> u32 {
        match self.kind() {
            MediaKind::Audio => 48_000,
            MediaKind::Video => 90_000,
        }
    }
}

/// RTCP feedback agreed for a payload type (RFC 4585, RFC 5104, transport-wide congestion control).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// `nack`
    pub nack: bool,
    /// `nack pli`
    pub pli: bool,
    /// `ccm fir`
    pub fir: bool,
    /// `transport-cc`
    pub transport_cc: bool,
    /// `goog-remb`
    pub remb: bool,
}

/// One accepted payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The RTP payload type number of this session.
    pub payload_type: u8,
    /// What it carries.
    pub codec: Codec,
    /// The payload type that retransmits it (RFC 4588), if agreed.
    pub rtx: Option<u8>,
    /// Feedback agreed for it.
    pub feedback: Feedback,
}

impl Payload {
    /// Whether a receiver that offered this payload can play a stream of `codec`. H.264: the profile contains the
    /// stream's and packetization mode 1 takes mode 0 too (RFC 6184 §6.2, §6.3); VP9 and AV1: the same profile.
    /// Opus is taken out of packets with redundancy.
    pub fn plays(&self, codec: Codec) -> bool {
        match (self.codec, codec) {
            (
                Codec::H264 {
                    profile_level_id: receiver,
                    packetization_mode: receiver_mode,
                },
                Codec::H264 {
                    profile_level_id: stream,
                    packetization_mode: stream_mode,
                },
            ) => stream_mode <= receiver_mode && profile::decodes(receiver, stream),
            (Codec::Opus, Codec::RedundantOpus) => true,
            (receiver, stream) => receiver == stream,
        }
    }

    /// Whether the payload names the stream's very profile and packetization mode.
    fn is_exactly(&self, codec: Codec) -> bool {
        match (self.codec, codec) {
            (
                Codec::H264 {
                    profile_level_id: receiver,
                    packetization_mode: receiver_mode,
                },
                Codec::H264 {
                    profile_level_id: stream,
                    packetization_mode: stream_mode,
                },
            ) => stream_mode == receiver_mode && profile::is_same(receiver, stream),
            (receiver, stream) => receiver == stream,
        }
    }
}

/// RTP header extensions the server understands or passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Extension {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`
    Mid,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`
    Rid,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`
    RepairedRid,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`
    TransportSequence,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`
    AbsSendTime,
    /// `urn:ietf:params:rtp-hdrext:toffset`
    TransmissionOffset,
    /// `urn:3gpp:video-orientation`
    VideoOrientation,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/playout-delay`
    PlayoutDelay,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level`
    AudioLevel,
    /// `https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension`
    DependencyDescriptor,
    /// `urn:ietf:params:rtp-hdrext:framemarking`, from publishers only
    FrameMarking,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time`
    AbsCaptureTime,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/color-space`
    ColorSpace,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/video-content-type`
    VideoContentType,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/video-timing`
    VideoTiming,
}

impl Extension {
    /// Whether it speaks of the media, not of the line it came by.
    pub fn is_end_to_end(self) -> bool {
        match self {
            Extension::VideoOrientation
            | Extension::PlayoutDelay
            | Extension::AudioLevel
            | Extension::ColorSpace
            | Extension::VideoContentType => true,
            Extension::Mid
            | Extension::Rid
            | Extension::RepairedRid
            | Extension::TransportSequence
            | Extension::AbsSendTime
            | Extension::TransmissionOffset
            // It is written anew: its frames are numbered as the viewer gets them.
            | Extension::DependencyDescriptor
            | Extension::FrameMarking
            // Its clock is the publisher's; ours is in the sender reports.
            | Extension::AbsCaptureTime
            | Extension::VideoTiming => false,
        }
    }
}

/// The header extension ids of one m-section, 1 to 14 one-byte or up to 255 two-byte (RFC 8285).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtensionMap {
    entries: Vec<(u8, Extension)>,
}

impl ExtensionMap {
    /// Adds or replaces an id.
    pub fn insert(&mut self, id: u8, extension: Extension) {
        self.entries
            .retain(|&(known, also)| known != id && also != extension);
        self.entries.push((id, extension));
    }

    /// The id an extension has here.
    pub fn id(&self, extension: Extension) -> Option<u8> {
        self.entries
            .iter()
            .find(|&&(_, e)| e == extension)
            .map(|&(id, _)| id)
    }

    /// What an id stands for here.
    pub fn extension(&self, id: u8) -> Option<Extension> {
        self.entries
            .iter()
            .find(|&&(known, _)| known == id)
            .map(|&(_, e)| e)
    }

    /// All entries in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (u8, Extension)> + '_ {
        self.entries.iter().copied()
    }
}

/// One m-section a publisher sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedMedia {
    /// Audio or video.
    pub kind: MediaKind,
    /// `a=mid`.
    pub mid: Label,
    /// Payload types accepted, in the publisher's order of preference; never empty.
    pub payloads: Vec<Payload>,
    /// Extension ids as the publisher uses them.
    pub extensions: ExtensionMap,
    /// Media SSRC and its RTX SSRC from `a=ssrc`, `a=ssrc-group:FID`; often empty with simulcast. Several without rids are
    /// layers (`a=ssrc-group:SIM`).
    pub ssrcs: Vec<(u32, Option<u32>)>,
    /// Simulcast rids in the publisher's order; empty for a single encoding.
    pub rids: Vec<Label>,
}

impl ReceivedMedia {
    /// How many encodings of it may come, at least one.
    pub fn encodings(&self) -> usize {
        match self.rids.len() {
            0 => self.ssrcs.len().max(1),
            rids => rids,
        }
    }
}

/// One m-section a viewer receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMedia {
    /// Audio or video.
    pub kind: MediaKind,
    /// `a=mid`.
    pub mid: Label,
    /// Every payload type the viewer accepts and the server can forward; never empty.
    pub payloads: Vec<Payload>,
    /// Extension ids to use toward the viewer.
    pub extensions: ExtensionMap,
    /// The SSRC the server sends with, whatever publisher or codec is on the air.
    pub ssrc: u32,
    /// The SSRC of retransmissions.
    pub rtx_ssrc: u32,
}

impl SentMedia {
    /// The payload to send a stream of `codec` as: the one of exactly its profile if offered (Safari's decoder holds
    /// to it), else the viewer's first that can play it.
    pub fn payload_for(&self, codec: Codec) -> Option<&Payload> {
        let exact = self.payloads.iter().find(|payload| payload.is_exactly(codec));
        exact.or_else(|| self.payloads.iter().find(|payload| payload.plays(codec)))
    }
}

/// Which way media flows, as agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgreedMedia {
    /// A WHIP session.
    Publisher(Vec<ReceivedMedia>),
    /// A WHEP session.
    Viewer(Vec<SentMedia>),
}

/// ICE user name fragment and password (RFC 8445 §5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceCredentials {
    /// `a=ice-ufrag`
    pub ufrag: String,
    /// `a=ice-pwd`
    pub pwd: String,
}

/// SHA-256 of a certificate (RFC 8122), the only hash accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// The part the server plays in the DTLS handshake (RFC 5763 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsRole {
    /// The peer offered `actpass` or `active`: we answer `passive` and wait for its ClientHello.
    Server,
    /// The peer offered `passive`: we answer `active` and begin.
    Client,
}

/// The data-channel m-section of an offer (RFC 8841).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataChannels {
    /// `a=mid`.
    pub mid: Label,
    /// `a=sctp-port`, 5000 if absent.
    pub sctp_port: u16,
    /// `a=max-message-size` in bytes, 65536 if absent; 0 means no bound and is stored as `u32::MAX`.
    pub max_message_size: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h264(profile_level_id: u32, packetization_mode: u8) -> Codec {
        let [_, idc, iop, level] = profile_level_id.to_be_bytes();
        Codec::H264 {
            profile_level_id: [idc, iop, level],
            packetization_mode,
        }
    }

    fn payload(payload_type: u8, codec: Codec) -> Payload {
        Payload {
            payload_type,
            codec,
            rtx: None,
            feedback: Feedback::default(),
        }
    }

    fn plays(receiver: Codec, stream: Codec) -> bool {
        payload(96, receiver).plays(stream)
    }

    #[test]
    fn a_larger_h264_profile_plays_a_smaller_one_and_not_the_reverse() {
        assert!(plays(h264(0x42e01f, 1), h264(0x420016, 1)), "ffmpeg to Firefox");
        assert!(plays(h264(0x640c1f, 1), h264(0x640032, 1)), "OBS to Safari");
        assert!(plays(h264(0x64001f, 1), h264(0x42e01f, 1)));
        assert!(!plays(h264(0x42e01f, 1), h264(0x64001f, 1)));
        assert!(!plays(h264(0x42e01f, 1), h264(0x4d001f, 1)));
        assert!(!plays(h264(0x64001f, 1), h264(0xf4001f, 1)));
        assert!(plays(h264(0xf4001f, 1), h264(0xf40033, 1)));
    }

    #[test]
    fn packetization_mode_one_takes_mode_zero_and_not_the_reverse() {
        assert!(plays(h264(0x42e01f, 1), h264(0x42e01f, 0)));
        assert!(!plays(h264(0x42e01f, 0), h264(0x42e01f, 1)));
    }

    #[test]
    fn vp9_and_av1_need_their_profile() {
        assert!(plays(Codec::Vp9 { profile: 0 }, Codec::Vp9 { profile: 0 }));
        assert!(!plays(Codec::Vp9 { profile: 0 }, Codec::Vp9 { profile: 2 }));
        assert!(!plays(Codec::Av1 { profile: 0 }, Codec::Av1 { profile: 1 }));
        assert!(!plays(Codec::Vp8, Codec::Opus));
    }

    #[test]
    fn the_exact_profile_is_preferred_over_the_viewers_order() {
        let media = SentMedia {
            kind: MediaKind::Video,
            mid: Label::new(b"1").unwrap(),
            payloads: vec![
                payload(96, Codec::Vp8),
                payload(102, h264(0x42001f, 1)),
                payload(106, h264(0x42e01f, 1)),
                payload(108, h264(0x42e01f, 0)),
                payload(112, h264(0x64001f, 1)),
            ],
            extensions: ExtensionMap::default(),
            ssrc: 1,
            rtx_ssrc: 2,
        };
        let chosen = |codec| media.payload_for(codec).map(|payload| payload.payload_type);
        assert_eq!(chosen(h264(0x42e015, 1)), Some(106));
        assert_eq!(chosen(h264(0x42e015, 0)), Some(108));
        assert_eq!(chosen(h264(0x4d0028, 1)), Some(112));
        assert_eq!(chosen(h264(0x420016, 1)), Some(102));
        assert_eq!(chosen(Codec::Av1 { profile: 0 }), None);
    }
}
