//! A stream that lets others have their turn, and ends where much is said and nothing asked for. Frames of HTTP/2 such as
//! PING, SETTINGS, WINDOW_UPDATE and PRIORITY (RFC 9113 §6) are a few bytes each and are read on and on as long as more are
//! there: a few connections full of them keep all workers of the runtime, which looks at sockets and clocks after dozens
//! of their turns only.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are read in one turn: a thousand of the smallest frames, which take a worker a fraction of a millisecond.
const TURN: usize = 16 << 10;
/// Bytes that a connection may say without asking for anything, at once and a second: what a stream of events takes in
/// frames beside (13 bytes for each 32 KiB and more that are read of it, 17 for each sign of life) is far less.
const AT_ONCE: u64 = 64 << 10;
const PER_SECOND: u64 = 1 << 10;

/// What the requests of a connection may have taken, bytes.
#[derive(Clone, Default)]
pub(super) struct Credit(Arc<AtomicU64>);

impl Credit {
    /// A request has come that takes so many, or so many of it have been heard.
    pub(super) fn grant(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

pub(super) struct Fair<S> {
    stream: S,
    /// Of this turn.
    left: usize,
    credit: Credit,
    read: u64,
    since: Instant,
}

impl<S> Fair<S> {
    pub(super) fn new(stream: S, credit: Credit, now: Instant) -> Fair<S> {
        Fair {
            stream,
            left: TURN,
            credit,
            read: 0,
            since: now,
        }
    }

    fn has_overdrawn(&self) -> bool {
        let known = AT_ONCE + self.credit.0.load(Ordering::Relaxed);
        self.read > known && self.read > known + self.since.elapsed().as_secs() * PER_SECOND
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Fair<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_overdrawn() {
            let told = io::Error::other("it says much and asks for nothing");
            return Poll::Ready(Err(told));
        }
        if self.left == 0 {
            // Behind all others who are ready.
            self.left = TURN;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let count = buffer.filled().len() - before;
        self.read += count as u64;
        self.left = match read {
            Poll::Ready(_) => self.left.saturating_sub(count),
            // Nothing more is there: the turn is over by itself.
            Poll::Pending => TURN,
        };
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Fair<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// A connection on which so much was said.
    async fn said(bytes: usize, credit: &Credit) -> (DuplexStream, Fair<DuplexStream>) {
        let (mut there, here) = duplex(bytes);
        there.write_all(&vec![1; bytes]).await.unwrap();
        (there, Fair::new(here, credit.clone(), Instant::now()))
    }

    #[tokio::test]
    async fn whoever_has_much_to_say_pauses_for_others() {
        let (_there, mut fair) = said(4 * TURN, &Credit::default()).await;
        let (mut space, mut read, mut pauses) = ([0; 1000], 0, 0);
        while read < 4 * TURN {
            let count = poll_fn(|context| {
                let mut buffer = ReadBuf::new(&mut space);
                match Pin::new(&mut fair).poll_read(context, &mut buffer) {
                    Poll::Ready(result) => Poll::Ready(result.map(|()| buffer.filled().len())),
                    Poll::Pending => {
                        pauses += 1;
                        Poll::Pending
                    }
                }
            });
            read += count.await.unwrap();
        }
        assert_eq!(pauses, 3, "it was woken each time");
    }

    #[tokio::test]
    async fn whoever_says_much_and_asks_for_nothing_is_let_go() {
        let (most, credit) = (AT_ONCE as usize, Credit::default());
        let (there, mut fair) = said(2 * most, &credit).await;
        drop(there);
        fair.read_exact(&mut vec![0; most]).await.unwrap();
        credit.grant(most / 2);
        fair.read_exact(&mut vec![0; most / 2]).await.unwrap();
        let mut read = 0;
        let ended = loop {
            match fair.read(&mut [0; 1000]).await {
                Ok(0) => panic!("all was read"),
                Ok(count) => read += count,
                Err(error) => break error,
            }
        };
        assert_eq!(ended.kind(), io::ErrorKind::Other);
        assert!(read < 10_000, "{read} more");
    }
}
