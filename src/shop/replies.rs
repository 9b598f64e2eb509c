//! HTTP requests whose replies come when the shop has decided.

use std::collections::HashMap;

use overlay::{Reply, RequestId};
use signaling::ShopReply;
use tokio::sync::oneshot;

/// Requests that wait for the ledger; each holds one HTTP connection. Beyond, they are refused.
const MAX_REPLIES: usize = 16 << 10;

/// Those who wait for a reply.
#[derive(Default)]
pub(super) struct Replies {
    waiting: HashMap<RequestId, oneshot::Sender<ShopReply>>,
    next: u64,
}

impl Replies {
    /// Numbers a request whose reply comes later; it is refused when too many wait.
    pub(super) fn expect(&mut self, reply: oneshot::Sender<ShopReply>) -> Option<RequestId> {
        if self.waiting.len() >= MAX_REPLIES {
            drop(reply.send(ShopReply::Unavailable));
            return None;
        }
        let request = RequestId(self.next);
        self.next += 1;
        self.waiting.insert(request, reply);
        Some(request)
    }

    /// Gives the reply. Whoever asked may have gone meanwhile; then nobody needs it.
    pub(super) fn give(&mut self, request: RequestId, reply: Reply) {
        if let Some(waiting) = self.waiting.remove(&request) {
            drop(waiting.send(as_shop_reply(reply)));
        }
    }
}

fn as_shop_reply(reply: Reply) -> ShopReply {
    match reply {
        Reply::Ok(body) => ShopReply::Ok(body),
        Reply::Versioned(body, version) => ShopReply::Versioned(body, version),
        Reply::Done => ShopReply::Done,
        Reply::Bad(why) => ShopReply::Bad(why),
        Reply::NotFound(why) => ShopReply::NotFound(why),
        Reply::Conflict(why) => ShopReply::Conflict(why),
        Reply::Stale(why) => ShopReply::Stale(why),
        Reply::TooMany { retry_after_ms } => ShopReply::TooMany {
            retry_after_ms: u64::try_from(retry_after_ms).unwrap_or(0),
        },
        Reply::Unavailable => ShopReply::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_wait_and_the_next_is_refused_at_once() {
        let mut replies = Replies::default();
        let mut ask = || {
            let (reply, mut answer) = oneshot::channel();
            let request = replies.expect(reply);
            (request, answer.try_recv().ok(), answer)
        };
        let waiting: Vec<_> = (0..MAX_REPLIES).map(|_| ask()).collect();
        assert!(
            waiting
                .iter()
                .all(|(request, answer, _)| request.is_some() && answer.is_none())
        );
        let (refused, answer, _) = ask();
        assert_eq!((refused, answer), (None, Some(ShopReply::Unavailable)));
        let (first, _, mut answer) = waiting.into_iter().next().unwrap();
        replies.give(first.unwrap(), Reply::Done);
        assert_eq!(answer.try_recv(), Ok(ShopReply::Done));
        assert!(replies.expect(oneshot::channel().0).is_some(), "one has room");
        assert!(replies.expect(oneshot::channel().0).is_none());
    }
}
