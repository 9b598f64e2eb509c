//! The command line. Every key of the configuration is a flag; they are made from the keys themselves.

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::Context;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use loadtest::cli::LoadTest;
use signaling::token::{Claims, Scope};
use toml::Table;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::app;
use crate::config::{self, Config, explained};
use crate::open_files;
use crate::secret;
use crate::shop::clock::unix_now;
use crate::shop::ledger;

/// What says where the server's values come from, before the name of a command or behind it.
fn keys() -> Vec<Arg> {
    let file = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("A file of keys as in config.toml");
    let no_demo = Arg::new("no-demo")
        .long("no-demo")
        .action(ArgAction::SetTrue)
        .help("Without the demo show, as --demo false");
    let flags = explained().into_iter().map(|key| {
        Arg::new(key.name)
            .long(key.name.replace('_', "-"))
            .value_name(key.kind)
            .hide_short_help(true)
            .help_heading(key.section)
            .help(format!("{} [default: {}]", key.text, key.default))
    });
    [file, no_demo].into_iter().chain(flags).collect()
}

/// A command that works with the server's configuration.
fn with_keys(name: &'static str) -> Command {
    let keys = keys().into_iter().map(|key| {
        let is_key = key.get_help_heading().is_some();
        key.hide(is_key)
    });
    Command::new(name)
        .args(keys)
        .after_help("Every key of config.toml is a flag here, too: `vitrine --help` explains them.")
}

/// The whole command line.
pub fn command() -> Command {
    let scopes = Scope::ALL.map(Scope::name);
    Command::new("vitrine")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A live-shopping server: hosts go live by WHIP, viewers watch by WHEP and buy on the same connection")
        .long_about(
            "A live-shopping server: hosts go live by WHIP, viewers watch by WHEP and buy on the same connection.\n\n\
             Without a command it runs. Values come from --config, the environment (VITRINE_HTTP_LISTEN, one for \
             every key) and flags, the later the stronger. Lists are separated by commas.",
        )
        .args(keys())
        .subcommand(with_keys("check").about("Checks the configuration and says what would be bound"))
        .subcommand(
            with_keys("token")
                .about("Makes a token and prints it as the last line")
                .arg(
                    Arg::new("scope")
                        .long("scope")
                        .action(ArgAction::Append)
                        .value_parser(scopes)
                        .required(true)
                        .help("What it allows; may be given several times"),
                )
                .arg(
                    Arg::new("room")
                        .long("room")
                        .required(true)
                        .help("The room it is for; '*' for all"),
                )
                .arg(
                    Arg::new("ttl")
                        .long("ttl")
                        .value_name("SECONDS")
                        .value_parser(clap::value_parser!(u64).range(1..=31_536_000_000))
                        .help("How long it is good; token_lifetime_seconds if not given"),
                )
                .arg(Arg::new("sub").long("sub").help("Whose it is: a customer's or a host's id"))
                .arg(Arg::new("name").long("name").help("The name shown in chat")),
        )
        .subcommand(
            // What it says of itself is for those who read its code.
            LoadTest::augment_args(Command::new("loadtest"))
                .about("Sends publishers, viewers and buyers to this or any other WHIP/WHEP server, and reports how it did"),
        )
        .subcommand(with_keys("audit").about("Checks the ledger against its own records; fails when they differ"))
        .subcommand(
            with_keys("backup")
                .about("Writes the ledger to a file, as of one moment, while servers run")
                .arg(file("Where to; written aside first, so that it is whole or not there")),
        )
        .subcommand(
            with_keys("restore")
                .about("Puts a backup in the place of the whole ledger; running servers go on with it")
                .arg(file("A file of `vitrine backup`, from either kind of database"))
                .arg(
                    Arg::new("yes")
                        .long("yes")
                        .action(ArgAction::SetTrue)
                        .help("What was sold since the backup is forgotten: say that you mean it"),
                ),
        )
}

fn file(help: &'static str) -> Arg {
    Arg::new("file")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .required(true)
        .help(help)
}

/// Puts the configuration together from a parsed command line: what stands before a command's name, and behind it. The
/// later is the stronger.
///
/// # Errors
/// What is wrong with it.
pub fn config(given: &[&ArgMatches]) -> anyhow::Result<Config> {
    let keys = Table::try_from(Config::default())?;
    let mut flags: config::Overrides = keys
        .keys()
        .filter_map(|key| {
            let mut values = given.iter().filter_map(|flags| flags.get_one::<String>(key));
            Some((key.clone(), values.next_back()?.clone()))
        })
        .collect();
    if given.iter().any(|flags| flags.get_flag("no-demo")) {
        flags.push(("demo".to_owned(), "false".to_owned()));
    }
    let mut files = given
        .iter()
        .filter_map(|flags| flags.get_one::<PathBuf>("config"));
    let file = files.next_back();
    Ok(config::load(file.map(PathBuf::as_path), environment(), &flags)?)
}

fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Reads what a configuration names, and says what it would bind.
///
/// # Errors
/// What would keep a server from starting, but for what the machine has to say.
pub fn check(config: &Config) -> anyhow::Result<()> {
    log_filter(&config.log).context("log")?;
    app::examine(config)?;
    println!("The configuration is good.");
    println!("HTTP: {} on {}", config.scheme(), config.http_listen);
    let kinds = if config.media_tcp { "UDP and TCP" } else { "UDP" };
    match (config.media_port, config.shards()) {
        (0, shards) => println!("Media: {kinds}, {shards} free ports"),
        (first, 1) => println!("Media: {kinds} {first}"),
        (first, shards) => println!(
            "Media: {kinds} {first} to {}",
            u32::from(first) + u32::from(shards) - 1
        ),
    }
    println!(
        "Address: {}",
        config.public_url().unwrap_or("localhost (http_public_url)")
    );
    println!("Data: {}", std::path::absolute(&config.data_dir)?.display());
    if !config.database.is_empty() {
        println!("Ledger: PostgreSQL");
    }
    Ok(())
}

/// Makes a token.
///
/// # Errors
/// When there is no secret to sign with.
pub fn token(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let is_new = secret::is_new(config);
    let tokens = secret::tokens(config)?;
    if is_new {
        let folder = config.data_dir.display();
        eprintln!(
            "vitrine: a new secret was made in {folder}; only a server with that data folder takes this token"
        );
    }
    let room = matches.get_one::<String>("room").context("--room is needed")?;
    anyhow::ensure!(
        room == "*" || signaling::is_room_name(room),
        "--room: '*' or a name of 1 to 64 characters out of A-Z a-z 0-9 _ - is expected, not {room:?}"
    );
    let scopes = matches.get_many::<String>("scope").into_iter().flatten();
    let now = u64::try_from(unix_now().0 / 1000)?;
    let seconds = matches
        .get_one::<u64>("ttl")
        .copied()
        .unwrap_or(config.token_lifetime_seconds);
    let claims = Claims {
        scope: scopes.filter_map(|name| Scope::from_name(name)).collect(),
        room: room.clone(),
        sub: matches
            .get_one::<String>("sub")
            .cloned()
            .unwrap_or_else(Claims::fresh_subject),
        name: matches.get_one::<String>("name").cloned(),
        iat: now,
        exp: now.saturating_add(seconds),
    };
    println!("{}", tokens.sign(&claims)?);
    Ok(())
}

/// Checks the ledger.
///
/// # Errors
/// When it cannot be read, or its books differ.
pub fn audit(config: &Config) -> anyhow::Result<()> {
    let audit = ledger::open_existing(config)?.audit()?;
    let (held, sold) = audit.units;
    println!(
        "{} variants, {} buys answered, {} orders; {held} units held, {sold} sold",
        audit.variants, audit.buys, audit.orders
    );
    for difference in &audit.differences {
        println!("{}: {}", difference.place, difference.what);
    }
    anyhow::ensure!(
        audit.differences.is_empty(),
        "the books differ in {} places",
        audit.differences.len()
    );
    println!("The books are right.");
    Ok(())
}

/// Writes a backup.
///
/// # Errors
/// When the ledger cannot be read or the file not be written.
pub fn back_up(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let file = matches.get_one::<PathBuf>("file").context("a file is needed")?;
    let rows = ledger::back_up(&mut *ledger::open_existing(config)?, file)?;
    println!("{rows} rows are in {}.", file.display());
    Ok(())
}

/// Restores a backup.
///
/// # Errors
/// When the file is no backup or the ledger fails; then nothing has changed.
pub fn restore(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let file = matches.get_one::<PathBuf>("file").context("a file is needed")?;
    anyhow::ensure!(
        matches.get_flag("yes"),
        "everything in the ledger is replaced, and what was sold since the backup forgotten: say --yes"
    );
    let rows = ledger::restore(&mut *ledger::open(config)?, file)?;
    println!("{rows} rows are in the ledger; its books are right.");
    Ok(())
}

/// The load test, which knows no server's keys: neither behind its name nor in front of it.
fn load_test(before: &ArgMatches, inner: &ArgMatches) -> anyhow::Result<LoadTest> {
    // Its own flags for all of its commands are told to the one above them, too.
    let is_given = |key: &Arg| before.value_source(key.get_id().as_str()) == Some(ValueSource::CommandLine);
    anyhow::ensure!(
        !keys().iter().any(is_given),
        "the load test knows no server's keys: leave out what stands before `loadtest`"
    );
    Ok(LoadTest::from_arg_matches(inner)?)
}

/// Does what the command line says.
///
/// # Errors
/// What kept it from being done.
pub fn run() -> anyhow::Result<()> {
    let matches = command().get_matches();
    let (name, inner) = matches.subcommand().unwrap_or(("serve", &matches));
    let open_files = open_files::raise();
    if name == "loadtest" {
        let test = load_test(&matches, inner)?;
        return tokio::runtime::Runtime::new()?.block_on(test.run());
    }
    let config = config(&[&matches, inner])?;
    match name {
        "check" => check(&config)?,
        "token" => token(&config, inner)?,
        "audit" => audit(&config)?,
        "backup" => back_up(&config, inner)?,
        "restore" => restore(&config, inner)?,
        _ => {
            let filter = log_filter(&config.log).context("log")?;
            tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_writer(std::io::stderr)
                // A journal or a file would keep the escapes of colours as they are.
                .with_ansi(std::io::stderr().is_terminal())
                .init();
            let connections = config.http_max_connections;
            if let Some(most) = open_files.filter(|most| *most < connections as u64) {
                tracing::warn!(
                    most,
                    "fewer files may be open than http_max_connections ({connections}) says: raise the hard limit (LimitNOFILE of systemd, ulimit -Hn)"
                );
            }
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let ended = runtime.block_on(app::run(config));
            // Whatever still waits then waits for something that does not answer.
            runtime.shutdown_background();
            ended?;
        }
    }
    Ok(())
}

/// What is logged. The HTTP/2 library warns of every connection that it ends for its client's sake: a stranger could fill
/// the log. It is heard by whoever names it.
fn log_filter(log: &str) -> anyhow::Result<EnvFilter> {
    // A word that is no level would be a part of the program that there is not, and nothing else be logged.
    let mut words = log
        .split(',')
        .map(str::trim)
        .filter(|part| !part.contains(['=', '[']));
    if let Some(word) = words.find(|word| !word.is_empty() && word.parse::<LevelFilter>().is_err()) {
        anyhow::bail!(
            "error, warn, info, debug, trace or off, or a part and one of them, as in vitrine=debug, is expected, not {word}"
        );
    }
    Ok(EnvFilter::try_new(format!("h2=error,sctp_proto=off,{log}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_do_not_fill_the_log_with_what_the_http2_library_thinks_of_them() {
        let filter = |log| log_filter(log).unwrap().to_string();
        assert!(filter("info").split(',').any(|part| part == "h2=error"));
        assert!(filter("info,h2=debug").split(',').any(|part| part == "h2=debug"));
        assert!(!filter("info,h2=debug").contains("error"));
    }

    #[test]
    fn a_log_level_that_there_is_not_is_refused_with_those_there_are() {
        for log in ["loud", "info,loud", "vitrine=loud"] {
            assert!(log_filter(log).is_err(), "{log}");
        }
        assert!(log_filter("loud").unwrap_err().to_string().contains("debug"));
        for log in ["", "off", "WARN", "info,vitrine=debug", "vitrine[session]=trace"] {
            assert!(log_filter(log).is_ok(), "{log}");
        }
    }

    #[test]
    fn help_explains_every_key_and_that_of_a_command_only_what_is_its_own() {
        let help = |line: &str| parsed(line).unwrap_err();
        let all = help("vitrine --help");
        for said in [
            "--media-public-addresses <LIST>",
            "behind NAT, the public one",
            "--http-max-connections-per-address <NUMBER>",
            "[default: [::]:8080]",
            "[default: none]",
        ] {
            assert!(all.contains(said), "no {said} in {all}");
        }
        let token = help("vitrine token --help");
        assert!(
            token.contains("--scope") && !token.contains("--media-port"),
            "{token}"
        );
        assert!(token.contains("vitrine --help"), "{token}");
    }

    fn parsed(line: &str) -> Result<ArgMatches, String> {
        let words = line.split(' ');
        command()
            .try_get_matches_from(words)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn keys_stand_before_a_command_or_behind_it() {
        for (line, port) in [
            ("vitrine --media-port 7100", 7100),
            ("vitrine --media-port 7100 check", 7100),
            ("vitrine check --media-port 7100", 7100),
            ("vitrine --media-port 7100 check --media-port 7200", 7200),
        ] {
            let matches = parsed(line).unwrap();
            let inner = matches.subcommand().map_or(&matches, |(_, inner)| inner);
            let config = config(&[&matches, inner]).unwrap();
            assert_eq!(config.media_port, port, "{line}");
            assert!(config.demo, "{line}");
        }
        let matches = parsed("vitrine --no-demo check").unwrap();
        let (_, inner) = matches.subcommand().unwrap();
        assert!(!config(&[&matches, inner]).unwrap().demo);
    }

    #[test]
    fn the_load_test_takes_no_key_of_the_servers() {
        let read = |line: &str| {
            let matches = parsed(line)?;
            let (_, inner) = matches.subcommand().unwrap();
            load_test(&matches, inner)
                .map(drop)
                .map_err(|error| error.to_string())
        };
        for line in [
            "vitrine loadtest watch --viewers 3",
            "vitrine loadtest watch --json",
            "vitrine loadtest --json compare a.json b.json",
        ] {
            read(line).unwrap();
        }
        for (line, says) in [
            ("vitrine loadtest watch --media-port 7100", "--media-port"),
            ("vitrine loadtest --media-port 7100 watch", "--media-port"),
            ("vitrine --media-port 7100 loadtest watch", "before `loadtest`"),
            ("vitrine --no-demo loadtest watch", "before `loadtest`"),
        ] {
            let refused = read(line).unwrap_err();
            assert!(refused.contains(says), "{line}: {refused}");
        }
    }
}
