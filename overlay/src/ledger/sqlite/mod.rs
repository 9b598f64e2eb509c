//! The ledger's rows in SQLite: one file, one connection, WAL with `synchronous=FULL`.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::LedgerError;
use super::rows::{TABLES, Table, Value, Writing};
use super::store::{Query, Store, columns, on_conflict, order};
use super::stored::{StoredLedger, VERSION};

/// What makes each version of the one before; `user_version` says which is there.
const MIGRATIONS: [&str; VERSION as usize] = [
    include_str!("1.sql"),
    include_str!("2.sql"),
    include_str!("3.sql"),
];
/// The longest wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);
/// Statements kept prepared; there are some thirty.
const STATEMENTS: usize = 64;

/// Rows in an SQLite database.
pub struct SqliteStore {
    connection: Connection,
}

/// The ledger in an SQLite database.
pub type SqliteLedger = StoredLedger<SqliteStore>;

impl SqliteLedger {
    /// Opens a database file, which is made when there is none. Every commit is on the disk before it is answered
    /// (WAL, `synchronous=FULL`).
    ///
    /// # Errors
    /// [`LedgerError`]
    pub fn open(path: &Path) -> Result<SqliteLedger, LedgerError> {
        StoredLedger::on(SqliteStore::with(Connection::open(path)?)?)
    }

    /// A ledger that ends with the process, for tests.
    ///
    /// # Errors
    /// [`LedgerError`]
    pub fn in_memory() -> Result<SqliteLedger, LedgerError> {
        StoredLedger::on(SqliteStore::with(Connection::open_in_memory()?)?)
    }
}

impl SqliteStore {
    fn with(mut connection: Connection) -> Result<SqliteStore, LedgerError> {
        // Another process may read or copy the file.
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let found: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > VERSION {
            return Err(LedgerError::TooNew {
                found,
                known: VERSION,
            });
        }
        for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
            tx.execute_batch(migration)?;
        }
        tx.pragma_update(None, "user_version", VERSION)?;
        tx.commit()?;
        Ok(SqliteStore { connection })
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn value(cell: ValueRef<'_>) -> Result<Value, LedgerError> {
    Ok(match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        other => {
            let kind = other.data_type();
            return Err(LedgerError::Content(format!("a cell of type {kind}")));
        }
    })
}

fn values(row: &rusqlite::Row<'_>, count: usize) -> Result<Vec<Value>, LedgerError> {
    (0..count).map(|place| value(row.get_ref(place)?)).collect()
}

impl Store for SqliteStore {
    fn begin(&mut self) -> Result<(), LedgerError> {
        Ok(self.connection.execute_batch("BEGIN IMMEDIATE")?)
    }

    fn begin_reading(&mut self) -> Result<(), LedgerError> {
        Ok(self.connection.execute_batch("BEGIN DEFERRED")?)
    }

    fn commit(&mut self) -> Result<(), LedgerError> {
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    fn roll_back(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }

    fn read(&mut self, table: &Table, query: &Query<'_>) -> Result<Vec<Vec<Value>>, LedgerError> {
        let (filter, tail) = query.rest(&format!("?{}", query.by.len() + 1));
        let mut condition = String::new();
        for (place, column) in query.by.iter().enumerate() {
            condition += &format!("{column} = ?{} AND ", place + 1);
        }
        // The transaction has the whole database to itself: nothing is to be locked.
        let sql = format!(
            "SELECT {} FROM {} WHERE {condition}{filter}{tail}",
            columns(table),
            table.name
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut found = Vec::new();
        let all = [Vec::new()];
        let keys = if query.by.is_empty() {
            &all[..]
        } else {
            &query.keys
        };
        for key in keys {
            let key = key.iter().map(|text| text as &dyn ToSql);
            let bound = query.bound.iter().map(|number| number as &dyn ToSql);
            let mut rows = statement.query(params_from_iter(key.chain(bound)))?;
            while let Some(row) = rows.next()? {
                found.push(values(row, table.columns.len())?);
            }
        }
        Ok(found)
    }

    fn scan(
        &mut self,
        table: &Table,
        each: &mut dyn FnMut(Vec<Value>) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let sql = format!(
            "SELECT {} FROM {} ORDER BY {}",
            columns(table),
            table.name,
            order(table)
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(values(row, table.columns.len())?)?;
        }
        Ok(())
    }

    fn write(&mut self, table: &Table, rows: Vec<Vec<Value>>) -> Result<(), LedgerError> {
        let places: Vec<String> = (1..=table.columns.len())
            .map(|place| format!("?{place}"))
            .collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({}){}",
            table.name,
            columns(table),
            places.join(", "),
            on_conflict(table)
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        for row in rows {
            let written = statement.execute(params_from_iter(row))?;
            if written == 0 && table.writing != Writing::Appended {
                return Err(LedgerError::Overtaken(table.name));
            }
        }
        Ok(())
    }

    fn run(&mut self, sql: &str) -> Result<(), LedgerError> {
        Ok(self.connection.execute_batch(sql)?)
    }

    fn pairs(&mut self, sql: &str) -> Result<Vec<(String, String)>, LedgerError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let pairs = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(pairs.collect::<Result<_, _>>()?)
    }

    fn number(&mut self, sql: &str) -> Result<i64, LedgerError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    fn empty(&mut self) -> Result<(), LedgerError> {
        // Those that are only added to refuse to be emptied while their triggers are there.
        let triggers = self.pairs("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")?;
        for (name, _) in &triggers {
            self.run(&format!("DROP TRIGGER {name}"))?;
        }
        for table in TABLES.iter().rev() {
            self.run(&format!("DELETE FROM {}", table.name))?;
        }
        for (_, sql) in &triggers {
            self.run(sql)?;
        }
        Ok(())
    }
}
