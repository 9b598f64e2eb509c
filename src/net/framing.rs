//! Packets in a stream of bytes, each behind its length (RFC 4571), as ICE-TCP sends them (RFC 6544).

/// The longest packet taken in: nothing here exceeds an Ethernet frame.
pub(super) const MAX_FRAME: usize = 2048;
/// The length before each packet.
pub(super) const PREFIX: usize = 2;

/// The receiving end of one stream.
#[derive(Debug, Default)]
pub struct Frames {
    /// Bytes of a packet that has not all come.
    partial: Vec<u8>,
    /// Whether the first packet has come.
    spoken: bool,
}

/// The stream is not what it should be, and nothing that follows can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFramed;

impl Frames {
    /// Takes the stream's next bytes and hands over every packet that is whole now.
    ///
    /// # Errors
    /// [`NotFramed`] for an empty or too long packet, or when the first one is no STUN check.
    pub fn take(&mut self, bytes: &[u8], mut each: impl FnMut(&mut [u8])) -> Result<(), NotFramed> {
        self.partial.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(&[high, low]) = self.partial.get(start..start + PREFIX) {
            let len = usize::from(u16::from_be_bytes([high, low]));
            if len == 0 || len > MAX_FRAME {
                return Err(NotFramed);
            }
            let from = start + PREFIX;
            // RFC 6544 §7.2: a connection begins with a STUN check; whatever else this is, it is not ours.
            if !self.spoken && self.partial.get(from).is_some_and(|first| *first > 1) {
                return Err(NotFramed);
            }
            let Some(packet) = self.partial.get_mut(from..from + len) else {
                break;
            };
            each(packet);
            self.spoken = true;
            start = from + len;
        }
        self.partial.drain(..start);
        Ok(())
    }

    /// Whether a first packet has come.
    pub fn has_spoken(&self) -> bool {
        self.spoken
    }

    /// Whether the stream stands between two packets.
    pub fn is_whole(&self) -> bool {
        self.partial.is_empty()
    }
}
