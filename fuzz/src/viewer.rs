//! What the load test's viewers read of any server.

use loadtest::engine::hostile;

/// The answer to a POST.
pub(crate) fn answer(input: &[u8]) {
    hostile::answer(&String::from_utf8_lossy(input));
}

/// RTP, with the size of a picture in it.
pub(crate) fn packet(input: &[u8]) {
    hostile::packet(input);
}

/// Decrypted RTCP.
pub(crate) fn reports(input: &[u8]) {
    hostile::reports(input);
}

/// Server-sent events.
pub(crate) fn events(input: &[u8]) {
    hostile::events(input);
}
