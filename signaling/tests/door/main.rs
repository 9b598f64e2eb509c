//! The door as clients see it: every status of RFC 9725 and of `API.md`, against a fake house over real sockets.

mod fake;
mod limits;
mod pages;
mod shop;
mod tls;
mod tokens;
mod whep;
mod whip;
