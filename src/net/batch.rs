//! Runs for many peers that the kernel takes in one call (sendmmsg(2)): the way into the kernel and out again is paid
//! once for all of them.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use sfu::transport::{Remote, Run};
use smallvec::SmallVec;

/// Runs of one call. The outbox is handed over in portions, of which one has about twenty runs of a picture.
const MOST: usize = 64;

/// Where a run goes and from which of our addresses, as the socket's family writes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) peer: SocketAddr,
    pub(super) local: Option<IpAddr>,
}

/// Runs of one call. They share its control messages: our address, and the length of the segments.
#[derive(Debug, Default)]
pub(super) struct Batch<'r> {
    runs: SmallVec<[Run<'r>; MOST]>,
    /// The segments' length, once there is a run of several.
    segment: Option<usize>,
    /// The longest run of one datagram.
    longest: usize,
}

impl<'r> Batch<'r> {
    pub(super) fn new(first: Run<'r>) -> Batch<'r> {
        let mut batch = Batch::default();
        batch.push(first);
        batch
    }

    pub(super) fn runs(&self) -> &[Run<'r>] {
        &self.runs
    }

    /// Whether a run can leave by the same call.
    fn takes(&self, run: &Run<'_>) -> bool {
        let fits = match (self.segment, segment(run)) {
            (Some(agreed), Some(segment)) => agreed == segment,
            // What is no longer than a segment is sent as it is.
            (Some(agreed), None) => run.bytes.len() <= agreed,
            (None, Some(segment)) => self.longest <= segment,
            (None, None) => true,
        };
        let first = self.runs.first();
        fits && self.runs.len() < MOST && first.is_none_or(|first| local(first) == local(run))
    }

    fn push(&mut self, run: Run<'r>) {
        match segment(&run) {
            None => self.longest = self.longest.max(run.bytes.len()),
            several => self.segment = several,
        }
        self.runs.push(run);
    }
}

/// Batches that are filled at a time: frames in slices, and two frames that leave at once, are two to four runs for each
/// viewer, no two of which have the same segments, while those of all viewers have.
const OPEN: usize = 4;

/// Puts runs into batches. A viewer's packets must not overtake each other, so each of its runs goes into the batch of
/// the one before or into one that is sent later.
pub(super) struct Batches<'r, I: Iterator<Item = Run<'r>>> {
    runs: I,
    next: Option<Run<'r>>,
    open: SmallVec<[Open<'r>; OPEN]>,
    /// So many of them have left.
    left: usize,
}

/// A batch that is filled, and for whom it may have something.
struct Open<'r> {
    batch: Batch<'r>,
    viewers: Viewers,
}

/// Viewers who may be among some: one bit for each, which others have, too. Who is taken for another waits for a later
/// batch than it must.
#[derive(Clone, Copy, Default)]
struct Viewers([u64; 8]);

impl Viewers {
    fn place(to: Remote) -> (usize, u64) {
        let number = match to {
            Remote::Udp { peer, .. } => match peer.ip() {
                IpAddr::V4(ip) => ip.to_bits() ^ u32::from(peer.port()),
                IpAddr::V6(ip) => ip.to_bits() as u32 ^ u32::from(peer.port()),
            },
            Remote::Tcp(number) => number as u32,
        };
        // The upper nine bits: those of neighbours, in the lower ones, are spread over them (Fibonacci hashing).
        let bit = number.wrapping_mul(0x9e37_79b9) >> 23;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn add(&mut self, to: Remote) {
        let (word, bit) = Viewers::place(to);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    fn may_have(&self, to: Remote) -> bool {
        let (word, bit) = Viewers::place(to);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

impl<'r, I: Iterator<Item = Run<'r>>> Batches<'r, I> {
    pub(super) fn of(runs: I) -> Self {
        Batches {
            runs,
            next: None,
            open: SmallVec::new(),
            left: 0,
        }
    }

    /// Gives a run back for which there is no room.
    fn place(&mut self, run: Run<'r>) -> Option<Run<'r>> {
        let before = self.open.iter().rposition(|open| open.viewers.may_have(run.to));
        let mut later = self.open.iter_mut().skip(before.unwrap_or(0));
        if let Some(open) = later.find(|open| open.batch.takes(&run)) {
            open.viewers.add(run.to);
            open.batch.push(run);
        } else if self.open.len() < OPEN {
            let mut viewers = Viewers::default();
            viewers.add(run.to);
            let batch = Batch::new(run);
            self.open.push(Open { batch, viewers });
        } else {
            return Some(run);
        }
        None
    }
}

impl<'r, I: Iterator<Item = Run<'r>>> Iterator for Batches<'r, I> {
    type Item = Batch<'r>;

    fn next(&mut self) -> Option<Batch<'r>> {
        if self.left == self.open.len() {
            self.open.clear();
            self.left = 0;
            let waiting = self.next.take();
            self.next = waiting.and_then(|run| self.place(run));
            while self.next.is_none() {
                let Some(run) = self.runs.next() else { break };
                self.next = self.place(run);
            }
        }
        let open = self.open.get_mut(self.left)?;
        self.left += 1;
        Some(std::mem::take(&mut open.batch))
    }
}

/// The segments' length of a run that the kernel must cut up.
fn segment(run: &Run<'_>) -> Option<usize> {
    (run.bytes.len() > run.segment).then_some(run.segment)
}

fn local(run: &Run<'_>) -> Option<IpAddr> {
    match run.to {
        Remote::Udp { local, .. } => local,
        Remote::Tcp(_) => None,
    }
}

/// Sends runs of one [`Batch`], or the last of them, in one call. `way` tells where a run goes on this socket. Returns
/// how many left.
///
/// # Errors
/// Why the first one did not.
pub(super) fn send(
    socket: &impl AsRawFd,
    runs: &[Run<'_>],
    way: impl Fn(&Run<'_>) -> Option<Way>,
) -> io::Result<usize> {
    let ways: SmallVec<[Way; MOST]> = runs.iter().map_while(way).collect();
    let Some(first) = ways.first() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let segment = runs.iter().find_map(segment);
    let segment = segment.and_then(|segment| u16::try_from(segment).ok());
    let source = first.local.map(Source::of);
    let mut messages: SmallVec<[ControlMessage<'_>; 2]> = SmallVec::new();
    messages.extend(segment.as_ref().map(ControlMessage::UdpGsoSegments));
    messages.extend(source.as_ref().map(Source::message));
    let space = match (segment, &source) {
        (None, None) => None,
        (Some(_), None) => Some(cmsg_space!(u16)),
        (None, Some(Source::V4(_))) => Some(cmsg_space!(in_pktinfo)),
        (Some(_), Some(Source::V4(_))) => Some(cmsg_space!(u16, in_pktinfo)),
        (None, Some(Source::V6(_))) => Some(cmsg_space!(in6_pktinfo)),
        (Some(_), Some(Source::V6(_))) => Some(cmsg_space!(u16, in6_pktinfo)),
    };
    // Neither may be kept for the next call: they hold pointers, which belong to one thread.
    let slices: SmallVec<[[IoSlice<'_>; 1]; MOST]> =
        runs.iter().map(|run| [IoSlice::new(run.bytes)]).collect();
    let mut headers = MultiHeaders::preallocate(ways.len(), space);
    let peers: SmallVec<[Option<SockaddrStorage>; MOST]> =
        ways.iter().map(|way| Some(way.peer.into())).collect();
    let sent = sendmmsg(
        socket.as_raw_fd(),
        &mut headers,
        slices.iter(),
        &*peers,
        &*messages,
        MsgFlags::empty(),
    )?;
    Ok(sent.count())
}

/// Our address, from which a run is to leave.
enum Source {
    V4(in_pktinfo),
    V6(in6_pktinfo),
}

impl Source {
    fn of(local: IpAddr) -> Source {
        match local {
            IpAddr::V4(local) => Source::V4(in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: in_addr {
                    s_addr: u32::from_ne_bytes(local.octets()),
                },
                ipi_addr: in_addr { s_addr: 0 },
            }),
            IpAddr::V6(local) => Source::V6(in6_pktinfo {
                ipi6_ifindex: 0,
                ipi6_addr: in6_addr {
                    s6_addr: local.octets(),
                },
            }),
        }
    }

    fn message(&self) -> ControlMessage<'_> {
        match self {
            Source::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            Source::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(port: u16, bytes: &[u8], segment: usize, local: Option<IpAddr>) -> Run<'_> {
        let peer = SocketAddr::from(([127, 0, 0, 1], port));
        Run {
            to: Remote::Udp { peer, local },
            bytes,
            segment,
            is_video: false,
        }
    }

    #[test]
    fn one_call_sends_all_from_the_address_they_are_to_leave_from() {
        for local in [Some(IpAddr::from([127, 0, 0, 2])), None] {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
            let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let peer = client.local_addr().unwrap();
            let (short, long) = ([1; 80], [2; 250]);
            let runs = [(&short[..], 80), (&long[..], 100)];
            let runs = runs.map(|(bytes, segment)| run(peer.port(), bytes, segment, local));
            let sent = send(&socket, &runs, |_| Some(Way { peer, local })).unwrap();
            assert_eq!(sent, 2);
            let source = local.unwrap_or(peer.ip());
            for len in [80, 100, 100, 50] {
                let (got, from) = client.recv_from(&mut [0; 1000]).unwrap();
                assert_eq!((got, from.ip()), (len, source));
            }
        }
    }

    fn ports(batch: &Batch<'_>) -> Vec<u16> {
        let peers = batch.runs().iter().map(|run| match run.to {
            Remote::Udp { peer, .. } => peer.port(),
            Remote::Tcp(_) => panic!(),
        });
        peers.collect()
    }

    #[test]
    fn runs_that_agree_leave_together_and_in_order() {
        let bytes = [7; 3000];
        let of = |len: usize, segment| (&bytes[..len], segment, None);
        let here = Some(IpAddr::from([127, 0, 0, 1]));
        let runs = [
            of(100, 100),
            of(2500, 1200),
            // Shorter than the others' segments, and none of it.
            of(1200, 1200),
            of(3000, 1200),
            of(1201, 1201),
            // Of another length.
            of(3000, 1000),
            // Longer than that segment, not than the first.
            of(1001, 1001),
            (&bytes[..1000], 1000, here),
        ];
        let runs = (0..)
            .zip(runs)
            .map(|(port, (bytes, segment, local))| run(port, bytes, segment, local));
        let batches: Vec<Vec<u16>> = Batches::of(runs).map(|batch| ports(&batch)).collect();
        assert_eq!(batches, [vec![0, 1, 2, 3, 6], vec![4], vec![5], vec![7]]);
    }

    #[test]
    fn slices_of_a_frame_leave_each_to_all_viewers() {
        let bytes = [7; 4000];
        let slices = [(3600, 1200), (3000, 1000), (3300, 1100)];
        let runs =
            (0..50).flat_map(|port| slices.map(|(len, segment)| run(port, &bytes[..len], segment, None)));
        let batches: Vec<(Option<usize>, usize)> = Batches::of(runs)
            .map(|batch| (batch.segment, batch.runs().len()))
            .collect();
        // A viewer that is taken for another now and then waits for the next batches.
        let longest = batches.iter().filter(|(_, runs)| *runs >= 10).count();
        assert!(longest >= 3 && batches.len() <= 12, "{batches:?}");
        assert_eq!(batches.iter().map(|(_, runs)| runs).sum::<usize>(), 150);
    }

    #[test]
    fn no_run_overtakes_another_of_its_viewer() {
        let bytes = [7; 5000];
        let mut random = 1u32;
        let mut below = |most: u32| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 16) % most
        };
        let runs: Vec<Run<'_>> = (0..5000)
            .map(|_| {
                let segment = 100 + 100 * below(6) as usize;
                let len = segment * (1 + below(3) as usize);
                run(below(40) as u16, &bytes[..len], segment, None)
            })
            .collect();
        let of = |port: u16, runs: &[Run<'_>]| -> Vec<(usize, usize)> {
            let to = run(port, &bytes, 1, None).to;
            let own = runs.iter().filter(|run| run.to == to);
            own.map(|run| (run.segment, run.bytes.len())).collect()
        };
        let sent: Vec<Run<'_>> = Batches::of(runs.iter().copied())
            .flat_map(|batch| batch.runs().to_vec())
            .collect();
        assert_eq!(sent.len(), runs.len());
        for port in 0..40 {
            assert_eq!(of(port, &sent), of(port, &runs), "to {port}");
        }
    }

    #[test]
    fn a_batch_is_bounded() {
        let runs = (0..200).map(|port| run(port, &[1], 1, None));
        let sizes: Vec<usize> = Batches::of(runs).map(|batch| batch.runs().len()).collect();
        assert_eq!(sizes, [64, 64, 64, 8]);
    }
}
