//! What values make sense.

use std::net::SocketAddr;

use signaling::token::SHORTEST_SECRET;

use super::{BadConfig, Config};

/// Shards of one process: more than any machine has cores.
const MAX_SHARDS: u16 = 256;

impl Config {
    /// Refuses what is out of range or contradicts itself.
    ///
    /// # Errors
    /// [`BadConfig`] with the key and what is accepted.
    pub fn check(&self) -> Result<(), BadConfig> {
        self.check_http()?;
        self.check_media()?;
        for room in self
            .rooms
            .iter()
            .chain([&self.front_room].into_iter().filter(|room| !room.is_empty()))
        {
            if !signaling::is_room_name(room) {
                return bad(
                    "rooms, front_room",
                    "names of 1 to 64 characters out of A-Z a-z 0-9 _ -",
                    room,
                );
            }
        }
        let database = &self.database;
        if !database.is_empty()
            && !["postgres://", "postgresql://"]
                .iter()
                .any(|scheme| database.starts_with(scheme))
        {
            // What it is instead may hold a password.
            return bad(
                "database",
                "nothing, or an address that begins with postgres://",
                "what is there",
            );
        }
        if !self.database_authorities.is_empty() && database.is_empty() {
            return bad("database_authorities", "a database beside it", "none");
        }
        let secret = self.token_secret.len();
        if secret != 0 && secret < SHORTEST_SECRET {
            return bad(
                "token_secret",
                &format!("at least {SHORTEST_SECRET} characters, or none"),
                secret,
            );
        }
        within(
            "token_lifetime_seconds",
            self.token_lifetime_seconds,
            60,
            31_536_000,
        )?;
        within("shop_hold_seconds", self.shop_hold_seconds, 5, 86_400)?;
        within("shop_turn_seconds", self.shop_turn_seconds, 5, 86_400)?;
        within("shop_outbox_days", self.shop_outbox_days, 1, 3650)?;
        within(
            "shop_buys_per_ten_seconds",
            self.shop_buys_per_ten_seconds.into(),
            1,
            10_000,
        )?;
        within("shop_chat_per_second", self.shop_chat_per_second.into(), 1, 1000)?;
        for (key, value, most) in [
            (
                "shop_questions_per_ten_seconds",
                self.shop_questions_per_ten_seconds,
                1000,
            ),
            (
                "shop_reactions_per_ten_seconds",
                self.shop_reactions_per_ten_seconds,
                1000,
            ),
            (
                "shop_messages_per_ten_seconds",
                self.shop_messages_per_ten_seconds,
                100_000,
            ),
            (
                "shop_address_messages_per_ten_seconds",
                self.shop_address_messages_per_ten_seconds,
                1_000_000,
            ),
        ] {
            within(key, value.into(), 1, most)?;
        }
        within("shop_max_rooms", self.shop_max_rooms as u64, 1, 1_000_000)
    }

    fn check_http(&self) -> Result<(), BadConfig> {
        if self.http_listen.parse::<SocketAddr>().is_err() {
            return bad(
                "http_listen",
                "an address and a port, as in [::]:8080",
                &self.http_listen,
            );
        }
        if self.http_tls_certificate.is_empty() != self.http_tls_key.is_empty() {
            return bad("http_tls_certificate, http_tls_key", "both or none", "one");
        }
        let url = &self.http_public_url;
        let host = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"));
        // Pages, sessions and the API name their addresses from the root on.
        let has_path = |host: &str| host.trim_end_matches('/').contains('/');
        if !url.is_empty() && host.is_none_or(has_path) {
            return bad(
                "http_public_url",
                "an address that begins with http:// or https:// and has no path",
                url,
            );
        }
        within(
            "http_max_connections",
            self.http_max_connections as u64,
            1,
            1_000_000,
        )?;
        let per_address = self.http_max_connections_per_address as u64;
        within("http_max_connections_per_address", per_address, 1, 1_000_000)?;
        within(
            "http_sessions_per_address",
            self.http_sessions_per_address as u64,
            1,
            1_000_000,
        )?;
        let requests = self.http_session_requests_per_second.into();
        within("http_session_requests_per_second", requests, 1, 100_000)?;
        within(
            "http_head_max_bytes",
            self.http_head_max_bytes as u64,
            8192,
            1 << 20,
        )?;
        within(
            "http_head_timeout_seconds",
            self.http_head_timeout_seconds,
            1,
            300,
        )?;
        within(
            "http_sdp_max_bytes",
            self.http_sdp_max_bytes as u64,
            8192,
            1 << 20,
        )?;
        within(
            "http_json_max_bytes",
            self.http_json_max_bytes as u64,
            4096,
            1 << 20,
        )?;
        within(
            "http_body_timeout_seconds",
            self.http_body_timeout_seconds,
            1,
            300,
        )
    }

    fn check_media(&self) -> Result<(), BadConfig> {
        within("media_shards", self.media_shards.into(), 0, MAX_SHARDS.into())?;
        let last = u32::from(self.media_port) + u32::from(self.shards()) - 1;
        if self.media_port != 0 && last > u32::from(u16::MAX) {
            return bad(
                "media_port",
                "0, or a port with room above it for every shard",
                self.media_port,
            );
        }
        within("media_hold_max_ms", self.media_hold_max_ms, 0, 50)?;
        within("media_max_peers", self.media_max_peers as u64, 1, 1_000_000)?;
        within(
            "media_load_max_percent",
            self.media_load_max_percent.into(),
            10,
            100,
        )?;
        within(
            "media_consent_timeout_seconds",
            self.media_consent_timeout_seconds,
            5,
            300,
        )?;
        within(
            "media_connect_timeout_seconds",
            self.media_connect_timeout_seconds,
            5,
            300,
        )?;
        within(
            "media_history_bytes",
            self.media_history_bytes as u64,
            256 << 10,
            256 << 20,
        )?;
        within("media_history_seconds", self.media_history_seconds, 1, 60)?;
        within(
            "media_keyframe_interval_ms",
            self.media_keyframe_interval_ms,
            100,
            10_000,
        )?;
        let most = self.media_playout_delay_max_ms;
        within("media_playout_delay_max_ms", most, 0, 10_000)?;
        within(
            "media_playout_delay_min_ms",
            self.media_playout_delay_min_ms,
            0,
            most,
        )?;
        let buffer = self.media_channel_buffer_bytes as u64;
        within("media_channel_buffer_bytes", buffer, 32 << 10, 4 << 20)
    }
}

fn bad<T>(key: &str, accepted: &str, found: impl std::fmt::Display) -> Result<T, BadConfig> {
    Err(BadConfig(format!("{key}: {accepted} is expected, not {found}")))
}

fn within(key: &str, value: u64, least: u64, most: u64) -> Result<(), BadConfig> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    bad(key, &format!("a number from {least} to {most}"), value)
}
