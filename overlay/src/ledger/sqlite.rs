//! The ledger in SQLite: one file, one connection, one transaction per batch.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{
    Action, Answer, Audit, Command, Decision, Ledger, LedgerError, Refusal, ShowRecord, audit, buying,
    catalogue, orders, stock,
};
use crate::UnixMillis;
use crate::message::{HostCommand, Sale, StockCount};

const SCHEMA: &str = include_str!("schema.sql");
/// Stored in `user_version`.
const VERSION: i64 = 1;
/// The longest wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

/// The ledger in an SQLite database.
pub struct SqliteLedger {
    connection: Connection,
}

/// What one command writes and what it changed.
pub(super) struct Work<'t> {
    pub(super) tx: &'t Transaction<'t>,
    pub(super) now: i64,
    pub(super) show: Arc<str>,
    pub(super) stock: Vec<(Arc<str>, StockCount)>,
    pub(super) orders: Vec<(Arc<str>, Sale)>,
}

fn failed(command: &Command) -> Answer {
    Answer {
        ticket: command.ticket,
        show: command.show.clone(),
        decision: Err(Refusal::Failed),
        stock: Vec::new(),
        products: Vec::new(),
        orders: Vec::new(),
    }
}

/// A refusal is an answer; a failure of the database ends the whole batch.
pub(super) type Decided = Result<Result<Decision, Refusal>, LedgerError>;

impl SqliteLedger {
    /// Opens a database file, which is made when there is none. Every commit is on the disk before it is answered
    /// (WAL, `synchronous=FULL`).
    ///
    /// # Errors
    /// [`LedgerError`]
    pub fn open(path: &Path) -> Result<SqliteLedger, LedgerError> {
        SqliteLedger::with(Connection::open(path)?)
    }

    /// A ledger that ends with the process, for tests.
    ///
    /// # Errors
    /// [`LedgerError`]
    pub fn in_memory() -> Result<SqliteLedger, LedgerError> {
        SqliteLedger::with(Connection::open_in_memory()?)
    }

    fn with(mut connection: Connection) -> Result<SqliteLedger, LedgerError> {
        // Another process may read or copy the file.
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(64);
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match found {
            0 => {
                let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                tx.execute_batch(SCHEMA)?;
                tx.pragma_update(None, "user_version", VERSION)?;
                tx.commit()?;
            }
            VERSION => {}
            found => {
                return Err(LedgerError::TooNew {
                    found,
                    known: VERSION,
                });
            }
        }
        Ok(SqliteLedger { connection })
    }

    fn try_decide(&mut self, now: i64, batch: &[Command]) -> Result<Vec<Answer>, LedgerError> {
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut answers = Vec::with_capacity(batch.len());
        for command in batch {
            let mut work = Work {
                tx: &tx,
                now,
                show: command.show.clone(),
                stock: Vec::new(),
                orders: Vec::new(),
            };
            let decision = work.carry_out(&command.action)?;
            answers.push(Answer {
                ticket: command.ticket,
                show: command.show.clone(),
                decision,
                stock: work.stock,
                products: Vec::new(),
                orders: work.orders,
            });
        }
        tx.commit()?;
        Ok(answers)
    }
}

impl Work<'_> {
    fn carry_out(&mut self, action: &Action) -> Decided {
        match action {
            Action::Buy {
                buyer, buy, hold_ms, ..
            } => buying::buy(self, buyer, buy, *hold_ms),
            Action::Cancel { subject, buy } => orders::cancel(self, subject, buy),
            Action::Change(HostCommand::Settle { buy, state, .. }) => orders::settle(self, buy, *state),
            Action::Change(HostCommand::SetStock {
                variant,
                on_hand,
                version,
            }) => stock::set(self, variant, *on_hand, *version),
            Action::Change(HostCommand::AddStock { variant, delta }) => stock::add(self, variant, *delta),
            Action::Change(command) => catalogue::change(self, command),
            Action::Orders => orders::list(self),
            Action::ChangeOnce { .. } | Action::CheckPromo { .. } | Action::Counts | Action::Promos => Ok(
                Err(Refusal::NotPossible("this ledger cannot do that yet".to_owned())),
            ),
            Action::Tick => orders::expire(self),
        }
    }
}

impl Ledger for SqliteLedger {
    fn shows(&mut self) -> Result<Vec<ShowRecord>, LedgerError> {
        catalogue::shows(&self.connection)
    }

    fn seed(&mut self, now: UnixMillis, show: &ShowRecord) -> Result<bool, LedgerError> {
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut work = Work {
            tx: &tx,
            now: now.0,
            show: show.id.as_str().into(),
            stock: Vec::new(),
            orders: Vec::new(),
        };
        let is_new = catalogue::seed(&mut work, show)?;
        tx.commit()?;
        Ok(is_new)
    }

    fn decide(&mut self, now: UnixMillis, batch: Vec<Command>) -> Vec<Answer> {
        match self.try_decide(now.0, &batch) {
            Ok(answers) => return answers,
            Err(error) => {
                tracing::error!(%error, commands = batch.len(), "a batch failed; each is tried alone")
            }
        }
        let alone = batch.iter().flat_map(|command| {
            let decided = self.try_decide(now.0, std::slice::from_ref(command));
            decided.unwrap_or_else(|error| {
                tracing::error!(%error, show = %command.show, "the ledger failed; nothing was done");
                vec![failed(command)]
            })
        });
        alone.collect()
    }

    fn audit(&mut self) -> Result<Audit, LedgerError> {
        audit::audit(&self.connection)
    }
}
