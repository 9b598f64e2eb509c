//! The least a packet can cost: sealed by the cipher, sent by the kernel. Nothing is looked up, rewritten or decided.

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};

use crate::house::own_cpu;

/// Runs sealed before they are sent: what was sealed is still in the cache when the kernel copies it.
const BATCH: usize = 64;
/// Bytes of an RTP header with one extension, and of the tag.
const HEADER: usize = 20;
const TAG: usize = 16;

/// Viewers with a key each, and a socket.
pub struct Floor {
    socket: UdpSocket,
    state: UdpSocketState,
    viewers: Vec<(SocketAddrV4, LessSafeKey)>,
    arena: Vec<u8>,
    /// Where each run of the arena goes, where it ends, and its segments' length.
    runs: Vec<(SocketAddrV4, usize, usize)>,
    payload: Vec<u8>,
    sequence: u64,
}

impl Floor {
    /// Toward these addresses.
    pub fn new(addresses: &[SocketAddr]) -> Floor {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let state = UdpSocketState::new(UdpSockRef::from(&socket)).unwrap();
        state
            .set_send_buffer_size(UdpSockRef::from(&socket), 4 << 20)
            .unwrap();
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
            payload: vec![0x5a; 1500],
            sequence: 0,
        }
    }

    /// Sends every viewer runs of these payload lengths. Inside a run they must be equal but for a shorter last one.
    /// Returns the packets sent.
    pub fn send(&mut self, runs: &[&[usize]]) -> u64 {
        let mut packets = 0;
        for place in 0..self.viewers.len() {
            for run in runs {
                for &len in *run {
                    self.seal(place, len);
                    packets += 1;
                }
                let segment = HEADER + run[0] + TAG;
                self.runs.push((self.viewers[place].0, self.arena.len(), segment));
            }
            if self.runs.len() >= BATCH {
                self.flush();
            }
        }
        self.flush();
        packets
    }

    /// The same, with the processor time it took.
    pub fn measure(&mut self, runs: &[&[usize]]) -> (u64, Duration) {
        let before = own_cpu();
        let packets = self.send(runs);
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

    fn flush(&mut self) {
        let mut start = 0;
        for &(to, end, segment) in &self.runs {
            let transmit = Transmit {
                destination: to.into(),
                ecn: None,
                contents: &self.arena[start..end],
                segment_size: (end - start > segment).then_some(segment),
                src_ip: None,
            };
            // What does not fit is lost, as it would be for the server.
            let _ = self.state.try_send(UdpSockRef::from(&self.socket), &transmit);
            start = end;
        }
        self.arena.clear();
        self.runs.clear();
    }
}
