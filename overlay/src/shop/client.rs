//! One client of the shop.

use std::net::IpAddr;
use std::sync::Arc;

use super::ShopConfig;
use super::limits::Bucket;
use crate::{Identity, Role, UnixMillis};

/// Greetings; each is answered with the whole show.
const HELLOS_AT_ONCE: u32 = 5;
const HELLOS_PER_TEN_SECONDS: u32 = 5;

/// Questions at once: what somebody has saved up.
const QUESTIONS_AT_ONCE: u32 = 3;
/// Messages of reactions at once.
const REACTIONS_AT_ONCE: u32 = 4;
/// Times a client may fall behind and be told the whole show anew.
const FALLS_AT_ONCE: u32 = 3;
const FALLS_PER_TEN_SECONDS: u32 = 1;

#[derive(Debug)]
pub(super) struct Client {
    pub(super) room: Arc<str>,
    pub(super) from: IpAddr,
    /// Once it was welcomed.
    pub(super) identity: Option<Identity>,
    /// The codec of a picture that it cannot play.
    pub(super) unplayable: Option<&'static str>,
    /// The buy whose receipt it waits for.
    pub(super) buying: Option<String>,
    pub(super) messages: Bucket,
    pub(super) hellos: Bucket,
    pub(super) chat: Bucket,
    pub(super) questions: Bucket,
    pub(super) reactions: Bucket,
    /// Times it may fall behind.
    pub(super) falls: Bucket,
}

impl Client {
    pub(super) fn new(room: Arc<str>, from: IpAddr, config: &ShopConfig, now: UnixMillis) -> Client {
        let chat = config.chat_per_second;
        let messages = config.messages_per_ten_seconds;
        Client {
            room,
            from,
            identity: None,
            unplayable: None,
            buying: None,
            messages: Bucket::new(now, messages.div_ceil(3), messages),
            hellos: Bucket::new(now, HELLOS_AT_ONCE, HELLOS_PER_TEN_SECONDS),
            chat: Bucket::new(now, chat * 2, chat.saturating_mul(10)),
            questions: Bucket::new(now, QUESTIONS_AT_ONCE, config.questions_per_ten_seconds),
            reactions: Bucket::new(now, REACTIONS_AT_ONCE, config.reactions_per_ten_seconds),
            falls: Bucket::new(now, FALLS_AT_ONCE, FALLS_PER_TEN_SECONDS),
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
