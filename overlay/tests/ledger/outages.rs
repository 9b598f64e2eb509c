//! The database is full, or goes away and comes back: refused with a clear error, nothing wrong said, recovery by itself.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use overlay::UnixMillis;
use overlay::ledger::{Action, Command, Ledger, PostgresLedger, Refusal, SqliteLedger, Ticket};
use overlay::message::HostCommand;

use crate::server::Postgres;
use crate::till::{HOLD, NOW, Till, buy, receipt};

/// Long, for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);
/// How PostgreSQL names its socket.
const SOCKET: &str = ".s.PGSQL.5432";

#[test]
fn a_server_that_goes_away_is_told_and_found_again() {
    let mut server = Postgres::start();
    let mut till = Till::postgres(&server.database());
    assert_eq!(till.outcome("ann", "1", "lamp", 1), "held");
    server.stop();
    for id in ["2", "3"] {
        let refused = till.one(buy("bob", id, "lamp", 1));
        assert_eq!(refused, Err(Refusal::Failed));
        assert!(refused.unwrap_err().to_string().contains("try again"));
    }
    assert_eq!(
        till.wait(HOLD).decision,
        Err(Refusal::Failed),
        "no hold runs out unseen"
    );
    server.resume();
    // The first command that comes through is a tick as the server's timer sends it.
    let back = till.wait(0);
    assert_eq!(back.refreshed.len(), 1, "what others did meanwhile is told");
    assert_eq!(
        back.orders[0].1.buy, "1",
        "and what ran out meanwhile is released"
    );
    assert_eq!(till.outcome("bob", "2", "lamp", 1), "held", "the same buy again");
    till.check();
}

#[test]
fn a_connection_that_breaks_in_the_middle_is_made_anew() {
    let server = Postgres::start();
    let url = server.database();
    let mut till = Till::postgres(&url);
    till.outcome("ann", "1", "lamp", 1);
    till.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vitrine'")
        .unwrap();
    // The first to notice is refused; nobody after it.
    let first = till.one(buy("bob", "2", "lamp", 1));
    if first != Err(Refusal::Failed) {
        assert_eq!(receipt(first).outcome.name(), "held");
    }
    assert_eq!(till.outcome("bob", "2", "lamp", 1), "held");
    assert_eq!(till.available("lamp"), 8);
    till.check();
}

/// A way to a database that breaks without a word to either side when a server is about to commit.
struct Line {
    folder: tempfile::TempDir,
    breaks: Arc<AtomicBool>,
    has_broken: mpsc::Receiver<()>,
}

impl Line {
    fn to(database: PathBuf) -> Line {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let breaks = Arc::new(AtomicBool::new(false));
        let (broke, has_broken) = mpsc::channel();
        let may_break = breaks.clone();
        thread::spawn(move || {
            let (mut asking, _) = listener.accept().unwrap();
            let mut answering = UnixStream::connect(database).unwrap();
            let (mut from, mut to) = (answering.try_clone().unwrap(), asking.try_clone().unwrap());
            thread::spawn(move || {
                // The database hangs up, in one way or another; then so does the line.
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            let mut bytes = [0; 65_536];
            loop {
                let said = match asking.read(&mut bytes) {
                    Err(_) | Ok(0) => return,
                    Ok(read) => &bytes[..read],
                };
                if may_break.load(Ordering::SeqCst) && said.windows(6).any(|word| word == b"COMMIT") {
                    broke.send(()).unwrap();
                } else if answering.write_all(said).is_err() {
                    return;
                }
            }
        });
        Line {
            folder,
            breaks,
            has_broken,
        }
    }

    fn url(&self, database: &str) -> String {
        format!("{database}&host={}", self.folder.path().display())
    }
}

#[test]
fn a_server_that_stands_still_in_a_transaction_does_not_stop_the_others() {
    let server = Postgres::start();
    let url = server.database();
    let mut till = Till::postgres(&url);
    let line = Line::to(server.socket());
    let (before, after) = url.split_once("host=").unwrap();
    let rest = after.split_once('&').unwrap().1;
    let mut paused = PostgresLedger::connect(&line.url(&format!("{before}{rest}")), None).unwrap();
    line.breaks.store(true, Ordering::SeqCst);
    let command = Command {
        ticket: Ticket(0),
        show: "demo".into(),
        action: buy("ann", "1", "lamp", 1),
    };
    let standing = thread::spawn(move || paused.decide(UnixMillis(NOW), vec![command]));
    line.has_broken.recv_timeout(PATIENCE).unwrap();

    let (sold, is_sold) = mpsc::channel();
    thread::spawn(move || sold.send((till.outcome("bob", "2", "lamp", 1), till.available("lamp"))));
    let bob = is_sold.recv_timeout(PATIENCE);
    assert_eq!(bob, Ok(("held", 9)), "what was not committed is not held");
    // It hears of it, says so, and would go on.
    let answers = standing.join().unwrap();
    assert_eq!(answers[0].decision, Err(Refusal::Failed));
}

/// Tells the child where its disk is.
const DISK: &str = "LEDGER_DISK";
/// Tells it how the disk is bounded: by a limit on its files, or by a file system of its own.
const BOUND: &str = "LEDGER_BOUND";

#[test]
fn a_full_disk_is_told_and_room_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    // A child, whose files alone are limited; a write beyond is an error to it and not its end.
    let mut child = Process::new("sh");
    child.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    passed(&fill(child, folder.path(), "files"));
}

#[test]
fn a_small_file_system_that_is_full_is_told_and_room_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    // A file system in memory, seen by the child alone: for that it is its own root, whoever runs the tests.
    let mount = "mount -t tmpfs -o size=1m ledger \"$LEDGER_DISK\" && exec \"$0\" \"$@\"";
    let mut child = Process::new("unshare");
    child.args(["--user", "--map-root-user", "--mount", "sh", "-c", mount]);
    let ended = fill(child, folder.path(), "file system");
    let said = String::from_utf8_lossy(&ended.stderr);
    if said.contains("Operation not permitted") || said.contains("permission denied") {
        // As in a container; the test above tells the same with a limit on files.
        println!("no file system may be made here: {said}");
        return;
    }
    passed(&ended);
}

/// Lets a child fill its disk, which is bounded like this.
fn fill(mut child: Process, disk: &Path, bound: &str) -> Output {
    child
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "outages::fills_its_disk", "--nocapture"])
        .env(DISK, disk)
        .env(BOUND, bound)
        .output()
        .unwrap()
}

fn passed(ended: &Output) {
    let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
}

/// Bounds the disk from now on, or makes room.
fn bound(disk: &Path, is_bounded: bool) {
    let pid = std::process::id().to_string();
    let done = if std::env::var(BOUND).unwrap() == "files" {
        let most = if is_bounded { "700000" } else { "unlimited" };
        Process::new("prlimit")
            .args(["--pid", &pid, &format!("--fsize={most}:")])
            .status()
    } else if is_bounded {
        // It was made as large as it is.
        return;
    } else {
        Process::new("mount")
            .args(["-o", "remount,size=64m"])
            .arg(disk)
            .status()
    };
    assert!(done.unwrap().success());
}

#[test]
#[ignore = "run by the tests above, in a process of its own"]
fn fills_its_disk() {
    let Some(disk) = std::env::var_os(DISK).map(PathBuf::from) else {
        return;
    };
    let mut ledger = SqliteLedger::open(&disk.join("ledger.db")).unwrap();
    ledger
        .seed(UnixMillis(NOW), &overlay::catalogue::demo().unwrap())
        .unwrap();
    add_notebooks(&mut ledger);
    bound(&disk, true);
    let mut number = 0;
    let ask = |ledger: &mut SqliteLedger, number: u64| {
        let commands = (0..50).map(|n| Command {
            ticket: Ticket(n),
            show: "demo".into(),
            action: buy(
                &format!("u{number}-{n}"),
                &format!("b{number}-{n}"),
                "notebook",
                1,
            ),
        });
        ledger.decide(UnixMillis(NOW), commands.collect())
    };
    let mut answered = Vec::new();
    let refused = loop {
        number += 1;
        let answers = ask(&mut ledger, number);
        if answers
            .iter()
            .any(|answer| answer.decision == Err(Refusal::Failed))
        {
            break answers;
        }
        answered.extend(answers);
        assert!(number < 1000, "the disk is never full");
    };
    assert!(!answered.is_empty());
    assert!(
        refused
            .iter()
            .all(|answer| answer.decision == Err(Refusal::Failed)),
        "all of a batch or nothing of it"
    );
    // A tick finds nothing to write, and yet says that nothing can be written. A last page may be left: soon none is.
    let tick = |ledger: &mut SqliteLedger| {
        let command = Command {
            ticket: Ticket(0),
            show: "".into(),
            action: Action::Tick,
        };
        ledger.decide(UnixMillis(NOW), vec![command]).remove(0).decision
    };
    let is_told = (0..200).any(|_| {
        ask(&mut ledger, number);
        tick(&mut ledger) == Err(Refusal::Failed)
    });
    assert!(is_told, "whoever watches the ledger hears of a full disk");
    // Room is made, nothing is restarted.
    bound(&disk, false);
    assert!(tick(&mut ledger).is_ok());
    let again = ask(&mut ledger, number);
    assert!(again.iter().all(|answer| answer.decision.is_ok()));
    let audit = ledger.audit().unwrap();
    assert_eq!(audit.differences, []);
    assert_eq!(audit.buys, answered.len() as u64 + 50);
    drop(ledger);
    let mut ledger = SqliteLedger::open(&disk.join("ledger.db")).unwrap();
    assert!(tick(&mut ledger).is_ok());
    assert_eq!(ledger.audit().unwrap().differences, []);
}

fn add_notebooks(ledger: &mut SqliteLedger) {
    let add = HostCommand::AddStock {
        variant: "notebook".into(),
        delta: 100_000,
    };
    let command = Command {
        ticket: Ticket(0),
        show: "demo".into(),
        action: Action::Change(add),
    };
    assert!(ledger.decide(UnixMillis(NOW), vec![command])[0].decision.is_ok());
}
