//! How often one address may ask: a token bucket each (RFC 9725 §5).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Addresses remembered at most, a few megabytes. With more than this many asking within seconds the flood comes from
/// everywhere, one address's pace says nothing, and new ones are let through.
const ADDRESSES: usize = 65_536;
/// Requests that may come at once, in seconds of the steady rate: a browser that reconnects sends several.
const BURST_SECONDS: f64 = 5.0;

/// Buckets of every address that asked lately.
pub(crate) struct Pace {
    per_second: f64,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl Pace {
    pub(crate) fn new(per_second: u32) -> Pace {
        Pace {
            per_second: f64::from(per_second.max(1)),
            buckets: Mutex::new(HashMap::new()),
        }
    }

    /// How long to wait until one more would be taken, if at all. Counts nothing.
    pub(crate) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.get(&address)?;
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        let missing = 1.0 - (bucket.left + passed * self.per_second);
        (missing > 0.0).then(|| Duration::from_secs_f64(missing / self.per_second))
    }

    /// Counts a request; how long to wait when it is one too many.
    pub(crate) fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let full = self.per_second * BURST_SECONDS;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES && !buckets.contains_key(&address) {
            let refilled = Duration::from_secs_f64(BURST_SECONDS);
            buckets.retain(|_, bucket| now.saturating_duration_since(bucket.at) < refilled);
            if buckets.len() >= ADDRESSES {
                return Ok(());
            }
        }
        let bucket = buckets.entry(address).or_insert(Bucket { left: full, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + passed * self.per_second).min(full);
        bucket.at = now;
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) / self.per_second));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(number))
    }

    #[test]
    fn a_burst_passes_and_then_the_steady_rate() {
        let (pace, start) = (Pace::new(2), Instant::now());
        for _ in 0..10 {
            assert_eq!(pace.take(address(1), start), Ok(()));
        }
        assert_eq!(pace.take(address(1), start), Err(Duration::from_millis(500)));
        assert_eq!(pace.wait(address(1), start), Some(Duration::from_millis(500)));
        assert_eq!(pace.wait(address(1), start + Duration::from_millis(500)), None);
        assert_eq!(
            pace.take(address(2), start),
            Ok(()),
            "another address has its own"
        );
        let later = start + Duration::from_millis(500);
        assert_eq!(pace.take(address(1), later), Ok(()));
        assert!(pace.take(address(1), later).is_err());
    }

    #[test]
    fn memory_is_bounded_and_quiet_addresses_are_forgotten() {
        let (pace, start) = (Pace::new(1), Instant::now());
        for number in 0..=ADDRESSES as u32 {
            assert!(pace.take(address(number), start).is_ok());
        }
        assert_eq!(pace.buckets.lock().unwrap().len(), ADDRESSES);
        assert!(
            pace.take(address(1 << 20), start + Duration::from_secs(5))
                .is_ok()
        );
        assert_eq!(pace.buckets.lock().unwrap().len(), 1);
    }
}
