//! SDP text as it is written, and the lines that answers and fragments share.

use std::fmt::{self, Write};
use std::net::SocketAddr;

use super::AnswerParams;

/// Lines that end in CRLF, as OBS wants them.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    /// Appends one line.
    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(line);
        self.0.push_str("\r\n");
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Inserts other lines at a length this had before.
    pub(super) fn insert(&mut self, at: usize, lines: &Lines) {
        self.0.insert_str(at, &lines.0);
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// Credentials. The same options in first answers and restarts (RFC 9725 §4.3.3).
    pub(super) fn ice(&mut self, params: &AnswerParams<'_>) {
        self.line(format_args!("a=ice-ufrag:{}", params.ice.ufrag));
        self.line(format_args!("a=ice-pwd:{}", params.ice.pwd));
        self.line(format_args!("a=ice-options:trickle"));
    }

    /// Candidates, the best first, as many as stay within `room` bytes, and the end of them.
    pub(super) fn candidates(&mut self, params: &AnswerParams<'_>, room: usize) {
        let udp = params
            .udp
            .iter()
            .enumerate()
            .map(|(place, &address)| (place, "udp", address));
        let tcp = params
            .tcp
            .iter()
            .enumerate()
            .map(|(place, &address)| (place, "tcp", address));
        for (place, transport, address) in udp.chain(tcp) {
            let start = self.len();
            self.candidate(place, transport, address);
            if self.len() > room {
                self.0.truncate(start);
                break;
            }
        }
        self.line(format_args!("a=end-of-candidates"));
    }

    /// RFC 8839 §5.1 with the priorities of RFC 8445 §5.1.2, for TCP those of RFC 6544 §4.2.
    fn candidate(&mut self, place: usize, transport: &str, address: SocketAddr) {
        /// Type preference of a host candidate; below it that of one that needs TCP.
        const HOST: u32 = 126;
        const HOST_TCP: u32 = 90;
        /// Direction preference of passive candidates, above 13 bits of our own.
        const PASSIVE: u32 = 4 << 13;
        const COMPONENT: u32 = 1;
        let is_tcp = transport == "tcp";
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        let (kind, local) = if is_tcp {
            (HOST_TCP, PASSIVE + 8191_u32.saturating_sub(place))
        } else {
            (HOST, 65_535_u32.saturating_sub(place))
        };
        let priority = kind << 24 | local << 8 | (256 - COMPONENT);
        // A foundation stands for one address and transport (RFC 8445 §5.1.1.3).
        let foundation = place.saturating_mul(2).saturating_add(1 + u32::from(is_tcp));
        let suffix = if is_tcp { " tcptype passive" } else { "" };
        self.line(format_args!(
            "a=candidate:{foundation} {COMPONENT} {transport} {priority} {} {} typ host{suffix}",
            address.ip(),
            address.port()
        ));
    }
}
