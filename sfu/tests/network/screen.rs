//! What a browser's decoder makes of the packets: frames are shown in order, and whenever a whole keyframe is there it
//! begins anew with it, as libwebrtc's frame buffer does. A picture is whole with its marker, whichever layer has it.

use std::collections::BTreeMap;
use std::time::Duration;

use sfu::media::RtpPacket;

use super::camera::Stamp;
use super::payloads::needs_layer_below;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) at: Duration,
    /// By the viewer's own clock, 90 kHz.
    pub(crate) time: u64,
    pub(crate) stamp: Stamp,
}

/// A picture; of several spatial layers, if it has those.
#[derive(Debug, Default)]
struct Picture {
    layers: Vec<Layer>,
    /// The layer with the marker.
    highest: Option<u8>,
    /// The highest number.
    last: u64,
}

/// A frame of a layer: which of its packets came, and the highest number of those.
#[derive(Debug)]
struct Layer {
    stamp: Stamp,
    parts: Vec<bool>,
    needs_below: bool,
    last: u64,
}

/// Layer and number.
type Frame = (u8, u32);

#[derive(Default)]
pub(crate) struct Screen {
    /// By the viewer's own time.
    pictures: BTreeMap<u64, Picture>,
    /// The newest one shown.
    clock: Option<u64>,
    timestamp: Option<u64>,
    /// What can be built upon: frames since the keyframe.
    decoded: Vec<Frame>,
    /// Whole frames, and all that they go back to is whole, too.
    continuous: Vec<Frame>,
    pub(crate) shown: Vec<Shown>,
    /// When packets of which layer came.
    pub(crate) came: Vec<(Duration, u8)>,
}

impl Screen {
    /// Takes a packet of its number; gives the number before which nothing is needed any more.
    pub(crate) fn take(&mut self, now: Duration, number: u64, packet: &RtpPacket<'_>) -> Option<u64> {
        let stamp = Stamp::read(packet.payload())?;
        self.came.push((now, stamp.layer));
        let timestamp = packet.timestamp();
        let newest = *self.timestamp.get_or_insert((1 << 32) + u64::from(timestamp));
        let step = timestamp.wrapping_sub(newest as u32) as i32;
        let time = newest.wrapping_add_signed(step.into());
        self.timestamp = Some(newest.max(time));
        if self.clock.is_some_and(|clock| time <= clock) {
            return None;
        }
        let picture = self.pictures.entry(time).or_default();
        picture.take(number, packet, stamp);
        let mut needless = self.go_on();
        while let Some(time) = self.next() {
            needless = needless.max(Some(self.show(now, time)));
        }
        needless
    }

    /// Nothing before a frame that goes back to a keyframe is asked for any more, though a picture of several layers that
    /// others are built upon may not be whole (libwebrtc `RtpVideoStreamReceiver2::FrameContinuous`).
    fn go_on(&mut self) -> Option<u64> {
        let mut needless = None;
        for layer in self.pictures.values().flat_map(|picture| &picture.layers) {
            let (of, stamp) = (layer.stamp.layer, layer.stamp);
            let below = of.checked_sub(1).filter(|_| layer.needs_below);
            let goes_back = (stamp.is_keyframe() || self.continuous.contains(&(of, stamp.needs)))
                && below.is_none_or(|below| self.continuous.contains(&(below, stamp.frame)));
            if goes_back && layer.is_whole() && !self.continuous.contains(&(of, stamp.frame)) {
                self.continuous.push((of, stamp.frame));
                needless = needless.max(Some(layer.last + 1));
            }
        }
        let old = self.continuous.len().saturating_sub(96);
        self.continuous.drain(..old);
        needless
    }

    fn next(&self) -> Option<u64> {
        let found = self
            .pictures
            .iter()
            .find(|(_, picture)| picture.is_ready(&self.decoded))?;
        Some(*found.0)
    }

    fn show(&mut self, now: Duration, time: u64) -> u64 {
        let rest = self.pictures.split_off(&(time + 1));
        let picture = self.pictures.remove(&time).unwrap();
        self.pictures = rest;
        self.clock = Some(time);
        let stamps = picture.layers.iter().map(|layer| layer.stamp);
        let stamp = stamps.max_by_key(|stamp| stamp.layer).unwrap();
        if stamp.is_keyframe() {
            self.decoded.clear();
        }
        let frames = picture
            .layers
            .iter()
            .map(|layer| (layer.stamp.layer, layer.stamp.frame));
        self.decoded.extend(frames);
        let old = self.decoded.len().saturating_sub(24);
        self.decoded.drain(..old);
        self.shown.push(Shown { at: now, time, stamp });
        picture.last + 1
    }
}

impl Layer {
    fn is_whole(&self) -> bool {
        self.parts.iter().all(|part| *part)
    }
}

impl Picture {
    fn take(&mut self, number: u64, packet: &RtpPacket<'_>, stamp: Stamp) {
        if let Some(first) = self.layers.first() {
            assert_eq!(first.stamp.frame, stamp.frame, "two pictures at one time");
        }
        let place = self
            .layers
            .iter()
            .position(|known| known.stamp.layer == stamp.layer);
        let place = place.unwrap_or_else(|| {
            self.layers.push(Layer {
                stamp,
                parts: vec![false; usize::from(stamp.parts)],
                needs_below: needs_layer_below(packet.payload_type(), packet.payload()),
                last: number,
            });
            self.layers.len() - 1
        });
        let layer = &mut self.layers[place];
        layer.parts[usize::from(stamp.part)] = true;
        layer.last = layer.last.max(number);
        if packet.marker() {
            self.highest = Some(stamp.layer);
        }
        self.last = self.last.max(number);
    }

    /// Whether it is there with its marker, and all that it needs was decoded.
    fn is_ready(&self, decoded: &[Frame]) -> bool {
        let is_ready = |layer: &Layer| {
            let stamp = layer.stamp;
            let can = stamp.is_keyframe() || decoded.contains(&(stamp.layer, stamp.needs));
            let below = stamp.layer.checked_sub(1).filter(|_| layer.needs_below);
            let has_below =
                below.is_none_or(|below| self.layers.iter().any(|layer| layer.stamp.layer == below));
            layer.is_whole() && can && has_below
        };
        let highest = self.layers.iter().map(|layer| layer.stamp.layer).max();
        self.highest.is_some() && self.highest == highest && self.layers.iter().all(is_ready)
    }
}
