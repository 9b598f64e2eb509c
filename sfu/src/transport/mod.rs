//! One peer's transport: ICE-lite responder, DTLS, SRTP and SCTP data channels over one 5-tuple (RFC 7983),
//! composed from small parts instead of a ready-made peer connection. The only place in the project that names
//! the crates behind them.

mod association;
mod broad_dtls;
mod channels;
mod dcep;
mod demux;
mod dtls;
mod ice;
mod identity;
mod intake;
mod key;
mod outbox;
mod prompt;
mod sctp;
mod sent;
mod srtp;
mod stun;

use bytes::Bytes;

pub use association::Association;
pub use dcep::{Dcep, Reliability, parse_dcep};
pub use dtls::is_client_hello;
pub use identity::Identity;
pub use outbox::{Outbox, Remote, Run};
pub use srtp::{SrtpKeys, SrtpProfile, rtp_header_len};
pub use stun::{BindingRequest, Stun, parse_stun, stun_local_ufrag};

use crate::negotiation::{DataChannels, DtlsRole, Fingerprint, IceCredentials};

/// Limits and timings of a transport.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Without a valid binding request, and without media or reports of its own from where it gets ours, for this long the
    /// peer is gone (consent, RFC 7675 §5.1: 30 s).
    pub consent_timeout: std::time::Duration,
    /// From creation to keys; then the peer is gone.
    pub connect_timeout: std::time::Duration,
    /// Bytes that may wait unsent in one data channel before [`SendError::Full`].
    pub channel_buffer: usize,
    /// The longest message a peer may send; a longer one closes its channel.
    pub max_message: usize,
    /// Channels that exist without DCEP (`negotiated: true`): stream id and label.
    pub negotiated_channels: Vec<(u16, String)>,
}

impl Default for TransportConfig {
    fn default() -> Self {
        let seconds = std::time::Duration::from_secs;
        TransportConfig {
            consent_timeout: seconds(30),
            connect_timeout: seconds(30),
            channel_buffer: 256 << 10,
            max_message: 16 << 10,
            // Odd ids, out of the way of the even ones a browser (DTLS client) gives by itself (RFC 8832 §6).
            negotiated_channels: [(1, "shop"), (3, "live"), (5, "chat")]
                .map(|(id, label)| (id, label.to_owned()))
                .to_vec(),
        }
    }
}

/// What offer and answer settled for the transport.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Our credentials, as in the answer.
    pub local_ice: IceCredentials,
    /// The peer's.
    pub remote_ice: IceCredentials,
    /// Any of them may match the peer's certificate.
    pub remote_fingerprints: Vec<Fingerprint>,
    /// Our part in DTLS.
    pub role: DtlsRole,
    /// Data channels, when the offer has them.
    pub data_channels: Option<DataChannels>,
}

/// What a datagram turned out to hold for the media layer; decrypted in place.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'d> {
    /// Handled inside (DTLS, SCTP), or dropped and counted.
    Nothing,
    /// A STUN check with a valid MESSAGE-INTEGRITY: its source belongs to this peer.
    Verified,
    /// One RTP packet, decrypted and not replayed.
    Rtp(&'d mut [u8]),
    /// One compound RTCP packet, decrypted and not replayed.
    Rtcp(&'d [u8]),
}

/// A plain RTP packet in pieces, so that the payload is copied once: from the shared history into the arena.
#[derive(Clone, Copy, Debug)]
pub struct RtpParts<'a> {
    /// RTP header with its extensions (RFC 3550 §5.1); authenticated, not encrypted.
    pub header: &'a [u8],
    /// The rewritten start of the payload (an RTX OSN, a VP8 descriptor); may be empty.
    pub lead: &'a [u8],
    /// The rest of the payload.
    pub body: &'a [u8],
    /// Bytes of RTP padding to append, 0 for none; the header's P bit must agree.
    pub padding: u8,
}

/// The number of a data channel: its SCTP stream id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChannelId(pub u16);

/// What happened to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// DTLS is up, the fingerprint matched, SRTP keys are in place.
    Connected,
    /// The peer has said something under the new keys, so that it has them, too. Told once, and only where there are
    /// data channels.
    HasKeys,
    /// A channel is open: by DCEP (acknowledged), or pre-negotiated and used for the first time.
    ChannelOpen {
        /// Its stream.
        channel: ChannelId,
        /// Its label.
        label: String,
    },
    /// A whole message.
    Message {
        /// The channel it came on.
        channel: ChannelId,
        /// Its bytes, text or binary alike.
        data: Bytes,
    },
    /// The peer closed the channel.
    ChannelClosed {
        /// Its stream.
        channel: ChannelId,
    },
    /// The peer is gone or must go; the association is dead.
    Closed(CloseReason),
}

/// Why an association ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// close_notify, or an SCTP/DTLS close by the peer.
    ByPeer,
    /// No consent within its time (RFC 7675).
    ConsentLost,
    /// Not connected in time.
    ConnectTimeout,
    /// It had more kept for it, or more refused, than any browser would.
    Excessive,
    /// The handshake failed or the certificate did not match the fingerprint.
    DtlsFailed,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No such channel is open.
    #[error("the channel is not open")]
    NotOpen,
    /// Its unsent bytes are at the bound.
    #[error("the channel's buffer is full")]
    Full,
    /// Longer than the peer's `max-message-size`.
    #[error("the message is longer than the peer accepts")]
    TooLong,
}

/// Errors that are our own, not the peer's.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The crypto library refused.
    #[error("cryptography failed: {0}")]
    Crypto(String),
}

/// What a transport counted; only ever grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransportStats {
    /// STUN that was malformed or failed MESSAGE-INTEGRITY.
    pub stun_rejected: u64,
    /// SRTP or SRTCP that failed authentication.
    pub srtp_rejected: u64,
    /// SRTP or SRTCP seen before.
    pub srtp_replayed: u64,
    /// Datagrams of no known kind or out of order in the protocol.
    pub dropped: u64,
}
