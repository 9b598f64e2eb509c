//! RTP and RTCP, decrypted.

use sfu::media::RtpPacket;
use sfu::rtcp;

/// One packet: its parts lie inside it and make it up.
pub(crate) fn packet(input: &[u8]) {
    let Some(packet) = RtpPacket::parse(input) else {
        return;
    };
    assert_eq!(packet.header().len(), packet.payload_offset());
    assert!(packet.payload_offset() + packet.payload().len() <= input.len());
    let values: usize = packet.extensions().map(|(_, value)| value.len()).sum();
    assert!(values <= packet.header().len());
    for (id, _) in packet.extensions() {
        assert!(packet.extension(id).is_some());
    }
}

/// One compound. What is read can be looked at.
pub(crate) fn compound(input: &[u8]) {
    for packet in rtcp::parse(input) {
        let _ = format!("{packet:?}");
    }
}
