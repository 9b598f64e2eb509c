//! The HTTP door of Vitrine: WHIP, WHEP, the shop API, tokens and pages (`API.md`). SDP is opaque text here; what
//! stands behind the door is reached through traits that the shell implements.
//!
//! - [`House`], [`Media`], [`Shop`]: what stands behind the door.
//! - [`router()`]: the routes over them.
//! - [`listen`]: sockets, TLS and the limits of a connection.
//! - [`token`]: who may do what.

mod access;
mod body;
mod complaint;
mod cors;
mod encoding;
mod files;
mod house;
mod ice_servers;
pub mod listen;
mod media;
mod network;
mod origin;
mod pace;
mod problem;
mod reception;
mod room;
mod router;
mod routes;
mod sessions;
mod settings;
mod shop;
pub mod token;

pub use house::House;
pub use ice_servers::{BadIceServer, IceServer};
pub use media::{
    Answer, Door, Layer, LayerReason, LayerWish, Media, MediaError, MediaSession, Patched, PlayerReport,
    RoomMedia, RoomViewers, ViewerReport,
};
pub use network::{Network, NoNetwork};
pub use room::{RoomRule, is_room_name};
pub use router::router;
pub use settings::DoorSettings;
pub use shop::{HostRequest, RoomSummary, Shop, ShopList, ShopMessage, ShopReply, ShopStream};
