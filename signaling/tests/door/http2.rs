//! HTTP/2, frame by frame (RFC 9113).

use crate::fake::{Setting, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
/// END_STREAM and END_HEADERS.
const WHOLE: u8 = 0x5;
const REFUSED_STREAM: [u8; 4] = 7_u32.to_be_bytes();
const CANCEL: [u8; 4] = 8_u32.to_be_bytes();
/// Requests under way that one connection may have.
const MOST: u32 = 64;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    let mut frame = length.to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A request that is under way for as long as its stream is: a show's events.
fn follow(stream: u32) -> Vec<u8> {
    const PATH: &[u8] = b"/api/rooms/demo/events";
    // RFC 7541: GET and http from the static table; path and authority are new.
    let mut block = vec![0x82, 0x86, 0x04, PATH.len() as u8];
    block.extend(PATH);
    block.extend([0x01, 1, b'x']);
    frame(HEADERS, WHOLE, stream, &block)
}

/// The next frame of a request, with its stream: its first headers, or what ends it.
async fn next(connection: &mut TcpStream) -> (u8, u32, Vec<u8>) {
    loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head).await.unwrap();
        let [l0, l1, l2, kind, _, s0, s1, s2, s3] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        connection.read_exact(&mut payload).await.unwrap();
        if [HEADERS, RST_STREAM].contains(&kind) {
            return (kind, u32::from_be_bytes([s0, s1, s2, s3]), payload);
        }
    }
}

#[tokio::test]
async fn a_connection_has_so_many_requests_under_way() {
    let stage = Stage::new(Setting::default()).await;
    let mut connection = TcpStream::connect(stage.address).await.unwrap();
    let mut said = PREFACE.to_vec();
    said.extend(frame(SETTINGS, 0, 0, &[]));
    // Clients' streams have odd numbers.
    let numbers = (0..=MOST).map(|number| 2 * number + 1);
    said.extend(numbers.flat_map(follow));
    connection.write_all(&said).await.unwrap();
    let mut answered = Vec::new();
    for _ in 0..=MOST {
        let (kind, stream, payload) = next(&mut connection).await;
        if stream == 2 * MOST + 1 {
            assert_eq!(
                (kind, &payload[..]),
                (RST_STREAM, &REFUSED_STREAM[..]),
                "one too many"
            );
        } else {
            assert_eq!(kind, HEADERS, "{stream}: {payload:?}");
            answered.push(stream);
        }
    }
    answered.sort_unstable();
    assert!(answered.into_iter().eq((0..MOST).map(|number| 2 * number + 1)));

    let mut said = frame(RST_STREAM, 0, 1, &CANCEL);
    said.extend(follow(2 * MOST + 3));
    connection.write_all(&said).await.unwrap();
    let (kind, stream, _) = next(&mut connection).await;
    assert_eq!((kind, stream), (HEADERS, 2 * MOST + 3), "there is room again");
}
