//! The way into a session, for publishers and viewers alike: a POST, then ICE and DTLS. Who is told to stop on the way
//! leaves nothing behind at the server.

use std::pin::{Pin, pin};
use std::time::Duration;

use crate::Error;

/// Who is to stop while the answer to its POST is on its way waits so much longer for what there is to take back.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// How somebody is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goodbye {
    /// It takes its session back with a DELETE.
    Leave,
    /// It breaks off without one, as a lost line does.
    Break,
}

impl From<()> for Goodbye {
    fn from((): ()) -> Self {
        Self::Leave
    }
}

/// Has a session at the server since its POST was answered.
pub(crate) trait Opened: Sized {
    /// Takes the answer and waits until media can flow.
    ///
    /// # Errors
    /// When it does not come about. It is still to end.
    fn connect(&mut self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Ends the connection, after the session has been taken back, if it is to be.
    fn end(self, goodbye: Goodbye) -> impl Future<Output = ()> + Send;
}

/// Opens and connects; or how it was `told` to end meanwhile. Whatever there was of it is then taken back, as after an error.
pub(crate) async fn join<O: Opened, G: Into<Goodbye>>(
    opening: impl Future<Output = Result<O, Error>>,
    mut told: Pin<&mut impl Future<Output = G>>,
) -> Result<Result<O, Goodbye>, Error> {
    let mut opening = pin!(opening);
    let mut opened = tokio::select! {
        opened = opening.as_mut() => opened?,
        goodbye = told.as_mut() => {
            let goodbye = goodbye.into();
            // Only the answer tells what there is to take back.
            if goodbye == Goodbye::Leave && let Ok(Ok(opened)) = tokio::time::timeout(LAST_ANSWER, opening).await {
                opened.end(goodbye).await;
            }
            return Ok(Err(goodbye));
        }
    };
    let connected = tokio::select! {
        connected = opened.connect() => connected,
        goodbye = told => {
            let goodbye = goodbye.into();
            opened.end(goodbye).await;
            return Ok(Err(goodbye));
        }
    };
    match connected {
        Ok(()) => Ok(Ok(opened)),
        Err(error) => {
            opened.end(Goodbye::Leave).await;
            Err(error)
        }
    }
}
