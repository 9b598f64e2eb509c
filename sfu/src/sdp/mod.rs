//! Offers read, answers written (RFC 8829, RFC 9725 §4.4, the WHEP draft §4.6). Everything a peer's text could get
//! wrong is settled here, on the caller's thread, before a shard hears of it.
//!
//! [`text`] reads the grammar and leaves everything where it lies: an offer of a browser is two hundred lines, and one
//! comes with every viewer.

mod answer;
mod bundle;
mod codecs;
mod extensions;
mod fragment;
mod lines;
mod offer;
mod outline;
mod section;
mod simulcast;
mod sources;
mod text;

use std::net::SocketAddr;

pub use fragment::Fragment;
pub use outline::Tag;

use crate::negotiation::{AgreedMedia, DataChannels, DtlsRole, Fingerprint, IceCredentials};
use outline::Outline;

/// Which way an offer's media flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// WHIP: the peer sends.
    Publish,
    /// WHEP: the peer receives.
    Play,
}

/// Why an offer is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Not an SDP offer at all, or contradicting itself: HTTP 400.
    #[error("malformed SDP: {0}")]
    Malformed(String),
    /// A proper offer that this server cannot answer as a whole: HTTP 422. Says what was wrong and what is accepted.
    #[error("unacceptable offer: {0}")]
    Unacceptable(String),
}

/// An offer that will be answered.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The peer's ICE credentials.
    pub ice: IceCredentials,
    /// The peer's certificate fingerprints (sha-256), session or media level.
    pub fingerprints: Vec<Fingerprint>,
    /// Our DTLS role.
    pub role: DtlsRole,
    /// Media agreed on, with random SSRCs for viewers.
    pub media: AgreedMedia,
    /// The data-channel section.
    pub data_channels: Option<DataChannels>,
    /// Made by Firefox, which takes longer than others until it can decrypt what arrives.
    pub is_firefox: bool,
    /// What only the answer needs to know.
    outline: Outline,
}

/// What the server puts into an answer.
#[derive(Clone, Debug)]
pub struct AnswerParams<'a> {
    /// Our ICE credentials.
    pub ice: &'a IceCredentials,
    /// Our certificate.
    pub fingerprint: Fingerprint,
    /// UDP host candidates, the best first.
    pub udp: &'a [SocketAddr],
    /// ICE-TCP passive candidates.
    pub tcp: &'a [SocketAddr],
    /// `msid` stream id and CNAME.
    pub stream: &'a str,
    /// SCTP messages we take, in bytes.
    pub max_message: usize,
}

impl Offer {
    /// Parses and judges an offer. `seed` picks the SSRCs of a viewer.
    ///
    /// # Errors
    /// [`OfferError`]
    pub fn parse(text: &str, direction: Direction, seed: u64) -> Result<Offer, OfferError> {
        offer::parse(text, direction, seed)
    }

    /// The answer, CRLF line ends, below 8 KB.
    pub fn answer(&self, params: &AnswerParams<'_>) -> String {
        answer::write(self, params)
    }

    /// The m-section that carries the session's ICE, for [`Fragment::restarted`].
    pub fn tag(&self) -> Tag {
        self.outline.tag
    }
}

fn malformed<T>(why: impl Into<String>) -> Result<T, OfferError> {
    Err(OfferError::Malformed(why.into()))
}

fn unacceptable<T>(why: impl Into<String>) -> Result<T, OfferError> {
    Err(OfferError::Unacceptable(why.into()))
}
