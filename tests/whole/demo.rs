//! The demo fills its room while nobody else does.

use std::time::Instant;

use loadtest::PublishOptions;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::server::{PATIENCE, Server};

async fn room(server: &Server, is_there: impl Fn(&Value) -> bool) {
    let end = Instant::now() + PATIENCE;
    loop {
        let room = server.room().await;
        if is_there(&room) {
            return;
        }
        assert!(Instant::now() < end, "{room}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_finds_out_that_only_the_demo_is_on_the_air() {
    let server = Server::start(&[]);
    server.on_air().await;
    assert_eq!(server.room().await["stand_in"], json!(true));

    let clip = loadtest::demo::clip().unwrap();
    let mut host = PublishOptions::new(server.at("/whip/demo").parse().unwrap(), clip);
    host.token = Some(server.token.clone());
    let (leave, left) = oneshot::channel::<()>();
    let publishing = tokio::spawn(loadtest::publish(host, async {
        let _ = left.await;
    }));
    room(&server, |room| {
        room["live"] == json!(true) && room["stand_in"] == json!(false)
    })
    .await;
    leave.send(()).unwrap();
    publishing.await.unwrap().unwrap();
    room(&server, |room| room["stand_in"] == json!(true)).await;
}
