//! What a browser's decoder makes of the packets: frames are shown in order, and whenever a whole keyframe is there it
//! begins anew with it, as libwebrtc's frame buffer does.

use std::collections::BTreeMap;
use std::time::Duration;

use super::camera::Stamp;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) at: Duration,
    pub(crate) stamp: Stamp,
}

#[derive(Debug)]
struct Frame {
    stamp: Stamp,
    first: u64,
    parts: Vec<bool>,
}

#[derive(Default)]
pub(crate) struct Screen {
    /// By the viewer's own time.
    frames: BTreeMap<u64, Frame>,
    /// The newest one shown.
    clock: Option<u64>,
    timestamp: Option<u64>,
    /// What can be built upon: frames of the layer since its keyframe.
    layer: Option<u8>,
    decoded: Vec<u32>,
    pub(crate) shown: Vec<Shown>,
}

impl Screen {
    /// Takes a packet of its number; gives the number before which nothing is needed any more.
    pub(crate) fn take(&mut self, now: Duration, number: u64, timestamp: u32, payload: &[u8]) -> Option<u64> {
        let stamp = Stamp::read(payload)?;
        let newest = *self.timestamp.get_or_insert((1 << 32) + u64::from(timestamp));
        let step = timestamp.wrapping_sub(newest as u32) as i32;
        let time = newest.wrapping_add_signed(step.into());
        self.timestamp = Some(newest.max(time));
        if self.clock.is_some_and(|clock| time <= clock) {
            return None;
        }
        let frame = self.frames.entry(time).or_insert_with(|| Frame {
            stamp,
            first: number - u64::from(stamp.part),
            parts: vec![false; usize::from(stamp.parts)],
        });
        assert_eq!(
            (frame.stamp.layer, frame.stamp.frame),
            (stamp.layer, stamp.frame),
            "two frames at one time"
        );
        frame.parts[usize::from(stamp.part)] = true;
        let mut needless = None;
        while let Some(time) = self.next() {
            needless = Some(self.show(now, time));
        }
        needless
    }

    fn next(&self) -> Option<u64> {
        let ready = |frame: &Frame| {
            let follows = self.layer == Some(frame.stamp.layer) && self.decoded.contains(&frame.stamp.needs);
            frame.parts.iter().all(|part| *part) && (frame.stamp.is_keyframe() || follows)
        };
        let found = self.frames.iter().find(|(_, frame)| ready(frame))?;
        Some(*found.0)
    }

    fn show(&mut self, now: Duration, time: u64) -> u64 {
        let rest = self.frames.split_off(&(time + 1));
        let frame = self.frames.remove(&time).unwrap();
        self.frames = rest;
        self.clock = Some(time);
        if frame.stamp.is_keyframe() {
            self.decoded.clear();
        }
        self.layer = Some(frame.stamp.layer);
        self.decoded.push(frame.stamp.frame);
        if self.decoded.len() > 8 {
            self.decoded.remove(0);
        }
        self.shown.push(Shown {
            at: now,
            stamp: frame.stamp,
        });
        frame.first + frame.parts.len() as u64
    }
}
