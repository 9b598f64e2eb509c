//! How orders are paid. A provider is asked nothing that takes time: what it says is decided with the order, in the
//! transaction; what happens at its side comes back as an [`Action::Payment`](super::Action::Payment).

use crate::message::Sale;

/// What a provider is: the ledger's view of a way to pay.
pub trait Provider: Send {
    /// Its name in receipts and orders.
    fn name(&self) -> &'static str;

    /// Where the buyer pays, when the provider has a page for it.
    fn checkout(&self, order: &Sale) -> Option<String>;

    /// Whether a payment may still be on its way when a hold's time is over. Then the order is `releasing` and keeps its
    /// units until the provider says [`Payment::Closed`] or [`Payment::Paid`]: a unit that might be paid for is not sold
    /// to somebody else.
    fn must_confirm_release(&self) -> bool;
}

/// What happened at the provider's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payment {
    /// The money is there.
    Paid,
    /// No payment can come any more: the hold may end.
    Closed,
    /// The money went back. `restock`: the units are to be sold again.
    Refunded {
        /// Whether the units are to be sold again.
        restock: bool,
    },
}

/// The shop settles each order by hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manual;

impl Provider for Manual {
    fn name(&self) -> &'static str {
        "manual"
    }

    fn checkout(&self, _: &Sale) -> Option<String> {
        None
    }

    fn must_confirm_release(&self) -> bool {
        false
    }
}
