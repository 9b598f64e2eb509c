//! The media core of Vitrine: publishers in by WHIP, viewers out by WHEP, everything between them.
//!
//! Sans-IO: datagrams and the time go in (`handle_*`), datagrams, events and the next deadline come out
//! (`poll_*`). No sockets, clocks, threads or async here, and nothing of HTTP or of shops: data-channel
//! messages are opaque bytes. One [`Shard`] is owned by one thread; shards exchange values over [`relay`]
//! messages that the caller carries.
//!
//! - [`sdp`]: offers parsed into [`negotiation`] types, answers written from them.
//! - [`transport`]: one peer's ICE, DTLS, SRTP and SCTP ([`transport::Association`]).
//! - [`media`]: tracks, encodings and their shared history.
//! - [`playback`]: a viewer's subscriptions: rewriting, layers, retransmissions, reports.
//! - [`bandwidth`]: what a viewer's line carries.
//! - [`rtcp`]: RTCP compounds cut and joined.
//! - [`shard`]: peers, rooms and timers of one thread.

pub mod backlog;
pub mod bandwidth;
pub mod media;
pub mod negotiation;
pub mod playback;
mod rate_limiter;
pub mod relay;
pub mod rtcp;
pub mod sdp;
pub mod shard;
pub mod stats;
pub mod transport;

pub use shard::Shard;
