//! What the operator decides about the door.

use std::path::PathBuf;
use std::time::Duration;

use crate::ice_servers::IceServer;
use crate::network::Network;
use crate::room::RoomRule;

/// Settings of the routes; those of sockets are in [`crate::listen::ListenSettings`].
#[derive(Clone, Debug)]
pub struct DoorSettings {
    /// The rooms this server has.
    pub rooms: RoomRule,
    /// Whether every room needs a token with scope `view`, not only those whose show asks.
    pub watch_needs_token: bool,
    /// Whether a viewer may come before the host; if not, it gets 409 until media is there (WHEP -04 §4.3.8).
    pub viewers_may_wait: bool,
    /// The longest SDP or sdpfrag, bytes; more is 413.
    pub sdp_max_bytes: usize,
    /// The longest JSON body, bytes; more is 413.
    pub json_max_bytes: usize,
    /// The longest time a body may take to come; then 408.
    pub body_timeout: Duration,
    /// Sessions and event streams of one address at a time. Private networks are not counted.
    pub sessions_per_address: usize,
    /// POST, PATCH and wrong DELETE on sessions per second and address, with bursts of five times as many (RFC 9725 §5).
    /// Private networks are not counted.
    pub session_requests_per_second: u32,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// STUN and TURN servers named to clients (RFC 9725 §4.6).
    pub ice_servers: Vec<IceServer>,
    /// The room whose viewer page is `/`; without one, `/` lists the rooms.
    pub front_room: Option<String>,
    /// The folder of product pictures, at `/media`.
    pub pictures: PathBuf,
    /// Origins that may show the viewer page in a frame, as CSP source expressions.
    pub frame_ancestors: Vec<String>,
    /// How the world reaches this server, without a slash at the end; for what links to a show are shown with.
    pub public_url: Option<String>,
    /// Whether the door is served by TLS: pages then ask browsers to insist on it (RFC 6797).
    pub secure: bool,
}

impl DoorSettings {
    /// The defaults, with pictures in this folder.
    pub fn new(pictures: PathBuf) -> DoorSettings {
        DoorSettings {
            rooms: RoomRule::Any,
            watch_needs_token: false,
            viewers_may_wait: true,
            sdp_max_bytes: 64 << 10,
            json_max_bytes: 16 << 10,
            body_timeout: Duration::from_secs(10),
            sessions_per_address: 200,
            session_requests_per_second: 20,
            trusted_proxies: Vec::new(),
            ice_servers: Vec::new(),
            front_room: None,
            pictures,
            frame_ancestors: Vec::new(),
            public_url: None,
            secure: false,
        }
    }
}
