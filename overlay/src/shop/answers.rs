//! What the ledger decided, told to whom it concerns.

use std::sync::Arc;

use super::hello::receipt;
use super::moment::Moment;
use super::show::Show;
use super::{Shop, Waiting};
use crate::ledger::{Answer, Decision, Refusal, ShowRecord};
use crate::message::{
    NoticeCode, OrderNotice, OrderState, Product, Receipt, Sale, ServerMessage, StockItem, Variant, encode,
};
use crate::{Bytes, Channel, ClientId, Output, Priority, Reply, RequestId, UnixMillis};

impl Shop {
    pub(super) fn take_answer(&mut self, now: UnixMillis, answer: Answer) {
        let mut waiting = self.waiting.remove(&answer.ticket).unwrap_or(Waiting::Nobody);
        if let Waiting::Kept { show, places, asker } = waiting {
            if answer.decision.is_err()
                && let Some(show) = self.shows.get_mut(&show)
            {
                show.unkept.take_back(places);
            }
            waiting = *asker;
        }
        let captured_at = match &waiting {
            Waiting::Command { captured_at, .. } => *captured_at,
            _ => None,
        };
        let at = Moment { now, captured_at };
        for record in &answer.refreshed {
            self.take_refreshed(now, record);
        }
        match &answer.decision {
            Ok(Decision::Product(product, price_version)) => {
                self.show_product(at, &answer.show, product, *price_version)
            }
            Ok(Decision::Show(record)) => self.show_changed(at, &answer.show, record),
            _ => {}
        }
        // The receipt first: it is waited for.
        match waiting {
            Waiting::Nobody | Waiting::Kept { .. } => {}
            Waiting::Buy(client) => self.answer_buy(now, client, answer.decision),
            Waiting::Command { client, about, .. } => {
                self.answer_command(now, client, &about, answer.decision)
            }
            Waiting::Request(request) => self.answer_request(now, request, answer.decision),
        }
        for (show, product, price_version) in &answer.products {
            self.show_product(at, show, product, *price_version);
        }
        for (show, count) in &answer.stock {
            self.stock_changed(at, show, &count.item());
        }
        for (show, sale) in &answer.orders {
            self.order_changed(now, show, sale);
        }
    }

    fn answer_buy(&mut self, now: UnixMillis, client: ClientId, decision: Result<Decision, Refusal>) {
        let about = self
            .clients
            .get_mut(&client)
            .and_then(|client| client.buying.take());
        match decision {
            Ok(Decision::Receipt(receipt)) => {
                self.tell(now, client, Channel::Shop, &ServerMessage::Receipt(&receipt));
            }
            Ok(_) => {}
            Err(refusal) => {
                let text = refusal.to_string();
                self.notice(
                    now,
                    client,
                    NoticeCode::Unavailable,
                    &text,
                    about.as_deref(),
                    Some(1000),
                );
            }
        }
    }

    fn answer_command(
        &mut self,
        now: UnixMillis,
        client: ClientId,
        about: &str,
        decision: Result<Decision, Refusal>,
    ) {
        match decision {
            Ok(Decision::Promo(promo)) => {
                let message = ServerMessage::Promo {
                    r#ref: about,
                    promo: &promo,
                };
                self.tell(now, client, Channel::Shop, &message);
            }
            Ok(_) => self.tell(now, client, Channel::Shop, &ServerMessage::Done { r#ref: about }),
            Err(refusal) => {
                let code = match refusal {
                    Refusal::NotFound(_) => NoticeCode::NotFound,
                    Refusal::Stale(_) => NoticeCode::Stale,
                    Refusal::NotPossible(_) => NoticeCode::NotPossible,
                    Refusal::KeyReused(_) => NoticeCode::KeyReused,
                    Refusal::Failed => NoticeCode::Unavailable,
                };
                self.notice(now, client, code, &refusal.to_string(), Some(about), None);
            }
        }
    }

    fn answer_request(&mut self, now: UnixMillis, request: RequestId, decision: Result<Decision, Refusal>) {
        let reply = match decision {
            Ok(Decision::Receipt(receipt)) => Reply::Ok(receipt_json(now, &receipt)),
            Ok(Decision::Stock(count)) => Reply::Versioned(json(&serde_json::json!(count)), count.version),
            Ok(Decision::Product(product, _)) => {
                Reply::Versioned(json(&serde_json::json!(product)), product.version)
            }
            Ok(Decision::Counts(counts)) => Reply::Ok(json(&serde_json::json!({ "stock": counts }))),
            Ok(Decision::Promo(promo)) => Reply::Ok(json(&serde_json::json!(promo))),
            Ok(Decision::Promos(promos)) => Reply::Ok(json(&serde_json::json!({ "promos": promos }))),
            Ok(Decision::Orders(orders)) => Reply::Ok(json(&serde_json::json!({ "orders": orders }))),
            Ok(Decision::Done | Decision::Show(_)) => Reply::Done,
            Err(refusal) => {
                let text = refusal.to_string();
                match refusal {
                    Refusal::NotFound(_) => Reply::NotFound(text),
                    Refusal::Stale(_) => Reply::Stale(text),
                    Refusal::NotPossible(_) | Refusal::KeyReused(_) => Reply::Conflict(text),
                    Refusal::Failed => Reply::Unavailable,
                }
            }
        };
        self.reply(request, reply);
    }

    pub(super) fn reply(&mut self, request: RequestId, reply: Reply) {
        self.outputs.push_back(Output::Reply { request, reply });
    }

    pub(super) fn show_product(
        &mut self,
        at: Moment,
        show: &Arc<str>,
        product: &Product,
        price_version: i64,
    ) {
        let show = self.committed_show(at.now, show);
        show.store();
        show.price_version = price_version;
        let before = show.products.insert(product.id.clone(), product.clone());
        for variant in repriced(before.as_ref(), product) {
            let message = ServerMessage::Price {
                variant: &variant.id,
                price: &variant.price,
                was: variant.was.as_ref(),
                price_version,
            };
            show.tell(at, Channel::Shop, &message);
        }
        if !before.is_some_and(|before| differs_in_price_only(before, product)) {
            let message = ServerMessage::Product {
                product,
                price_version,
            };
            show.tell(at, Channel::Shop, &message);
        }
    }

    /// The show of a committed change. Its host may have left a new room before the answer came: then nobody is there,
    /// but the show is.
    fn committed_show(&mut self, now: UnixMillis, name: &Arc<str>) -> &mut Show {
        let new = || Show::new(now, name.clone(), None);
        self.shows.entry(name.clone()).or_insert_with(new)
    }

    /// Tells what of the show itself, its products and pins is another than before.
    pub(super) fn show_changed(&mut self, at: Moment, show: &Arc<str>, record: &ShowRecord) {
        let show = self.committed_show(at.now, show);
        show.store();
        let is_new = (show.state, &show.title, show.price_version, show.starts_at)
            != (
                record.state,
                &record.title,
                record.price_version,
                record.starts_at,
            );
        let pins_are_new = (&show.pinned, &show.featured) != (&record.pinned, &record.featured);
        let is_there = |id: &String| record.products.iter().any(|product| product.id == *id);
        let removed: Vec<String> = show.products.keys().filter(|id| !is_there(id)).cloned().collect();
        show.adopt(record.clone());
        for product in &removed {
            show.products.shift_remove(product);
            show.tell(at, Channel::Shop, &ServerMessage::ProductRemoved { product });
        }
        if is_new {
            show.tell(
                at,
                Channel::Shop,
                &ServerMessage::Show {
                    state: record.state,
                    title: &record.title,
                    starts_at: record.starts_at,
                    price_version: record.price_version,
                },
            );
        }
        if pins_are_new {
            show.tell(
                at,
                Channel::Shop,
                &ServerMessage::Pins {
                    pinned: &record.pinned,
                    featured: record.featured.as_deref(),
                },
            );
        }
    }

    pub(super) fn stock_changed(&mut self, at: Moment, show: &Arc<str>, item: &StockItem) {
        let Some(show) = self.shows.get_mut(show) else {
            return;
        };
        if let Some(sold_out) = show.set_stock(item) {
            let message = ServerMessage::Availability {
                variant: &item.variant,
                sold_out,
            };
            show.tell(at, Channel::Shop, &message);
        }
    }

    pub(super) fn order_changed(&mut self, now: UnixMillis, show: &Arc<str>, sale: &Sale) {
        self.tell_hosts(show, encode(&ServerMessage::Sale(sale), now));
        let Some(show) = self.shows.get_mut(show) else {
            return;
        };
        let has_turn = show.note_order(now, sale) && sale.state == OrderState::Held;
        // A new order is told by its receipt.
        let is_new = matches!(
            sale.state,
            OrderState::Held | OrderState::CheckoutOpen | OrderState::Waitlisted
        );
        if is_new && !has_turn {
            return;
        }
        let notice = ServerMessage::Order(OrderNotice {
            buy: &sale.buy,
            state: sale.state,
            expires_at: has_turn.then_some(sale.expires_at),
        });
        let mut messages = vec![encode(&notice, now)];
        if has_turn {
            messages.push(encode(&ServerMessage::Receipt(&receipt(show, sale)), now));
        }
        for buyer in show.audience.of_person(&sale.user).to_vec() {
            for message in &messages {
                self.send(buyer, Channel::Shop, Priority::Receipt, message.clone());
            }
        }
    }
}

/// The variants that were there before at another price.
fn repriced<'p>(before: Option<&Product>, product: &'p Product) -> Vec<&'p Variant> {
    let known = |variant: &&Variant| {
        let before = before.into_iter().flat_map(|product| &product.variants);
        let mut before = before.filter(|known| known.id == variant.id);
        before.any(|known| (&known.price, &known.was) != (&variant.price, &variant.was))
    };
    product.variants.iter().filter(known).collect()
}

/// Whether the events of prices, and the stock's own messages, say it all.
fn differs_in_price_only(mut before: Product, product: &Product) -> bool {
    if before.variants.len() != product.variants.len() {
        return false;
    }
    // A new price is a new version of its product, too.
    before.version = product.version;
    let mut is_repriced = false;
    for (old, new) in before.variants.iter_mut().zip(&product.variants) {
        is_repriced |= (&old.price, &old.was) != (&new.price, &new.was);
        old.price = new.price.clone();
        old.was = new.was.clone();
        (old.available, old.version, old.sold_out) = (new.available, new.version, new.sold_out);
    }
    is_repriced && before == *product
}

fn receipt_json(now: UnixMillis, receipt: &Receipt) -> Bytes {
    encode(&ServerMessage::Receipt(receipt), now)
}

fn json(value: &serde_json::Value) -> Bytes {
    value.to_string().into()
}
