//! Streams of framed packets.

use vitrine::net::framing::Frames;

/// An ICE-TCP stream gives the same packets however it is cut.
pub(crate) fn ice_tcp(input: &[u8]) {
    let whole = read(input, input.len().max(1));
    for cut in [1, 3, 64] {
        assert_eq!(read(input, cut), whole, "cut into {cut} bytes");
    }
}

fn read(input: &[u8], cut: usize) -> (Vec<Vec<u8>>, bool) {
    let mut frames = Frames::default();
    let mut packets = Vec::new();
    let framed = input
        .chunks(cut)
        .try_for_each(|bytes| frames.take(bytes, |packet| packets.push(packet.to_vec())));
    (packets, framed.is_ok())
}
