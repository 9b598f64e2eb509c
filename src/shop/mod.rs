//! The shop's shell: its clients by data channel and event stream, its clock and its ledger's thread.

pub mod clients;
pub mod service;
