//! What clients of the shop say, and what its owner's files hold.

use std::net::{IpAddr, Ipv4Addr};

use overlay::ledger::{Ledger, SqliteLedger};
use overlay::message::{parse_command, parse_message};
use overlay::{
    ClientId, Condition, Identities, Identity, Output, RequestId, Role, Shop, ShopConfig, UnixMillis,
    catalogue,
};

use crate::pieces;

/// A message of a client. A refusal says what was wrong.
pub(crate) fn message(input: &[u8]) {
    if let Err(bad) = parse_message(input) {
        assert!(!bad.0.is_empty());
    }
}

/// A host's command by HTTP.
pub(crate) fn command(input: &[u8]) {
    if let Err(bad) = parse_command(input) {
        assert!(!bad.0.is_empty());
    }
}

/// Clients are who they say they are.
struct Trusting;

impl Identities for Trusting {
    fn verify(&self, token: &str, _: &str) -> Result<Identity, String> {
        Ok(Identity {
            subject: token.to_owned(),
            name: token.to_owned(),
            role: Role::Host,
            anonymous: false,
        })
    }

    fn anonymous(&self, _: &str, name: Option<&str>) -> (Identity, String) {
        let identity = Identity {
            subject: "anon-1".to_owned(),
            name: name.unwrap_or("Guest").to_owned(),
            role: Role::Viewer,
            anonymous: true,
        };
        (identity, "anon-1".to_owned())
    }
}

/// A host, a viewer and HTTP, in turns, before a shop with its ledger: whatever is said, messages stay short and the
/// books are right.
pub(crate) fn session(input: &[u8]) {
    let mut now = UnixMillis(1_800_000_000_000);
    let (Ok(mut ledger), Ok(demo)) = (SqliteLedger::in_memory(), catalogue::demo()) else {
        return;
    };
    let shows = ledger.seed(now, &demo).and_then(|_| ledger.shows());
    let mut shop = Shop::new(
        now,
        ShopConfig::default(),
        "e1".to_owned(),
        shows.unwrap_or_default(),
    );
    let (room, from) = ("demo".into(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    for client in [0, 1] {
        shop.connect(now, ClientId(client), &room, from);
    }
    shop.handle_message(
        now,
        ClientId(0),
        br#"{"t":"hello","versions":[1],"token":"host"}"#,
        &Trusting,
    );
    shop.handle_message(now, ClientId(1), br#"{"t":"hello","versions":[1]}"#, &Trusting);
    for (number, piece) in (0..).zip(pieces(input)) {
        match number % 4 {
            who @ (0 | 1) => shop.handle_message(now, ClientId(who), piece, &Trusting),
            2 => shop.request_command(now, RequestId(number), &room, Condition::default(), piece),
            _ => shop.request_buy(
                now,
                RequestId(number),
                (&room, from),
                Some("buyer"),
                piece,
                &Trusting,
            ),
        }
        while let Some(output) = shop.poll_output() {
            match output {
                Output::Send { message, .. } | Output::Broadcast { message, .. } => {
                    assert!(message.len() < 16 << 10, "{} bytes", message.len());
                }
                Output::Ledger(command) => {
                    for answer in ledger.decide(now, vec![command]) {
                        shop.handle_answer(now, answer);
                    }
                }
                _ => {}
            }
        }
        now = UnixMillis(now.0 + 700);
        shop.handle_time(now);
    }
    let audit = ledger.audit();
    assert!(audit.is_ok_and(|audit| audit.differences.is_empty()));
}

/// A file of shows. What is taken can be put in.
pub(crate) fn catalogue(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let one = catalogue::parse(text).into_iter();
    for show in one.chain(catalogue::parse_table(text).unwrap_or_default()) {
        let Ok(mut ledger) = SqliteLedger::in_memory() else {
            return;
        };
        assert!(ledger.seed(UnixMillis(1), &show).is_ok_and(|is_new| is_new));
        assert!(ledger.audit().is_ok_and(|audit| audit.differences.is_empty()));
    }
}

/// A backup. What is restored is a ledger whose books are right; what is refused changed nothing.
pub(crate) fn backup(input: &[u8]) {
    let (Ok(mut ledger), Ok(demo)) = (SqliteLedger::in_memory(), catalogue::demo()) else {
        return;
    };
    assert!(ledger.seed(UnixMillis(1), &demo).is_ok());
    let before = ledger.shows().ok();
    let restored = ledger.restore(&mut &*input);
    assert!(ledger.audit().is_ok_and(|audit| audit.differences.is_empty()));
    if restored.is_err() {
        assert_eq!(ledger.shows().ok(), before);
    }
}
