//! Publishers, viewers and buyers for any WHIP/WHEP server.
//!
//! The harness speaks public protocols only: WHIP (RFC 9725), WHEP (draft-ietf-wish-whep) and, where the server has them,
//! the shop's data channels. Publishers and a few of the viewers are of the `webrtc` crate, an implementation independent
//! of the server under test; most viewers are of an engine of their own, for their number.
//!
//! - [`publish()`] sends a [`clip::Clip`] in a loop, with simulcast, and comes back when the server does.
//! - [`crowd`] is what a scenario asks of viewers, and [`measure`] what they bring back.
//! - [`scenario`] says what happens, [`run`] makes it happen, and [`report`] says how it was.
//! - [`engine`] is that crowd, by the thousand; a few in a real [`browser`] may check it.
//! - [`demo`] is the clip that ships with the server.
//! - [`cli`] is the command line over all of it.

pub mod browser;
pub mod cli;
pub mod clip;
pub mod crowd;
pub mod demo;
pub mod engine;
mod error;
mod joining;
pub mod measure;
mod peer;
mod publish;
pub mod report;
pub mod run;
pub mod scenario;
mod session;
pub mod terminal;
mod token;
mod watch;

pub use error::Error;
pub use joining::Goodbye;
pub use publish::{PublishOptions, PublishReport, StreamReport, publish, stamp};
