//! The JSON Schema of the protocol, written from the types.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use super::client::ClientMessage;
use super::hosting::HostCommand;
use super::offers::OfferCommand;
use super::server::Envelope;
use super::talk::{TalkCommand, TalkMessage};
use super::types::{Product, ShowState};

/// What a client says.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum FromClient {
    Message(ClientMessage),
    Talk(TalkMessage),
}

/// What a client is told.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum FromServer {
    Message(Envelope<'static>),
    Batch(Batch),
}

/// Events of one channel that fall together.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Batch {
    v: u32,
    at: i64,
    t: BatchKind,
    events: Vec<Envelope<'static>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum BatchKind {
    Batch,
}

/// What a host may do.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum AnyCommand {
    Shop(HostCommand),
    Offer(OfferCommand),
    Talk(TalkCommand),
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct State {
    state: ShowState,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct Schedule {
    /// Unix milliseconds.
    starts_at: Option<i64>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct Title {
    title: String,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct Put {
    product: Product,
}

/// The schemas of both sides, by name.
pub fn schemas() -> [(&'static str, Schema); 2] {
    [
        (
            "client",
            SchemaSettings::draft2020_12()
                .for_deserialize()
                .into_generator()
                .into_root_schema_for::<FromClient>(),
        ),
        (
            "server",
            SchemaSettings::draft2020_12()
                .for_serialize()
                .into_generator()
                .into_root_schema_for::<FromServer>(),
        ),
    ]
}
