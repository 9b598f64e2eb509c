//! The least that packets and messages can cost: sealed by the cipher, sent by the kernel; received by it, and opened.
//! Nothing is looked up, rewritten or decided.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};

use crate::house::own_cpu;

/// Runs sealed before they are sent: what was sealed is still in the cache when the kernel copies it. As many leave in
/// one call.
const BATCH: usize = 64;
/// Datagrams received in one call.
const RECEIVED: usize = 32;
const BUFFER: usize = 1 << 16;
/// Bytes of an RTP header with one extension, or of a DTLS record's, and of the tag.
const HEADER: usize = 20;
const TAG: usize = 16;

/// By how many calls runs leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// One for each.
    Each,
    /// One for as many as were sealed together (sendmmsg).
    Many,
}

/// Viewers with a key each, and a socket.
pub struct Floor {
    socket: UdpSocket,
    state: UdpSocketState,
    viewers: Vec<(SocketAddrV4, LessSafeKey)>,
    arena: Vec<u8>,
    runs: Vec<Run>,
    /// With room for a segment's length, and without: room that is not used is refused.
    cut_headers: MultiHeaders<SockaddrIn>,
    headers: MultiHeaders<SockaddrIn>,
    payload: Vec<u8>,
    sequence: u64,
    buffer: Vec<u8>,
}

/// One of the arena: where it goes, where it ends, and its segments' length.
#[derive(Clone, Copy)]
struct Run {
    to: SocketAddrV4,
    end: usize,
    segment: usize,
}

impl Floor {
    /// Toward these addresses.
    pub fn new(addresses: &[SocketAddr]) -> Floor {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let state = UdpSocketState::new(UdpSockRef::from(&socket)).unwrap();
        let buffers = UdpSockRef::from(&socket);
        state.set_send_buffer_size(buffers, 4 << 20).unwrap();
        let buffers = UdpSockRef::from(&socket);
        state.set_recv_buffer_size(buffers, 4 << 20).unwrap();
        let viewers = addresses.iter().zip(0u64..).map(|(&address, number)| {
            let SocketAddr::V4(address) = address else {
                panic!("{address}")
            };
            let mut key = [7; 16];
            key[..8].copy_from_slice(&number.to_be_bytes());
            let key = UnboundKey::new(&AES_128_GCM, &key).unwrap();
            (address, LessSafeKey::new(key))
        });
        Floor {
            socket,
            state,
            viewers: viewers.collect(),
            arena: Vec::with_capacity(1 << 20),
            runs: Vec::new(),
            cut_headers: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(u16))),
            headers: MultiHeaders::preallocate(BATCH, None),
            payload: vec![0x5a; 1500],
            sequence: 0,
            buffer: vec![0; RECEIVED * BUFFER],
        }
    }

    /// Sends every viewer runs of these payload lengths. Inside a run they must be equal but for a shorter last one.
    /// Returns the packets sent, and the processor time it took.
    pub fn send(&mut self, calls: Calls, runs: &[&[usize]]) -> (u64, Duration) {
        let before = own_cpu();
        let mut packets = 0;
        for place in 0..self.viewers.len() {
            for run in runs {
                for &len in *run {
                    self.seal(place, len);
                    packets += 1;
                }
                self.runs.push(Run {
                    to: self.viewers[place].0,
                    end: self.arena.len(),
                    segment: HEADER + run[0] + TAG,
                });
            }
            if self.runs.len() + runs.len() > BATCH {
                self.flush(calls);
            }
        }
        self.flush(calls);
        (packets, own_cpu() - before)
    }

    fn seal(&mut self, place: usize, len: usize) {
        self.sequence += 1;
        let start = self.arena.len();
        self.arena.extend([0x90; HEADER]);
        self.arena.extend_from_slice(&self.payload[..len]);
        let (header, payload) = self.arena[start..].split_at_mut(HEADER);
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&self.sequence.to_be_bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.viewers[place]
            .1
            .seal_in_place_separate_tag(nonce, Aad::from(header), payload)
            .unwrap();
        self.arena.extend_from_slice(tag.as_ref());
    }

    /// What does not fit is lost, as it would be for the server.
    fn flush(&mut self, calls: Calls) {
        let mut start = 0;
        let mut rest = &self.runs[..];
        while let [first, ..] = rest {
            let agree = rest.iter().take_while(|run| run.segment == first.segment).count();
            let count = if calls == Calls::Each { 1 } else { agree };
            let (these, others) = rest.split_at(count);
            let starts = std::iter::once(start).chain(these.iter().map(|run| run.end));
            let bytes: Vec<&[u8]> = starts
                .zip(these)
                .map(|(start, run)| &self.arena[start..run.end])
                .collect();
            let is_cut = bytes.iter().any(|bytes| bytes.len() > first.segment);
            if calls == Calls::Each {
                send_one(&self.socket, &self.state, first, bytes[0]);
            } else if is_cut {
                let segment = first.segment as u16;
                let messages = [ControlMessage::UdpGsoSegments(&segment)];
                send_many(&self.socket, &mut self.cut_headers, these, &bytes, &messages);
            } else {
                send_many(&self.socket, &mut self.headers, these, &bytes, &[]);
            }
            start = these[count - 1].end;
            rest = others;
        }
        self.arena.clear();
        self.runs.clear();
    }

    /// Receives and opens as many small datagrams as there are viewers. Returns how many came, and the processor time it
    /// took; sending them is another thread's.
    pub fn receive(&mut self, len: usize) -> (u64, Duration) {
        let (count, port) = (self.viewers.len(), self.socket.local_addr().unwrap().port());
        let send = move || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            for _ in 0..count {
                let datagram = vec![0x17; HEADER + len + TAG];
                socket.send_to(&datagram, (Ipv4Addr::LOCALHOST, port)).unwrap();
            }
        };
        std::thread::spawn(send).join().unwrap();
        let before = own_cpu();
        let mut came = 0;
        loop {
            let mut chunks = self.buffer.chunks_mut(BUFFER);
            let mut buffers: [IoSliceMut<'_>; RECEIVED] =
                std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap()));
            let mut meta = [RecvMeta::default(); RECEIVED];
            let socket = UdpSockRef::from(&self.socket);
            let count = match self.state.recv(socket, &mut buffers, &mut meta) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            };
            for (meta, buffer) in meta.iter().zip(&mut buffers).take(count) {
                let (header, sealed) = buffer[..meta.len].split_at_mut(HEADER);
                let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
                let key = &self.viewers[came as usize % self.viewers.len()].1;
                // That it is not authentic shows when all of it is done.
                let _ = key.open_in_place(nonce, Aad::from(header), sealed);
                came += 1;
            }
        }
        (came, own_cpu() - before)
    }
}

fn send_one(socket: &UdpSocket, state: &UdpSocketState, run: &Run, bytes: &[u8]) {
    let transmit = Transmit {
        destination: run.to.into(),
        ecn: None,
        contents: bytes,
        segment_size: (bytes.len() > run.segment).then_some(run.segment),
        src_ip: None,
    };
    let _ = state.try_send(UdpSockRef::from(socket), &transmit);
}

fn send_many(
    socket: &UdpSocket,
    headers: &mut MultiHeaders<SockaddrIn>,
    runs: &[Run],
    bytes: &[&[u8]],
    messages: &[ControlMessage<'_>],
) {
    let slices: Vec<[IoSlice<'_>; 1]> = bytes.iter().map(|bytes| [IoSlice::new(bytes)]).collect();
    let peers: Vec<Option<SockaddrIn>> = runs.iter().map(|run| Some(run.to.into())).collect();
    let flags = MsgFlags::empty();
    match sendmmsg(
        socket.as_raw_fd(),
        headers,
        slices.iter(),
        &*peers,
        messages,
        flags,
    ) {
        Ok(_) | Err(Errno::EAGAIN | Errno::ENOBUFS) => {}
        Err(error) => panic!("{error}"),
    }
}
