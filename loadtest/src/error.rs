//! What can go wrong, in the words of the person who started the test.

use std::time::Duration;

/// An error of the harness.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A media file is not what it should be; the text says why.
    #[error("the clip cannot be used: {0}")]
    Clip(String),
    /// An option makes no sense; the text says which and what is accepted.
    #[error("{0}")]
    Options(String),
    /// The server could not be reached or broke off.
    #[error("HTTP: {0}")]
    Http(#[from] reqwest::Error),
    /// No connection, or none that lasted; the text says why.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// The server answered with another status than 201; the body is cut after 500 bytes.
    #[error("the server refused with {status}: {body}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The answer's body, shortened.
        body: String,
        /// What `Retry-After` said, when it was there and in seconds.
        retry_after: Option<Duration>,
    },
    /// The server's answer breaks the protocol; the text says how.
    #[error("the server's answer breaks the protocol: {0}")]
    Protocol(String),
    /// The WebRTC side failed.
    #[error("WebRTC: {0}")]
    WebRtc(#[from] webrtc::error::Error),
    /// Something awaited did not come in time.
    #[error("waited {0:?} for {1}")]
    Timeout(Duration, &'static str),
    /// The connection ended while it was needed.
    #[error("the connection has ended")]
    Ended,
}

impl Error {
    /// Whether trying again later can help: not for a request the server understood and will not serve.
    pub fn is_passing(&self) -> bool {
        match self {
            // 404, too, is final: a server that restarts refuses the connection instead.
            Self::Refused { status, .. } => matches!(status, 408 | 409 | 425 | 429 | 500..=599),
            Self::Http(_) | Self::Unreachable(_) | Self::WebRtc(_) | Self::Timeout(..) | Self::Ended => true,
            Self::Clip(_) | Self::Options(_) | Self::Protocol(_) => false,
        }
    }
}
