//! Connections that send frames of HTTP/2 without end, none of which asks for anything, while others ask for something.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqwest::StatusCode;

use super::server::Server;
use super::viewer::Viewer;

const CONNECTIONS: usize = 8;
/// How long each kind goes on.
const MISCHIEF: Duration = Duration::from_secs(4);
/// Who waits longer for an answer would think that nobody is there, even on a machine with other work.
const WAIT: Duration = Duration::from_secs(2);
/// A picture that pauses longer would be seen to stand still.
const PAUSE: Duration = Duration::from_millis(1500);

/// A frame (RFC 9113 §4.1).
fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, 0]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Sends frames and takes what is answered until it is told to stop.
fn send_on_and_on(server: &Server, frame: &[u8], stop: &Arc<AtomicBool>) -> JoinHandle<usize> {
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .unwrap();
    stream.set_nonblocking(true).unwrap();
    let (frames, stop) = (frame.repeat(1000), Arc::clone(stop));
    std::thread::spawn(move || {
        let (mut place, mut sent) = (0, 0);
        while !stop.load(Ordering::Relaxed) {
            let _ = stream.read(&mut [0; 1 << 16]);
            match stream.write(&frames[place..]) {
                Ok(count) => (place, sent) = ((place + count) % frames.len(), sent + count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                // It was let go.
                Err(_) => break,
            }
        }
        sent
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_without_end_hold_up_nobody() {
    let server = Server::start(&[]);
    server.on_air().await;
    let viewer = Viewer::watch(&server).await;
    for (what, frame) in [
        ("PING", frame(6, 0, b"12345678")),
        ("SETTINGS", frame(4, 0, &[0, 4, 0, 0, 0xff, 0xff])),
        ("WINDOW_UPDATE", frame(8, 0, &[0, 0, 0, 1])),
        ("PRIORITY", frame(2, 1, &[0, 0, 0, 0, 1])),
    ] {
        let (stop, began) = (Arc::default(), Instant::now());
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|_| send_on_and_on(&server, &frame, &stop))
            .collect();
        let mut longest = Duration::ZERO;
        while began.elapsed() < MISCHIEF {
            let asked = Instant::now();
            assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
            longest = longest.max(asked.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.store(true, Ordering::Relaxed);
        let sent: usize = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        let pause = viewer.longest_pause(began);
        let told = format!(
            "{what}: {longest:?} for an answer, picture {pause:?}, {} MB",
            sent >> 20
        );
        println!("{told}");
        assert!(longest < WAIT && pause < PAUSE, "{told}");
    }
}
