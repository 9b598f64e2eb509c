//! What of a viewer the next datagram or the next feedback needs, read ahead of it.

use super::Viewer;

impl Viewer {
    /// Touches the memory that taking such a datagram will; with none, what a feedback looks at. The value means nothing.
    pub(in crate::engine) fn glance(&self, datagram: &[u8]) -> u64 {
        let ssrc = datagram.get(8..12).and_then(|ssrc| ssrc.try_into().ok());
        let ssrc = ssrc.map(u32::from_be_bytes);
        let streams = self.streams.iter().zip(&self.ssrcs);
        let concerned = streams.filter(|(_, of)| ssrc.is_none_or(|ssrc| ssrc == **of));
        let streams = concerned.fold(0, |sum, (stream, _)| sum ^ stream.glance());
        let keys = self.keys.as_ref().map_or(0, |keys| keys.glance());
        streams ^ keys ^ self.arrivals.glance() ^ self.story.packets ^ u64::from(self.feedback.is_some())
    }
}
