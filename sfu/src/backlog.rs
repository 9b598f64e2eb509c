//! Messages that wait because somebody's line is slow: the most important first, in bounded bytes.

use std::collections::VecDeque;

/// What goes first. Smaller is more urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Waited for by somebody.
    Answer,
    /// Must come, in order.
    State,
    /// The next one replaces it: the oldest makes room.
    Passing,
    /// Must come, when there is nothing else.
    Talk,
}

/// Bytes kept free for answers when everything else has filled its part.
const FOR_ANSWERS: usize = 32 << 10;
/// Bytes of passing messages.
const MAX_PASSING: usize = 8 << 10;

/// What waits for one client.
#[derive(Debug)]
pub struct Backlog<T> {
    /// By urgency, with the bytes of each.
    lanes: [VecDeque<(usize, T)>; 4],
    bytes: usize,
    most: usize,
}

impl<T> Backlog<T> {
    /// For at most so many bytes, of which 32 KiB are for answers alone. What passes may come on top, 8 KiB at most.
    pub fn new(most: usize) -> Backlog<T> {
        Backlog {
            lanes: [const { VecDeque::new() }; 4],
            bytes: 0,
            most,
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lanes.iter().all(VecDeque::is_empty)
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lets a message of `bytes` wait. False when there is no room: then something that must come is missing.
    pub fn push(&mut self, urgency: Urgency, bytes: usize, message: T) -> bool {
        if urgency == Urgency::Passing {
            return self.push_passing(bytes, message);
        }
        let most = match urgency {
            Urgency::Answer => self.most,
            _ => self.most.saturating_sub(FOR_ANSWERS),
        };
        if self.bytes + bytes > most {
            return false;
        }
        self.add(urgency, bytes, message);
        true
    }

    fn push_passing(&mut self, bytes: usize, message: T) -> bool {
        let waiting: usize = self.lane(Urgency::Passing).iter().map(|(bytes, _)| bytes).sum();
        let mut over = (waiting + bytes).saturating_sub(MAX_PASSING);
        while over > 0
            && let Some((bytes, _)) = self.lane(Urgency::Passing).pop_front()
        {
            self.bytes -= bytes;
            over = over.saturating_sub(bytes);
        }
        // One that alone is too long passes by.
        if bytes <= MAX_PASSING {
            self.add(Urgency::Passing, bytes, message);
        }
        true
    }

    /// What is to go next.
    pub fn pop(&mut self) -> Option<T> {
        let (bytes, message) = self.lanes.iter_mut().find_map(VecDeque::pop_front)?;
        self.bytes -= bytes;
        Some(message)
    }

    /// What is to go next, left where it is.
    pub fn front(&self) -> Option<&T> {
        self.lanes
            .iter()
            .find_map(VecDeque::front)
            .map(|(_, message)| message)
    }

    /// Forgets everything but answers.
    pub fn keep_answers(&mut self) {
        for lane in self.lanes.iter_mut().skip(1) {
            lane.clear();
        }
        self.bytes = self.lane(Urgency::Answer).iter().map(|(bytes, _)| bytes).sum();
    }

    fn add(&mut self, urgency: Urgency, bytes: usize, message: T) {
        self.bytes += bytes;
        self.lane(urgency).push_back((bytes, message));
    }

    fn lane(&mut self, urgency: Urgency) -> &mut VecDeque<(usize, T)> {
        let [answer, state, passing, talk] = &mut self.lanes;
        match urgency {
            Urgency::Answer => answer,
            Urgency::State => state,
            Urgency::Passing => passing,
            Urgency::Talk => talk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_overtake_state_which_overtakes_what_passes_and_talk() {
        let mut backlog = Backlog::new(1 << 20);
        for (urgency, name) in [
            (Urgency::Talk, "talk"),
            (Urgency::Passing, "passing"),
            (Urgency::State, "one"),
            (Urgency::State, "two"),
            (Urgency::Answer, "answer"),
        ] {
            assert!(backlog.push(urgency, 10, name));
        }
        assert_eq!(backlog.bytes(), 50);
        let order: Vec<_> = std::iter::from_fn(|| backlog.pop()).collect();
        assert_eq!(order, ["answer", "one", "two", "passing", "talk"]);
        assert!(backlog.is_empty() && backlog.bytes() == 0);
    }

    #[test]
    fn the_last_bytes_are_for_answers() {
        let mut backlog = Backlog::new(FOR_ANSWERS + 100);
        assert!(backlog.push(Urgency::State, 100, 1));
        assert!(!backlog.push(Urgency::Talk, 1, 2) && !backlog.push(Urgency::State, 1, 3));
        assert!(backlog.push(Urgency::Answer, FOR_ANSWERS, 4));
        assert!(!backlog.push(Urgency::Answer, 1, 5));
        backlog.keep_answers();
        assert_eq!(backlog.bytes(), FOR_ANSWERS);
        assert_eq!((backlog.pop(), backlog.pop()), (Some(4), None));
    }

    #[test]
    fn what_passes_is_replaced_by_what_is_newer() {
        let mut backlog = Backlog::new(1 << 20);
        for number in 0..100 {
            assert!(backlog.push(Urgency::Passing, MAX_PASSING / 4, number));
        }
        assert!(
            backlog.push(Urgency::Passing, MAX_PASSING + 1, 100),
            "too long: it passes by"
        );
        assert_eq!(backlog.pop(), None);
        assert!(backlog.push(Urgency::Passing, MAX_PASSING, 101));
        assert_eq!((backlog.pop(), backlog.bytes()), (Some(101), 0));
    }

    #[test]
    fn what_passes_fills_its_part_to_the_last_byte_and_not_one_beyond() {
        let mut backlog = Backlog::new(1 << 20);
        for number in 0..5 {
            assert!(backlog.push(Urgency::Passing, MAX_PASSING / 4, number));
            assert_eq!(backlog.bytes(), MAX_PASSING.min((number + 1) * MAX_PASSING / 4));
        }
        // One byte more than there is room for costs one message, and no second one.
        assert!(backlog.push(Urgency::Passing, 1, 5));
        let left: Vec<_> = std::iter::from_fn(|| backlog.pop()).collect();
        assert_eq!(left, [2, 3, 4, 5]);
    }

    #[test]
    fn what_passes_takes_from_the_room_of_state_and_comes_on_top_of_it() {
        let mut backlog = Backlog::new(FOR_ANSWERS + MAX_PASSING);
        assert!(backlog.push(Urgency::Passing, MAX_PASSING, 1));
        assert!(!backlog.push(Urgency::State, 1, 2) && backlog.push(Urgency::Answer, FOR_ANSWERS, 3));
        assert_eq!(backlog.pop(), Some(3));
        assert_eq!(backlog.pop(), Some(1));
        assert!(
            backlog.push(Urgency::State, MAX_PASSING, 4) && backlog.push(Urgency::Passing, MAX_PASSING, 5)
        );
        assert_eq!(backlog.bytes(), 2 * MAX_PASSING);
    }
}
