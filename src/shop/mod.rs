//! The shop's shell: its clients by data channel and event stream, its clock and its ledger's thread.

pub mod clients;
pub mod clock;
pub mod identities;
pub mod ledger;
pub mod ledger_health;
pub mod ledger_thread;
mod replies;
pub mod service;
pub mod task;
