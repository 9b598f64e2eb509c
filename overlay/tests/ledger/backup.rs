use overlay::ledger::{BackupError, Ledger, SqliteLedger};
use overlay::message::OrderState;

use crate::till::{Place, Till};

pub(crate) fn a_backup_is_one_moment_and_a_restore_is_told(till: &mut Till) {
    assert_eq!(till.outcome("ann", "1", "candle", 2), "held");
    let mut file = Vec::new();
    let rows = till.ledger.back_up(&mut file).unwrap();
    assert!(rows > 20);
    assert_eq!(till.outcome("bob", "2", "candle", 3), "held");
    till.settle("1", OrderState::Paid).unwrap();
    let before = till.count("candle");

    // Somebody else restores, beneath the ledger that goes on.
    let mut other = match &till.place {
        Place::File(folder) => {
            Box::new(SqliteLedger::open(&folder.path().join("ledger.db")).unwrap()) as Box<dyn Ledger>
        }
        Place::Server(url) => Box::new(overlay::ledger::PostgresLedger::connect(url, None).unwrap()),
    };
    assert_eq!(other.restore(&mut file.as_slice()).unwrap(), rows);
    let answer = till.wait(0);
    assert_eq!(answer.refreshed.len(), 1);
    assert_eq!(answer.refreshed[0].open_orders.len(), 1);
    assert!(till.wait(0).refreshed.is_empty(), "once");
    let after = till.count("candle");
    assert_eq!((after.available, after.held, after.sold), (28, 2, 0));
    assert!(
        after.version > before.version,
        "whoever knew the old stock learns the new one"
    );
    assert_eq!(
        till.outcome("bob", "2", "candle", 3),
        "price_changed",
        "what came after it is gone"
    );
    assert_eq!(till.state("1"), "held");
    till.settle("1", OrderState::Paid).unwrap();
    till.check();

    // Into the other kind of database.
    let mut moved = SqliteLedger::in_memory().unwrap();
    moved.restore(&mut file.as_slice()).unwrap();
    assert_eq!(moved.audit().unwrap().units, (2, 0));
    let mut again = Vec::new();
    moved.back_up(&mut again).unwrap();
    till.ledger.restore(&mut again.as_slice()).unwrap();
    assert_eq!(till.state("1"), "held");
    till.check();
}

pub(crate) fn a_backup_of_version_2_is_read(till: &mut Till) {
    assert_eq!(till.outcome("ann", "1", "candle", 2), "held");
    let mut file = Vec::new();
    till.ledger.back_up(&mut file).unwrap();
    let text = String::from_utf8(file).unwrap();
    // It had no talk, and everything that was ever told.
    let head = text.lines().next().unwrap();
    let old = text
        .replacen(head, r#"{"vitrine_backup":1,"version":2}"#, 1)
        .lines()
        .filter(|line| !line.contains(r#""table":"talk""#))
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    assert_ne!(old, text);
    till.settle("1", OrderState::Paid).unwrap();
    till.ledger.restore(&mut old.as_bytes()).unwrap();
    assert_eq!(till.state("1"), "held");
    till.check();
}

pub(crate) fn what_is_no_whole_backup_changes_nothing(till: &mut Till) {
    assert_eq!(till.outcome("ann", "1", "candle", 2), "held");
    let mut file = Vec::new();
    till.ledger.back_up(&mut file).unwrap();
    let text = String::from_utf8(file).unwrap();
    let cut: String = text.lines().take(30).map(|line| format!("{line}\n")).collect();
    let tampered = text.replace("\"held\",6400", "\"paid\",6400");
    assert_ne!(tampered, text);
    for (wrong, why) in [
        ("", "the file ends here"),
        ("{}\n", "the first line"),
        (&*cut, "the file ends here"),
        (&*text.replace("\"version\":3", "\"version\":99"), "version 99"),
        (&*text.replace("\"place\"", "\"spot\""), "the columns of products"),
        (
            &*text.replace("[\"demo\",\"Small", "[7,\"Small"),
            "this is no row of shows",
        ),
        (
            &*text.replace("\"table\":\"journal\"", "\"table\":\"secrets\""),
            "a table of the ledger",
        ),
        (&*tampered, "books differ"),
    ] {
        let error = till.ledger.restore(&mut wrong.as_bytes()).unwrap_err();
        assert!(!matches!(error, BackupError::Ledger(_)), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(till.state("1"), "held");
    }
    till.check();
}
