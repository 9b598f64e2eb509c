//! Messages to everybody in a room, kept once until the room's viewers have them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::tick::Tick;
use crate::backlog::Urgency;

/// Bytes that wait: what a viewer's channel takes at once. What is more goes to the queues of all viewers, which have
/// bounds of their own.
const MOST_BYTES: usize = 16 << 10;

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Announcement {
    pub(super) channel: Arc<str>,
    pub(super) data: Bytes,
    pub(super) urgency: Urgency,
}

/// What a room's viewers are told, numbered from the room's beginning. Each viewer knows up to which it has heard.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    waiting: VecDeque<Announcement>,
    bytes: usize,
    /// The number of the first that waits.
    first: u64,
    /// Those before this number have begun to leave.
    begun: u64,
    tick: Tick,
    /// Said since the last turn.
    is_new: bool,
}

impl Announcements {
    /// Whether another of that length must not wait beside what does.
    pub(super) fn is_too_much(&self, len: usize) -> bool {
        !self.waiting.is_empty() && self.bytes + len > MOST_BYTES
    }

    /// Something is said to all who are there.
    pub(super) fn say(&mut self, announcement: Announcement) {
        self.bytes += announcement.data.len();
        self.waiting.push_back(announcement);
        self.is_new = true;
    }

    /// Whether what has begun to leave must go to every viewer now, picture or not; to send messages to all takes so
    /// long.
    pub(super) fn turn(&mut self, now: Instant, has_picture: bool, cost: Duration) -> bool {
        if std::mem::take(&mut self.is_new) {
            self.tick.said(now);
        }
        let is_due = self.tick.turn(now, has_picture);
        if is_due && !self.tick.has_begun() {
            self.begin(now, cost);
        }
        is_due
    }

    /// Whether [`Announcements::turn`] has not seen all of it.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// A viewer was given what is before that number.
    pub(super) fn ride(&mut self, now: Instant, before: u64, cost: Duration) {
        if before > self.begun && self.tick.is_gathering() {
            self.begin(now, cost);
        }
    }

    fn begin(&mut self, now: Instant, cost: Duration) {
        self.begun = self.end();
        self.tick.begin(now, cost);
    }

    /// All viewers have what is before that number.
    pub(super) fn forget_before(&mut self, number: u64) {
        while self.first < number
            && let Some(gone) = self.waiting.pop_front()
        {
            self.bytes -= gone.data.len();
            self.first += 1;
        }
    }

    /// All viewers have it in their own queues, from where it leaves with the next turn, which may be now.
    pub(super) fn hand_over(&mut self) {
        self.begun = self.end();
        self.forget_before(self.begun);
        self.tick.hurry();
    }

    /// What was said from one number on and before another.
    pub(super) fn between(&self, from: u64, to: u64) -> impl Iterator<Item = &Announcement> {
        let place = |number: u64| usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let (from, to) = (place(from), place(to));
        self.waiting.iter().take(to).skip(from)
    }

    /// The number of the next.
    pub(super) fn end(&self) -> u64 {
        self.first + self.waiting.len() as u64
    }

    /// What has begun to leave is before this number.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// What may ride behind a picture is before this number; none where nothing waits for one.
    pub(super) fn riders(&self) -> Option<u64> {
        let all = if self.tick.is_gathering() {
            self.end()
        } else {
            self.begun
        };
        self.tick.is_offered().then_some(all)
    }

    /// When [`Announcements::turn`] wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.tick.poll_timeout()
    }
}
