//! Sessions that begin and go nowhere, and those that come and go without end, while somebody watches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, IF_MATCH};
use reqwest::{Response, StatusCode};

use super::keyed::Keyed;
use super::peer::{Part, Party, Peer};
use super::server::{PATIENCE, Server};
use super::viewer::Viewer;

/// Sessions asked for, twice as many as there are places for; `HALF_OPEN` is for more by hand.
const ASKED: u64 = 600;
/// Who comes and goes: so many at once, each this often.
const AT_ONCE: u64 = 20;
const EVERY: Duration = Duration::from_millis(100);
const TIME: Duration = Duration::from_secs(5);
/// What a session may take as long as it is there, and what the server may keep of so many: what it had at once most.
const SESSION: usize = 64 << 10;
const MEMORY: usize = 24 << 20;
const FILES: usize = 60;
/// A picture that pauses longer would be seen to stand still, even on a machine with other work.
const PAUSE: Duration = Duration::from_secs(3);

/// Asks for sessions, many at a time, and never goes on; how many there are.
async fn half_open(server: &Arc<Server>, party: &Party, count: u64) -> u64 {
    let asking = (0..16).map(|part| {
        let (server, party) = (Arc::clone(server), party.clone());
        tokio::spawn(async move {
            let mut made = 0;
            for number in (0..count).filter(|number| number % 16 == part) {
                let peer = Peer::new(&party, 100_000 + number, Instant::now());
                let request = server.client.post(server.at("/whep/demo"));
                let request = request.header(CONTENT_TYPE, "application/sdp");
                let answer = request.body(peer.offer(Part::Viewer)).send().await.unwrap();
                made += u64::from(answer.status() == StatusCode::CREATED);
            }
            made
        })
    });
    let mut made = 0;
    for asking in asking.collect::<Vec<_>>() {
        made += asking.await.unwrap();
    }
    made
}

/// Waits until there are no more viewers than that.
async fn left(server: &Server, viewers: f64, mut meanwhile: impl FnMut()) {
    let end = Instant::now() + PATIENCE;
    while server.counter("vitrine_viewers").await > viewers {
        assert!(Instant::now() < end, "they stay");
        meanwhile();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_never_go_on_shut_nobody_out_and_are_gone_after_their_time() {
    let asked = std::env::var("HALF_OPEN").map_or(ASKED, |number| number.parse().unwrap());
    let places = (asked / 2).to_string();
    let server = Arc::new(Server::start(&[
        "--http-session-requests-per-second",
        "10000",
        "--media-max-peers",
        &places,
        "--media-connect-timeout-seconds",
        "20",
    ]));
    server.on_air().await;
    let viewer = Viewer::watch(&server).await;
    let party = Party::new();
    let (before, files, began) = (server.memory(), server.files(), Instant::now());
    let made = half_open(&server, &party, asked).await;
    // All places: on a slow machine the first have given way meanwhile.
    assert!(made >= asked / 2 - 4, "{made}");
    let took = server.memory().saturating_sub(before);
    assert!(took < asked as usize / 2 * SESSION, "{} KiB", took >> 10);
    // Who really comes gets in, though all places are taken and stay so.
    let joining = Instant::now();
    let mut honest = Keyed::come(&server).await;
    let joined = joining.elapsed();
    let still = server.counter("vitrine_viewers").await;
    assert!(
        still > asked as f64 / 4.0,
        "{still}: it came in when they had gone"
    );
    left(&server, 2.0, || {
        honest.read();
        honest.consent();
    })
    .await;
    let more = (
        server.memory().saturating_sub(before),
        server.files().saturating_sub(files),
    );
    let pause = viewer.longest_pause(began);
    println!(
        "{made} half open: {} KiB; an honest one was in after {joined:?}; all gone after {:?}, {} KiB and {} files stay, {pause:?}",
        took >> 10,
        began.elapsed(),
        more.0 >> 10,
        more.1,
    );
    let memory = MEMORY + asked.saturating_sub(ASKED) as usize * SESSION / 2;
    assert!(
        more.0 < memory && more.1 < FILES && pause < PAUSE,
        "{more:?} {pause:?}"
    );
}

/// One more change of a session's ICE.
async fn patch(server: &Server, session: &str, ufrag: &str) -> Response {
    let request = server.client.patch(server.at(session));
    let request = request.header(CONTENT_TYPE, "application/trickle-ice-sdpfrag");
    let fragment = format!(
        "a=ice-ufrag:{ufrag}\r\na=ice-pwd:passwordpasswordpassword\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
         a=candidate:1 1 UDP 2130706431 192.0.2.1 5000 typ host\r\n"
    );
    request.header(IF_MATCH, "*").body(fragment).send().await.unwrap()
}

/// Comes in, or stops somewhere on the way, and is gone again, or restarts its ICE again and again.
async fn come_and_go(server: &Server, party: &Party, number: u64) {
    let stops_after = (number / 8 % 6) as usize;
    match number % 8 {
        0 => return Keyed::stall(server, party, number, stops_after).await,
        1 => {
            let keyed = Keyed::enter(server, party, number, false).await;
            for restart in 0..20 {
                // A restart, and the same again, which is none.
                for _ in 0..2 {
                    let answer = patch(server, &keyed.session, &format!("restart{restart}")).await;
                    assert!(answer.status().is_success(), "{}", answer.status());
                }
            }
            return;
        }
        _ => {}
    }
    let mut keyed = Keyed::enter(server, party, number, number % 4 == 2).await;
    match number % 3 {
        0 => keyed.goodbye(),
        1 => {
            let ended = server
                .client
                .delete(server.at(&keyed.session))
                .send()
                .await
                .unwrap();
            assert_eq!(ended.status(), StatusCode::OK);
        }
        // As when a phone is switched off.
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_and_goes_without_end_disturbs_nobody() {
    let server = Arc::new(Server::start(&[
        "--http-session-requests-per-second",
        "10000",
        "--media-connect-timeout-seconds",
        "5",
        "--media-consent-timeout-seconds",
        "5",
    ]));
    server.on_air().await;
    let viewer = Viewer::watch(&server).await;
    let party = Party::new();
    let (before, files, began) = (server.memory(), server.files(), Instant::now());
    let coming = (0..AT_ONCE).map(|part| {
        let (server, party) = (Arc::clone(&server), party.clone());
        tokio::spawn(async move {
            let mut came = 0;
            while began.elapsed() < TIME {
                let next = Instant::now() + EVERY;
                come_and_go(&server, &party, 1 + part * 10_000 + came).await;
                came += 1;
                tokio::time::sleep_until(next.into()).await;
            }
            came
        })
    });
    let mut came = 0;
    for coming in coming.collect::<Vec<_>>() {
        came += coming.await.unwrap();
    }
    let took = began.elapsed();
    left(&server, 1.0, || {}).await;
    let pause = viewer.longest_pause(began);
    let more = (
        server.memory().saturating_sub(before),
        server.files().saturating_sub(files),
    );
    println!(
        "{came} came and went in {took:?}; {} KiB and {} files stay, {pause:?}",
        more.0 >> 10,
        more.1,
    );
    assert!(
        more.0 < MEMORY && more.1 < FILES && pause < PAUSE,
        "{more:?} {pause:?}"
    );
}
