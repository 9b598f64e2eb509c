//! What is told at intervals, the latest alone: stock as soon as may be, viewer counts and sums with the ticks.

use std::sync::Arc;

use bytes::Bytes;

use super::show::Show;
use super::{Shop, Waiting};
use crate::ledger::{Action, Part};
use crate::message::{ServerMessage, StockItem, encode};
use crate::{Channel, UnixMillis};

/// Between two looks for holds that ran out, in milliseconds.
const EXPIRY_INTERVAL: i64 = 1000;
/// Between two viewer counts of a show, in milliseconds.
const VIEWERS_INTERVAL: i64 = 1000;
/// A message of `live` may get lost: a changed stock is told again after these pauses, in milliseconds.
const REPEATS: [i64; 2] = [1000, 3000];
/// Variants in one stock message, which then stays below what every browser takes in one piece (16 KiB).
const MAX_ITEMS: usize = 100;

impl Shop {
    pub(super) fn tick(&mut self, now: UnixMillis) {
        let rooms: Vec<Arc<str>> = self.shows.keys().cloned().collect();
        for room in rooms {
            if let Some(show) = self.shows.get_mut(&room) {
                show.tick(now);
            }
            self.keep_what_was_said(now, &room);
            self.settle(now, Some(&room));
        }
        self.warn_buyers(now);
        self.tell_places(now);
        self.give_up_on_the_slow(now);
        self.pace.prune(now);
        if now.0 >= self.next_expiry {
            self.next_expiry = now.0 + EXPIRY_INTERVAL;
            self.ask_ledger(&"".into(), Action::Tick, Waiting::Nobody);
        }
    }
}

impl Show {
    /// What has changed since the last tick, the latest alone.
    fn tick(&mut self, now: UnixMillis) {
        for poll in self.polls.due(now) {
            self.unkept.note(Part::Polls);
            // It was open a moment ago.
            let _ = self.close_poll(now, &poll);
        }
        if self
            .countdown
            .as_ref()
            .is_some_and(|countdown| countdown.until <= now.0)
        {
            self.count_down(now, None);
        }
        let viewers = self.audience.viewers();
        if viewers != self.told_viewers && now.0 >= self.next_viewers {
            self.told_viewers = viewers;
            self.next_viewers = now.0 + VIEWERS_INTERVAL;
            self.outbox.push(
                Channel::Live,
                encode(&ServerMessage::Viewers { count: viewers }, now),
            );
        }
        if std::mem::take(&mut self.reactions_changed) {
            let totals = &self.reactions;
            self.outbox
                .push(Channel::Live, encode(&ServerMessage::Reactions { totals }, now));
        }
        for poll in self.polls.take_changed() {
            self.unkept.note(Part::Polls);
            let message = ServerMessage::PollCounts {
                poll: &poll.id,
                counts: &poll.counts,
            };
            self.outbox.push(Channel::Live, encode(&message, now));
        }
    }

    /// Puts the stocks that are to be told into the outbox, when they can leave it: until then there may be newer ones.
    pub(super) fn push_stock(&mut self, now: UnixMillis) {
        if self.changed.is_empty() || !self.outbox.is_live_open(now) {
            return;
        }
        let items = self.stock_due(now);
        for message in stock_messages(&items, now) {
            self.outbox.push(Channel::Live, message);
        }
    }

    /// When there is something to be told that waits for nothing but that time.
    pub(super) fn due(&self, now: UnixMillis) -> Option<i64> {
        let has_stock = self.changed.values().any(|restless| restless.at <= now.0);
        let stock = has_stock.then(|| self.outbox.live_opens_at());
        stock.into_iter().chain(self.outbox.due()).min()
    }

    /// The stocks that are to be told now.
    fn stock_due(&mut self, now: UnixMillis) -> Vec<StockItem> {
        let mut due = Vec::new();
        self.changed.retain(|id, restless| {
            if restless.at > now.0 {
                return true;
            }
            due.push(id.clone());
            let pause = REPEATS.get(restless.tellings);
            restless.tellings += 1;
            restless.at = now.0 + pause.unwrap_or(&0);
            pause.is_some()
        });
        let items = due.into_iter().filter_map(|id| {
            let variant = self.variant_mut(&id)?;
            Some(StockItem {
                available: variant.available,
                version: variant.version,
                variant: id,
            })
        });
        items.collect()
    }
}

/// Stock in messages of bounded length.
pub(super) fn stock_messages(items: &[StockItem], now: UnixMillis) -> impl Iterator<Item = Bytes> {
    items.chunks(MAX_ITEMS).map(move |items| {
        let items = items.to_vec();
        encode(&ServerMessage::Stock { items }, now)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::ShowRecord;

    #[test]
    fn stock_comes_in_messages_of_a_hundred_that_every_browser_takes() {
        let item = StockItem {
            variant: "v".repeat(64),
            available: 1_000_000_000,
            version: i64::MAX,
        };
        let messages = |count: usize| {
            stock_messages(&vec![item.clone(); count], UnixMillis(i64::MAX)).collect::<Vec<_>>()
        };
        assert_eq!((messages(100).len(), messages(101).len()), (1, 2));
        assert!(messages(100)[0].len() < 16 << 10);
    }

    #[test]
    fn a_changed_stock_is_told_at_once_and_twice_again() {
        let demo: ShowRecord = crate::catalogue::demo().unwrap();
        let mut show = Show::new(UnixMillis(0), "demo".into(), Some(demo));
        let item = StockItem {
            variant: "candle".into(),
            available: 0,
            version: 99,
        };
        assert_eq!(show.set_stock(&item), Some(true));
        let told = (0..100).filter(|tick| !show.stock_due(UnixMillis(tick * 100)).is_empty());
        assert_eq!(told.collect::<Vec<_>>(), [0, 10, 40]);
        assert_eq!(show.set_stock(&item), None, "an old version says nothing");
    }
}
