//! A house whose media and shop do as they are told, behind a real listener.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use signaling::listen::{self, ListenSettings, Tls};
use signaling::token::{Claims, Scope, Tokens};
use signaling::{
    Answer, Door, DoorSettings, HostRequest, House, LayerWish, Media, MediaError, MediaSession, Patched,
    PlayerReport, RoomMedia, RoomSummary, RoomViewers, Shop, ShopList, ShopMessage, ShopReply, ShopStream,
    ViewerReport,
};
use tokio::sync::{Semaphore, mpsc, watch};

pub const SDP: &str = "application/sdp";
pub const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const SECRET: &[u8] = b"a secret of thirty-two bytes, at least";

#[derive(Default)]
pub struct FakeMedia {
    pub open: Mutex<HashMap<u64, Door>>,
    pub refuse: Mutex<Option<MediaError>>,
    pub wishes: Mutex<Vec<LayerWish>>,
    pub reports: Mutex<Vec<PlayerReport>>,
    pub room: watch::Sender<RoomMedia>,
    /// What opens wait for, when there is one.
    pub gate: Mutex<Option<Arc<Semaphore>>>,
    next: AtomicU64,
}

impl FakeMedia {
    fn refusal(&self) -> Result<(), MediaError> {
        self.refuse.lock().unwrap().take().map_or(Ok(()), Err)
    }

    fn known(&self, session: MediaSession) -> Result<(), MediaError> {
        match self.is_open(session) {
            true => Ok(()),
            false => Err(MediaError::Gone),
        }
    }
}

impl Media for FakeMedia {
    async fn open(&self, door: Door, _: &str, offer: String, _: IpAddr) -> Result<Answer, MediaError> {
        self.refusal()?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.lock().unwrap().insert(number, door);
        let gate = self.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        Ok(Answer {
            session: MediaSession(number),
            sdp: format!("answer to {offer}"),
            video: Some(1),
        })
    }

    async fn patch(
        &self,
        session: MediaSession,
        fragment: String,
        may_restart: bool,
    ) -> Result<Patched, MediaError> {
        self.refusal()?;
        self.known(session)?;
        match (fragment.contains("restart"), may_restart) {
            (false, _) => Ok(Patched::Trickled),
            (true, true) => Ok(Patched::Restarted("new credentials".to_owned())),
            (true, false) => Err(MediaError::RestartNotAllowed),
        }
    }

    async fn limit(&self, session: MediaSession, wish: LayerWish) -> Result<(), MediaError> {
        self.refusal()?;
        self.known(session)?;
        self.wishes.lock().unwrap().push(wish);
        Ok(())
    }

    fn report(&self, _: MediaSession, report: PlayerReport) {
        self.reports.lock().unwrap().push(report);
    }

    fn follow(&self, _: &str) -> watch::Receiver<RoomMedia> {
        self.room.subscribe()
    }

    async fn viewers(&self, _: &str, most: usize) -> RoomViewers {
        assert!(most >= 100);
        RoomViewers {
            count: 1,
            viewers: vec![ViewerReport {
                viewer: 7,
                estimate: 900_000,
                ..ViewerReport::default()
            }],
        }
    }

    fn is_open(&self, session: MediaSession) -> bool {
        self.open.lock().unwrap().contains_key(&session.0)
    }

    async fn close(&self, session: MediaSession) {
        self.open.lock().unwrap().remove(&session.0);
    }
}

pub struct FakeShop {
    pub live: AtomicBool,
    pub reply: Mutex<ShopReply>,
    /// What the shop was asked, in words.
    pub asked: Mutex<Vec<String>>,
    pub stream: Mutex<Option<mpsc::Sender<ShopMessage>>>,
}

impl FakeShop {
    fn ask(&self, what: &str, body: &Bytes) -> ShopReply {
        let body = String::from_utf8_lossy(body);
        self.asked.lock().unwrap().push(format!("{what} {body}"));
        self.reply.lock().unwrap().clone()
    }

    pub fn last_asked(&self) -> String {
        self.asked.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

fn summary(room: &str, live: bool) -> RoomSummary {
    RoomSummary {
        room: room.to_owned(),
        live,
        stand_in: false,
        host: live,
        viewers: 3,
        title: "Shoes & <boots>".to_owned(),
        state: "live",
        starts_at: None,
        image: Some("/media/boots.jpg".to_owned()),
    }
}

impl Shop for FakeShop {
    async fn rooms(&self) -> Vec<RoomSummary> {
        vec![summary("demo", true), summary("private", true)]
    }

    async fn room(&self, room: &str) -> RoomSummary {
        summary(room, self.live.load(Ordering::Relaxed))
    }

    fn is_private(&self, room: &str) -> bool {
        room == "private"
    }

    async fn connect(&self, _: &str, hello: Bytes, _: IpAddr) -> Result<ShopStream, ShopReply> {
        match self.ask("connect", &hello) {
            ShopReply::Done => {}
            refused => return Err(refused),
        }
        let (messages, receiver) = mpsc::channel(8);
        *self.stream.lock().unwrap() = Some(messages);
        Ok(ShopStream {
            client: 0xabc,
            messages: receiver,
        })
    }

    async fn message(&self, client: u64, message: Bytes) -> ShopReply {
        self.ask(&format!("message of {client:x}"), &message)
    }

    async fn buy(&self, _: &str, token: Option<String>, buy: Bytes, _: IpAddr) -> ShopReply {
        self.ask(if token.is_some() { "buy with token" } else { "buy" }, &buy)
    }

    async fn command(&self, _: &str, request: HostRequest) -> ShopReply {
        let mut what = "command".to_owned();
        if let Some(key) = request.key {
            what += &format!(" {key}");
        }
        if let Some(version) = request.if_version {
            what += &format!(" at {version}");
        }
        self.ask(&what, &request.command)
    }

    async fn list(&self, _: &str, list: ShopList) -> ShopReply {
        self.ask(&format!("{list:?}").to_lowercase(), &Bytes::new())
    }
}

#[derive(Clone)]
pub struct FakeHouse {
    pub media: Arc<FakeMedia>,
    pub shop: Arc<FakeShop>,
    pub ready: Arc<AtomicBool>,
}

/// [`FakeHouse`] as the door takes it.
struct Behind {
    media: SharedMedia,
    shop: SharedShop,
    ready: Arc<AtomicBool>,
}

struct SharedMedia(Arc<FakeMedia>);
struct SharedShop(Arc<FakeShop>);

impl Media for SharedMedia {
    async fn open(&self, door: Door, room: &str, offer: String, from: IpAddr) -> Result<Answer, MediaError> {
        self.0.open(door, room, offer, from).await
    }
    async fn patch(
        &self,
        session: MediaSession,
        fragment: String,
        restart: bool,
    ) -> Result<Patched, MediaError> {
        self.0.patch(session, fragment, restart).await
    }
    async fn limit(&self, session: MediaSession, wish: LayerWish) -> Result<(), MediaError> {
        self.0.limit(session, wish).await
    }
    fn report(&self, session: MediaSession, report: PlayerReport) {
        self.0.report(session, report);
    }
    fn follow(&self, room: &str) -> watch::Receiver<RoomMedia> {
        self.0.follow(room)
    }
    async fn viewers(&self, room: &str, most: usize) -> RoomViewers {
        self.0.viewers(room, most).await
    }
    fn is_open(&self, session: MediaSession) -> bool {
        self.0.is_open(session)
    }
    async fn close(&self, session: MediaSession) {
        self.0.close(session).await;
    }
}

impl Shop for SharedShop {
    async fn rooms(&self) -> Vec<RoomSummary> {
        self.0.rooms().await
    }
    async fn room(&self, room: &str) -> RoomSummary {
        self.0.room(room).await
    }
    fn is_private(&self, room: &str) -> bool {
        self.0.is_private(room)
    }
    async fn connect(&self, room: &str, hello: Bytes, from: IpAddr) -> Result<ShopStream, ShopReply> {
        self.0.connect(room, hello, from).await
    }
    async fn message(&self, client: u64, message: Bytes) -> ShopReply {
        self.0.message(client, message).await
    }
    async fn buy(&self, room: &str, token: Option<String>, buy: Bytes, from: IpAddr) -> ShopReply {
        self.0.buy(room, token, buy, from).await
    }
    async fn command(&self, room: &str, request: HostRequest) -> ShopReply {
        self.0.command(room, request).await
    }
    async fn list(&self, room: &str, list: ShopList) -> ShopReply {
        self.0.list(room, list).await
    }
}

impl House for Behind {
    type Media = SharedMedia;
    type Shop = SharedShop;

    fn media(&self) -> &SharedMedia {
        &self.media
    }
    fn shop(&self) -> &SharedShop {
        &self.shop
    }
    async fn metrics(&self) -> Option<String> {
        Some("vitrine_viewers 1\n".to_owned())
    }
    fn unready(&self) -> Option<&'static str> {
        (!self.ready.load(Ordering::Relaxed)).then_some("the database rests")
    }
}

/// A door in front of a fake house, and a client before it.
pub struct Stage {
    pub house: FakeHouse,
    pub address: SocketAddr,
    pub client: Client,
    pub close: watch::Sender<bool>,
    pub served: tokio::task::JoinHandle<()>,
    scheme: &'static str,
}

pub struct Setting {
    pub door: DoorSettings,
    pub listen: ListenSettings,
    pub tls: Option<Tls>,
    pub client: Client,
}

impl Default for Setting {
    fn default() -> Self {
        Setting {
            door: DoorSettings::new("/nonexistent".into()),
            listen: ListenSettings::default(),
            tls: None,
            client: Client::new(),
        }
    }
}

pub async fn stage() -> Stage {
    Stage::new(Setting::default()).await
}

/// A door with other settings than the default ones.
pub async fn stage_with(change: impl FnOnce(&mut DoorSettings)) -> Stage {
    let mut setting = Setting::default();
    change(&mut setting.door);
    Stage::new(setting).await
}

impl Stage {
    pub async fn new(setting: Setting) -> Stage {
        let house = FakeHouse {
            media: Arc::default(),
            shop: Arc::new(FakeShop {
                live: AtomicBool::new(true),
                reply: Mutex::new(ShopReply::Done),
                asked: Mutex::default(),
                stream: Mutex::default(),
            }),
            ready: Arc::new(AtomicBool::new(true)),
        };
        let behind = Behind {
            media: SharedMedia(house.media.clone()),
            shop: SharedShop(house.shop.clone()),
            ready: house.ready.clone(),
        };
        let (close, closing) = watch::channel(false);
        let listener = listen::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if setting.tls.is_some() { "https" } else { "http" };
        let router = signaling::router(behind, setting.door, Tokens::new(SECRET), closing.clone());
        let served = tokio::spawn(listen::serve(
            listener,
            router,
            setting.listen,
            setting.tls,
            closing,
        ));
        Stage {
            house,
            address,
            client: setting.client,
            close,
            served,
            scheme,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.address.port())
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, self.url(path))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request("GET", path).send().await.unwrap()
    }

    /// A publisher's POST with a good token.
    pub fn whip(&self) -> RequestBuilder {
        self.request("POST", "/whip/demo")
            .bearer_auth(token(&[Scope::Publish], "demo"))
            .header("content-type", SDP)
            .body("offer")
    }

    pub fn whep(&self) -> RequestBuilder {
        self.request("POST", "/whep/demo")
            .header("content-type", SDP)
            .body("offer")
    }

    /// A PATCH of a session by its publisher.
    pub fn patch(&self, location: &str, if_match: &str, fragment: &'static str) -> RequestBuilder {
        self.request("PATCH", location)
            .bearer_auth(token(&[Scope::Publish], "demo"))
            .header("content-type", FRAGMENT)
            .header("if-match", if_match)
            .body(fragment)
    }
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub fn token(scope: &[Scope], room: &str) -> String {
    token_until(scope, room, now() + 600)
}

pub fn token_until(scope: &[Scope], room: &str, exp: u64) -> String {
    let claims = Claims {
        scope: scope.to_vec(),
        room: room.to_owned(),
        sub: "anna".to_owned(),
        name: None,
        iat: now(),
        exp,
    };
    Tokens::new(SECRET).sign(&claims).unwrap()
}

pub fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    let value = response.headers().get(name);
    value
        .unwrap_or_else(|| panic!("no {name} in {response:?}"))
        .to_str()
        .unwrap()
}

/// Sends, and expects a problem with this status whose detail is not empty.
pub async fn refused(request: RequestBuilder, status: u16) -> Response {
    let response = request.send().await.unwrap();
    check_problem(response, status).await
}

pub async fn check_problem(response: Response, status: u16) -> Response {
    assert_eq!(
        response.status(),
        StatusCode::from_u16(status).unwrap(),
        "{response:?}"
    );
    assert_eq!(header(&response, "content-type"), "application/problem+json");
    let (head, body) = {
        let headers = response.headers().clone();
        let body: serde_json::Value = response.json().await.unwrap();
        (headers, body)
    };
    assert_eq!(body["status"], status);
    assert_eq!(body["type"], "about:blank");
    for field in ["title", "detail"] {
        assert!(
            body[field].as_str().is_some_and(|text| !text.is_empty()),
            "{body}"
        );
    }
    let mut rest = axum::http::Response::new(body.to_string());
    *rest.status_mut() = StatusCode::from_u16(status).unwrap();
    *rest.headers_mut() = head;
    Response::from(rest)
}
