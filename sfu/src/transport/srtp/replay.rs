//! Packet indexes: guessing the upper bits of a sequence number, and refusing what was seen before.

/// The 48-bit index of a 16-bit sequence number, nearest to the highest one known (RFC 3711 §3.3.1). Nothing
/// comes before index 0, so a sequence number that would is taken as one of the first rollover period.
pub(super) fn nearest_index(highest: u64, sequence: u16) -> u64 {
    let step = sequence.wrapping_sub(highest as u16) as i16;
    highest.checked_add_signed(step.into()).unwrap_or(sequence.into())
}

/// A sliding window over packet indexes (RFC 3711 §3.3.2), as a ring of 64-bit blocks (RFC 6479): the block the
/// highest index is in is only partly filled, so the window reaches back at least `64 * (BLOCKS - 1)`.
pub(super) struct ReplayWindow<const BLOCKS: usize> {
    highest: u64,
    seen: [u64; BLOCKS],
}

impl<const BLOCKS: usize> ReplayWindow<BLOCKS> {
    const REACH: u64 = 64 * (BLOCKS as u64 - 1);

    /// A window that has seen one packet.
    pub(super) fn starting_with(index: u64) -> Self {
        let mut window = ReplayWindow {
            highest: index,
            seen: [0; BLOCKS],
        };
        window.mark(index);
        window
    }

    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether the index was not seen yet and is not too old to tell.
    pub(super) fn is_new(&self, index: u64) -> bool {
        index > self.highest
            || (self.highest - index < Self::REACH
                && self
                    .seen
                    .get(Self::block(index))
                    .is_some_and(|bits| bits & Self::bit(index) == 0))
    }

    /// Remembers an index that was new and authentic.
    pub(super) fn mark(&mut self, index: u64) {
        if index > self.highest {
            let blocks = (index / 64 - self.highest / 64).min(BLOCKS as u64);
            for ahead in 1..=blocks {
                if let Some(bits) = self.seen.get_mut(Self::block(self.highest + 64 * ahead)) {
                    *bits = 0;
                }
            }
            self.highest = index;
        }
        if let Some(bits) = self.seen.get_mut(Self::block(index)) {
            *bits |= Self::bit(index);
        }
    }

    fn block(index: u64) -> usize {
        (index / 64 % BLOCKS as u64) as usize
    }

    fn bit(index: u64) -> u64 {
        1 << (index % 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_wrap_both_ways() {
        assert_eq!(nearest_index(65_535, 0), 65_536);
        assert_eq!(nearest_index(65_536, 65_535), 65_535);
        assert_eq!(nearest_index(3, 65_535), 65_535);
        assert_eq!(nearest_index((7 << 16) + 100, 90), (7 << 16) + 90);
    }

    #[test]
    fn each_index_passes_once_and_old_ones_never() {
        let mut window = ReplayWindow::<4>::starting_with(1_000);
        assert!(!window.is_new(1_000));
        for index in [1_001, 1_100, 1_050, 1_099, 5_000, 4_900] {
            assert!(window.is_new(index), "{index}");
            window.mark(index);
            assert!(!window.is_new(index), "{index}");
        }
        assert!(window.is_new(4_899));
        assert!(window.is_new(5_000 - 191));
        assert!(!window.is_new(5_000 - 192));
        assert!(!window.is_new(1_002));
    }

    #[test]
    fn a_window_agrees_with_a_plain_set() {
        use rand::{RngExt, SeedableRng};
        let mut random = rand::rngs::StdRng::seed_from_u64(1);
        let mut window = ReplayWindow::<3>::starting_with(500);
        let mut seen = std::collections::HashSet::from([500_u64]);
        for _ in 0..20_000 {
            let step = random.random_range(0..300);
            let index = (window.highest() + step).saturating_sub(200);
            let expected =
                !seen.contains(&index) && (index > window.highest() || window.highest() - index < 128);
            assert_eq!(
                window.is_new(index),
                expected,
                "{index} after {}",
                window.highest()
            );
            if expected {
                window.mark(index);
                seen.insert(index);
            }
        }
    }
}
