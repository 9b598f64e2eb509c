//! What a player hears of its room over WHEP's events while hosts come and go.

use std::process::{Child, Command, Stdio};

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::server::{PATIENCE, Server, vitrine};

const OFFER: &str = include_str!("../../sfu/tests/offers/chromium-play.sdp");

/// A host that publishes until it is killed, as a machine that loses its power.
struct Host(Child);

impl Host {
    fn begin(server: &Server) -> Host {
        let folder = server.folder.as_ref().unwrap().path();
        let mut publish: Command = vitrine(folder);
        let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/loadtest/demo/low.ivf");
        let url = server.at("/whip/demo");
        publish.args([
            "loadtest",
            "publish",
            "--url",
            &url,
            "--token",
            &server.token,
            "--video",
            demo,
        ]);
        Host(publish.stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A session's event stream.
struct Following {
    response: Response,
    text: String,
}

impl Following {
    async fn begin(server: &Server) -> Following {
        let offer = server.client.post(server.at("/whep/demo")).body(OFFER);
        let session = offer
            .header("content-type", "application/sdp")
            .send()
            .await
            .unwrap();
        let location = session.headers()["location"].to_str().unwrap();
        let events = server.at(&format!("{location}/events"));
        let created = server
            .client
            .post(events)
            .json(&json!(["active", "inactive", "layers"]));
        let created = created.send().await.unwrap();
        assert_eq!(created.status(), StatusCode::CREATED);
        let stream = created.headers()["location"].to_str().unwrap();
        Following {
            response: server.get(stream).await,
            text: String::new(),
        }
    }

    /// The next event and its data.
    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
                let told =
                    field("event: ").map(|kind| (kind.to_owned(), field("data: ").unwrap().to_owned()));
                self.text = rest.to_owned();
                if let Some((kind, data)) = told {
                    return (kind, serde_json::from_str(&data).unwrap());
                }
                continue;
            }
            let part = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            // Something is told in time, and the stream goes on.
            let part = part.unwrap().unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(&part).unwrap());
        }
    }

    async fn is_told(&mut self, kind: &str) -> Value {
        let (told, data) = self.next().await;
        assert_eq!(told, kind, "{data}");
        data
    }
}

#[tokio::test]
async fn a_player_hears_when_a_host_goes_and_comes_back() {
    let server = Server::start(&["--no-demo"]);
    let mut following = Following::begin(&server).await;
    for _ in 0..2 {
        let host = Host::begin(&server);
        following.is_told("active").await;
        let layers = following.is_told("layers").await;
        assert!(layers["1"][0]["bitrate"].as_u64() > Some(0), "{layers}");
        drop(host);
        // Its rate may have been told anew meanwhile, or it going silent.
        while following.next().await.0 != "inactive" {}
    }
}
