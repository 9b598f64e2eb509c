//! How fast one client may speak.

use crate::UnixMillis;

/// A bucket of tokens that fills with time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Thousandths of a token.
    tokens: i64,
    most: i64,
    per_second: i64,
    at: i64,
}

impl Bucket {
    pub(super) fn new(now: UnixMillis, most: u32, per_ten_seconds: u32) -> Bucket {
        let most = i64::from(most.max(1)) * 1000;
        Bucket {
            tokens: most,
            most,
            per_second: (i64::from(per_ten_seconds.max(1)) * 1000) / 10,
            at: now.0,
        }
    }

    /// Takes one; the error is how many milliseconds to wait for it.
    pub(super) fn take(&mut self, now: UnixMillis) -> Result<(), i64> {
        // A clock that was set back earns nothing.
        let passed = (now.0 - self.at).max(0);
        self.at = now.0;
        self.tokens = (self.tokens + passed.saturating_mul(self.per_second) / 1000).min(self.most);
        if self.tokens >= 1000 {
            self.tokens -= 1000;
            return Ok(());
        }
        Err((1000 - self.tokens) * 1000 / self.per_second.max(1) + 1)
    }
}

impl Bucket {
    /// Whether nothing is owed any more.
    pub(super) fn is_full(&self, now: UnixMillis) -> bool {
        let passed = (now.0 - self.at).max(0);
        self.tokens + passed.saturating_mul(self.per_second) / 1000 >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_in_ten_seconds_and_then_one_every_two() {
        let mut bucket = Bucket::new(UnixMillis(0), 5, 5);
        assert!((0..5).all(|_| bucket.take(UnixMillis(0)).is_ok()));
        let wait = bucket.take(UnixMillis(0)).unwrap_err();
        assert!((2000..=2001).contains(&wait));
        assert!(bucket.take(UnixMillis(1900)).is_err());
        assert!(bucket.take(UnixMillis(2100)).is_ok());
        assert!(bucket.take(UnixMillis(0)).is_err(), "the clock was set back");
    }
}
