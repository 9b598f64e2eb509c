//! The ledger the configuration names, and what is put in when the server starts.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use overlay::catalogue;
use overlay::ledger::{Action, Command, Ledger, PostgresLedger, ShowRecord, SqliteLedger, Ticket};

use super::clock::unix_now;
use crate::config::Config;

const DAY_MS: i64 = 86_400_000;

/// Opens the ledger. It waits for the database: not to be called where others wait.
///
/// # Errors
/// When it is not to be had, in words.
pub fn open(config: &Config) -> anyhow::Result<Box<dyn Ledger>> {
    let events_kept = i64::try_from(config.shop_outbox_days)? * DAY_MS;
    if !config.database.is_empty() {
        let authorities = match config.database_authorities.as_str() {
            "" => None,
            file => Some(Path::new(file)),
        };
        let ledger = PostgresLedger::connect(&config.database, authorities);
        let ledger = ledger.context("cannot open the ledger (database)")?;
        return Ok(Box::new(ledger.keeping_events(events_kept)));
    }
    fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("cannot make the data folder {}", config.data_dir.display()))?;
    let path = config.data_dir.join("ledger.db");
    let ledger =
        SqliteLedger::open(&path).with_context(|| format!("cannot open the ledger {}", path.display()))?;
    Ok(Box::new(ledger.keeping_events(events_kept)))
}

/// The same, of a ledger that must be there already.
///
/// # Errors
/// When it is not there or not to be had.
pub fn open_existing(config: &Config) -> anyhow::Result<Box<dyn Ledger>> {
    let path = config.data_dir.join("ledger.db");
    anyhow::ensure!(
        !config.database.is_empty() || path.exists(),
        "there is no ledger at {}",
        path.display()
    );
    open(config)
}

/// Opens the ledger for a server: with the demo show and the catalogue's file in it. Returns the shows, too.
///
/// # Errors
/// When the ledger or the file is not to be had or not understood.
pub fn open_to_serve(config: &Config) -> anyhow::Result<(Box<dyn Ledger>, Vec<ShowRecord>)> {
    let mut ledger = open(config)?;
    if config.demo {
        ledger.seed(unix_now(), &catalogue::demo()?)?;
    }
    let catalogue = read_catalogue(config)?;
    put_in(&mut *ledger, catalogue).with_context(|| format!("shop_catalogue {}", config.shop_catalogue))?;
    let shows = ledger.shows()?;
    Ok((ledger, shows))
}

/// The shows of the catalogue's file, where there is one.
///
/// # Errors
/// When the file is not to be had or not understood.
pub fn read_catalogue(config: &Config) -> anyhow::Result<Vec<ShowRecord>> {
    let file = &config.shop_catalogue;
    if file.is_empty() {
        return Ok(Vec::new());
    }
    read(Path::new(file)).with_context(|| format!("shop_catalogue {file}"))
}

fn read(file: &Path) -> anyhow::Result<Vec<ShowRecord>> {
    let text = fs::read_to_string(file)?;
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("toml") => Ok(vec![catalogue::parse(&text)?]),
        Some("csv") => Ok(catalogue::parse_table(&text)?),
        _ => anyhow::bail!("a file that ends in .toml or .csv is expected"),
    }
}

/// Puts shows and products in. New ones come with their stock; of those that are there the stock stays.
fn put_in(ledger: &mut dyn Ledger, shows: Vec<ShowRecord>) -> anyhow::Result<()> {
    for show in shows {
        if ledger.seed(unix_now(), &show)? {
            continue;
        }
        let known = ledger.shows()?.into_iter().find(|known| known.id == show.id);
        let changes = known.map(|known| catalogue::changes(&known, &show));
        let commands = changes.into_iter().flatten().map(|change| Command {
            ticket: Ticket(0),
            show: show.id.as_str().into(),
            action: Action::Change(change),
        });
        for answer in ledger.decide(unix_now(), commands.collect()) {
            answer.decision?;
        }
    }
    Ok(())
}

/// Writes a backup: whole, or not under this name.
///
/// # Errors
/// When the ledger or the file fails.
pub fn back_up(ledger: &mut dyn Ledger, file: &Path) -> anyhow::Result<u64> {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let mut out = BufWriter::new(File::create(&part).with_context(|| format!("{}", file.display()))?);
    let rows = ledger.back_up(&mut out)?;
    out.flush()?;
    out.get_ref().sync_all()?;
    fs::rename(&part, file)?;
    // The name is as durable as the content only with its folder.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(rows)
}

/// Restores a backup.
///
/// # Errors
/// When the file is not a whole backup with right books, or the ledger fails; then nothing was changed.
pub fn restore(ledger: &mut dyn Ledger, file: &Path) -> anyhow::Result<u64> {
    let mut from = BufReader::new(File::open(file).with_context(|| format!("{}", file.display()))?);
    Ok(ledger.restore(&mut from)?)
}
