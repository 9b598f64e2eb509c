//! One target per parser of untrusted bytes: a function that takes any bytes and must neither panic nor break what
//! it asserts. `cargo test` replays and mutates the committed corpora over them, `cargo fuzz` (in `targets/`) digs
//! deeper.

mod files;
mod framing;
mod ingest;
mod payload;
mod rtp;
mod sdp;
mod shard;
mod shop;
mod transport;
mod viewer;

/// A parser under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, that of its corpus and of its binary.
    pub name: &'static str,
    /// Feeds it one input.
    pub run: fn(&[u8]),
    /// Inputs the test makes of its corpus: fewer where each costs more.
    pub mutations: u32,
}

const CHEAP: u32 = 20_000;
const DEAR: u32 = 1_000;

/// Every target.
pub const TARGETS: [Target; 32] = [
    target("sdp_offer", sdp::offer, DEAR),
    target("sdp_fragment", sdp::fragment, CHEAP),
    target("stun", transport::stun, CHEAP),
    target("client_hello", transport::client_hello, CHEAP),
    target("srtp_header", transport::srtp_header, CHEAP),
    target("dcep", transport::dcep, CHEAP),
    target("ice_tcp", framing::ice_tcp, CHEAP),
    target("rtp", rtp::packet, CHEAP),
    target("rtcp", rtp::compound, CHEAP),
    target("vp8", payload::vp8, CHEAP),
    target("vp9", payload::vp9, CHEAP),
    target("red", payload::red, CHEAP),
    target("h264", payload::h264, CHEAP),
    target("av1", payload::av1, CHEAP),
    target("dependency_descriptor", payload::dependency_descriptor, CHEAP),
    target("frame_marking", payload::frame_marking, CHEAP),
    target("ingest", ingest::publication, DEAR),
    target("feedback", ingest::feedback, DEAR),
    target("shop_message", shop::message, CHEAP),
    target("shop_command", shop::command, CHEAP),
    target("shop_session", shop::session, DEAR),
    target("shop_catalogue", shop::catalogue, DEAR),
    target("ledger_backup", shop::backup, DEAR),
    target("datagrams", shard::datagrams, DEAR),
    target("handshake", shard::handshake, DEAR),
    target("viewer_answer", viewer::answer, CHEAP),
    target("viewer_packet", viewer::packet, CHEAP),
    target("viewer_reports", viewer::reports, CHEAP),
    target("viewer_events", viewer::events, CHEAP),
    target("media_file", files::media, CHEAP),
    target("scenario", files::scenario, DEAR),
    target("loadtest_result", files::result, DEAR),
];

const fn target(name: &'static str, run: fn(&[u8]), mutations: u32) -> Target {
    Target { name, run, mutations }
}

/// The target of a name.
pub fn find(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// Cuts an input into pieces: one byte, four times which is the length of what follows, and so on to the end.
fn pieces(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = input;
    std::iter::from_fn(move || {
        let (&len, behind) = rest.split_first()?;
        let len = (usize::from(len) * 4).min(behind.len());
        let (piece, behind) = behind.split_at(len);
        rest = behind;
        Some(piece)
    })
}
