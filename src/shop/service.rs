//! The shop as the HTTP door reaches it: requests go to the shop's own task, replies come back.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use dashmap::DashSet;
use signaling::{HostRequest, RoomSummary, Shop, ShopList, ShopReply, ShopStream};
use tokio::sync::{mpsc, oneshot};

use crate::telemetry::ShopMetrics;

/// Requests waiting for the shop. It handles tens of thousands a second, its ledger a batch at a time; more waiting
/// than this would be answered too late to matter.
pub const REQUESTS: usize = 4096;

/// One HTTP request to the shop. Its caller may have gone when the reply is made.
pub enum Request {
    /// The list of rooms.
    Rooms {
        /// Where the reply goes.
        reply: oneshot::Sender<Vec<RoomSummary>>,
    },
    /// One room.
    Room {
        /// Its name.
        room: String,
        /// Where the reply goes.
        reply: oneshot::Sender<RoomSummary>,
    },
    /// An event stream.
    Connect {
        /// Its room.
        room: String,
        /// The hello said for it.
        hello: Bytes,
        /// Where it comes from.
        from: IpAddr,
        /// Where the reply goes.
        reply: oneshot::Sender<Result<ShopStream, ShopReply>>,
    },
    /// A message of an event stream's client.
    Message {
        /// The stream's secret.
        client: u64,
        /// The message.
        message: Bytes,
        /// Where the reply goes.
        reply: oneshot::Sender<ShopReply>,
    },
    /// A buy without a stream.
    Buy {
        /// The room.
        room: String,
        /// Who buys.
        token: Option<String>,
        /// A `buy` message.
        buy: Bytes,
        /// Where it comes from.
        from: IpAddr,
        /// Where the reply goes.
        reply: oneshot::Sender<ShopReply>,
    },
    /// A host's command; its right was checked.
    Command {
        /// The room.
        room: String,
        /// What.
        request: HostRequest,
        /// Where the reply goes.
        reply: oneshot::Sender<ShopReply>,
    },
    /// One of a room's lists.
    List {
        /// The room.
        room: String,
        /// Which.
        list: ShopList,
        /// Where the reply goes.
        reply: oneshot::Sender<ShopReply>,
    },
}

/// The shop side of the HTTP door. Cheap to clone.
#[derive(Clone)]
pub struct ShopService {
    requests: mpsc::Sender<Request>,
    private_rooms: Arc<DashSet<String>>,
    metrics: ShopMetrics,
}

impl ShopService {
    /// A service over the shop's task, which reads `requests` and keeps `private_rooms`.
    pub fn new(
        requests: mpsc::Sender<Request>,
        private_rooms: Arc<DashSet<String>>,
        metrics: ShopMetrics,
    ) -> ShopService {
        ShopService {
            requests,
            private_rooms,
            metrics,
        }
    }

    /// Asks the shop; `None` when its lane is full or it has stopped. A buy that was taken is not given up: the ledger
    /// decides it even if nobody waits for the receipt.
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        if self.requests.try_send(request(reply)).is_err() {
            self.metrics.lane_refused.inc();
            return None;
        }
        answer.await.ok()
    }
}

impl Shop for ShopService {
    async fn rooms(&self) -> Vec<RoomSummary> {
        self.ask(|reply| Request::Rooms { reply })
            .await
            .unwrap_or_default()
    }

    async fn room(&self, room: &str) -> RoomSummary {
        let named = room.to_owned();
        let known = self.ask(|reply| Request::Room { room: named, reply }).await;
        known.unwrap_or_else(|| RoomSummary {
            room: room.to_owned(),
            live: false,
            stand_in: false,
            host: false,
            viewers: 0,
            title: String::new(),
            state: "scheduled",
            starts_at: None,
            image: None,
        })
    }

    fn is_private(&self, room: &str) -> bool {
        self.private_rooms.contains(room)
    }

    async fn connect(&self, room: &str, hello: Bytes, from: IpAddr) -> Result<ShopStream, ShopReply> {
        let room = room.to_owned();
        let connected = self.ask(|reply| Request::Connect {
            room,
            hello,
            from,
            reply,
        });
        connected.await.unwrap_or(Err(ShopReply::Unavailable))
    }

    async fn message(&self, client: u64, message: Bytes) -> ShopReply {
        let handled = self.ask(|reply| Request::Message {
            client,
            message,
            reply,
        });
        handled.await.unwrap_or(ShopReply::Unavailable)
    }

    async fn buy(&self, room: &str, token: Option<String>, buy: Bytes, from: IpAddr) -> ShopReply {
        let room = room.to_owned();
        let bought = self.ask(|reply| Request::Buy {
            room,
            token,
            buy,
            from,
            reply,
        });
        bought.await.unwrap_or(ShopReply::Unavailable)
    }

    async fn command(&self, room: &str, request: HostRequest) -> ShopReply {
        let room = room.to_owned();
        let obeyed = self.ask(|reply| Request::Command { room, request, reply });
        obeyed.await.unwrap_or(ShopReply::Unavailable)
    }

    async fn list(&self, room: &str, list: ShopList) -> ShopReply {
        let room = room.to_owned();
        let listed = self.ask(|reply| Request::List { room, list, reply });
        listed.await.unwrap_or(ShopReply::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Telemetry;

    #[tokio::test]
    async fn so_many_requests_wait_and_the_next_is_refused_at_once() {
        let (requests, mut waiting) = mpsc::channel(REQUESTS);
        let shop = ShopService::new(requests, Arc::default(), Telemetry::new(&[]).unwrap().shop);
        let ask = |shop: ShopService| async move { shop.message(1, Bytes::new()).await };
        let asking: Vec<_> = (0..REQUESTS).map(|_| tokio::spawn(ask(shop.clone()))).collect();
        while waiting.len() < REQUESTS {
            tokio::task::yield_now().await;
        }
        assert_eq!(ask(shop.clone()).await, ShopReply::Unavailable);
        assert_eq!(shop.metrics.lane_refused.get(), 1);
        while let Ok(request) = waiting.try_recv() {
            let Request::Message { reply, .. } = request else {
                panic!("only messages were asked")
            };
            reply.send(ShopReply::Done).unwrap();
        }
        for asked in asking {
            assert_eq!(asked.await.unwrap(), ShopReply::Done);
        }
    }
}
