//! The names of what is measured. They are part of the result files: a name, once given, keeps its meaning.

/// An enum whose variants are places in an array and names in a file.
macro_rules! kinds {
    ($(#[$outer:meta])* $kind:ident { $($(#[$inner:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind { $($(#[$inner])* $variant,)+ }

        impl $kind {
            /// All of them, in the order of their places.
            pub const ALL: &'static [$kind] = &[$($kind::$variant,)+];

            /// The name in result files.
            pub fn name(self) -> &'static str {
                match self { $($kind::$variant => $name,)+ }
            }

            /// The one with this name.
            pub fn named(name: &str) -> Option<$kind> {
                $kind::ALL.iter().copied().find(|kind| kind.name() == name)
            }
        }

        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let name = String::deserialize(from)?;
                $kind::named(&name).ok_or_else(|| {
                    serde::de::Error::custom(format!("there is no {} {name:?}", stringify!($kind)))
                })
            }
        }
    };
}

kinds! {
    /// Something counted. Sums over threads, machines and seconds.
    Counter {
        /// Joins begun: the POST leaves.
        JoinsStarted = "joins_started",
        /// Joins that came to nothing; the reasons are counted beside.
        JoinsFailed = "joins_failed",
        /// Viewers whose DTLS is up.
        Joined = "joined",
        /// Viewers who have had their first whole picture.
        Watching = "watching",
        /// Viewers who left by their own will.
        Left = "left",
        /// Viewers who were watching when the server or the line ended it.
        Ended = "ended",
        /// RTP packets received, retransmissions and duplicates among them.
        Packets = "packets",
        /// Bytes of RTP received: header, payload and authentication tag.
        Bytes = "bytes",
        /// Packets that never came, not even again, and that our own network model did not take.
        Lost = "lost",
        /// Packets that came after a later one, retransmissions and those we held back ourselves left out.
        Reordered = "reordered",
        /// Packets that came more than once, those we made ourselves left out.
        Duplicates = "duplicates",
        /// Packets that came again after a NACK.
        Repaired = "repaired",
        /// Packets our own network model took.
        InjectedLost = "injected_lost",
        /// Packets our own network model doubled.
        InjectedDuplicates = "injected_duplicates",
        /// Packets our own network model held back so that others overtook them.
        InjectedReordered = "injected_reordered",
        /// Packets authenticated and decrypted.
        Inspected = "inspected",
        /// Packets that failed authentication.
        NotAuthentic = "not_authentic",
        /// Whole pictures.
        Frames = "frames",
        /// Keyframes among them.
        Keyframes = "keyframes",
        /// Times in which no whole picture came for longer than half a second.
        Freezes = "freezes",
        /// Milliseconds of those.
        FrozenMs = "frozen_ms",
        /// Packets asked for again.
        Nacks = "nacks",
        /// Keyframes asked for.
        Plis = "plis",
        /// Changes of the received layer.
        LayerSwitches = "layer_switches",
        /// Chat lines sent.
        ChatSent = "chat_sent",
        /// Chat lines received.
        ChatReceived = "chat_received",
        /// Messages of the shop received, on all channels.
        ShopMessages = "shop_messages",
        /// Buys sent, repeats of one buy left out.
        BuysSent = "buys_sent",
        /// Buys answered.
        Receipts = "receipts",
        /// Buys that got two different receipts. Must be 0.
        Contradictions = "contradictions",
        /// Microseconds of CPU time of the load test's own threads.
        ClientCpuUs = "client_cpu_us",
        /// Datagrams the load test's own sockets dropped.
        SocketDrops = "socket_drops",
        /// Times our own timers came so late that measures suffer.
        LateTicks = "late_ticks",
        /// Seconds in which the load test, not the server, was what limited; one per thread and second.
        ClientLimitedS = "client_limited_s",
    }
}

kinds! {
    /// A time measured. The first six count from the moment the POST began.
    Timing {
        /// The answer to the POST.
        Answer = "answer",
        /// ICE has a working pair.
        Ice = "ice",
        /// DTLS is up.
        Dtls = "dtls",
        /// The first RTP packet.
        FirstPacket = "first_packet",
        /// The first packet of a keyframe.
        FirstKeyframe = "first_keyframe",
        /// The first whole picture.
        FirstPicture = "first_picture",
        /// From the publisher's socket to ours, by the stamp in the payload.
        OneWay = "one_way",
        /// Interarrival jitter (RFC 3550 §6.4.1).
        Jitter = "jitter",
        /// A message of a data channel, from sender to receiver.
        Message = "message",
        /// From the buy to its receipt.
        Receipt = "receipt",
        /// From the beginning of a change of the stock to the message that tells a viewer.
        Stock = "stock",
        /// How long a freeze lasted.
        Freeze = "freeze",
    }
}

kinds! {
    /// A state, read once a second by each thread; the readings of all threads in a second add up.
    Level {
        /// Viewers who have had a picture and are still there.
        Viewers = "viewers",
        /// Viewers who are joining.
        Joining = "joining",
        /// Viewers whose data channels are open.
        Channels = "channels",
    }
}

impl Timing {
    /// What it is, for people.
    pub fn says(self) -> &'static str {
        match self {
            Timing::Answer => "answer to the POST",
            Timing::Ice => "ICE connected",
            Timing::Dtls => "DTLS up",
            Timing::FirstPacket => "first packet",
            Timing::FirstKeyframe => "first keyframe",
            Timing::FirstPicture => "first picture",
            Timing::OneWay => "publisher to viewer",
            Timing::Jitter => "jitter",
            Timing::Message => "message to its receiver",
            Timing::Receipt => "buy to receipt",
            Timing::Stock => "change of stock to viewer",
            Timing::Freeze => "length of freezes",
        }
    }
}
