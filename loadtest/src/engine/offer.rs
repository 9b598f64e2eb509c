//! The offer of a viewer, written as Chromium writes it (RFC 8829 §5.2.1): everything a browser could play.

use std::fmt::Write;
use std::net::SocketAddr;

use super::ice::Credentials;

/// What an offer tells of its viewer.
pub(super) struct Offer<'a> {
    pub(super) credentials: &'a Credentials,
    pub(super) fingerprint: &'a str,
    /// The only candidate.
    pub(super) address: SocketAddr,
    pub(super) with_channels: bool,
}

/// Header extensions (RFC 8285) that browsers offer; the answer says which are used.
const EXTENSIONS: [(u8, &str); 8] = [
    (2, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
    (
        3,
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    ),
    (4, "urn:ietf:params:rtp-hdrext:sdes:mid"),
    (5, "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"),
    (6, "urn:3gpp:video-orientation"),
    (7, "urn:ietf:params:rtp-hdrext:toffset"),
    (8, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
    (9, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"),
];

/// Payload type, encoding and parameters; the next number is its RTX (RFC 4588 §8.1).
const VIDEO: [(u8, &str, &str); 7] = [
    (96, "VP8", ""),
    (98, "VP9", "profile-id=0"),
    (
        100,
        "H264",
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f",
    ),
    (
        102,
        "H264",
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    ),
    (
        104,
        "H264",
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f",
    ),
    (
        106,
        "H264",
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f",
    ),
    (45, "AV1", "level-idx=5;profile=0;tier=0"),
];

impl Offer<'_> {
    pub(super) fn write(&self) -> String {
        let mut out = String::with_capacity(4096);
        let groups = if self.with_channels { "0 1 2" } else { "0 1" };
        let _ = write!(
            out,
            "v=0\r\no=- {} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {groups}\r\n\
             a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n",
            rand::random::<u64>() >> 2
        );
        self.section(&mut out, "audio", "UDP/TLS/RTP/SAVPF 111", 0);
        self.media(&mut out);
        out.push_str("a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n");
        let numbers: Vec<String> = VIDEO
            .iter()
            .map(|(number, ..)| format!("{number} {}", number + 1))
            .collect();
        self.section(
            &mut out,
            "video",
            &format!("UDP/TLS/RTP/SAVPF {}", numbers.join(" ")),
            1,
        );
        self.media(&mut out);
        for (number, encoding, parameters) in VIDEO {
            let _ = write!(out, "a=rtpmap:{number} {encoding}/90000\r\n");
            for feedback in ["transport-cc", "ccm fir", "nack", "nack pli"] {
                let _ = write!(out, "a=rtcp-fb:{number} {feedback}\r\n");
            }
            if !parameters.is_empty() {
                let _ = write!(out, "a=fmtp:{number} {parameters}\r\n");
            }
            let rtx = number + 1;
            let _ = write!(out, "a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={number}\r\n");
        }
        if self.with_channels {
            self.section(&mut out, "application", "UDP/DTLS/SCTP webrtc-datachannel", 2);
            out.push_str("a=sctp-port:5000\r\na=max-message-size:262144\r\n");
        }
        out
    }

    /// The m-line and the transport under it.
    fn section(&self, out: &mut String, kind: &str, formats: &str, mid: u8) {
        let Credentials { fragment, password } = self.credentials;
        let family = if self.address.is_ipv4() { "IP4" } else { "IP6" };
        let (ip, port) = (self.address.ip(), self.address.port());
        let _ = write!(
            out,
            "m={kind} {port} {formats}\r\nc=IN {family} {ip}\r\n\
             a=candidate:1 1 udp 2130706431 {ip} {port} typ host generation 0\r\na=end-of-candidates\r\n\
             a=ice-ufrag:{fragment}\r\na=ice-pwd:{password}\r\na=fingerprint:sha-256 {}\r\n\
             a=setup:actpass\r\na=mid:{mid}\r\n",
            self.fingerprint
        );
    }

    fn media(&self, out: &mut String) {
        for (id, uri) in EXTENSIONS {
            let _ = write!(out, "a=extmap:{id} {uri}\r\n");
        }
        out.push_str("a=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n");
    }
}
