//! Stock, holds, orders and receipts: the only judge of a buy. One writer; all commands that wait go into one
//! transaction, and their answers leave after its commit.

//!
//! A batch is loaded into [`books`], decided in memory by [`decide`](mod@decide) and what it calls, and written back: the
//! rules exist once, a database ([`store`]) only loads and stores rows.

mod audit;
mod backup;
mod books;
mod buying;
mod catalogue;
mod decide;
mod load;
mod notes;
mod offers;
mod orders;
mod postgres;
mod pricing;
mod products;
mod promos;
mod provider;
mod rows;
mod sqlite;
mod stock;
mod store;
mod stored;
mod waitlist;

pub use self::postgres::PostgresLedger;
pub use audit::{Audit, Difference};
pub use backup::BackupError;
pub use notes::{Note, Part};
pub(crate) use products::{MAX_PRODUCTS, MAX_VARIANTS};
pub use provider::{Manual, Payment, Provider};
pub use sqlite::SqliteLedger;

use std::io::{BufRead, Write};
use std::sync::Arc;

use crate::UnixMillis;
use crate::message::{BuyMessage, HostCommand, Product, Promo, Receipt, Sale, ShowState, StockCount};

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
    /// The same, on a condition, and under a key of the asker's: whoever repeats it within a day gets the answer of the
    /// first time, and nothing is done twice.
    ChangeOnce {
        /// The asker's key, unique in the show; without one nothing is remembered.
        key: Option<String>,
        /// Only when the product is at this version; for commands that change one product.
        if_version: Option<i64>,
        /// What.
        command: HostCommand,
        /// The command as it was written, in one spelling: what tells another command under the same key.
        body: String,
    },
    /// Keeps parts of the show's talk as they are now.
    Keep(Arc<[Note]>),
    /// What happened at the payment provider's side.
    Payment {
        /// Which order.
        buy: String,
        /// What.
        event: Payment,
    },
    /// Puts a show in; refused when there is one of its id. `available` is the first stock.
    Seed(Box<ShowRecord>),
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
    /// Shows that something else than this ledger has changed, as they are now: another server on the same database, or
    /// a backup that was restored. What was known of them before is over.
    pub refreshed: Vec<ShowRecord>,
}

impl Answer {
    /// An answer that nothing came of.
    pub fn refusing(ticket: Ticket, show: Arc<str>, refusal: Refusal) -> Answer {
        Answer {
            ticket,
            show,
            decision: Err(refusal),
            stock: Vec::new(),
            products: Vec::new(),
            orders: Vec::new(),
            refreshed: Vec::new(),
        }
    }

    /// The shows that are not as they were.
    fn changed_shows(&self) -> impl Iterator<Item = Arc<str>> {
        let stock = self.stock.iter().map(|(show, _)| show);
        let orders = self.orders.iter().map(|(show, _)| show);
        let products = self.products.iter().map(|(show, ..)| show);
        let own = match &self.decision {
            Ok(Decision::Product(..) | Decision::Show(_)) => Some(&self.show),
            _ => None,
        };
        stock.chain(orders).chain(products).chain(own).cloned()
    }
}

/// What became of an order, for the world outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number; those of one order are in order.
    pub n: i64,
    /// JSON: `{show, at, step, order}`.
    pub body: String,
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
    /// The database failed; nothing was answered. Whether something was done shows when the same is asked again.
    #[error("the shop's ledger cannot be reached: nothing is lost, try again")]
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
    /// What is kept of its talk, the oldest first; only at the start.
    pub talk: Vec<Note>,
}

/// Why a ledger could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite.
    #[error("the ledger's database: {0}")]
    Database(#[from] rusqlite::Error),
    /// PostgreSQL, with its code (SQLSTATE) when the server itself said so.
    #[error("the ledger's database: {text}")]
    Server {
        /// Five characters.
        code: Option<String>,
        /// In words.
        text: String,
    },
    /// Another server was faster with a row of this table.
    #[error("a row of {0} changed meanwhile")]
    Overtaken(&'static str),
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

impl From<::postgres::Error> for LedgerError {
    fn from(error: ::postgres::Error) -> LedgerError {
        let database = error.as_db_error();
        LedgerError::Server {
            code: error.code().map(|code| code.code().to_owned()),
            text: match (database, std::error::Error::source(&error)) {
                (Some(error), _) => error.to_string(),
                (None, Some(source)) => format!("{error}: {source}"),
                (None, None) => error.to_string(),
            },
        }
    }
}

impl LedgerError {
    /// Whether the same may succeed now because others have finished.
    fn is_contested(&self) -> bool {
        match self {
            LedgerError::Overtaken(_) => true,
            // Serialization failure, deadlock, a key that somebody else put in meanwhile.
            LedgerError::Server { code: Some(code), .. } => {
                ["40001", "40P01", "23505"].contains(&code.as_str())
            }
            _ => false,
        }
    }

    /// Whether it may be due to one command of the batch, so that the others can be done without it.
    fn is_of_one_command(&self) -> bool {
        match self {
            LedgerError::Content(_) | LedgerError::Overtaken(_) => true,
            LedgerError::Database(error) => {
                error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
            }
            // Data exceptions and violated constraints.
            LedgerError::Server { code: Some(code), .. } => code.starts_with("22") || code.starts_with("23"),
            _ => false,
        }
    }
}

/// A store of stock and orders. Two are here: SQLite and PostgreSQL; the same tests are for both.
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
    /// Decides a batch in order, in one transaction. The answers may leave: it is committed. When the batch fails by its
    /// content, each command is tried alone, so that one cannot spoil the others'; when the database is out of reach or
    /// full, all are refused.
    fn decide(&mut self, now: UnixMillis, batch: Vec<Command>) -> Vec<Answer>;
    /// Recomputes stock, holds and sales from the journal and the orders.
    ///
    /// # Errors
    /// [`LedgerError`]
    fn audit(&mut self) -> Result<Audit, LedgerError>;
    /// What the world outside was not told yet, the oldest first. Each is handed out until it is
    /// [`delivered`](Ledger::delivered): at least once, the events of one order in their order.
    ///
    /// # Errors
    /// [`LedgerError`]
    fn undelivered(&mut self, most: usize) -> Result<Vec<Event>, LedgerError>;
    /// Notes that events were delivered.
    ///
    /// # Errors
    /// [`LedgerError`]
    fn delivered(&mut self, events: &[Event]) -> Result<(), LedgerError>;
    /// Writes everything out, as of one moment, while others go on buying; returns the number of rows.
    ///
    /// # Errors
    /// [`BackupError`]
    fn back_up(&mut self, to: &mut dyn Write) -> Result<u64, BackupError>;
    /// Puts a backup in the place of everything, in one transaction. A backup whose books are not right is refused.
    /// Servers that run on the database go on with what is restored; buys made since the backup are gone.
    ///
    /// # Errors
    /// [`BackupError`]
    fn restore(&mut self, from: &mut dyn BufRead) -> Result<u64, BackupError>;
}

/// What came of one command.
type Decided = Result<Decision, Refusal>;
