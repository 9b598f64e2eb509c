//! What one offer and its answer agreed on: the plain values that SDP becomes and that transport and media
//! are built from. Nothing here is text any more.

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
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9 {
        /// `profile-id`, 0 if absent.
        profile: u8,
    },
    /// RFC 6184.
    H264 {
        /// `profile-level-id`: profile_idc, profile-iop, level_idc; 42000a if absent.
        profile_level_id: [u8; 3],
        /// `packetization-mode`: 0 or 1.
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
            Codec::Opus => MediaKind::Audio,
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
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time`
    AbsCaptureTime,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/color-space`
    ColorSpace,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/video-content-type`
    VideoContentType,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/video-timing`
    VideoTiming,
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
    /// Media SSRC and its RTX SSRC from `a=ssrc`, `a=ssrc-group:FID`; often empty with simulcast.
    pub ssrcs: Vec<(u32, Option<u32>)>,
    /// Simulcast rids in the publisher's order; empty for a single encoding.
    pub rids: Vec<Label>,
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
