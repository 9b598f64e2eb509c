//! What `/metrics` says, beside what was counted at the other end.

use std::net::UdpSocket;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::server::{PATIENCE, Server, vitrine};

/// Bytes of the authentication tag of AEAD_AES_GCM (RFC 7714 §5.2), which viewers count and media has not.
const TAG: f64 = 16.0;
const VIEWERS: &str = "8";

/// A counter of the load test's, all seconds and groups together.
fn counted(result: &Value, counter: &str) -> f64 {
    let groups = result["groups"].as_array().unwrap().iter();
    let seconds = groups.flat_map(|group| group["measures"]["seconds"].as_array().unwrap());
    seconds.filter_map(|second| second["c"][counter].as_f64()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_say_what_viewers_got() {
    let server = Server::start(&[]);
    server.on_air().await;
    let names = [
        "vitrine_playback_packets_total",
        "vitrine_playback_bytes_total",
        "vitrine_playback_nacks_received_total",
        "vitrine_playback_lost_total",
        "vitrine_playback_keyframe_requests_received_total",
        "vitrine_join_seconds_count",
    ];
    let count = async || {
        let mut counts = [0.0; 6];
        for (count, name) in counts.iter_mut().zip(names) {
            *count = server.counter(name).await;
        }
        counts
    };
    let before = count().await;
    let folder = server.folder.as_ref().unwrap().path();
    let (url, joins) = (server.at("/whep/demo"), "20");
    let mut watching = vitrine(folder);
    watching
        .args(["loadtest", "watch", "--json", "--seconds", "4", "--url", &url])
        .args(["--viewers", VIEWERS, "--joins", joins])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let watching = watching.spawn().unwrap();
    let ended = tokio::task::spawn_blocking(move || watching.wait_with_output());
    let ended = ended.await.unwrap().unwrap();
    let result: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let after = count().await;
    let mut more = after;
    more.iter_mut()
        .zip(before)
        .for_each(|(count, before)| *count -= before);
    let [packets, bytes, nacks, lost, keyframes, joins] = more;
    let there = |counter: &str| counted(&result, counter);

    assert_eq!(joins, there("joined"));
    assert_eq!(joins, VIEWERS.parse::<f64>().unwrap());
    // On a machine that is busy with other tests the load test's own sockets may have dropped some, and what was on its
    // way when somebody left is not counted there.
    let missing =
        there("lost") + there("repaired") + there("socket_drops") + VIEWERS.parse::<f64>().unwrap() * 10.0;
    let got = there("packets");
    assert!(got > 1000.0, "{got} packets");
    assert!(
        (got..=got + missing).contains(&packets),
        "{packets} sent, {got} came, {missing} may be missing"
    );
    let longest = 1300.0;
    let payload = there("bytes") - TAG * got;
    let may_miss = (packets - got) * longest;
    assert!(
        (payload..=payload + may_miss).contains(&bytes),
        "{bytes} bytes sent, {payload} came, {packets} packets sent, {got} came"
    );
    // Nothing, where nothing is lost.
    assert!(nacks <= there("nacks") && keyframes <= there("plis"), "{more:?}");
    assert!(lost <= missing, "{lost} told as lost, of {missing}");
    assert_eq!(server.counter("vitrine_viewers").await, 0.0);
    assert_eq!(server.counter("vitrine_publishers").await, 1.0);
    assert_eq!(server.counter("vitrine_udp_publishers").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_say_what_the_kernel_dropped() {
    /// More than any receive buffer that the server gets: 8 MiB at most, with what the kernel adds to each.
    const SENT: usize = 40_000;
    let server = Server::start(&[]);
    server.on_air().await;
    let count = async || {
        let rejected = server.counter("vitrine_datagrams_rejected_total").await;
        (rejected, server.counter("vitrine_udp_receive_full_total").await)
    };
    let before = count().await;
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.connect(server.media[0]).unwrap();
    // It stands still, and the demo's publisher with it: nobody else sends.
    server.tell("-STOP");
    for _ in 0..SENT {
        stranger.send(&[0x7f; 100]).unwrap();
    }
    server.tell("-CONT");
    let end = Instant::now() + PATIENCE;
    let (rejected, dropped) = loop {
        let after = count().await;
        let (rejected, dropped) = (after.0 - before.0, after.1 - before.1);
        if rejected + dropped >= SENT as f64 || Instant::now() > end {
            break (rejected, dropped);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(
        rejected > 0.0 && dropped > 0.0,
        "{rejected} came, {dropped} dropped"
    );
    assert_eq!(rejected + dropped, SENT as f64);
}
