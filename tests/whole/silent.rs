//! Those who stop reading, a hundred of each kind, while others watch and talk.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use socket2::{Domain, Socket, Type};

use super::chunks::{Chunks, greeting};
use super::keyed::Keyed;
use super::line::Line;
use super::peer::Party;
use super::server::{PATIENCE, Server};
use super::viewer::Viewer;

const EACH: u64 = 100;
/// How long it goes on, and messages of the longest text meanwhile: more than is kept for anybody.
const EVENING: Duration = Duration::from_secs(8);
const MESSAGES: usize = 800;

/// A picture that pauses longer would be seen to stand still, even on a machine with other work.
const PAUSE: Duration = Duration::from_secs(3);
/// Bytes kept for all of them, the kernel's apart: 20 MB are measured, 100 of pictures alone would come.
const MEMORY: usize = 48 << 20;

/// A hundred viewers with channels who have said hello and read no more.
async fn viewers(server: &Arc<Server>, party: &Party, by_tcp: bool) -> Vec<Keyed> {
    let first = if by_tcp { 1000 } else { 2000 };
    let coming = (first..first + EACH).map(|number| {
        let (server, party) = (Arc::clone(server), party.clone());
        tokio::spawn(async move {
            let mut keyed = Keyed::enter(&server, &party, number, by_tcp).await;
            let mut chunks = Chunks::meet(&mut keyed).await;
            let greeting = greeting(&mut chunks);
            chunks.send(&mut keyed, &greeting);
            keyed
        })
    });
    let mut all = Vec::new();
    for coming in coming.collect::<Vec<_>>() {
        all.push(coming.await.unwrap());
    }
    all
}

/// An event stream that is asked for and not read, behind the smallest window there is.
fn stream(server: &Server, token: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let address: SocketAddr = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream: TcpStream = socket.into();
    let request = format!("GET /api/rooms/demo/events?token={token} HTTP/1.1\r\nHost: shop\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_stop_reading_hold_up_nobody() {
    let server = Server::start(&[
        "--http-session-requests-per-second",
        "10000",
        "--shop-chat-per-second",
        "1000",
        "--shop-messages-per-ten-seconds",
        "100000",
    ]);
    server.on_air().await;
    let viewer = Viewer::watch(&server).await;
    let token = server.buyer(&server.token_for("operator"), "anna").await;
    let mut talker = Line::of_a_customer(&server, &token).await;
    let server = Arc::new(server);
    let before = server.memory();
    let party = Party::new();
    let by_udp = viewers(&server, &party, false).await;
    let mut by_tcp = viewers(&server, &party, true).await;
    let streams: Vec<TcpStream> = (0..EACH).map(|_| stream(&server, &token)).collect();
    let there = server.memory();
    let (worked, began) = (server.worked(), Instant::now());
    let text = "a".repeat(500);
    let (mut most, mut heard) = (there, 0);
    let mut hear = |talker: &mut Line| {
        heard += talker.heard().iter().filter(|event| event["t"] == "chat").count();
        heard
    };
    for number in 0..MESSAGES {
        let id = number.to_string();
        talker
            .say(&json!({"v": 1, "t": "chat", "id": id, "text": text}))
            .await;
        hear(&mut talker);
        if number % 50 == 0 {
            most = most.max(server.memory());
            // Still there, by all that ICE knows; half of those on TCP take a byte now and then.
            by_udp.iter().chain(&by_tcp).for_each(Keyed::consent);
            by_tcp.iter_mut().skip(EACH as usize / 2).for_each(Keyed::sip);
        }
        let due = EVENING * number as u32 / MESSAGES as u32;
        tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
    }
    let end = Instant::now() + PATIENCE;
    while hear(&mut talker) < MESSAGES {
        assert!(Instant::now() < end, "who reads has not heard everything");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let pause = viewer.longest_pause(began);
    let share = (server.worked() - worked).as_secs_f64() / began.elapsed().as_secs_f64();
    let told = format!(
        "{pause:?}, {} KiB more for {} who came, {} KiB more when they were silent, {share:.2} of a core",
        (there - before) >> 10,
        3 * EACH,
        most.saturating_sub(there) >> 10,
    );
    println!("{told}");
    assert!(pause < PAUSE && most.saturating_sub(there) < MEMORY, "{told}");
    assert_eq!(server.counter("vitrine_viewers").await, (1 + 2 * EACH) as f64);
    let _late = Viewer::watch(&server).await;
    drop(streams);
}
