//! SCTP by hand (RFC 9260): an association like any other, and then every chunk its owner likes.

use std::time::{Duration, Instant};

use super::keyed::Keyed;
use super::server::PATIENCE;

/// Ports of the offers of ours, and our own tag.
const PORT: u16 = 5000;
const TAG: u32 = 0x5eed_cafe;
const FIRST_TSN: u32 = 1;
/// Types of chunks.
pub(crate) const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
pub(crate) const SACK: u8 = 3;
pub(crate) const HEARTBEAT: u8 = 4;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
pub(crate) const RECONFIG: u8 = 130;
/// Flags of DATA: the end of a message, and its beginning.
pub(crate) const END: u8 = 1;
pub(crate) const BEGIN: u8 = 2;
pub(crate) const WHOLE: u8 = BEGIN | END;
/// Payload protocol identifiers (RFC 8831 §8).
pub(crate) const DCEP: u32 = 50;
pub(crate) const TEXT: u32 = 51;

/// An association that is up, on a viewer's connection.
pub(crate) struct Chunks {
    their_tag: u32,
    pub(crate) tsn: u32,
}

/// A chunk: type, flags, value.
pub(crate) fn chunk(kind: u8, flags: u8, value: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, flags];
    chunk.extend((value.len() as u16 + 4).to_be_bytes());
    chunk.extend(value);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

fn packet(tag: u32, chunks: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.extend(PORT.to_be_bytes());
    packet.extend(PORT.to_be_bytes());
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(chunks);
    let sum = crc32c::crc32c(&packet);
    packet[8..12].copy_from_slice(&sum.to_le_bytes());
    packet
}

/// Type and value of the first chunk of a packet.
fn first(packet: &[u8]) -> Option<(u8, &[u8])> {
    let (header, value) = packet.get(12..)?.split_at_checked(4)?;
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    Some((header[0], value.get(..len.checked_sub(4)?)?))
}

impl Chunks {
    /// Begins the association, as a browser would.
    pub(crate) async fn meet(keyed: &mut Keyed) -> Chunks {
        let mut init = Vec::new();
        init.extend(TAG.to_be_bytes());
        init.extend((1_u32 << 20).to_be_bytes());
        init.extend(1024_u16.to_be_bytes());
        init.extend(1024_u16.to_be_bytes());
        init.extend(FIRST_TSN.to_be_bytes());
        // Partial reliability (RFC 3758 §3.1) and streams that can be reset (RFC 5061 §4.2.7).
        init.extend([0xc0, 0, 0, 4, 0x80, 8, 0, 6, RECONFIG, 192, 0, 0]);
        let end = Instant::now() + PATIENCE;
        let mut their_tag = None;
        loop {
            assert!(Instant::now() < end, "no association");
            if their_tag.is_none() {
                keyed.say(&packet(0, &chunk(INIT, 0, &init)));
            }
            for _ in 0..40 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                keyed.read();
                for said in std::mem::take(&mut keyed.peer.data) {
                    match first(&said) {
                        Some((INIT_ACK, value)) if their_tag.is_none() => {
                            let tag = u32::from_be_bytes(value[..4].try_into().unwrap());
                            // The state cookie is the parameter of type 7 (RFC 9260 §3.3.3.1).
                            let mut rest = &value[16..];
                            while rest[..2] != [0, 7] {
                                let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
                                rest = &rest[len.next_multiple_of(4)..];
                            }
                            let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
                            keyed.say(&packet(tag, &chunk(COOKIE_ECHO, 0, &rest[4..len])));
                            their_tag = Some(tag);
                        }
                        Some((COOKIE_ACK, _)) => {
                            return Chunks {
                                their_tag: their_tag.unwrap(),
                                tsn: FIRST_TSN,
                            };
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Sends chunks in one packet.
    pub(crate) fn send(&self, keyed: &mut Keyed, chunks: &[u8]) {
        keyed.say(&packet(self.their_tag, chunks));
    }

    /// The next DATA chunk.
    pub(crate) fn data(&mut self, flags: u8, stream: u16, number: u16, kind: u32, bytes: &[u8]) -> Vec<u8> {
        let mut value = Vec::with_capacity(12 + bytes.len());
        value.extend(self.tsn.to_be_bytes());
        value.extend(stream.to_be_bytes());
        value.extend(number.to_be_bytes());
        value.extend(kind.to_be_bytes());
        value.extend(bytes);
        self.tsn = self.tsn.wrapping_add(1);
        chunk(DATA, flags, &value)
    }
}

/// The three channels of a page, opened, and its hello.
pub(crate) fn greeting(chunks: &mut Chunks) -> Vec<u8> {
    let mut greeting = Vec::new();
    for (place, label) in ["shop", "live", "chat"].iter().enumerate() {
        greeting.extend(chunks.data(WHOLE, place as u16 * 2, 0, DCEP, &open(label.as_bytes(), b"")));
    }
    greeting.extend(chunks.data(WHOLE, 0, 1, TEXT, br#"{"v":1,"t":"hello","versions":[1]}"#));
    greeting
}

/// DATA_CHANNEL_OPEN (RFC 8832 §5.1).
pub(crate) fn open(label: &[u8], protocol: &[u8]) -> Vec<u8> {
    let mut open = vec![3, 0, 1, 0, 0, 0, 0, 0];
    open.extend((label.len() as u16).to_be_bytes());
    open.extend((protocol.len() as u16).to_be_bytes());
    open.extend(label);
    open.extend(protocol);
    open
}
