//! The whole server as a process of its own, as it was built by `cargo build --release`, spoken to by HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sfu::negotiation::IceCredentials;
use tempfile::TempDir;

/// The unit of `utime` in `/proc/PID/stat`: USER_HZ, which is 100 on every Linux that matters.
const TICK: Duration = Duration::from_millis(10);

/// A running server.
pub struct Server {
    child: Child,
    _folder: TempDir,
    http: SocketAddr,
}

/// What a WHEP request came to.
pub struct Opened {
    /// The session's path.
    pub location: String,
    /// The server's credentials.
    pub ice: IceCredentials,
    /// Its first candidate.
    pub media: SocketAddr,
}

impl Server {
    /// Starts one on free ports of 127.0.0.1, without the demo and with further flags.
    ///
    /// # Panics
    /// When it was not built or does not start.
    pub fn start(flags: &[&str]) -> Server {
        let binary = binary();
        assert!(
            binary.exists(),
            "{}: cargo build --release first",
            binary.display()
        );
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(binary)
            .env("VITRINE_DATA_DIR", folder.path())
            .env("VITRINE_LOG", "warn")
            .args(["--no-demo", "--http-listen", "127.0.0.1:0", "--media-port", "0"])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut http = None;
        for line in lines.by_ref() {
            let line = line.unwrap();
            if let Some(url) = line.trim().strip_prefix("Publish (WHIP)") {
                let (origin, _) = url.trim().split_once("/whip/").unwrap();
                let (_, port) = origin.rsplit_once(':').unwrap();
                http = Some(SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap())));
            }
            if line.contains("Ctrl-C") {
                break;
            }
        }
        // Whatever else it says is read away, or it would wait.
        std::thread::spawn(move || lines.for_each(drop));
        Server {
            child,
            _folder: folder,
            http: http.unwrap(),
        }
    }

    /// A connection to it.
    pub fn connect(&self) -> Http {
        let stream = TcpStream::connect(self.http).unwrap();
        stream.set_nodelay(true).unwrap();
        Http {
            reader: BufReader::new(stream),
        }
    }

    /// Processor time used so far.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(self.proc("stat")).unwrap();
        // Behind the command's name, which may hold anything: state is field 3, utime 14, stime 15.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |field: usize| fields[field - 3].parse::<u32>().unwrap();
        TICK * (ticks(14) + ticks(15))
    }

    /// Resident memory, KiB.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Open files and sockets.
    pub fn files(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).unwrap().count()
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(file)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Beside the folder of this very program.
fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(2).unwrap().join("vitrine")
}

/// One HTTP connection that is kept.
pub struct Http {
    reader: BufReader<TcpStream>,
}

impl Http {
    /// Opens a viewer's session.
    pub fn watch(&mut self, room: &str, offer: &str) -> Opened {
        let path = format!("/whep/{room}");
        let (status, head, answer) = self.request("POST", &path, "application/sdp", offer);
        assert_eq!(status, 201, "{answer}");
        let value = |name: &str| {
            let lines = answer.lines().filter_map(|line| line.strip_prefix(name));
            lines.map(str::to_owned).next().unwrap()
        };
        let candidate = value("a=candidate:");
        let fields: Vec<&str> = candidate.split(' ').collect();
        Opened {
            location: header(&head, "location").unwrap(),
            ice: IceCredentials {
                ufrag: value("a=ice-ufrag:"),
                pwd: value("a=ice-pwd:"),
            },
            media: SocketAddr::new(fields[4].parse().unwrap(), fields[5].parse().unwrap()),
        }
    }

    /// Ends a session; the status.
    pub fn delete(&mut self, location: &str) -> u16 {
        self.request("DELETE", location, "text/plain", "").0
    }

    /// What GET gives.
    pub fn get(&mut self, path: &str) -> String {
        let (status, _, body) = self.request("GET", path, "text/plain", "");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    fn request(&mut self, method: &str, path: &str, kind: &str, body: &str) -> (u16, Vec<String>, String) {
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.reader.get_mut().write_all(text.as_bytes()).unwrap();
        let mut lines = self.reader.by_ref().lines().map(|line| line.unwrap());
        let status = lines.next().unwrap();
        let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).unwrap();
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head, String::from_utf8(body).unwrap())
    }
}

fn header(head: &[String], name: &str) -> Option<String> {
    let lines = head.iter().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
    values.next().map(|(_, value)| value.trim().to_owned())
}
