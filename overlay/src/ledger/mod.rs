//! Stock, holds, orders and receipts: the only judge of a buy. One writer; all commands that wait go into one
//! transaction, and their answers leave after its commit.

mod audit;
mod buying;
mod catalogue;
mod orders;
mod sqlite;
mod stock;

pub use audit::{Audit, Difference};
pub use sqlite::SqliteLedger;

use std::sync::Arc;

use crate::UnixMillis;
use crate::message::{
    BuyMessage, HostCommand, OrderState, Product, Promo, Receipt, Sale, ShowState, StockCount,
};

/// The number of a command, given by the caller; its answer carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Who buys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buyer {
    /// The customer's id.
    pub subject: String,
    /// The name for the host.
    pub name: String,
}

/// One thing to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Comes back with the answer.
    pub ticket: Ticket,
    /// The show.
    pub show: Arc<str>,
    /// What.
    pub action: Action,
}

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A buy. The hold lasts `hold_ms` unless the offer has a time of its own.
    Buy {
        /// By whom.
        buyer: Buyer,
        /// What.
        buy: BuyMessage,
        /// How long the units are kept, in milliseconds.
        hold_ms: i64,
        /// The same for who comes from the waitlist.
        turn_ms: i64,
    },
    /// The buyer gives a hold back.
    Cancel {
        /// Who.
        subject: String,
        /// Which.
        buy: String,
    },
    /// A host's change. Those of the chat are not the ledger's and are refused.
    Change(HostCommand),
    /// The same under a key of the asker's: whoever repeats it gets the answer of the first time, and nothing is done
    /// twice.
    ChangeOnce {
        /// The asker's key, unique in the show; without one nothing is remembered.
        key: Option<String>,
        /// Only when the product is at this version; for commands that change one product.
        if_version: Option<i64>,
        /// What.
        command: HostCommand,
    },
    /// What a promo code would take off for a customer now.
    CheckPromo {
        /// Who.
        subject: String,
        /// The code, in capitals.
        code: String,
    },
    /// The whole count of every variant of the show.
    Counts,
    /// The show's promo codes.
    Promos,
    /// The show's orders, newest first, at most [`MAX_ORDERS`].
    Orders,
    /// Lets time pass, in every show: holds that ran out are released, the waitlist has its turn, flash sales begin
    /// and end.
    Tick,
}

/// Orders of one list.
pub const MAX_ORDERS: usize = 500;

/// What was decided, after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The command's.
    pub ticket: Ticket,
    /// The command's.
    pub show: Arc<str>,
    /// What came of it.
    pub decision: Result<Decision, Refusal>,
    /// Stocks that changed, by show.
    pub stock: Vec<(Arc<str>, StockCount)>,
    /// Products that changed without a command of this answer's, by show, with the show's price version: a flash sale
    /// began or ended.
    pub products: Vec<(Arc<str>, Product, i64)>,
    /// Orders that changed, by show.
    pub orders: Vec<(Arc<str>, Sale)>,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A buy, its own or an earlier one of the same id.
    Receipt(Receipt),
    /// Done.
    Done,
    /// The product as it is now, and the show's price version.
    Product(Product, i64),
    /// The show as it is now.
    Show(ShowRecord),
    /// One variant's stock.
    Stock(StockCount),
    /// The counts asked for.
    Counts(Vec<StockCount>),
    /// What the code takes off.
    Promo(Promo),
    /// The codes asked for.
    Promos(Vec<Promo>),
    /// The orders asked for.
    Orders(Vec<Sale>),
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing of that name.
    #[error("there is no {0}")]
    NotFound(String),
    /// It has changed since.
    #[error("it is at version {0} by now")]
    Stale(i64),
    /// The key belongs to another command.
    #[error("the key {0} belongs to another request")]
    KeyReused(String),
    /// It cannot be done as things are.
    #[error("{0}")]
    NotPossible(String),
    /// The database failed; nothing of the batch was done.
    #[error("the ledger is out of order")]
    Failed,
}

/// A show as the ledger keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShowRecord {
    /// The room's name.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Where it is in its life.
    pub state: ShowState,
    /// When it starts, unix milliseconds.
    pub starts_at: Option<i64>,
    /// Grows with every change of a price.
    pub price_version: i64,
    /// Pinned products, the newest first.
    pub pinned: Vec<String>,
    /// The one in front.
    pub featured: Option<String>,
    /// Its products in their order, with stock.
    pub products: Vec<Product>,
    /// Orders that wait for payment, the oldest first.
    pub open_orders: Vec<Sale>,
}

/// Why a ledger could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database.
    #[error("the ledger's database: {0}")]
    Database(#[from] rusqlite::Error),
    /// What is stored is not what this version writes.
    #[error("the ledger holds what it cannot: {0}")]
    Content(String),
    /// Of a later version.
    #[error("the ledger is of version {found}, this server reads up to {known}")]
    TooNew {
        /// Stored.
        found: i64,
        /// Known.
        known: i64,
    },
}

/// A store of stock and orders. SQLite is the first; the same tests are for any other.
pub trait Ledger: Send {
    /// Every show with its products and stock.
    ///
    /// # Errors
    /// [`LedgerError`]
    fn shows(&mut self) -> Result<Vec<ShowRecord>, LedgerError>;
    /// Puts a show in if there is none of its id; false when there is. `available` is the first stock.
    ///
    /// # Errors
    /// [`LedgerError`]
    fn seed(&mut self, now: UnixMillis, show: &ShowRecord) -> Result<bool, LedgerError>;
    /// Decides a batch in order, in one transaction. The answers may leave: it is committed. When the batch fails, each
    /// command is tried alone, so that one cannot spoil the others'.
    fn decide(&mut self, now: UnixMillis, batch: Vec<Command>) -> Vec<Answer>;
    /// Recomputes stock, holds and sales from the journal and the orders.
    ///
    /// # Errors
    /// [`LedgerError`]
    fn audit(&mut self) -> Result<Audit, LedgerError>;
}

/// What a state of an order makes of its units.
pub(crate) fn keeps_units(state: OrderState) -> bool {
    matches!(state, OrderState::Held | OrderState::Paid)
}
