//! Bodies, heads, slowness and floods.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fake::{Setting, Stage, header, refused, stage, stage_with, token};
use signaling::ShopReply;
use signaling::token::Scope;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

const PROXY: [u8; 4] = [127, 0, 0, 1];

#[tokio::test]
async fn a_body_too_long_is_refused_and_the_client_hears_of_it() {
    let stage = stage_with(|door| door.sdp_max_bytes = 1000).await;
    assert_eq!(
        stage.whip().body("x".repeat(1000)).send().await.unwrap().status(),
        201
    );
    refused(stage.whip().body("x".repeat(1001)), 413).await;
    refused(stage.whip().body("x".repeat(1 << 20)), 413).await;
    let json = stage
        .request("POST", "/api/tokens")
        .bearer_auth(token(&[Scope::Operator], "*"));
    refused(
        json.header("content-type", "application/json")
            .body("x".repeat(1 << 20)),
        413,
    )
    .await;
}

#[tokio::test]
async fn of_a_body_too_long_four_megabytes_are_heard_to_their_end() {
    let stage = stage_with(|door| door.sdp_max_bytes = 1000).await;
    let send = async |rest: usize| {
        let mut stream = TcpStream::connect(stage.address).await.unwrap();
        let head = format!(
            "POST /whip/demo HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nTransfer-Encoding: chunked\r\n\
             Authorization: Bearer {}\r\n\r\n",
            token(&[Scope::Publish], "demo")
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let chunk = format!("{:x}\r\n{}\r\n", 1 << 16, "x".repeat(1 << 16));
        for _ in 0..rest {
            // Who is not listened to any more may be cut off.
            if stream.write_all(chunk.as_bytes()).await.is_err() {
                return false;
            }
        }
        let mut answer = [0; 12];
        let is_written = stream.write_all(b"0\r\n\r\n").await.is_ok();
        is_written && stream.read_exact(&mut answer).await.is_ok() && answer == *b"HTTP/1.1 413"
    };
    assert!(send(64).await);
    assert!(!send(1024).await, "nobody hears sixty-four");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let stage = stage_with(|door| door.body_timeout = Duration::from_millis(100)).await;
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    let head = format!(
        "POST /whip/demo HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: 10\r\n\
         Authorization: Bearer {}\r\n\r\nhalf",
        token(&[Scope::Publish], "demo")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

fn quick_heads() -> Setting {
    let mut setting = Setting::default();
    setting.listen.head_timeout = Duration::from_millis(200);
    setting
}

#[tokio::test]
async fn a_head_too_long_is_refused() {
    let stage = Stage::new(Setting::default()).await;
    let long = stage
        .request("GET", "/healthz")
        .header("x-long", "x".repeat(20_000));
    assert_eq!(long.send().await.unwrap().status(), 431);
    assert_eq!(status(&stage, 64).await, "200");
    assert_eq!(status(&stage, 65).await, "431");
}

/// The status of an answer to a request with so many headers.
async fn status(stage: &Stage, headers: usize) -> String {
    let more: String = (2..headers).map(|number| format!("X-{number}: x\r\n")).collect();
    let head = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n");
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn who_says_nothing_or_only_half_is_let_go() {
    let stage = Stage::new(quick_heads()).await;
    for half in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    ] {
        let mut stream = TcpStream::connect(stage.address).await.unwrap();
        let start = Instant::now();
        stream.write_all(half.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset is as good as an end.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(start.elapsed() < Duration::from_secs(2), "{half:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_let_go() {
    let stage = Stage::new(quick_heads()).await;
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let start = Instant::now();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn an_address_has_so_many_sessions_and_streams() {
    let stage = stage_with(|door| {
        door.trusted_proxies = vec![IpAddr::from(PROXY).into()];
        door.sessions_per_address = 2;
    })
    .await;
    let from = |address: &'static str| stage.whep().header("x-forwarded-for", address);
    let first = from("192.0.2.1").send().await.unwrap();
    let events = stage
        .request("GET", "/api/rooms/demo/events")
        .header("x-forwarded-for", "192.0.2.1");
    let events = events.send().await.unwrap();
    assert_eq!(events.status(), 200);
    let response = refused(from("192.0.2.1"), 429).await;
    header(&response, "retry-after");
    let said = response.text().await.unwrap();
    assert!(
        said.contains("as it may have, 2 (http_sessions_per_address)"),
        "{said}"
    );
    assert_eq!(from("192.0.2.2").send().await.unwrap().status(), 201);

    let delete = stage.request("DELETE", header(&first, "location"));
    assert_eq!(delete.send().await.unwrap().status(), 200);
    assert_eq!(from("192.0.2.1").send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_session_whose_client_leaves_while_it_opens_is_closed() {
    let stage = stage().await;
    let gate = Arc::new(Semaphore::new(0));
    *stage.house.media.gate.lock().unwrap() = Some(gate.clone());
    let media = &stage.house.media;
    // Only who has left before the answer is meant: the server must have seen it, which is later on a busy machine.
    for patience_ms in [1, 10, 100, 1000, 5000] {
        media.open.lock().unwrap().clear();
        let asking = tokio::spawn(stage.whep().send());
        while media.open.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        asking.abort();
        tokio::time::sleep(Duration::from_millis(patience_ms)).await;
        gate.add_permits(1);
        let is_closed = async {
            while !media.open.lock().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(1), is_closed)
            .await
            .is_ok()
        {
            return;
        }
    }
    panic!("it stays open, and nobody has its address");
}

#[tokio::test]
async fn an_address_may_ask_so_often() {
    let stage = stage_with(|door| {
        door.trusted_proxies = vec![IpAddr::from(PROXY).into()];
        door.session_requests_per_second = 1;
    })
    .await;
    let whep = || stage.whep().header("x-forwarded-for", "192.0.2.1");
    for _ in 0..5 {
        assert_eq!(whep().send().await.unwrap().status(), 201);
    }
    let response = refused(whep(), 429).await;
    assert_eq!(header(&response, "retry-after"), "1");
    let said = response.text().await.unwrap();
    assert!(said.contains("(http_session_requests_per_second)"), "{said}");
}

#[tokio::test]
async fn a_private_network_is_not_counted() {
    let stage = stage_with(|door| {
        door.trusted_proxies = vec![IpAddr::from(PROXY).into()];
        (door.session_requests_per_second, door.sessions_per_address) = (1, 2);
    })
    .await;
    for _ in 0..20 {
        let whep = stage.whep().header("x-forwarded-for", "172.17.0.1");
        assert_eq!(whep.send().await.unwrap().status(), 201);
    }
}

#[tokio::test]
async fn whoever_leaves_is_never_refused_and_whoever_guesses_is() {
    let stage = stage_with(|door| {
        door.trusted_proxies = vec![IpAddr::from(PROXY).into()];
        door.session_requests_per_second = 1;
    })
    .await;
    let from = |method: &str, path: &str| stage.request(method, path).header("x-forwarded-for", "192.0.2.1");
    let mut sessions = Vec::new();
    for _ in 0..5 {
        let opened = stage
            .whep()
            .header("x-forwarded-for", "192.0.2.1")
            .send()
            .await
            .unwrap();
        sessions.push(header(&opened, "location").to_owned());
    }
    refused(stage.whep().header("x-forwarded-for", "192.0.2.1"), 429).await;
    for session in &sessions {
        assert_eq!(from("DELETE", session).send().await.unwrap().status(), 200);
    }
    refused(from("DELETE", &sessions[0]), 429).await;
}

#[tokio::test]
async fn requests_under_way_finish_when_the_door_closes() {
    let stage = Stage::new(Setting::default()).await;
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    let head =
        "POST /whep/demo HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::task::yield_now().await;
    // Another request is answered after the door has seen the first one's head.
    assert_eq!(stage.get("/healthz").await.status(), 200);
    stage.close.send(true).unwrap();
    stream.write_all(b"offer").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    stage.served.await.unwrap();
    assert!(TcpStream::connect(stage.address).await.is_err());
}

#[tokio::test]
async fn an_address_may_name_so_many_clients_who_are_not_there() {
    let stage = stage_with(|door| {
        door.trusted_proxies = vec![IpAddr::from(PROXY).into()];
        door.session_requests_per_second = 1;
    })
    .await;
    let say = |from: &'static str, client: String| {
        let request = stage.request("POST", "/api/rooms/demo/messages");
        request
            .header("x-forwarded-for", from)
            .header("x-client", client)
            .header("content-type", "application/json")
            .body("{}")
    };
    *stage.house.shop.reply.lock().unwrap() = ShopReply::NotFound("no such client".into());
    for client in 0..5 {
        refused(say("192.0.2.1", format!("{client:016x}")), 404).await;
    }
    // Nobody is asked any more.
    *stage.house.shop.reply.lock().unwrap() = ShopReply::Done;
    let response = refused(say("192.0.2.1", "7".to_owned()), 429).await;
    assert_eq!(header(&response, "retry-after"), "1");
    let other = say("192.0.2.2", "7".to_owned()).send().await.unwrap();
    assert_eq!(other.status(), 202);
}
