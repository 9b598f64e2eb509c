//! What an operator decides: built-in defaults, then `config.toml`, then the environment, then flags.

mod checks;
mod explained;
mod layers;

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use signaling::Network;

pub use explained::{Explained, explained};
pub use layers::{KEYS_ENV_PREFIX, Overrides, load};

/// The room of the demo show.
pub const DEMO_ROOM: &str = "demo";

/// Why a configuration was refused, in words for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadConfig(pub String);

/// Every key. The same names are in `config.toml`, where each is explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "config.toml explains every key, and a test holds it to this"
)]
pub struct Config {
    pub data_dir: PathBuf,
    pub database: String,
    pub database_authorities: String,
    pub log: String,
    pub demo: bool,
    pub front_room: String,
    pub rooms: Vec<String>,
    pub watch_needs_token: bool,
    pub viewers_may_wait: bool,
    pub token_secret: String,
    pub token_lifetime_seconds: u64,

    pub http_listen: String,
    pub http_public_url: String,
    pub http_tls_certificate: String,
    pub http_tls_key: String,
    pub http_trusted_proxies: Vec<Network>,
    pub http_frame_ancestors: Vec<String>,
    pub http_max_connections: usize,
    pub http_max_connections_per_address: usize,
    pub http_sessions_per_address: usize,
    pub http_session_requests_per_second: u32,
    pub http_head_max_bytes: usize,
    pub http_head_timeout_seconds: u64,
    pub http_sdp_max_bytes: usize,
    pub http_json_max_bytes: usize,
    pub http_body_timeout_seconds: u64,

    pub media_port: u16,
    pub media_shards: u16,
    pub media_tcp: bool,
    #[serde(deserialize_with = "layers::addresses")]
    pub media_public_addresses: Vec<IpAddr>,
    pub media_max_peers: usize,
    pub media_load_max_percent: u16,
    pub media_pin_threads: bool,
    pub media_hold_max_ms: u64,
    pub media_ice_servers: Vec<String>,
    pub media_consent_timeout_seconds: u64,
    pub media_connect_timeout_seconds: u64,
    pub media_history_bytes: usize,
    pub media_history_seconds: u64,
    pub media_keyframe_interval_ms: u64,
    pub media_playout_delay_min_ms: u64,
    pub media_playout_delay_max_ms: u64,
    pub media_channel_buffer_bytes: usize,

    pub shop_catalogue: String,
    pub shop_hold_seconds: u64,
    pub shop_turn_seconds: u64,
    pub shop_outbox_days: u64,
    pub shop_guest_checkout: bool,
    pub shop_buys_per_ten_seconds: u32,
    pub shop_chat_per_second: u32,
    pub shop_questions_per_ten_seconds: u32,
    pub shop_reactions_per_ten_seconds: u32,
    pub shop_messages_per_ten_seconds: u32,
    pub shop_address_messages_per_ten_seconds: u32,
    pub shop_max_rooms: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data_dir: "data".into(),
            database: String::new(),
            database_authorities: String::new(),
            log: "info,webrtc=off,rtc=error,rtc_ice=error,rtc_dtls=error".to_owned(),
            demo: true,
            front_room: DEMO_ROOM.to_owned(),
            rooms: Vec::new(),
            watch_needs_token: false,
            viewers_may_wait: true,
            token_secret: String::new(),
            token_lifetime_seconds: 86_400,

            http_listen: "[::]:8080".to_owned(),
            http_public_url: String::new(),
            http_tls_certificate: String::new(),
            http_tls_key: String::new(),
            http_trusted_proxies: Vec::new(),
            http_frame_ancestors: Vec::new(),
            http_max_connections: 20_000,
            http_max_connections_per_address: 500,
            http_sessions_per_address: 200,
            http_session_requests_per_second: 20,
            http_head_max_bytes: 16 << 10,
            http_head_timeout_seconds: 10,
            http_sdp_max_bytes: 64 << 10,
            http_json_max_bytes: 16 << 10,
            http_body_timeout_seconds: 10,

            media_port: 7000,
            media_shards: 0,
            media_tcp: true,
            media_public_addresses: Vec::new(),
            media_max_peers: 10_000,
            media_load_max_percent: 90,
            media_pin_threads: false,
            media_hold_max_ms: 12,
            media_ice_servers: Vec::new(),
            media_consent_timeout_seconds: 30,
            media_connect_timeout_seconds: 30,
            media_history_bytes: 6 << 20,
            media_history_seconds: 12,
            media_keyframe_interval_ms: 500,
            media_playout_delay_min_ms: 0,
            media_playout_delay_max_ms: 0,
            media_channel_buffer_bytes: 256 << 10,

            shop_catalogue: String::new(),
            shop_hold_seconds: 600,
            shop_turn_seconds: 120,
            shop_outbox_days: 30,
            shop_guest_checkout: true,
            shop_buys_per_ten_seconds: 5,
            shop_chat_per_second: 2,
            shop_questions_per_ten_seconds: 1,
            shop_reactions_per_ten_seconds: 20,
            shop_messages_per_ten_seconds: 300,
            shop_address_messages_per_ten_seconds: 10_000,
            shop_max_rooms: 10_000,
        }
    }
}

impl Config {
    /// Shards: as asked for, or one per core.
    pub fn shards(&self) -> u16 {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        match self.media_shards {
            0 => u16::try_from(cores).unwrap_or(u16::MAX),
            shards => shards,
        }
    }

    /// The room whose viewer page is `/`: the demo's only while there is a demo.
    pub fn front_room(&self) -> Option<&str> {
        let room = self.front_room.as_str();
        let is_there = !room.is_empty() && (self.demo || room != DEMO_ROOM);
        is_there.then_some(room)
    }

    /// How the world reaches this server, without a slash at the end, if that was said.
    pub fn public_url(&self) -> Option<&str> {
        let url = self.http_public_url.trim_end_matches('/');
        (!url.is_empty()).then_some(url)
    }

    /// The scheme of the HTTP door.
    pub fn scheme(&self) -> &'static str {
        if self.http_tls_certificate.is_empty() {
            "http"
        } else {
            "https"
        }
    }
}
