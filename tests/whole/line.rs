//! A customer's line to the shop: an event stream with POST beside it, or a data channel of a peer connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    Registry, register_default_interceptors,
};

use super::server::{PATIENCE, Server};
use super::viewer::exchange;

/// What must come is looked for so often, so long each: a machine that stands still for a while has looked once.
const LOOKS: usize = 30;
const LOOK: Duration = Duration::from_secs(1);

/// Where the shop is.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) room: &'static str,
}

impl Shop {
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}/api/rooms/{}/{path}", self.url, self.room)
    }
}

enum Way {
    Stream {
        shop: Shop,
        secret: String,
    },
    Channel {
        shop: Arc<dyn DataChannel>,
        _connection: Arc<dyn PeerConnection>,
    },
}

/// A line that is open.
pub(crate) struct Line {
    way: Way,
    messages: mpsc::Receiver<Value>,
}

struct Gathered(watch::Sender<bool>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Gathered {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.0.send_replace(state == RTCIceGatheringState::Complete);
    }
}

impl Line {
    /// A customer of the demo show who listens by event stream.
    pub(crate) async fn of_a_customer(server: &Server, token: &str) -> Line {
        let shop = Shop {
            client: server.client.clone(),
            url: server.url.clone(),
            room: "demo",
        };
        Line::stream(&shop, token).await.unwrap()
    }

    /// An event stream, as a page without data channels has it; none when the shop is not there.
    pub(crate) async fn stream(shop: &Shop, token: &str) -> Option<Line> {
        let address = shop.at(&format!("events?token={token}&accepts=batch"));
        let mut response = shop.client.get(address).send().await.ok()?;
        assert_eq!(response.status(), StatusCode::OK);
        let (told, mut messages) = mpsc::channel(1024);
        tokio::spawn(async move {
            let mut text = String::new();
            while let Ok(Some(part)) = response.chunk().await {
                text.push_str(&String::from_utf8_lossy(&part));
                while let Some((event, rest)) = text.split_once("\n\n") {
                    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                    let value = data.and_then(|data| serde_json::from_str::<Value>(data).ok());
                    text = rest.to_owned();
                    if let Some(value) = value
                        && told.send(value).await.is_err()
                    {
                        return;
                    }
                }
            }
        });
        let open = messages.recv().await?;
        let secret = open["client"].as_str().unwrap().to_owned();
        let shop = shop.clone();
        Line {
            way: Way::Stream { shop, secret },
            messages,
        }
        .welcome()
        .await
    }

    /// A data channel; none when the shop is not there.
    pub(crate) async fn channel(shop: &Shop, token: &str) -> Option<Line> {
        let mut media = MediaEngine::default();
        media.register_default_codecs().unwrap();
        let interceptors = register_default_interceptors(Registry::new(), &mut media).unwrap();
        let (gathered, mut is_gathered) = watch::channel(false);
        let connection: Arc<dyn PeerConnection> = Arc::new(
            PeerConnectionBuilder::new()
                .with_media_engine(media)
                .with_interceptor_registry(interceptors)
                .with_handler(Arc::new(Gathered(gathered)))
                .with_udp_addrs(vec!["127.0.0.1:0"])
                .build()
                .await
                .unwrap(),
        );
        // It would listen, if there were a host.
        connection
            .add_transceiver_from_kind(RtpCodecKind::Audio, None)
            .await
            .unwrap();
        let channel = connection.create_data_channel("shop", None).await.unwrap();
        let address = format!("{}/whep/{}", shop.url, shop.room);
        exchange(&*connection, &mut is_gathered, shop.client.post(address)).await?;
        let hello = json!({"v": 1, "t": "hello", "versions": [1], "token": token}).to_string();
        let (told, messages) = mpsc::channel(1024);
        let heard = channel.clone();
        tokio::spawn(async move {
            while let Some(event) = heard.poll().await {
                match event {
                    DataChannelEvent::OnOpen => heard.send_text(&hello).await.unwrap(),
                    DataChannelEvent::OnMessage(message) => {
                        let value = serde_json::from_slice(&message.data).unwrap();
                        if told.send(value).await.is_err() {
                            return;
                        }
                    }
                    _ => {}
                }
            }
        });
        Line {
            way: Way::Channel {
                shop: channel,
                _connection: connection,
            },
            messages,
        }
        .welcome()
        .await
    }

    async fn welcome(mut self) -> Option<Line> {
        self.next("welcome").await?;
        Some(self)
    }

    /// The next message of a kind; none when the line has broken.
    pub(crate) async fn next(&mut self, kind: &str) -> Option<Value> {
        let mut looks = LOOKS;
        loop {
            match tokio::time::timeout(LOOK, self.messages.recv()).await {
                Ok(message) if message.as_ref().is_none_or(|message| message["t"] == kind) => return message,
                Ok(_) => {}
                Err(_) => looks -= 1,
            }
            assert!(looks > 0, "no {kind}");
        }
    }

    /// What has come so far, each event alone.
    pub(crate) fn heard(&mut self) -> Vec<Value> {
        let come = std::iter::from_fn(|| self.messages.try_recv().ok());
        let alone = come.flat_map(|mut message| match message["events"].take() {
            Value::Array(events) => events,
            _ => vec![message],
        });
        alone.collect()
    }

    /// Says something in the chat and waits until it is heard.
    pub(crate) async fn chat(&mut self, id: &str) {
        self.say(&json!({"v": 1, "t": "chat", "id": id, "text": id}))
            .await;
        let end = Instant::now() + PATIENCE;
        while !self
            .heard()
            .iter()
            .any(|event| event["t"] == "chat" && event["text"] == id)
        {
            assert!(Instant::now() < end, "{id} is not heard");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The receipt of a buy; none when the line has broken.
    pub(crate) async fn receipt(&mut self, buy: &str) -> Option<Value> {
        loop {
            let receipt = self.next("receipt").await?;
            if receipt["buy"] == buy {
                return Some(receipt);
            }
        }
    }

    /// Says something; it may be lost with the line.
    pub(crate) async fn say(&self, message: &Value) {
        match &self.way {
            Way::Stream { shop, secret } => {
                let request = shop.client.post(shop.at("messages"));
                // Nobody may be there any more.
                let _ = request.header("X-Client", secret).json(message).send().await;
            }
            Way::Channel { shop, .. } => {
                let _ = shop.send_text(&message.to_string()).await;
            }
        }
    }
}
