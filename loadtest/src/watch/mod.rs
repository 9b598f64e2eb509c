//! Viewers on the `webrtc` crate: they join, count what arrives, and leave. The canaries of a run.

mod frames;
mod viewer;

pub(crate) use frames::Sight;
pub(crate) use viewer::Viewer;
