//! What is told at intervals: stock and viewer counts, the latest alone.

use bytes::Bytes;

use super::show::Show;
use super::{Shop, Waiting};
use crate::ledger::Action;
use crate::message::{ServerMessage, StockItem, encode};
use crate::{Channel, Output, UnixMillis};

/// Between two looks for holds that ran out, in milliseconds.
const EXPIRY_INTERVAL: i64 = 1000;
/// Between two viewer counts of a show, in milliseconds.
const VIEWERS_INTERVAL: i64 = 1000;
/// A message of `live` may get lost: a changed stock is told again after these pauses, in milliseconds.
const REPEATS: [i64; 2] = [1000, 3000];
/// Variants in one stock message, which then fits one packet.
const MAX_ITEMS: usize = 16;

impl Shop {
    pub(super) fn tick(&mut self, now: UnixMillis) {
        let mut outputs = Vec::new();
        for show in self.shows.values_mut() {
            let viewers = show.viewers();
            if viewers != show.told_viewers && now.0 >= show.next_viewers {
                show.told_viewers = viewers;
                show.next_viewers = now.0 + VIEWERS_INTERVAL;
                outputs.push(Output::Broadcast {
                    room: show.name.clone(),
                    channel: Channel::Live,
                    message: encode(&ServerMessage::Viewers { count: viewers }, now, None),
                });
            }
            let items = show.stock_due(now);
            outputs.extend(stock_messages(&items, now).map(|message| Output::Broadcast {
                room: show.name.clone(),
                channel: Channel::Live,
                message,
            }));
        }
        self.outputs.extend(outputs);
        self.pace.prune(now);
        if now.0 >= self.next_expiry {
            self.next_expiry = now.0 + EXPIRY_INTERVAL;
            self.ask_ledger(&"".into(), Action::Tick, Waiting::Nobody);
        }
    }
}

impl Show {
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
        encode(&ServerMessage::Stock { items }, now, None)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::ShowRecord;

    #[test]
    fn a_changed_stock_is_told_at_once_and_twice_again() {
        let demo: ShowRecord = crate::catalogue::demo().unwrap();
        let mut show = Show::new("demo".into(), Some(demo));
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
