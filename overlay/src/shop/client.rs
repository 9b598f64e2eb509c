//! One client of the shop.

use std::net::IpAddr;
use std::sync::Arc;

use super::ShopConfig;
use super::limits::Bucket;
use crate::{Identity, Role, UnixMillis};

/// Messages of any kind a client may send at once, and per ten seconds; more is a flood.
const MESSAGES_AT_ONCE: u32 = 100;
const MESSAGES_PER_TEN_SECONDS: u32 = 300;
/// Greetings; each is answered with the whole show.
const HELLOS_AT_ONCE: u32 = 5;
const HELLOS_PER_TEN_SECONDS: u32 = 5;

#[derive(Debug)]
pub(super) struct Client {
    pub(super) room: Arc<str>,
    pub(super) from: IpAddr,
    /// Once it was welcomed.
    pub(super) identity: Option<Identity>,
    /// The buy whose receipt it waits for.
    pub(super) buying: Option<String>,
    pub(super) messages: Bucket,
    pub(super) hellos: Bucket,
    pub(super) chat: Bucket,
}

impl Client {
    pub(super) fn new(room: Arc<str>, from: IpAddr, config: &ShopConfig, now: UnixMillis) -> Client {
        let chat = config.chat_per_second;
        Client {
            room,
            from,
            identity: None,
            buying: None,
            messages: Bucket::new(now, MESSAGES_AT_ONCE, MESSAGES_PER_TEN_SECONDS),
            hellos: Bucket::new(now, HELLOS_AT_ONCE, HELLOS_PER_TEN_SECONDS),
            chat: Bucket::new(now, chat * 2, chat.saturating_mul(10)),
        }
    }
}

/// The name of a role in messages.
pub(super) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Host => "host",
        Role::Moderator => "moderator",
    }
}
