//! Buys of one candle of the demo show each, as storms and benches make them.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part of it")]

use overlay::UnixMillis;
use overlay::ledger::{Action, Buyer, Command, Ticket};
use overlay::message::{BuyMessage, HostCommand, Line};

pub(crate) const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
/// In front of a customer's number: ids of one time lie together, as clients make them.
const ID: &str = "0197f4c2-8a6b-7c3d-9e4f-";

/// The id of a customer's buy.
pub(crate) fn id(customer: u64) -> String {
    format!("{ID}{customer:012x}")
}

/// Whose buy it is.
pub(crate) fn customer(id: &str) -> u64 {
    u64::from_str_radix(id.strip_prefix(ID).unwrap(), 16).unwrap()
}

/// A customer wants a candle.
pub(crate) fn buy(customer: u64) -> Action {
    Action::Buy {
        buyer: Buyer {
            subject: format!("customer-{customer}"),
            name: "A customer".to_owned(),
        },
        buy: BuyMessage {
            id: id(customer),
            lines: vec![Line {
                variant: "candle".into(),
                quantity: 1,
            }],
            price_version: 1,
            ..BuyMessage::default()
        },
        hold_ms: 600_000,
        turn_ms: 120_000,
    }
}

/// So many candles there are.
pub(crate) fn stock(on_hand: i64) -> Action {
    Action::Change(HostCommand::SetStock {
        variant: "candle".into(),
        on_hand,
        version: None,
    })
}

/// A command of the demo show.
pub(crate) fn command(ticket: u64, action: Action) -> Command {
    Command {
        ticket: Ticket(ticket),
        show: "demo".into(),
        action,
    }
}
