//! Random commands against a model that is small enough to be right.

use std::collections::{BTreeMap, HashMap};

use overlay::ledger::Action;
use overlay::message::{HostCommand, OrderState};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::till::{HOLD, TURN, Till, buy, queue, receipt};

/// One variant's stock and its orders.
#[derive(Default)]
struct Model {
    on_hand: BTreeMap<&'static str, i64>,
    /// By id: buyer, variant, quantity, state, deadline, number on the list.
    orders: BTreeMap<String, Order>,
    receipts: HashMap<String, (String, &'static str, i64, bool, &'static str)>,
    queue: i64,
    now: i64,
}

struct Order {
    subject: String,
    variant: &'static str,
    quantity: i64,
    state: &'static str,
    deadline: i64,
    queue: i64,
}

impl Model {
    fn taken(&self, variant: &str, states: &[&str]) -> i64 {
        let orders = self.orders.values();
        let counted = orders.filter(|order| order.variant == variant && states.contains(&order.state));
        counted.map(|order| order.quantity).sum()
    }

    fn free(&self, variant: &str) -> i64 {
        self.on_hand[variant] - self.taken(variant, &["held", "paid"])
    }

    fn buy(
        &mut self,
        id: &str,
        subject: &str,
        variant: &'static str,
        quantity: i64,
        waits: bool,
    ) -> &'static str {
        if let Some((who, what, many, list, outcome)) = self.receipts.get(id) {
            let same = (who.as_str(), *what, *many, *list) == (subject, variant, quantity, waits);
            return if same { outcome } else { "conflict" };
        }
        let own: i64 = self
            .orders
            .values()
            .filter(|order| {
                order.subject == subject
                    && order.variant == variant
                    && ["held", "paid", "waitlisted"].contains(&order.state)
            })
            .map(|order| order.quantity)
            .sum();
        let is_capped = variant == "lamp" && own + quantity > 1;
        let waiting = self.taken(variant, &["waitlisted"]);
        let outcome = if is_capped {
            "limit_reached"
        } else if self.free(variant) - waiting >= quantity {
            "held"
        } else if waits && quantity <= self.on_hand[variant] {
            "waitlisted"
        } else {
            "sold_out"
        };
        if outcome == "held" || outcome == "waitlisted" {
            self.queue += 1;
            let order = Order {
                subject: subject.into(),
                variant,
                quantity,
                state: outcome,
                deadline: self.now + HOLD,
                queue: self.queue,
            };
            self.orders.insert(id.into(), order);
        }
        self.receipts
            .insert(id.into(), (subject.into(), variant, quantity, waits, outcome));
        outcome
    }

    fn end(&mut self, id: &str, from: &[&str], to: &'static str) {
        let Some(order) = self
            .orders
            .get_mut(id)
            .filter(|order| from.contains(&order.state))
        else {
            return;
        };
        order.state = to;
        let variant = order.variant;
        self.serve(variant);
    }

    fn serve(&mut self, variant: &str) {
        loop {
            let free = self.free(variant);
            let waiting = self.orders.values_mut();
            let waiting = waiting.filter(|order| order.variant == variant && order.state == "waitlisted");
            let Some(first) = waiting.min_by_key(|order| order.queue) else {
                return;
            };
            if first.quantity > free {
                return;
            }
            first.state = "held";
            first.deadline = self.now + TURN;
        }
    }

    fn tick(&mut self) {
        let due = self.orders.iter();
        let due = due.filter(|(_, order)| order.state == "held" && order.deadline <= self.now);
        let mut due: Vec<(i64, String)> = due.map(|(id, order)| (order.deadline, id.clone())).collect();
        due.sort();
        for (_, id) in due {
            self.end(&id, &["held"], "released");
        }
    }
}

const VARIANTS: [&str; 4] = ["tote-ink", "candle", "lamp", "scarf-night"];

pub(crate) fn a_few_hundred_random_commands_are_as_the_model_says(till: &mut Till) {
    let mut model = Model {
        on_hand: BTreeMap::from([("tote-ink", 3), ("candle", 30), ("lamp", 10), ("scarf-night", 0)]),
        now: till.now,
        ..Model::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let steps = proptest::collection::vec((0u8..11, 0usize..4, 1i64..5, 0u16..400, 0u8..9), 300);
    let steps = steps.new_tree(&mut runner).unwrap().current();
    for (step, which, quantity, id, who) in steps {
        let variant = VARIANTS[which];
        let (subject, id) = (format!("u{who}"), format!("b{id}"));
        match step {
            0..=5 => {
                let waits = step >= 4;
                let action = if waits {
                    queue(&subject, &id, variant, quantity)
                } else {
                    buy(&subject, &id, variant, quantity)
                };
                let expected = model.buy(&id, &subject, variant, quantity, waits);
                let found = receipt(till.one(action)).outcome.name();
                assert_eq!(found, expected, "{subject} {id} {variant} {quantity}");
            }
            6 => {
                let _ = till.cancel(&subject, &id);
                if model
                    .orders
                    .get(&id)
                    .is_some_and(|order| order.subject == subject)
                {
                    model.end(&id, &["held", "waitlisted"], "cancelled");
                }
            }
            7 => {
                let is_held = model.orders.get(&id).is_some_and(|order| order.state == "held");
                if is_held {
                    till.settle(&id, OrderState::Paid).unwrap();
                    model.end(&id, &["held"], "paid");
                }
            }
            8 => {
                if till.settle(&id, OrderState::Refunded).is_ok() {
                    model.end(&id, &["paid"], "refunded");
                }
            }
            9 => {
                let delta = quantity - 2;
                let added = till.host(HostCommand::AddStock {
                    variant: variant.into(),
                    delta,
                });
                if model.free(variant) + delta >= 0 {
                    added.unwrap();
                    *model.on_hand.get_mut(variant).unwrap() += delta;
                    model.serve(variant);
                } else {
                    added.unwrap_err();
                }
            }
            _ => {
                let passed = HOLD / 7;
                till.wait(passed);
                model.now += passed;
                model.tick();
            }
        }
        let count = till.count(variant);
        assert_eq!(
            (count.held, count.sold, count.waiting, count.on_hand),
            (
                model.taken(variant, &["held"]),
                model.taken(variant, &["paid"]),
                model.taken(variant, &["waitlisted"]),
                model.on_hand[variant]
            ),
            "{variant} after {step} {id}"
        );
    }
    let Ok(overlay::ledger::Decision::Orders(orders)) = till.one(Action::Orders) else {
        panic!()
    };
    for order in orders {
        assert_eq!(
            order.state.name(),
            model.orders[&order.buy].state,
            "{}",
            order.buy
        );
    }
    till.check();
}
