//! The routes of `API.md`, one file for each kind of resource.

pub(crate) mod endpoint;
pub(crate) mod events;
pub(crate) mod follow;
pub(crate) mod operation;
pub(crate) mod pages;
pub(crate) mod pictures;
pub(crate) mod rooms;
pub(crate) mod selling;
pub(crate) mod session;
pub(crate) mod tokens;
