//! A ledger with the demo show, and short words for what is done with it.
#![allow(clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use overlay::UnixMillis;
use overlay::catalogue::demo;
use overlay::ledger::{
    Action, Answer, Audit, Buyer, Command, Decision, Ledger, PostgresLedger, Provider, Refusal, SqliteLedger,
    Ticket,
};
use overlay::message::{
    BuyMessage, HostCommand, Line, OfferCommand, OrderState, Outcome, Receipt, Sale, StockCount,
};

pub(crate) const NOW: i64 = 1_790_000_000_000;
pub(crate) const HOLD: i64 = 60_000;
pub(crate) const TURN: i64 = 20_000;

/// Where the ledger is.
pub(crate) enum Place {
    File(tempfile::TempDir),
    Server(String),
}

pub(crate) struct Till {
    pub(crate) ledger: Box<dyn Ledger>,
    pub(crate) place: Place,
    pub(crate) now: i64,
}

impl Till {
    pub(crate) fn sqlite() -> Till {
        Till::at(Place::File(tempfile::tempdir().unwrap()))
    }

    pub(crate) fn postgres(url: &str) -> Till {
        Till::at(Place::Server(url.to_owned()))
    }

    pub(crate) fn at(place: Place) -> Till {
        let mut till = Till {
            ledger: open(&place),
            place,
            now: NOW,
        };
        assert!(till.ledger.seed(UnixMillis(NOW), &demo().unwrap()).unwrap());
        till
    }

    /// The process ends and another begins.
    pub(crate) fn restart(&mut self) {
        self.ledger = open(&self.place);
    }

    /// The same with another way to pay.
    pub(crate) fn restart_paid_by(&mut self, provider: Box<dyn Provider>) {
        self.ledger = match &self.place {
            Place::File(folder) => Box::new(
                SqliteLedger::open(&folder.path().join("ledger.db"))
                    .unwrap()
                    .paid_by(provider),
            ),
            Place::Server(url) => Box::new(PostgresLedger::connect(url, None).unwrap().paid_by(provider)),
        };
    }

    /// Somebody else's statement.
    pub(crate) fn sql(&self, sql: &str) -> Result<(), String> {
        match &self.place {
            Place::File(folder) => {
                let database = rusqlite::Connection::open(folder.path().join("ledger.db")).unwrap();
                database.execute_batch(sql).map_err(|error| error.to_string())
            }
            Place::Server(url) => {
                let mut client = postgres::Client::connect(url, postgres::NoTls).unwrap();
                client.batch_execute(sql).map_err(|error| error.to_string())
            }
        }
    }

    pub(crate) fn decide(&mut self, actions: Vec<Action>) -> Vec<Answer> {
        let commands = (0..).zip(actions).map(|(ticket, action)| Command {
            ticket: Ticket(ticket),
            show: Arc::from("demo"),
            action,
        });
        self.ledger.decide(UnixMillis(self.now), commands.collect())
    }

    pub(crate) fn answer(&mut self, action: Action) -> Answer {
        self.decide(vec![action]).remove(0)
    }

    pub(crate) fn one(&mut self, action: Action) -> Result<Decision, Refusal> {
        self.answer(action).decision
    }

    pub(crate) fn host(&mut self, command: HostCommand) -> Result<Decision, Refusal> {
        self.one(Action::Change(command))
    }

    pub(crate) fn offer(&mut self, command: OfferCommand) -> Result<Decision, Refusal> {
        self.host(HostCommand::Offer(Box::new(command)))
    }

    pub(crate) fn receipt(&mut self, action: Action) -> Receipt {
        receipt(self.one(action))
    }

    pub(crate) fn buy(&mut self, subject: &str, id: &str, variant: &str, quantity: i64) -> Outcome {
        self.receipt(buy(subject, id, variant, quantity)).outcome
    }

    /// The name of what a buy comes to.
    pub(crate) fn outcome(&mut self, subject: &str, id: &str, variant: &str, quantity: i64) -> &'static str {
        self.buy(subject, id, variant, quantity).name()
    }

    pub(crate) fn settle(&mut self, buy: &str, state: OrderState) -> Result<Decision, Refusal> {
        self.host(HostCommand::Settle {
            buy: buy.into(),
            state,
            restock: true,
        })
    }

    pub(crate) fn cancel(&mut self, subject: &str, buy: &str) -> Result<Decision, Refusal> {
        self.one(Action::Cancel {
            subject: subject.into(),
            buy: buy.into(),
        })
    }

    pub(crate) fn add(&mut self, variant: &str, delta: i64) {
        self.host(HostCommand::AddStock {
            variant: variant.into(),
            delta,
        })
        .unwrap();
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, ms: i64) -> Answer {
        self.now += ms;
        self.answer(Action::Tick)
    }

    pub(crate) fn count(&mut self, variant: &str) -> StockCount {
        match self.one(Action::Counts) {
            Ok(Decision::Counts(counts)) => {
                let mut counts = counts.into_iter();
                counts.find(|count| count.variant == variant).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn available(&mut self, variant: &str) -> i64 {
        self.count(variant).available
    }

    pub(crate) fn order(&mut self, buy: &str) -> Sale {
        match self.one(Action::Orders) {
            Ok(Decision::Orders(orders)) => orders.into_iter().find(|order| order.buy == buy).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn state(&mut self, buy: &str) -> &'static str {
        self.order(buy).state.name()
    }

    pub(crate) fn audit(&mut self) -> Audit {
        self.ledger.audit().unwrap()
    }

    pub(crate) fn check(&mut self) {
        assert_eq!(self.audit().differences, []);
    }
}

fn open(place: &Place) -> Box<dyn Ledger> {
    match place {
        Place::File(folder) => Box::new(SqliteLedger::open(&folder.path().join("ledger.db")).unwrap()),
        Place::Server(url) => Box::new(PostgresLedger::connect(url, None).unwrap()),
    }
}

pub(crate) fn receipt(decision: Result<Decision, Refusal>) -> Receipt {
    match decision {
        Ok(Decision::Receipt(receipt)) => receipt,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn message(id: &str, variant: &str, quantity: i64) -> BuyMessage {
    BuyMessage {
        id: id.into(),
        lines: vec![Line {
            variant: variant.into(),
            quantity,
        }],
        price_version: 1,
        ..BuyMessage::default()
    }
}

pub(crate) fn buy(subject: &str, id: &str, variant: &str, quantity: i64) -> Action {
    buys(subject, message(id, variant, quantity))
}

pub(crate) fn buys(subject: &str, buy: BuyMessage) -> Action {
    Action::Buy {
        buyer: Buyer {
            subject: subject.into(),
            name: subject.to_uppercase(),
        },
        buy,
        hold_ms: HOLD,
        turn_ms: TURN,
    }
}

/// A buy that goes on the list when there is nothing.
pub(crate) fn queue(subject: &str, id: &str, variant: &str, quantity: i64) -> Action {
    buys(
        subject,
        BuyMessage {
            waitlist: true,
            price_version: i64::MAX,
            ..message(id, variant, quantity)
        },
    )
}
