//! The layers inside one encoding, as they come, and the rate of each.

use std::time::Instant;

use super::meter::Meter;

/// Three spatial by three temporal layers are what encoders make (L3T3); more are not told apart.
const MAX_PARTS: usize = 16;

#[derive(Debug, Default)]
struct Part {
    spatial: u8,
    temporal: u8,
    meter: Meter,
}

/// Every spatial and temporal layer seen.
#[derive(Debug, Default)]
pub(super) struct Parts {
    list: Vec<Part>,
}

impl Parts {
    pub(super) fn count(&mut self, now: Instant, (spatial, temporal): (u8, u8), bytes: usize) {
        let known = |part: &Part| part.spatial == spatial && part.temporal == temporal;
        if let Some(part) = self.list.iter_mut().find(|part| known(part)) {
            part.meter.count(now, bytes);
        } else if self.list.len() < MAX_PARTS {
            let mut meter = Meter::default();
            meter.count(now, bytes);
            self.list.push(Part {
                spatial,
                temporal,
                meter,
            });
        }
    }

    pub(super) fn advance(&mut self, now: Instant) {
        self.list.iter_mut().for_each(|part| part.meter.advance(now));
    }

    /// The highest spatial and temporal layer that comes now.
    pub(super) fn highest(&self) -> (u8, u8) {
        let coming = self.list.iter().filter(|part| part.meter.bitrate() > 0);
        coming.fold((0, 0), |(spatial, temporal), part| {
            (spatial.max(part.spatial), temporal.max(part.temporal))
        })
    }

    /// Bits per second of everything up to a layer.
    pub(super) fn bitrate(&self, spatial: u8, temporal: u8, metered: fn(&Meter) -> u64) -> u64 {
        let within = |part: &&Part| part.spatial <= spatial && part.temporal <= temporal;
        let within = self.list.iter().filter(within);
        within.map(|part| metered(&part.meter)).sum()
    }
}
