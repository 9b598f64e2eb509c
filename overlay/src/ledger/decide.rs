//! Commands decided one after the other on the books of a batch. The same for every database.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::books::{Books, of};
use super::provider::Provider;
use super::rows::RequestRow;
use super::{
    Action, Answer, Command, Decided, Decision, Refusal, buying, catalogue, notes, offers, orders, products,
    promos, stock,
};
use crate::message::{HostCommand, Product, Sale, StockCount};

/// What a change under a key was answered with.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answered {
    /// The count as it was then.
    Stock(StockCount),
    /// A product; told as it is when it is asked for again.
    Product(String),
}

/// One command at work.
pub(super) struct Work<'b> {
    pub(super) books: &'b mut Books,
    pub(super) now: i64,
    pub(super) show: Arc<str>,
    pub(super) provider: &'b dyn Provider,
    /// Variants whose count is another.
    changed: BTreeSet<(Arc<str>, String)>,
    pub(super) orders: Vec<(Arc<str>, Sale)>,
    pub(super) products: Vec<(Arc<str>, Product, i64)>,
}

/// Decides a batch in order.
pub(super) fn decide(books: &mut Books, now: i64, provider: &dyn Provider, batch: &[Command]) -> Vec<Answer> {
    // What is due is due before anything is judged by it.
    let mut due = Work::new(books, now, "".into(), provider);
    offers::turn_flash_sales(&mut due);
    let (mut stock, mut products) = (due.counts(), due.products);
    let mut answers = Vec::with_capacity(batch.len());
    for command in batch {
        let mut work = Work::new(books, now, command.show.clone(), provider);
        let decision = work.carry_out(&command.action);
        stock.extend(work.counts());
        products.extend(work.products);
        answers.push(Answer {
            ticket: command.ticket,
            show: command.show.clone(),
            decision,
            stock: std::mem::take(&mut stock),
            products: std::mem::take(&mut products),
            orders: work.orders,
            refreshed: Vec::new(),
        });
    }
    answers
}

impl<'b> Work<'b> {
    fn new(books: &'b mut Books, now: i64, show: Arc<str>, provider: &'b dyn Provider) -> Work<'b> {
        Work {
            books,
            now,
            show,
            provider,
            changed: BTreeSet::new(),
            orders: Vec::new(),
            products: Vec::new(),
        }
    }

    fn carry_out(&mut self, action: &Action) -> Decided {
        match action {
            Action::Buy {
                buyer,
                buy,
                hold_ms,
                turn_ms,
            } => buying::buy(self, buyer, buy, (*hold_ms, *turn_ms)),
            Action::Cancel { subject, buy } => orders::cancel(self, subject, buy),
            Action::Change(command) => self.change(command),
            Action::ChangeOnce {
                key,
                if_version,
                command,
                body,
            } => {
                let condition = (key.as_deref(), *if_version);
                self.change_once(condition, command, body)
            }
            Action::Keep(notes) => notes::keep(self, notes),
            Action::Payment { buy, event } => orders::take_payment(self, buy, *event),
            Action::CheckPromo { subject, code } => promos::check(self, subject, code),
            Action::Counts => {
                let rows = self.books.variants.of_show(&self.show);
                let counts = rows.filter(|row| !row.removed);
                Ok(Decision::Counts(
                    counts.map(|row| stock::count(self.books, row)).collect(),
                ))
            }
            Action::Promos => promos::list(self),
            Action::Orders => orders::list(self),
            Action::Seed(record) => catalogue::seed(self, record),
            Action::Tick => orders::expire(self),
        }
    }

    fn change(&mut self, command: &HostCommand) -> Decided {
        match command {
            HostCommand::Settle { buy, state, restock } => orders::settle(self, buy, *state, *restock),
            HostCommand::SetStock {
                variant,
                on_hand,
                version,
            } => stock::set(self, variant, *on_hand, *version),
            HostCommand::AddStock { variant, delta } => stock::add(self, variant, *delta),
            HostCommand::Offer(command) => offers::change(self, command),
            command => catalogue::change(self, command),
        }
    }

    /// Only what was done is remembered: what was refused changed nothing and may be tried again.
    fn change_once(
        &mut self,
        (key, if_version): (Option<&str>, Option<i64>),
        command: &HostCommand,
        body: &str,
    ) -> Decided {
        let body = match if_version {
            Some(version) => format!("{version} {body}"),
            None => body.to_owned(),
        };
        if let Some(earlier) = key.and_then(|key| self.books.request(&self.show, key)) {
            if earlier.body != body {
                return Err(Refusal::KeyReused(earlier.key.clone()));
            }
            return match serde_json::from_str(&earlier.answer) {
                Ok(Answered::Stock(count)) => Ok(Decision::Stock(count)),
                Ok(Answered::Product(id)) => products::now(self, &id).or(Ok(Decision::Done)),
                Err(_) => Ok(Decision::Done),
            };
        }
        if let Some(version) = if_version {
            products::require_version(self, command, version)?;
        }
        let decision = self.change(command)?;
        let Some(key) = key else {
            return Ok(decision);
        };
        let answered = match &decision {
            Decision::Stock(count) => Some(Answered::Stock(count.clone())),
            Decision::Product(product, _) => Some(Answered::Product(product.id.clone())),
            _ => None,
        };
        let answer = answered.and_then(|answered| serde_json::to_string(&answered).ok());
        self.books.add_request(RequestRow {
            show: self.show.clone(),
            key: key.to_owned(),
            body,
            answer: answer.unwrap_or_default(),
            at: self.now,
        });
        Ok(decision)
    }

    /// Notes that a variant's count is another.
    pub(super) fn changed(&mut self, variant: &str) {
        self.changed.insert((self.show.clone(), variant.to_owned()));
    }

    /// The same, of a count that changes without a movement of stock.
    pub(super) fn recount(&mut self, variant: &str) {
        if let Some(row) = self.books.variants.change(&of(&self.show, variant)) {
            row.version += 1;
        }
        self.changed(variant);
    }

    /// Counts of everything that changed.
    fn counts(&self) -> Vec<(Arc<str>, StockCount)> {
        let rows = self.changed.iter();
        let rows = rows.filter_map(|(show, variant)| self.books.variants.get(&of(show, variant)));
        rows.map(|row| (row.show.clone(), stock::count(self.books, row)))
            .collect()
    }
}
