//! What strangers send, while somebody watches.

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::server::Server;
use super::viewer::Viewer;

const OFFER: &str = include_str!("../../sfu/tests/offers/chromium-play.sdp");
/// A picture that pauses longer would be seen to stand still, even on a machine with other work.
const PAUSE: Duration = Duration::from_secs(3);

/// Datagrams of every kind a demultiplexer knows (RFC 7983), none of them whole.
fn storm_of_datagrams(media: &[SocketAddr], count: usize) {
    let mut random = SmallRng::seed_from_u64(1);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let firsts = [0, 1, 20, 22, 23, 63, 64, 79, 127, 128, 144, 191, 255];
    let mut bytes = vec![0; 9000];
    for number in 0..count {
        let len = match number % 8 {
            0 => random.random_range(0..20),
            1 => random.random_range(1400..9000),
            _ => random.random_range(12..1400),
        };
        random.fill_bytes(&mut bytes[..len]);
        if let Some(first) = bytes[..len].first_mut() {
            *first = firsts[number % firsts.len()];
        }
        // RTCP, a DTLS hello and a STUN header now and then.
        match number % 5 {
            0 if len > 2 => bytes[1] = 200,
            1 if len > 13 => bytes[..14].copy_from_slice(&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]),
            2 if len > 8 => bytes[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]),
            _ => {}
        }
        // The kernel's buffer may be full: then it was storm enough.
        let _ = socket.send_to(&bytes[..len], media[number % media.len()]);
        if number % 50 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Connections that speak something else, break off, or say nothing.
fn storm_of_connections(media: &[SocketAddr]) {
    let mut random = SmallRng::seed_from_u64(2);
    let mut silent = Vec::new();
    for number in 0..600 {
        let mut stream = TcpStream::connect(media[number % media.len()]).unwrap();
        let mut bytes = vec![0; random.random_range(1..5000)];
        random.fill_bytes(&mut bytes);
        // Closed in the middle of it, perhaps.
        let _ = match number % 5 {
            0 => stream.write_all(&bytes),
            1 => stream.write_all(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"),
            2 => stream.write_all(&[0xff; 4096]),
            3 => stream.write_all(&[0, 20, 0, 1, 0, 0, 0x21]),
            _ => Ok(()),
        };
        if number % 5 >= 3 {
            silent.push(stream);
        }
    }
}

async fn post_offer(server: &Server, offer: String) -> StatusCode {
    let request = server.client.post(server.at("/whep/demo"));
    let answer = request.header(CONTENT_TYPE, "application/sdp").body(offer).send();
    let answer = answer.await.unwrap();
    let status = answer.status();
    if status.is_client_error() {
        let problem: Value = answer.json().await.unwrap();
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{problem}");
    }
    status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_nonsense_disturbs_nobody_who_watches() {
    let server = Server::start(&[]);
    server.on_air().await;
    let viewer = Viewer::watch(&server).await;
    let rejected = server.counter("vitrine_datagrams_rejected_total").await;
    let begin = Instant::now();

    let media = server.media.clone();
    let datagrams = tokio::task::spawn_blocking(move || storm_of_datagrams(&media, 30_000));
    let media = server.media.clone();
    let connections = tokio::task::spawn_blocking(move || storm_of_connections(&media));

    let section = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:9\r\na=recvonly\r\n";
    let candidate = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
    assert_eq!(
        post_offer(&server, OFFER.repeat(300)).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    for offer in [
        String::new(),
        "v=0\r\n".to_owned(),
        "\0\u{7f}\u{ffff}".repeat(500),
        format!("{OFFER}{}", section.repeat(500)),
        candidate.repeat(900),
        OFFER.replace("sha-256", "sha-1"),
        OFFER[..OFFER.len() / 2].to_owned(),
    ] {
        let status = post_offer(&server, offer.clone()).await;
        assert!(
            matches!(status.as_u16(), 400 | 413 | 422),
            "{status} for {:.60?} of {} bytes",
            offer,
            offer.len()
        );
    }
    // A machine with many addresses is no stranger.
    assert_eq!(
        post_offer(
            &server,
            format!("{OFFER}{}a=end-of-candidates\r\n", candidate.repeat(900))
        )
        .await,
        StatusCode::CREATED
    );
    for (path, body) in [
        (
            "/api/rooms/demo/buy",
            json!({"lines": "all of them", "price_version": -1}),
        ),
        ("/api/rooms/demo/buy", json!([[[[[]]]]])),
        (
            "/api/rooms/demo/messages",
            json!({"v": 1, "t": "chat", "text": 7}),
        ),
        ("/api/tokens", json!({"scopes": ["operator"], "room": "*"})),
        ("/api/rooms/%2e%2e/buy", json!({})),
    ] {
        let request = server.client.post(server.at(path)).header("X-Client", "1");
        let status = request.json(&body).send().await.unwrap().status();
        assert!(status.is_client_error(), "{status} for {path}");
    }
    datagrams.await.unwrap();
    connections.await.unwrap();

    // Offers that are taken and never used, up to and over the bound on what one may have open.
    for _ in 0..50 {
        post_offer(&server, OFFER.to_owned()).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let pause = viewer.longest_pause(begin);
    assert!(pause < PAUSE, "the picture stood still for {pause:?}");
    // The kernel drops some of them on a busy machine.
    assert!(server.counter("vitrine_datagrams_rejected_total").await > rejected + 1_000.0);
    assert!(server.counter("vitrine_tcp_violated_total").await > 100.0);
    assert_eq!(server.get("/readyz").await.status(), StatusCode::OK);
}
