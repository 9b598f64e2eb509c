//! The ledger's rows in PostgreSQL. Several servers may write at once: rows are locked in a fixed order, and each is
//! only written over the one it was made from.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use postgres::config::{Host, SslMode};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::ToSql;
use postgres::{Client, Config, NoTls, Row, Statement};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::LedgerError;
use super::rows::{Kind, TABLES, Table, Value, Writing};
use super::store::{Query, Store, columns, on_conflict, order};
use super::stored::{StoredLedger, VERSION};

/// What makes each version of the one before. The first was of SQLite alone.
const MIGRATIONS: [(i64, &str); 2] = [(2, include_str!("2.sql")), (3, include_str!("3.sql"))];
/// The longest wait for a server that does not answer; meanwhile buys wait, then they are refused.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a database's machine may be silent, about, before it is taken for gone. The system's own patience is a
/// quarter of an hour, and two hours where nothing is asked.
const SILENCE: Duration = Duration::from_secs(10);
/// How often a machine that is silent is asked whether it is there.
const PROBES: Duration = Duration::from_secs(3);
/// A transaction of one batch asks the next thing within milliseconds. A server that stands still in the middle of one
/// (a paused machine, a cut line) holds rows that others wait for: so long, then the database takes it back.
const PAUSE: &str = "SET idle_in_transaction_session_timeout = '5s'";
/// A plan is made while tables are small and kept while they grow: each row is to be looked up by its key, always.
const BY_KEY: &str =
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";
/// The same for a transaction that goes through everything, and may think about it.
const AS_A_WHOLE: &str = "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; \
     SET LOCAL idle_in_transaction_session_timeout = 0";
/// Where servers on one database tell each other which shows they changed.
const CHANNEL: &str = "vitrine";
/// A lock for who migrates, so that two servers that start together do not both; any number that is nobody else's.
const MIGRATING: i64 = 0x0076_6974_7269_6e65;

/// Rows in a PostgreSQL database.
pub struct PostgresStore {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    session: Option<Session>,
}

struct Session {
    client: Client,
    statements: HashMap<String, Statement>,
    /// The server's number of this session.
    number: i32,
}

/// The ledger in a PostgreSQL database.
pub type PostgresLedger = StoredLedger<PostgresStore>;

impl PostgresLedger {
    /// Connects to `postgres://user:password@host/database?sslmode=…` and makes the tables when there are none.
    /// `authorities` is a file of certificates (PEM) to trust instead of the world's.
    ///
    /// # Errors
    /// [`LedgerError`]
    pub fn connect(url: &str, authorities: Option<&std::path::Path>) -> Result<PostgresLedger, LedgerError> {
        let mut config: Config = url.parse()?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_idle(SILENCE).keepalives_interval(PROBES);
        }
        if config.get_application_name().is_none() {
            config.application_name("vitrine");
        }
        // What crosses a network is encrypted unless somebody says otherwise in so many words.
        if config.get_ssl_mode() == SslMode::Prefer && !config.get_hosts().iter().all(is_here) {
            config.ssl_mode(SslMode::Require);
        }
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(tls(authorities)?),
        };
        let mut store = PostgresStore {
            config,
            tls,
            session: None,
        };
        store.migrate()?;
        StoredLedger::on(store)
    }
}

/// Whether a database is on this machine, by its address.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

fn tls(authorities: Option<&std::path::Path>) -> Result<MakeRustlsConnect, LedgerError> {
    let unreadable = |what: String| LedgerError::Content(format!("certificates of the database: {what}"));
    let mut roots = rustls::RootCertStore::empty();
    match authorities {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|error| unreadable(error.to_string()))?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unreadable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

impl PostgresStore {
    fn migrate(&mut self) -> Result<(), LedgerError> {
        let client = &mut self.session()?.client;
        let mut tx = client.transaction()?;
        tx.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATING])?;
        tx.batch_execute("CREATE TABLE IF NOT EXISTS ledger_version (version BIGINT NOT NULL)")?;
        let found: i64 = tx
            .query_opt("SELECT version FROM ledger_version", &[])?
            .map_or(0, |row| row.get(0));
        if found > VERSION {
            return Err(LedgerError::TooNew {
                found,
                known: VERSION,
            });
        }
        for (version, migration) in MIGRATIONS {
            if found < version {
                tx.batch_execute(migration)?;
            }
        }
        if found < VERSION {
            tx.batch_execute("DELETE FROM ledger_version")?;
            tx.execute("INSERT INTO ledger_version VALUES ($1)", &[&VERSION])?;
        }
        Ok(tx.commit()?)
    }

    /// The session, made anew when the last one broke.
    fn session(&mut self) -> Result<&mut Session, LedgerError> {
        if self
            .session
            .as_ref()
            .is_some_and(|session| session.client.is_closed())
        {
            self.session = None;
        }
        if self.session.is_none() {
            let mut client = match &self.tls {
                None => self.config.connect(NoTls)?,
                Some(tls) => self.config.connect(tls.clone())?,
            };
            // A commit that is answered is on the disk, whatever the database's default is.
            client.batch_execute(&format!(
                "SET synchronous_commit = on; {PAUSE}; {BY_KEY}; LISTEN {CHANNEL}"
            ))?;
            let number = client.query_one("SELECT pg_backend_pid()", &[])?.get(0);
            self.session = Some(Session {
                client,
                statements: HashMap::new(),
                number,
            });
        }
        self.session.as_mut().ok_or_else(gone)
    }

    fn insert(&mut self, table: &Table, rows: &[Vec<Value>], on_conflict: &str) -> Result<(), LedgerError> {
        if rows.is_empty() {
            return Ok(());
        }
        let columns_of = table.columns.iter().enumerate();
        let arrays: Vec<String> = columns_of
            .map(|(place, (_, of))| format!("${}::{}[]", place + 1, kind(*of)))
            .collect();
        let sql = format!(
            "INSERT INTO {} ({}) SELECT * FROM unnest({}){on_conflict}",
            table.name,
            columns(table),
            arrays.join(", "),
        );
        let mut params: Vec<Box<dyn ToSql + Sync + '_>> = Vec::with_capacity(table.columns.len());
        for (place, (_, kind)) in table.columns.iter().enumerate() {
            let cells = rows.iter().map(|row| row.get(place));
            params.push(match kind {
                Kind::Int => Box::new(cells.map(number_in).collect::<Vec<Option<i64>>>()),
                Kind::Text => Box::new(cells.map(text_in).collect::<Vec<Option<&str>>>()),
            });
        }
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| &**param as _).collect();
        let session = self.open()?;
        let statement = session.prepared(&sql)?;
        let written = session.client.execute(&statement, &params)?;
        if written != rows.len() as u64 && table.writing != Writing::Appended {
            return Err(LedgerError::Overtaken(table.name));
        }
        Ok(())
    }

    /// The session of a transaction that has begun.
    fn open(&mut self) -> Result<&mut Session, LedgerError> {
        self.session.as_mut().ok_or_else(gone)
    }
}

fn gone() -> LedgerError {
    LedgerError::Server {
        code: None,
        text: "the connection is gone".to_owned(),
    }
}

impl Session {
    fn prepared(&mut self, sql: &str) -> Result<Statement, LedgerError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "int8",
        Kind::Text => "text",
    }
}

fn values(table: &Table, row: &Row) -> Result<Vec<Value>, LedgerError> {
    let cells = table.columns.iter().enumerate();
    cells
        .map(|(place, (_, kind))| {
            Ok(match kind {
                Kind::Int => row
                    .try_get::<_, Option<i64>>(place)?
                    .map_or(Value::Null, Value::Int),
                Kind::Text => row
                    .try_get::<_, Option<String>>(place)?
                    .map_or(Value::Null, Value::Text),
            })
        })
        .collect()
}

/// The rows of each key are looked up one after the other, in the order of the keys; so they are locked, too.
fn select(table: &Table, query: &Query<'_>) -> String {
    let (filter, tail) = query.rest(&format!("${}", query.by.len() + 1));
    let (columns, name) = (columns(table), table.name);
    let lock = if query.lock { " FOR UPDATE" } else { "" };
    if query.by.is_empty() {
        return format!("SELECT {columns} FROM {name} WHERE {filter}{tail}{lock}");
    }
    let numbered = 1..=query.by.len();
    let arrays: Vec<String> = numbered
        .clone()
        .map(|place| format!("${place}::text[]"))
        .collect();
    let names: Vec<String> = numbered.map(|place| format!("k{place}")).collect();
    let equal: Vec<String> = query
        .by
        .iter()
        .zip(&names)
        .map(|(column, name)| format!("{column} = k.{name}"))
        .collect();
    format!(
        "SELECT found.* FROM unnest({}) AS k({}) CROSS JOIN LATERAL
         (SELECT {columns} FROM {name} WHERE {} AND {filter}{tail}{lock}) found",
        arrays.join(", "),
        names.join(", "),
        equal.join(" AND ")
    )
}

impl Store for PostgresStore {
    fn begin(&mut self) -> Result<(), LedgerError> {
        Ok(self.session()?.client.batch_execute("BEGIN")?)
    }

    fn begin_reading(&mut self) -> Result<(), LedgerError> {
        let sql = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {AS_A_WHOLE}");
        Ok(self.session()?.client.batch_execute(&sql)?)
    }

    fn commit(&mut self) -> Result<(), LedgerError> {
        Ok(self.open()?.client.batch_execute("COMMIT")?)
    }

    fn roll_back(&mut self) {
        if let Some(session) = &mut self.session
            && session.client.batch_execute("ROLLBACK").is_err()
        {
            // With the connection the transaction ends by itself.
            self.session = None;
        }
    }

    fn read(&mut self, table: &Table, query: &Query<'_>) -> Result<Vec<Vec<Value>>, LedgerError> {
        let session = self.open()?;
        let statement = session.prepared(&select(table, query))?;
        let column = |place: usize| -> Vec<&str> {
            let texts = query.keys.iter();
            texts.filter_map(|key| key.get(place).copied()).collect()
        };
        let keys: Vec<Vec<&str>> = (0..query.by.len()).map(column).collect();
        let mut params: Vec<&(dyn ToSql + Sync)> = keys.iter().map(|key| key as _).collect();
        if let Some(bound) = &query.bound {
            params.push(bound);
        }
        let rows = session.client.query(&statement, &params)?;
        rows.iter().map(|row| values(table, row)).collect()
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
        let no_params: [&str; 0] = [];
        let mut rows = self.open()?.client.query_raw(&sql, no_params)?;
        while let Some(row) = rows.next()? {
            each(values(table, &row)?)?;
        }
        Ok(())
    }

    fn write(&mut self, table: &Table, rows: Vec<Vec<Value>>) -> Result<(), LedgerError> {
        if table.writing != Writing::Changed {
            return self.insert(table, &rows, &on_conflict(table));
        }
        // A row that was made from none is put in; one that is there all the same is another server's.
        let is_new = |row: &Vec<Value>| row.last() == Some(&Value::Int(1));
        let (new, changed): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_new);
        self.insert(table, &new, "")?;
        self.insert(table, &changed, &on_conflict(table))
    }

    fn run(&mut self, sql: &str) -> Result<(), LedgerError> {
        Ok(self.open()?.client.batch_execute(sql)?)
    }

    fn pairs(&mut self, sql: &str) -> Result<Vec<(String, String)>, LedgerError> {
        let session = self.session()?;
        let statement = session.prepared(sql)?;
        let rows = session.client.query(&statement, &[])?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect()
    }

    fn number(&mut self, sql: &str) -> Result<i64, LedgerError> {
        Ok(self.open()?.client.query_one(sql, &[])?.try_get(0)?)
    }

    fn empty(&mut self) -> Result<(), LedgerError> {
        let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        // What follows fills them again, and looks at all of it.
        self.run(&format!("{AS_A_WHOLE}; TRUNCATE {}", names.join(", ")))
    }

    fn changed_by_others(&mut self) -> Vec<Arc<str>> {
        let Some(session) = &mut self.session else {
            return Vec::new();
        };
        let own = session.number;
        let mut notifications = session.client.notifications();
        let mut told = notifications.iter();
        let mut shows = Vec::new();
        // An error here is met by the next statement, too.
        while let Ok(Some(told)) = told.next() {
            if told.process_id() != own {
                shows.push(told.payload().into());
            }
        }
        shows
    }

    fn tell_others(&mut self, shows: &BTreeSet<Arc<str>>) -> Result<(), LedgerError> {
        if shows.is_empty() {
            return Ok(());
        }
        let shows: Vec<&str> = shows.iter().map(|show| &**show).collect();
        let session = self.open()?;
        let statement = session.prepared("SELECT pg_notify($1, show) FROM unnest($2::text[]) AS t(show)")?;
        session.client.execute(&statement, &[&CHANNEL, &shows])?;
        Ok(())
    }
}

fn number_in(cell: Option<&Value>) -> Option<i64> {
    match cell {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    }
}

fn text_in(cell: Option<&Value>) -> Option<&str> {
    match cell {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}
