//! What stands behind the door, as one value.

use std::future::Future;

use crate::media::Media;
use crate::shop::Shop;

/// The server behind the door; made once by the shell.
pub trait House: Send + Sync + 'static {
    /// Its media side.
    type Media: Media;
    /// Its shop side.
    type Shop: Shop;

    /// The media side.
    fn media(&self) -> &Self::Media;
    /// The shop side.
    fn shop(&self) -> &Self::Shop;
    /// All metrics in Prometheus' text form; `None` when they cannot be had.
    fn metrics(&self) -> impl Future<Output = Option<String>> + Send;
    /// Why new sessions and buys are not served now, in words: while starting and stopping, and while the ledger's database
    /// does not answer. `None`: they are.
    fn unready(&self) -> Option<&'static str>;
}
