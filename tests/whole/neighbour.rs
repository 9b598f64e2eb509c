//! A viewer with keys of its own who does all it can, on the whole binary, while somebody watches.

use std::time::{Duration, Instant};

use rand::RngExt;
use reqwest::StatusCode;

use super::keyed::Keyed;
use super::server::Server;
use super::viewer::Viewer;

/// How long it keeps at it, and how often in a second it sends: ten times what is looked at.
const MISCHIEF: Duration = Duration::from_secs(3);
const PER_MS: usize = 10;
/// What of one viewer is looked at, a second and at once (`sfu/src/shard/ingest.rs`).
const LOOKED_AT: (f64, f64) = (1000.0, 500.0);
/// What is sent again to one viewer, a second and at once: a sixteenth of what its line carries, in bytes, packets of 1200.
const REPAIRS: (f64, f64) = (180.0, 82.0);
/// What all others send meanwhile, a second: the publisher's media and the honest viewer's feedback.
const OTHERS: f64 = 600.0;
/// Bytes a second for two viewers of the demo, with probes and bursts: twice what they take.
const BYTES: f64 = 1e6;
/// A picture that pauses longer would be seen to stand still, even on a machine with other work.
const PAUSE: Duration = Duration::from_secs(3);

/// What the server counts meanwhile.
#[derive(Debug)]
struct Counts {
    received: f64,
    refused: f64,
    asked_again: f64,
    sent_again: f64,
    sent_bytes: f64,
}

impl Counts {
    async fn of(server: &Server) -> Counts {
        let count = async |name: &str| server.counter(name).await;
        Counts {
            received: count("vitrine_datagrams_received_total").await,
            refused: count("vitrine_datagrams_refused_total").await,
            asked_again: count("vitrine_playback_nacks_received_total").await,
            sent_again: count("vitrine_playback_retransmitted_total").await,
            sent_bytes: count("vitrine_sent_bytes_total").await,
        }
    }

    fn since(&self, before: &Counts) -> Counts {
        Counts {
            received: self.received - before.received,
            refused: self.refused - before.refused,
            asked_again: self.asked_again - before.asked_again,
            sent_again: self.sent_again - before.sent_again,
            sent_bytes: self.sent_bytes - before.sent_bytes,
        }
    }
}

/// One packet of RTCP (RFC 3550 §6.1).
fn rtcp(count: u8, kind: u8, words: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80 | count, kind];
    packet.extend(((words.len() / 4) as u16).to_be_bytes());
    packet.extend(words);
    packet
}

/// Feedback about a stream (RFC 4585 §6.1).
fn feedback(count: u8, kind: u8, ssrc: u32, rest: &[u8]) -> Vec<u8> {
    let mut words = vec![0, 0, 0, 1];
    words.extend(ssrc.to_be_bytes());
    words.extend(rest);
    rtcp(count, kind, &words)
}

fn nack_of_everything(neighbour: &mut Keyed) {
    let (ssrc, newest, _) = neighbour.picture().unwrap();
    let mut pairs = Vec::new();
    for back in 1..=60 {
        pairs.extend(newest.wrapping_sub(17 * back).to_be_bytes());
        pairs.extend([0xff, 0xff]);
    }
    neighbour.report(&feedback(1, 205, ssrc, &pairs));
}

fn keyframe_requests(neighbour: &mut Keyed) {
    let (ssrc, ..) = neighbour.picture().unwrap();
    neighbour.report(&feedback(1, 206, ssrc, &[]));
    let mut entry = ssrc.to_be_bytes().to_vec();
    entry.extend([neighbour.random.random(), 0, 0, 0]);
    neighbour.report(&feedback(4, 206, 0, &entry));
}

fn reports_of_anything(neighbour: &mut Keyed) {
    let kind = neighbour.random.random_range(192..=223);
    let count = neighbour.random.random_range(0..32);
    let words = neighbour.random_bytes(1000);
    neighbour.report(&rtcp(count, kind, &words));
}

fn lies_about_arrivals(neighbour: &mut Keyed) {
    // Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
    let (ssrc, ..) = neighbour.picture().unwrap();
    let words = neighbour.random_bytes(200);
    neighbour.report(&feedback(15, 205, ssrc, &words));
}

fn nonsense_for_channels(neighbour: &mut Keyed) {
    let mut words = neighbour.random_bytes(1100);
    // The ports of SCTP, so that it is looked at (RFC 8841 §5.1).
    words[..4].copy_from_slice(&[0x13, 0x88, 0x13, 0x88]);
    neighbour.say(&words);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_who_does_all_it_can_disturbs_nobody_who_watches() {
    let server = Server::start(&[]);
    server.on_air().await;
    let viewer = Viewer::watch(&server).await;
    for (what, mischief) in [
        ("NACKs", nack_of_everything as fn(&mut Keyed)),
        ("keyframe requests", keyframe_requests),
        ("reports", reports_of_anything),
        ("feedback", lies_about_arrivals),
        ("SCTP", nonsense_for_channels),
    ] {
        let mut neighbour = Keyed::come(&server).await;
        let before = Counts::of(&server).await;
        let began = Instant::now();
        while began.elapsed() < MISCHIEF {
            for _ in 0..PER_MS {
                mischief(&mut neighbour);
            }
            neighbour.read();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let counts = Counts::of(&server).await.since(&before);
        let seconds = began.elapsed().as_secs_f64();
        let pause = viewer.longest_pause(began);
        assert!(pause < PAUSE, "{what}: the picture stood still for {pause:?}");
        let looked_at = counts.received - counts.refused;
        let (steady, burst) = LOOKED_AT;
        assert!(
            looked_at < (steady + OTHERS) * (seconds + 1.0) + burst,
            "{what}: {counts:?} in {seconds:.1} s"
        );
        let (steady, burst) = REPAIRS;
        assert!(
            counts.sent_again < steady * (seconds + 1.0) + burst,
            "{what}: {counts:?} in {seconds:.1} s"
        );
        assert!(
            counts.sent_bytes < BYTES * (seconds + 1.0),
            "{what}: {counts:?} in {seconds:.1} s"
        );
    }
    assert_eq!(server.get("/readyz").await.status(), StatusCode::OK);
}
