//! A ledger as a file, the same from every database: lines of JSON, a table's name and columns before its rows. A backup
//! is one moment's state; it can be restored into either kind of database.

use std::io::{BufRead, Write};

use serde_json::{Value as Json, json};

use super::rows::{Kind, TABLES, Table, Value};
use super::store::Store;
use super::stored::VERSION;
use super::{Difference, LedgerError, audit};

/// The oldest version that is read: later ones have tables more, and no others.
const OLDEST: i64 = 2;
/// Rows written together.
const CHUNK: usize = 500;

/// Why a backup could not be written or restored. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The file.
    #[error("the backup's file: {0}")]
    File(#[from] std::io::Error),
    /// Not a backup, or a part of one.
    #[error("this is no whole backup: line {line}: {what}")]
    Content {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// Its books are not right.
    #[error("the backup's books differ: {}: {}", .0.place, .0.what)]
    Differs(Difference),
}

pub(super) fn write(store: &mut dyn Store, to: &mut dyn Write) -> Result<u64, BackupError> {
    let from = store.number("SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'outbox_from'")?;
    let head = json!({"vitrine_backup": 1, "version": VERSION, "outbox_from": from});
    writeln!(to, "{head}")?;
    let mut count = 0;
    for table in TABLES {
        let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        writeln!(to, "{}", json!({"table": table.name, "columns": columns}))?;
        // An error of the file has to come out of the scan as one of the file.
        let mut broken = None;
        let scanned = store.scan(table, &mut |row| {
            count += 1;
            let row: Vec<Json> = row.into_iter().map(to_json).collect();
            writeln!(to, "{}", Json::Array(row)).map_err(|error| {
                let text = error.to_string();
                broken = Some(error);
                LedgerError::Content(text)
            })
        });
        if let Some(error) = broken {
            return Err(error.into());
        }
        scanned?;
    }
    writeln!(to, "{}", json!({"end": true, "rows": count}))?;
    to.flush()?;
    Ok(count)
}

fn to_json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(number) => number.into(),
        Value::Text(text) => text.into(),
    }
}

fn from_json(value: Json, kind: Kind) -> Option<Value> {
    match (value, kind) {
        (Json::Null, _) => Some(Value::Null),
        (Json::Number(number), Kind::Int) => number.as_i64().map(Value::Int),
        (Json::String(text), Kind::Text) => Some(Value::Text(text)),
        _ => None,
    }
}

/// Puts a backup in the place of everything that is there. Versions go on from those that were told before, so that
/// whoever knows the old ones takes the new ones for newer.
pub(super) fn read(store: &mut dyn Store, from: &mut dyn BufRead) -> Result<u64, BackupError> {
    // Nothing may change between the look at the versions and their end.
    let stock = store.number("SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) FROM variants")?;
    let prices = store.number("SELECT CAST(COALESCE(MAX(price_version), 0) AS BIGINT) FROM shows")?;
    store.empty()?;
    let count = Reader::new(from).read(store)?;
    store.run(&format!(
        "UPDATE shows SET price_version = price_version + {}",
        prices + 1
    ))?;
    store.run(&format!(
        "UPDATE variants SET version = version + {},
                price_version = (SELECT price_version FROM shows WHERE shows.id = variants.show)",
        stock + 1
    ))?;
    let generation = store.pairs("SELECT value, name FROM meta WHERE name = 'generation'")?;
    let generation = generation
        .into_iter()
        .next()
        .map(|(value, _)| value)
        .unwrap_or_default();
    let (name, number) = generation.split_once('-').unwrap_or((&generation, "0"));
    let next = number.parse::<u64>().unwrap_or(0) + 1;
    store.run(&format!(
        "UPDATE meta SET value = '{}-{next}' WHERE name = 'generation'",
        name.replace('\'', "")
    ))?;
    match audit::audit(store)?.differences.into_iter().next() {
        Some(difference) => Err(BackupError::Differs(difference)),
        None => Ok(count),
    }
}

/// A field of a line, `null` when there is none.
fn field<'j>(json: &'j Json, name: &str) -> &'j Json {
    json.get(name).unwrap_or(&Json::Null)
}

struct Reader<'r> {
    from: &'r mut dyn BufRead,
    line: usize,
}

impl Reader<'_> {
    fn new(from: &mut dyn BufRead) -> Reader<'_> {
        Reader { from, line: 0 }
    }

    fn wrong<T>(&self, what: impl Into<String>) -> Result<T, BackupError> {
        Err(BackupError::Content {
            line: self.line,
            what: what.into(),
        })
    }

    fn next(&mut self) -> Result<Json, BackupError> {
        self.line += 1;
        let mut text = String::new();
        if self.from.read_line(&mut text)? == 0 {
            return self.wrong("the file ends here");
        }
        match serde_json::from_str(&text) {
            Ok(json) => Ok(json),
            Err(error) => self.wrong(error.to_string()),
        }
    }

    fn read(mut self, store: &mut dyn Store) -> Result<u64, BackupError> {
        let head = self.next()?;
        if field(&head, "vitrine_backup") != 1 {
            return self.wrong("the first line of a backup is {\"vitrine_backup\":1,…}");
        }
        let version = field(&head, "version");
        if !(OLDEST..=VERSION).any(|known| version == known) {
            return self.wrong(format!(
                "a backup of version {version}; this server reads {OLDEST} to {VERSION}"
            ));
        }
        // Before version 3 everything was kept.
        let from = field(&head, "outbox_from").as_i64().unwrap_or(0);
        store.run(&format!(
            "UPDATE meta SET value = '{from}' WHERE name = 'outbox_from'"
        ))?;
        let mut count = 0u64;
        let mut table: Option<&'static Table> = None;
        let mut rows = Vec::new();
        loop {
            let json = self.next()?;
            if let (Json::Array(cells), Some(table)) = (&json, table) {
                rows.push(self.row(table, cells)?);
                count += 1;
                if rows.len() >= CHUNK {
                    store.write(table, std::mem::take(&mut rows))?;
                }
                continue;
            }
            if let Some(table) = table
                && !rows.is_empty()
            {
                store.write(table, std::mem::take(&mut rows))?;
            }
            if field(&json, "end") == true {
                if field(&json, "rows") != count {
                    return self.wrong(format!(
                        "{} rows were written, {count} are here",
                        field(&json, "rows")
                    ));
                }
                return Ok(count);
            }
            table = Some(self.table(&json)?);
        }
    }

    fn table(&self, json: &Json) -> Result<&'static Table, BackupError> {
        let known = TABLES.iter().find(|table| field(json, "table") == table.name);
        let Some(table) = known else {
            return self.wrong("a table of the ledger, a row of it or the end is expected");
        };
        let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        if field(json, "columns") != &json!(columns) {
            return self.wrong(format!("the columns of {} are not {columns:?}", table.name));
        }
        Ok(table)
    }

    fn row(&self, table: &Table, cells: &[Json]) -> Result<Vec<Value>, BackupError> {
        let row: Option<Vec<Value>> = cells
            .iter()
            .zip(table.columns)
            .map(|(cell, (_, kind))| from_json(cell.clone(), *kind))
            .collect();
        match row {
            Some(row) if row.len() == table.columns.len() && cells.len() == row.len() => Ok(row),
            _ => self.wrong(format!("this is no row of {}", table.name)),
        }
    }
}
