//! What is told at intervals: stock and viewer counts, the latest alone.

use super::{Shop, Waiting};
use crate::ledger::Action;
use crate::message::{ServerMessage, StockItem, encode};
use crate::{Channel, Output, UnixMillis};

/// Between two looks for holds that ran out, in milliseconds.
const EXPIRY_INTERVAL: i64 = 1000;
/// Between two viewer counts of a show, in milliseconds.
const VIEWERS_INTERVAL: i64 = 1000;
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
            if show.changed.is_empty() {
                continue;
            }
            let mut changed = std::mem::take(&mut show.changed);
            let items: Vec<StockItem> = changed
                .keys()
                .filter_map(|id| {
                    let variant = show.variant_mut(id)?;
                    Some(StockItem {
                        variant: id.clone(),
                        available: variant.available,
                        version: variant.version,
                    })
                })
                .collect();
            changed.retain(|_, tellings| {
                *tellings -= 1;
                *tellings > 0
            });
            show.changed = changed;
            outputs.extend(items.chunks(MAX_ITEMS).map(|items| Output::Broadcast {
                room: show.name.clone(),
                channel: Channel::Live,
                message: encode(
                    &ServerMessage::Stock {
                        items: items.to_vec(),
                    },
                    now,
                    None,
                ),
            }));
        }
        self.outputs.extend(outputs);
        if now.0 >= self.next_expiry {
            self.next_expiry = now.0 + EXPIRY_INTERVAL;
            self.ask_ledger(&"".into(), Action::Expire, Waiting::Nobody);
        }
    }
}
