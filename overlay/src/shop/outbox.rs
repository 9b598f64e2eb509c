//! Events on their way to everybody in a show. The first leaves at once; what follows it closely leaves together, in one
//! message: a message costs more than what is in it.

use bytes::Bytes;

use crate::{Channel, UnixMillis};

/// Between two messages to everybody on a reliable channel, in milliseconds: nobody reads faster.
const WINDOW: i64 = 100;
/// The same on `live`, where a stock must not be old: so much, and a hundredth of a millisecond for each viewer. What
/// it costs to tell everybody then stays at a fraction of a core, however many they are.
const LIVE_WINDOW: i64 = 25;
const VIEWERS_PER_MS: i64 = 100;
/// The longest: five times a second everybody is told.
const LONGEST_WINDOW: i64 = 200;
/// Bytes of one batch: below what every browser takes in one piece (16 KiB).
const MAX_BATCH: usize = 14_000;

/// Events of one channel that may wait together; then they leave before their time.
const MAX_WAITING: usize = 256;

/// What waits for one channel.
#[derive(Debug, Default)]
struct Lane {
    events: Vec<Bytes>,
    next: i64,
}

/// What waits to be told to everybody.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    shop: Lane,
    live: Lane,
    chat: Lane,
}

impl Outbox {
    fn lane(&mut self, channel: Channel) -> &mut Lane {
        match channel {
            Channel::Shop => &mut self.shop,
            Channel::Live => &mut self.live,
            Channel::Chat => &mut self.chat,
        }
    }

    fn lanes(&self) -> [&Lane; 3] {
        [&self.shop, &self.live, &self.chat]
    }

    /// Whether what is pushed on `live` leaves at once.
    pub(super) fn is_live_open(&self, now: UnixMillis) -> bool {
        self.live.is_open(now)
    }

    /// When `live` opens again.
    pub(super) fn live_opens_at(&self) -> i64 {
        self.live.next
    }

    /// When the first of what waits may leave.
    pub(super) fn due(&self) -> Option<i64> {
        let waiting = self.lanes().into_iter().filter(|lane| !lane.events.is_empty());
        waiting.map(|lane| lane.next).min()
    }

    pub(super) fn push(&mut self, channel: Channel, event: Bytes) {
        self.lane(channel).events.push(event);
    }

    /// What may leave now, to so many viewers: events, in order, by channel.
    pub(super) fn take(&mut self, now: UnixMillis, viewers: u64) -> Vec<(Channel, Vec<Bytes>)> {
        let mut due = Vec::new();
        for channel in [Channel::Shop, Channel::Live, Channel::Chat] {
            let lane = self.lane(channel);
            if !lane.events.is_empty() && lane.is_open(now) {
                lane.next = now.0 + window(channel, viewers);
                due.push((channel, std::mem::take(&mut lane.events)));
            }
        }
        due
    }
}

impl Lane {
    fn is_open(&self, now: UnixMillis) -> bool {
        // A clock that was set back does not hold anything up.
        now.0 >= self.next || self.next - now.0 > LONGEST_WINDOW || self.events.len() >= MAX_WAITING
    }
}

/// Between two messages to everybody, in milliseconds.
fn window(channel: Channel, viewers: u64) -> i64 {
    if channel != Channel::Live {
        return WINDOW;
    }
    let viewers = i64::try_from(viewers).unwrap_or(i64::MAX);
    (LIVE_WINDOW + viewers / VIEWERS_PER_MS).min(LONGEST_WINDOW)
}

/// Events in as few messages as hold them; one alone stays as it is.
pub(super) fn batches(events: &[Bytes], now: UnixMillis) -> Vec<Bytes> {
    let mut batches = Vec::new();
    let mut rest = events;
    while let Some(first) = rest.first() {
        let mut bytes = first.len();
        let more = rest.iter().skip(1).take_while(|event| {
            bytes += event.len() + 1;
            bytes <= MAX_BATCH
        });
        let (together, behind) = rest.split_at(1 + more.count());
        batches.push(if together.len() == 1 {
            first.clone()
        } else {
            batch(together, now)
        });
        rest = behind;
    }
    batches
}

/// A message of messages, each as it would be alone.
fn batch(events: &[Bytes], now: UnixMillis) -> Bytes {
    let version = crate::message::VERSION;
    let head = format!("{{\"v\":{version},\"at\":{},\"t\":\"batch\",\"events\":[", now.0);
    let bytes: usize = events.iter().map(|event| event.len() + 1).sum();
    let mut message = Vec::with_capacity(head.len() + bytes + 2);
    message.extend_from_slice(head.as_bytes());
    for (number, event) in events.iter().enumerate() {
        if number > 0 {
            message.push(b',');
        }
        message.extend_from_slice(event);
    }
    message.extend_from_slice(b"]}");
    message.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_leaves_at_once_and_the_rest_together() {
        let mut outbox = Outbox::default();
        let event = |n: u8| Bytes::from(format!("{{\"n\":{n}}}"));
        outbox.push(Channel::Chat, event(1));
        assert_eq!(
            outbox.take(UnixMillis(1000), 0),
            [(Channel::Chat, vec![event(1)])]
        );
        outbox.push(Channel::Chat, event(2));
        outbox.push(Channel::Chat, event(3));
        assert!(outbox.take(UnixMillis(1099), 0).is_empty());
        assert_eq!(
            outbox.take(UnixMillis(1100), 0),
            [(Channel::Chat, vec![event(2), event(3)])]
        );
        outbox.push(Channel::Chat, event(4));
        assert_eq!(outbox.take(UnixMillis(0), 0).len(), 1, "the clock was set back");
    }

    #[test]
    fn the_more_there_are_the_longer_what_passes_waits_for_more_of_it() {
        let waits = |viewers| {
            let mut outbox = Outbox::default();
            outbox.push(Channel::Live, Bytes::from_static(b"{}"));
            outbox.take(UnixMillis(1000), viewers);
            assert_eq!(outbox.due(), None);
            outbox.push(Channel::Live, Bytes::from_static(b"{}"));
            outbox.due().unwrap() - 1000
        };
        assert_eq!([0, 2000, 17_500, 1_000_000].map(waits), [25, 45, 200, 200]);
    }

    #[test]
    fn so_many_wait_together_and_no_more() {
        let mut outbox = Outbox::default();
        outbox.push(Channel::Chat, Bytes::from_static(b"{}"));
        outbox.take(UnixMillis(1000), 0);
        for _ in 1..MAX_WAITING {
            outbox.push(Channel::Chat, Bytes::from_static(b"{}"));
        }
        assert!(outbox.take(UnixMillis(1001), 0).is_empty());
        outbox.push(Channel::Chat, Bytes::from_static(b"{}"));
        let left = outbox.take(UnixMillis(1001), 0);
        assert_eq!(left[0].1.len(), MAX_WAITING, "before their time");
    }

    #[test]
    fn a_batch_is_as_long_as_it_may_be() {
        let event = |length: usize| Bytes::from("x".repeat(length));
        let messages = |second| batches(&[event(7000), event(second)], UnixMillis(5)).len();
        // With the comma between.
        assert_eq!((messages(6999), messages(7000)), (1, 2));
        let alone = event(MAX_BATCH + 1);
        assert_eq!(batches(std::slice::from_ref(&alone), UnixMillis(5)), [alone]);
    }

    #[test]
    fn a_batch_is_json_and_bounded() {
        let event = Bytes::from(format!("{{\"text\":\"{}\"}}", "x".repeat(1000)));
        let events = vec![event.clone(); 30];
        let batches = batches(&events, UnixMillis(5));
        let mut told = 0;
        for batch in &batches {
            assert!(batch.len() < 15_000);
            let value: serde_json::Value = serde_json::from_slice(batch).unwrap();
            told += value["events"].as_array().unwrap().len();
        }
        assert_eq!(told, 30);
        assert_eq!(batches.len(), 3);
        assert_eq!(super::batches(&events[..1], UnixMillis(5)), [event]);
    }
}
