//! What the ledger asks of a database: one transaction at a time, rows by their keys, rows written together.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::LedgerError;
use super::rows::{Table, Value};

/// Which rows are wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Query<'q> {
    /// Columns of text that must be one of `keys`. None: every row.
    pub(super) by: &'static [&'static str],
    /// One text for each of `by`. Rows are locked in the order of the keys.
    pub(super) keys: Vec<Vec<&'q str>>,
    /// A further condition in SQL; `:bound` stands for the number in `bound`.
    pub(super) filter: &'static str,
    pub(super) bound: Option<i64>,
    /// The order, in SQL.
    pub(super) order: &'static str,
    /// Rows per key.
    pub(super) limit: Option<usize>,
    /// Whether as many rows as `bound` says are passed over.
    pub(super) behind_bound: bool,
    /// Whether nobody else may change the rows until the transaction ends.
    pub(super) lock: bool,
}

impl Query<'_> {
    /// What follows the conditions on the keys, with the placeholder for the bound.
    pub(super) fn rest(&self, bound: &str) -> (String, String) {
        let filter = match self.filter {
            "" => "TRUE".to_owned(),
            filter => format!("({})", filter.replace(":bound", bound)),
        };
        let mut tail = String::new();
        if !self.order.is_empty() {
            tail += &format!(" ORDER BY {}", self.order);
        }
        if let Some(limit) = self.limit {
            tail += &format!(" LIMIT {limit}");
        }
        if self.behind_bound {
            tail += &format!(" OFFSET {bound}");
        }
        (filter, tail)
    }
}

/// A database. Every error leaves the transaction to be rolled back.
pub(super) trait Store: Send {
    /// Begins a transaction that will write.
    fn begin(&mut self) -> Result<(), LedgerError>;
    /// Begins a transaction that only reads, from one moment's state.
    fn begin_reading(&mut self) -> Result<(), LedgerError>;
    /// Makes the transaction last. When this fails without the database's word, it may have lasted or not.
    fn commit(&mut self) -> Result<(), LedgerError>;
    /// Undoes the transaction, as far as there is one.
    fn roll_back(&mut self);
    /// Rows of a table; those that are locked are as they are now, whenever the transaction began.
    fn read(&mut self, table: &Table, query: &Query<'_>) -> Result<Vec<Vec<Value>>, LedgerError>;
    /// Hands every row of a table over, in the order of its key.
    fn scan(
        &mut self,
        table: &Table,
        each: &mut dyn FnMut(Vec<Value>) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError>;
    /// Writes rows as the table says; [`LedgerError::Overtaken`] when one of them is not the one it was made from.
    fn write(&mut self, table: &Table, rows: Vec<Vec<Value>>) -> Result<(), LedgerError>;
    /// Runs SQL that both databases understand.
    fn run(&mut self, sql: &str) -> Result<(), LedgerError>;
    /// Pairs of text that SQL finds which both databases understand.
    fn pairs(&mut self, sql: &str) -> Result<Vec<(String, String)>, LedgerError>;
    /// A number that such SQL finds.
    fn number(&mut self, sql: &str) -> Result<i64, LedgerError>;
    /// Shows that other servers on the same database have changed since the last call.
    fn changed_by_others(&mut self) -> Vec<Arc<str>> {
        Vec::new()
    }
    /// Tells them, with the commit, what this transaction changed.
    fn tell_others(&mut self, _shows: &BTreeSet<Arc<str>>) -> Result<(), LedgerError> {
        Ok(())
    }
    /// Empties every table, also those that are only added to, within the transaction.
    fn empty(&mut self) -> Result<(), LedgerError>;
}

/// The columns of a table, for SQL.
pub(super) fn columns(table: &Table) -> String {
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// The columns of a table's key; none where the database numbers its rows.
fn key(table: &Table) -> String {
    let names = table.columns.iter().take(table.key);
    names.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The order of a table's rows: that of its key, or of its numbers.
pub(super) fn order(table: &Table) -> String {
    if table.key == 0 {
        "n".to_owned()
    } else {
        key(table)
    }
}

/// What an insert does when the key is there.
pub(super) fn on_conflict(table: &Table) -> String {
    use super::rows::Writing::{Appended, Changed, Latest, Once};
    let key = key(table);
    match table.writing {
        Appended => String::new(),
        Once => format!(" ON CONFLICT ({key}) DO NOTHING"),
        Changed | Latest => {
            let set: Vec<String> = table
                .columns
                .iter()
                .skip(table.key)
                .map(|(name, _)| format!("{name} = excluded.{name}"))
                .collect();
            let mut clause = format!(" ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", "));
            if table.writing == Changed {
                clause += &format!(" WHERE {}.rev = excluded.rev - 1", table.name);
            }
            clause
        }
    }
}
