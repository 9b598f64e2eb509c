//! Carts: what somebody means to buy, the same in all their tabs. Nothing is kept back for it.

use std::collections::HashMap;

use super::Shop;
use super::show::Show;
use crate::message::{CartLine, Line, NoticeCode, ServerMessage, encode};
use crate::{Bytes, Channel, ClientId, Priority, UnixMillis};

/// Carts of one show. Beyond, newcomers' are refused.
const MAX_CARTS: usize = 20_000;

/// The carts of one show, by person. Empty ones are not kept.
#[derive(Debug, Default)]
pub(super) struct Carts(HashMap<String, Vec<Line>>);

impl Carts {
    fn set(&mut self, person: &str, lines: Vec<Line>) -> bool {
        if lines.is_empty() {
            self.0.remove(person);
            return true;
        }
        let fits = self.0.len() < MAX_CARTS || self.0.contains_key(person);
        if fits {
            self.0.insert(person.to_owned(), lines);
        }
        fits
    }

    fn of(&self, person: &str) -> &[Line] {
        self.0.get(person).map_or(&[], Vec::as_slice)
    }
}

impl Shop {
    pub(super) fn take_cart(&mut self, now: UnixMillis, id: ClientId, lines: Vec<Line>) {
        let Some((room, person)) = self.person(id) else {
            return;
        };
        let Some(show) = self.shows.get_mut(&room) else {
            return;
        };
        if !show.carts.set(&person, lines) {
            let text = "there are too many carts; a buy needs none";
            return self.notice(now, id, NoticeCode::CartFull, text, None, None);
        }
        let cart = show.cart(&person, now);
        for client in show.audience.of_person(&person).to_vec() {
            self.send(client, Channel::Shop, Priority::State, cart.clone());
        }
    }
}

impl Show {
    /// Somebody's cart as it would be bought now: what is off sale is not in it.
    pub(super) fn cart(&mut self, person: &str, now: UnixMillis) -> Bytes {
        let lines = self.carts.of(person).to_vec();
        let priced = lines.into_iter().filter_map(|Line { variant, quantity }| {
            let known = self.variant_mut(&variant)?;
            Some(CartLine {
                quantity,
                price: known.price.clone(),
                is_available: known.available >= quantity,
                variant,
            })
        });
        let lines = priced.collect();
        encode(&ServerMessage::Cart { lines }, now)
    }

    pub(super) fn has_cart(&self, person: &str) -> bool {
        !self.carts.of(person).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_carts_as_fit() {
        let mut carts = Carts::default();
        let line = |quantity| Line {
            variant: "mug".into(),
            quantity,
        };
        assert!((0..MAX_CARTS).all(|person| carts.set(&person.to_string(), vec![line(1)])));
        assert!(!carts.set("anna", vec![line(1)]));
        assert!(carts.set("7", vec![line(2)]) && carts.of("7") == [line(2)]);
        assert!(carts.set("7", Vec::new()) && carts.set("anna", vec![line(1)]));
    }
}
