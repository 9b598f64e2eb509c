//! A WHEP server that costs next to nothing: it answers anybody, and sends everybody the same picture and sound, sealed
//! for each. It takes part in no repair, estimates nothing and reads no report. For what receives it; see
//! [`Faucet::open`] for how it runs beside the one who measures.
//!
//! Nearly all it does is to hand runs of packets to the kernel, 4 µs each on a loopback device: with pictures alone it feeds
//! three times as many viewers as with sound.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use dimpl::{Config, Dtls, DtlsCertificate, Output};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use sfu::transport::{RtpParts, SrtpKeys};

use crate::peer::media_keys;

/// The argument that makes a bench's own binary the server.
pub const ROLE: &str = "--faucet";
const WITH_SOUND: &str = "--with-sound";
/// It has a core of its own, where there are two: the first is the one who measures.
const SERVER_CORE: usize = 1;
/// Milliseconds from picture to picture, and from sound to sound.
const FRAME_MS: u64 = 40;
const SOUND_MS: u64 = 20;
/// Pictures from one keyframe to the next: two seconds.
const GROUP: u32 = 50;
/// Payload bytes of a full packet, and of a packet of sound at 48 kbit/s.
const FULL: usize = 1150;
const SOUND: usize = 120;
/// Behind by more, what should have left is left out, and told.
const MAX_BEHIND_MS: u64 = 20;
const BUFFER: usize = 1 << 16;
const BATCH: usize = 16;
const SOCKET_BUFFER: usize = 8 << 20;
const LARGEST_FLIGHT: usize = 1 << 15;
const FRAGMENT: &str = "faucet00";
const PASSWORD: &str = "faucetfaucetfaucetfaucet";
const MAGIC_COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();

/// The server in a process of its own, so that its memory and processor time are not the caller's.
pub struct Faucet {
    child: Child,
    orders: ChildStdin,
    /// Where its WHEP endpoint is.
    pub whep: String,
}

impl Faucet {
    /// Starts this very binary with [`ROLE`], which must call [`serve`], with sound beside the picture or without.
    pub fn open(has_sound: bool) -> Faucet {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(ROLE)
            .args(has_sound.then_some(WITH_SOUND))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut whep = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut whep)
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let whep = whep.trim().to_owned();
        Faucet { child, orders, whep }
    }

    /// What each viewer's picture takes from now on, kbit/s.
    pub fn set_kbps(&mut self, kbps: u32) {
        writeln!(self.orders, "{kbps}").unwrap();
    }

    /// Processor time it has used.
    pub fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        tasks
            .map(|task| crate::house::cpu_of(&task.unwrap().path().join("schedstat")))
            .sum()
    }
}

impl Drop for Faucet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the server: prints its endpoint as a line, and serves until its input ends.
pub fn serve() -> ! {
    crate::pin(SERVER_CORE);
    let has_sound = std::env::args().any(|argument| argument == WITH_SOUND);
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let certificate = dimpl::certificate::generate_self_signed_certificate().unwrap();
    let answer = answer(&certificate, socket.local_addr().unwrap().port());
    println!("http://{}/whep", http.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in http.incoming() {
            // Somebody who hangs up is no concern of the others.
            let _ = stream.and_then(|stream| reply(stream, &answer));
        }
    });
    let kbps = Arc::new(AtomicU32::new(0));
    let mut tap = Tap::new(socket, certificate, kbps.clone(), has_sound);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            kbps.store(line.unwrap().trim().parse().unwrap(), Ordering::Relaxed);
        }
        std::process::exit(0);
    });
    tap.run()
}

/// One request of a viewer's: an offer is answered, whatever it says, and a goodbye is taken.
fn reply(mut stream: TcpStream, answer: &str) -> std::io::Result<()> {
    static SESSIONS: AtomicU64 = AtomicU64::new(0);
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut method, mut length) = (String::new(), String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        if method.is_empty() {
            method.clone_from(&line);
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    if !method.starts_with("POST") {
        return stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    }
    let number = SESSIONS.fetch_add(1, Ordering::Relaxed);
    let head = format!(
        "HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Type: application/sdp\r\n\
         Location: /session/{number}\r\nContent-Length: {}\r\n\r\n",
        answer.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(answer.as_bytes())
}

/// The same for everybody: credentials need not tell anybody apart, addresses do.
fn answer(certificate: &DtlsCertificate, port: u16) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate.certificate);
    let hash: Vec<String> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    let transport = format!(
        "c=IN IP4 127.0.0.1\r\na=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host\r\na=end-of-candidates\r\n\
         a=ice-ufrag:{FRAGMENT}\r\na=ice-pwd:{PASSWORD}\r\na=fingerprint:sha-256 {}\r\na=setup:passive\r\n\
         a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
         a=sendonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n",
        hash.join(":")
    );
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-lite\r\n\
         m=audio {port} UDP/TLS/RTP/SAVPF 111\r\n{transport}a=mid:0\r\na=rtpmap:111 opus/48000/2\r\n\
         m=video {port} UDP/TLS/RTP/SAVPF 96 97\r\n{transport}a=mid:1\r\na=rtpmap:96 VP8/90000\r\n\
         a=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\n\
         a=fmtp:97 apt=96\r\n"
    )
}

struct Member {
    address: SocketAddr,
    dtls: Dtls,
    keys: Option<SrtpKeys>,
    /// Sequence numbers of the picture, the sound and both together.
    picture: u16,
    sound: u16,
    transport: u16,
    frame: u32,
}

struct Tap {
    socket: UdpSocket,
    state: UdpSocketState,
    certificate: DtlsCertificate,
    config: Arc<Config>,
    kbps: Arc<AtomicU32>,
    has_sound: bool,
    members: Vec<Member>,
    places: HashMap<SocketAddr, usize>,
    sealed: Vec<u8>,
    body: Vec<u8>,
}

impl Tap {
    fn new(socket: UdpSocket, certificate: DtlsCertificate, kbps: Arc<AtomicU32>, has_sound: bool) -> Tap {
        let state = UdpSocketState::new(UdpSockRef::from(&socket)).unwrap();
        let shared = socket2::SockRef::from(&socket);
        // Best effort, as everywhere.
        let _ = shared.set_send_buffer_size(SOCKET_BUFFER);
        let _ = shared.set_recv_buffer_size(SOCKET_BUFFER);
        let config = Config::builder()
            .mtu(1200)
            .use_server_cookie(false)
            .build()
            .unwrap();
        Tap {
            socket,
            state,
            certificate,
            config: Arc::new(config),
            kbps,
            has_sound,
            members: Vec::new(),
            places: HashMap::new(),
            sealed: Vec::new(),
            body: vec![0x5a; FULL],
        }
    }

    fn run(&mut self) -> ! {
        let begin = Instant::now();
        let mut buffer = vec![0; BATCH * BUFFER];
        let mut tick = 0;
        loop {
            let now = begin.elapsed().as_millis() as u64;
            if now > tick + MAX_BEHIND_MS {
                eprintln!("the server is {} ms behind", now - tick);
                tick = now;
            }
            while tick < now {
                tick += 1;
                self.pour(tick);
            }
            while self.listen(&mut buffer) {}
            let next = Duration::from_millis(tick + 1);
            std::thread::sleep(next.saturating_sub(begin.elapsed()));
        }
    }

    /// What is due in this millisecond; everybody's pictures begin at another one, and sound a quarter of one later.
    fn pour(&mut self, tick: u64) {
        let kbps = self.kbps.load(Ordering::Relaxed) as usize;
        if kbps == 0 {
            return;
        }
        let bytes = kbps * 1000 / 8 * FRAME_MS as usize / 1000;
        let members = self.members.len();
        for place in due(tick, FRAME_MS).take_while(|place| *place < members) {
            self.picture(place, bytes);
        }
        if !self.has_sound {
            return;
        }
        for place in due(tick + FRAME_MS / 4, SOUND_MS).take_while(|place| *place < members) {
            self.sound(place);
        }
    }

    /// One picture as one run of equal packets.
    fn picture(&mut self, place: usize, bytes: usize) {
        let member = &mut self.members[place];
        let Some(keys) = &mut member.keys else { return };
        let packets = bytes.div_ceil(FULL);
        let each = bytes / packets;
        let is_key = member.frame.is_multiple_of(GROUP);
        let timestamp = member.frame.wrapping_mul(90 * FRAME_MS as u32);
        let [high, low] = (member.frame as u16 & 0x7fff).to_be_bytes();
        self.sealed.clear();
        let mut segment = 0;
        for part in 0..packets {
            let begins = if part == 0 { 0x90 } else { 0x80 };
            // A VP8 descriptor (RFC 7741 §4.2), and in front of the first part the frame's own head with its size.
            let lead = [
                begins,
                0xe0,
                0x80 | high,
                low,
                member.frame as u8,
                0x20,
                u8::from(!is_key),
                0,
                0,
                0x9d,
                0x01,
                0x2a,
                0x80,
                0x02,
                0x68,
                0x01,
            ];
            let lead = if part == 0 { &lead[..] } else { &lead[..6] };
            let marker = u8::from(part + 1 == packets) << 7;
            let header = header(96 | marker, member.picture, timestamp, 2, member.transport);
            let body = &self.body[..each - lead.len()];
            let parts = RtpParts {
                header: &header,
                lead,
                body,
                padding: 0,
            };
            assert!(keys.seal_rtp(parts, &mut self.sealed));
            member.picture = member.picture.wrapping_add(1);
            member.transport = member.transport.wrapping_add(1);
            if part == 0 {
                segment = self.sealed.len();
            }
        }
        member.frame += 1;
        self.send(place, Some(segment));
    }

    fn sound(&mut self, place: usize) {
        let member = &mut self.members[place];
        let Some(keys) = &mut member.keys else { return };
        let timestamp = u32::from(member.sound).wrapping_mul(48 * SOUND_MS as u32);
        self.sealed.clear();
        let parts = RtpParts {
            header: &header(111, member.sound, timestamp, 1, member.transport),
            lead: &[],
            body: &self.body[..SOUND],
            padding: 0,
        };
        assert!(keys.seal_rtp(parts, &mut self.sealed));
        member.sound = member.sound.wrapping_add(1);
        member.transport = member.transport.wrapping_add(1);
        self.send(place, None);
    }

    /// What was sealed.
    fn send(&self, place: usize, segment_size: Option<usize>) {
        let transmit = Transmit {
            destination: self.members[place].address,
            ecn: None,
            contents: &self.sealed,
            segment_size: segment_size.filter(|segment| *segment < self.sealed.len()),
            src_ip: None,
        };
        // What the kernel does not take, the receiver counts as lost.
        let _ = self.state.try_send(UdpSockRef::from(&self.socket), &transmit);
    }

    /// Takes what waits; true when there may be more.
    fn listen(&mut self, buffer: &mut [u8]) -> bool {
        let mut chunks = buffer.chunks_mut(BUFFER);
        let mut buffers: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap()));
        let mut meta = [RecvMeta::default(); BATCH];
        let socket = UdpSockRef::from(&self.socket);
        let Ok(count) = self.state.recv(socket, &mut buffers, &mut meta) else {
            return false;
        };
        for (meta, buffer) in meta.iter().zip(&buffers).take(count) {
            for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                match datagram {
                    [0, 1, ..] => self.check(meta.addr, datagram),
                    [20..=63, ..] => self.handshake(meta.addr, datagram),
                    // Reports and feedback: nobody asked.
                    _ => {}
                }
            }
        }
        count == BATCH
    }

    /// A check is answered; who checks for the first time is new.
    fn check(&mut self, from: SocketAddr, request: &[u8]) {
        if !self.places.contains_key(&from) {
            self.places.insert(from, self.members.len());
            let mut dtls = Dtls::new_12(self.config.clone(), self.certificate.clone(), Instant::now());
            dtls.set_active(false);
            self.members.push(Member {
                address: from,
                dtls,
                keys: None,
                picture: 0,
                sound: 0,
                transport: 0,
                frame: 0,
            });
        }
        let answer = binding_success(request, from);
        let _ = self.socket.send_to(&answer, from);
    }

    fn handshake(&mut self, from: SocketAddr, datagram: &[u8]) {
        let Some(member) = self
            .places
            .get(&from)
            .and_then(|&place| self.members.get_mut(place))
        else {
            return;
        };
        // A goodbye, or something broken: the bench is not about that.
        let _ = member.dtls.handle_timeout(Instant::now());
        let _ = member.dtls.handle_packet(datagram);
        let mut scratch = [0; LARGEST_FLIGHT];
        loop {
            match member.dtls.poll_output(&mut scratch) {
                Output::Packet(datagram) => {
                    let _ = self.socket.send_to(datagram, from);
                }
                Output::KeyingMaterial(exported, profile) => {
                    member.keys = Some(media_keys(profile, &exported, false));
                }
                Output::CloseNotify => member.keys = None,
                Output::Timeout(_) => return,
                _ => {}
            }
        }
    }
}

/// The places whose turn it is at a tick, of as many as there are ticks in a period.
fn due(tick: u64, period: u64) -> impl Iterator<Item = usize> {
    let first = (period - tick % period) % period;
    (first as usize..).step_by(period as usize)
}

/// An RTP header with the transport-wide sequence number (RFC 8285 §4.2).
fn header(kind: u8, sequence: u16, timestamp: u32, ssrc: u32, transport: u16) -> [u8; 20] {
    let mut header = [0; 20];
    header[..2].copy_from_slice(&[0x90, kind]);
    header[2..4].copy_from_slice(&sequence.to_be_bytes());
    header[4..8].copy_from_slice(&timestamp.to_be_bytes());
    header[8..12].copy_from_slice(&ssrc.to_be_bytes());
    header[12..17].copy_from_slice(&[0xbe, 0xde, 0, 1, 0x31]);
    header[17..19].copy_from_slice(&transport.to_be_bytes());
    header
}

/// A check's answer (RFC 8489 §14), FINGERPRINT left out.
fn binding_success(request: &[u8], from: SocketAddr) -> Vec<u8> {
    let mut message = vec![1, 1, 0, 12 + 24];
    message.extend_from_slice(&request[4..20]);
    let SocketAddr::V4(from) = from else {
        panic!("{from}")
    };
    message.extend([0, 0x20, 0, 8, 0, 1]);
    let port: Vec<u8> = from
        .port()
        .to_be_bytes()
        .iter()
        .zip(MAGIC_COOKIE)
        .map(|(a, b)| a ^ b)
        .collect();
    let ip: Vec<u8> = Ipv4Addr::octets(from.ip())
        .iter()
        .zip(MAGIC_COOKIE)
        .map(|(a, b)| a ^ b)
        .collect();
    message.extend(port);
    message.extend(ip);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, PASSWORD.as_bytes());
    let tag = hmac::sign(&key, &message);
    message.extend([0, 8, 0, 20]);
    message.extend_from_slice(tag.as_ref());
    message
}
