//! Places on the waitlists: whoever waits hears how many are before them.

use std::collections::{BTreeMap, HashMap};

use super::Shop;
use crate::message::{OrderState, Sale, ServerMessage, encode};
use crate::{Channel, Priority, UnixMillis};

/// Between two tellings of places, in milliseconds.
const INTERVAL: i64 = 1000;
/// Places that are told as they change; who waits farther behind hears of it with a welcome, and later.
const TOLD_PLACES: i64 = 500;

/// Those who wait in one show.
#[derive(Debug, Default)]
pub(super) struct Waitlist {
    /// Buys and their buyers, by variant and number: the lowest is next.
    waiting: BTreeMap<(String, i64), (String, String)>,
    /// Where each buy is in `waiting`, and the place its buyer was told.
    numbers: HashMap<String, ((String, i64), i64)>,
    is_changed: bool,
    next: i64,
}

/// A place to tell.
struct Place {
    user: String,
    buy: String,
    variant: String,
    place: i64,
}

impl Waitlist {
    /// Takes over where an order is.
    pub(super) fn note(&mut self, sale: &Sale) {
        let before = self.numbers.get(&sale.buy);
        let number = match (sale.state, sale.queue, sale.lines.first()) {
            (OrderState::Waitlisted, Some(number), Some(line)) => Some((line.variant.clone(), number)),
            _ => None,
        };
        if before.map(|(number, _)| number) == number.as_ref() {
            return;
        }
        self.is_changed = true;
        if let Some((number, _)) = self.numbers.remove(&sale.buy) {
            self.waiting.remove(&number);
        }
        if let Some(number) = number {
            self.waiting
                .insert(number.clone(), (sale.buy.clone(), sale.user.clone()));
            // Its receipt or its welcome tells the first.
            let place = self.place(&number);
            self.numbers.insert(sale.buy.clone(), (number, place));
        }
    }

    /// A buy is not there any more.
    pub(super) fn forget(&mut self, buy: &str) {
        if let Some((number, _)) = self.numbers.remove(buy) {
            self.waiting.remove(&number);
            self.is_changed = true;
        }
    }

    fn place(&self, number: &(String, i64)) -> i64 {
        let first = (number.0.clone(), i64::MIN);
        self.waiting.range(first..=number.clone()).count() as i64
    }

    /// The place of a buy: 1 is next, 0 does not wait.
    pub(super) fn place_of(&self, buy: &str) -> i64 {
        self.numbers.get(buy).map_or(0, |(number, _)| self.place(number))
    }

    /// Places that changed since they were told.
    fn take_due(&mut self, now: UnixMillis) -> Vec<Place> {
        if !self.is_changed || now.0 < self.next {
            return Vec::new();
        }
        self.is_changed = false;
        self.next = now.0 + INTERVAL;
        let mut due = Vec::new();
        let (mut variant, mut place) = ("", 0);
        for ((of, _), (buy, user)) in &self.waiting {
            place = if of == variant { place + 1 } else { 1 };
            variant = of;
            if place > TOLD_PLACES {
                continue;
            }
            if let Some((_, told)) = self.numbers.get_mut(buy)
                && *told != place
            {
                *told = place;
                due.push(Place {
                    user: user.clone(),
                    buy: buy.clone(),
                    variant: of.clone(),
                    place,
                });
            }
        }
        due
    }
}

impl Shop {
    /// Tells those who wait where they are.
    pub(super) fn tell_places(&mut self, now: UnixMillis) {
        let mut told = Vec::new();
        for show in self.shows.values_mut() {
            for Place {
                user,
                buy,
                variant,
                place,
            } in show.waitlist.take_due(now)
            {
                let message = ServerMessage::Waitlist {
                    buy: &buy,
                    variant: &variant,
                    place,
                };
                let message = encode(&message, now);
                let clients = show.audience.of_person(&user).iter();
                told.extend(clients.map(|client| (*client, message.clone())));
            }
        }
        for (client, message) in told {
            self.send(client, Channel::Shop, Priority::State, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(number: i64, state: OrderState) -> Sale {
        let line = serde_json::json!({"variant": "cup", "quantity": 1, "price": {"minor": 1, "currency": "EUR", "exponent": 2}});
        let sale = serde_json::json!({
            "buy": number.to_string(), "user": format!("u{number}"), "name": "", "state": "waitlisted", "queue": number,
            "expires_at": 0, "lines": [line], "total": {"minor": 1, "currency": "EUR", "exponent": 2},
        });
        Sale {
            state,
            ..serde_json::from_value(sale).unwrap()
        }
    }

    #[test]
    fn five_hundred_are_told_when_their_places_change() {
        let mut list = Waitlist::default();
        for number in 1..=TOLD_PLACES + 2 {
            list.note(&sale(number, OrderState::Waitlisted));
        }
        assert!(
            list.take_due(UnixMillis(0)).is_empty(),
            "their receipts told them"
        );
        list.note(&sale(1, OrderState::Held));
        let told = list.take_due(UnixMillis(INTERVAL));
        let places: Vec<i64> = told.iter().map(|place| place.place).collect();
        assert_eq!(places, (1..=TOLD_PLACES).collect::<Vec<_>>());
        assert_eq!(told.last().unwrap().buy, (TOLD_PLACES + 1).to_string());
        assert_eq!(
            list.place_of(&(TOLD_PLACES + 2).to_string()),
            TOLD_PLACES + 1,
            "who asks is told"
        );
    }
}
