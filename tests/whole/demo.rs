//! The demo fills its room while nobody else does.

use std::process::Command;
use std::time::Instant;

use loadtest::PublishOptions;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::server::{BINARY, PATIENCE, Server};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_is_on_the_air_behind_a_certificate_for_the_servers_name() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let [certificate, key] = [&certificate, &key].map(|path| path.to_str().unwrap());
    let mut server = Server::start(&["--http-tls-certificate", certificate, "--http-tls-key", key]);
    // This client comes by another name, too.
    let client = Client::builder().danger_accept_invalid_certs(true);
    server.client = client.build().unwrap();
    server.on_air().await;
}

#[test]
fn the_demo_needs_no_network_but_the_machine_itself() {
    let folder = tempfile::tempdir().unwrap();
    // A machine of its own, whose only interface is loopback.
    let story = "ip link set lo up || exit 77
        \"$0\" --http-listen 127.0.0.1:8080 --media-port 7000 > \"$VITRINE_DATA_DIR/said\" 2>&1 & server=$!
        for try in 1 2 3 4 5 6 7 8 9 10; do
            \"$0\" loadtest watch --viewers 1 --seconds 2 && break
        done
        seen=$?; kill $server; wait $server; exit $seen";
    let ended = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-c", story, BINARY])
        .env("VITRINE_DATA_DIR", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    if said.contains("Operation not permitted") || said.contains("permission denied") {
        // As in a container.
        println!("no network may be made here: {said}");
        return;
    }
    let log = std::fs::read_to_string(folder.path().join("said")).unwrap_or_default();
    assert!(ended.status.success(), "{said}\n{log}");
}
