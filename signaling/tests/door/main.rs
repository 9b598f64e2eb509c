//! The door as clients see it: every status of RFC 9725 and of `API.md`, against a fake house over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests"
)]

mod fake;
mod http2;
mod limits;
mod openapi;
mod pages;
mod shop;
mod tls;
mod tokens;
mod whep;
mod whip;
