//! One peer's transport: ICE-lite responder, DTLS, SRTP and SCTP data channels over one 5-tuple (RFC 7983),
//! composed from small parts instead of a ready-made peer connection. The only place in the project that names
//! the crates behind them.

mod outbox;

use std::time::Instant;

use bytes::Bytes;

pub use outbox::{Outbox, Remote, Run};

use crate::negotiation::{DataChannels, DtlsRole, Fingerprint, IceCredentials};

/// The process's DTLS identity: one certificate and one shared DTLS configuration, cheap to clone.
#[derive(Clone)]
pub struct Identity {}

impl Identity {
    /// Makes a fresh self-signed ECDSA P-256 certificate.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn generate() -> Result<Identity, TransportError> {
        todo!()
    }

    /// SHA-256 of the certificate, for `a=fingerprint`.
    pub fn fingerprint(&self) -> Fingerprint {
        todo!()
    }
}

/// Limits and timings of a transport.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Without a valid binding request for this long the peer is gone (consent, RFC 7675 §5.1: 30 s).
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

/// One peer's transport. Everything for the wire goes to the [`Outbox`] passed in.
pub struct Association {}

impl Association {
    /// A transport waiting for the peer's first STUN check. `seed` decides its random choices but never its keys.
    pub fn new(
        identity: &Identity,
        setup: Setup,
        config: &TransportConfig,
        seed: u64,
        now: Instant,
    ) -> Association {
        let _ = (identity, setup, config, seed, now);
        todo!()
    }

    /// Takes one datagram of the peer, decrypts media in place, answers STUN and drives DTLS and SCTP.
    pub fn receive<'d>(
        &mut self,
        now: Instant,
        from: Remote,
        datagram: &'d mut [u8],
        outbox: &mut Outbox,
    ) -> Received<'d> {
        let _ = (now, from, datagram, outbox);
        todo!()
    }

    /// Where media goes now: the pair nominated last, or verified first before that; none before any check.
    pub fn path(&self) -> Option<Remote> {
        todo!()
    }

    /// Whether media can be sealed and opened.
    pub fn is_connected(&self) -> bool {
        todo!()
    }

    /// New credentials after an ICE restart (RFC 8445 §9). The old ones and the old path keep working until a
    /// check with the new ones succeeds. DTLS and SRTP go on.
    pub fn restart_ice(&mut self, local: IceCredentials, remote: IceCredentials) {
        let _ = (local, remote);
        todo!()
    }

    /// Appends one sealed SRTP packet to `out` (RFC 3711, RFC 7714). False before keys.
    pub fn seal_rtp(&mut self, packet: RtpParts<'_>, out: &mut Vec<u8>) -> bool {
        let _ = (packet, out);
        todo!()
    }

    /// Appends one sealed SRTCP packet to `out`. False before keys.
    pub fn seal_rtcp(&mut self, compound: &[u8], out: &mut Vec<u8>) -> bool {
        let _ = (compound, out);
        todo!()
    }

    /// Queues a text message. Sent by the next [`Association::flush`].
    ///
    /// # Errors
    /// [`SendError`]; nothing is queued then.
    pub fn send(&mut self, channel: ChannelId, message: &[u8]) -> Result<(), SendError> {
        let _ = (channel, message);
        todo!()
    }

    /// Bytes of a channel not yet handed to the network.
    pub fn unsent(&self, channel: ChannelId) -> usize {
        let _ = channel;
        todo!()
    }

    /// Writes what DTLS and SCTP want to send.
    pub fn flush(&mut self, now: Instant, outbox: &mut Outbox) {
        let _ = (now, outbox);
        todo!()
    }

    /// Says goodbye (SCTP abort, DTLS close_notify) into the outbox.
    pub fn close(&mut self, now: Instant, outbox: &mut Outbox) {
        let _ = (now, outbox);
        todo!()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<TransportEvent> {
        todo!()
    }

    /// When [`Association::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }

    /// Drives retransmissions, consent and the connect limit.
    pub fn handle_timeout(&mut self, now: Instant, outbox: &mut Outbox) {
        let _ = (now, outbox);
        todo!()
    }

    /// What was counted so far.
    pub fn stats(&self) -> TransportStats {
        todo!()
    }
}

/// The local ufrag a STUN binding request asks for (the part of USERNAME before the colon), unverified: good for
/// finding the peer, nothing more. `None` for anything that is not a STUN binding request.
pub fn stun_local_ufrag(datagram: &[u8]) -> Option<&str> {
    let _ = datagram;
    todo!()
}
