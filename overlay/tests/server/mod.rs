//! A PostgreSQL of one's own: Debian's package, in a folder of its own, on a socket of its own. Tests and benches that
//! need one fail where the package is missing; they are never skipped.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each test uses a part of it"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// Looks for what must come; far more than a loaded machine needs.
const PATIENCE: usize = 1200;
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    process: Option<Child>,
    settings: Vec<String>,
    /// The process whose network it is in, where that is not everybody's.
    network: Option<u32>,
}

/// Where the package keeps its programs: the newest version of them.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.unwrap().path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found
        .pop()
        .expect("PostgreSQL is missing: install Debian's package postgresql (.ci/prepare does)")
}

/// A program as somebody PostgreSQL agrees to run for: it refuses root. It ends with the thread that starts it, even one
/// that is killed.
fn unprivileged(program: &Path) -> Command {
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    }
    command.arg(program).stdin(Stdio::null());
    // The folder of whoever starts it may be closed to it.
    command.current_dir("/");
    command
}

/// The same command in the network of a process.
fn within(process: u32, command: &Command) -> Command {
    let mut within = Command::new("nsenter");
    within.arg(format!("--net=/proc/{process}/ns/net"));
    within.arg(command.get_program()).args(command.get_args());
    within.stdin(Stdio::null()).current_dir("/");
    within
}

/// Writes a file that is the server's own: it trusts no other.
fn put(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(path.parent().unwrap()).unwrap());
    std::os::unix::fs::chown(path, Some(owner), None).unwrap();
}

impl Postgres {
    /// A server that forgets with the machine, but not with its process: enough to test with.
    pub(crate) fn start() -> Postgres {
        Postgres::with(vec!["fsync=off".to_owned()], None)
    }

    /// A server that writes through to the disk, to measure with.
    pub(crate) fn durable() -> Postgres {
        // One that has run for a while writes over its old log; a new one would fill each piece of it with zeros first.
        let settings = ["fsync=on", "wal_init_zero=off"];
        Postgres::with(settings.map(str::to_owned).to_vec(), None)
    }

    /// A server that can be reached at a port of this machine, too, where it shows a certificate (PEM, with its key).
    pub(crate) fn with_certificate(port: u16, certificate: &str, key: &str) -> Postgres {
        let settings = [
            "fsync=off",
            "listen_addresses=localhost",
            &format!("port={port}"),
            "ssl=on",
        ];
        Postgres::with(settings.map(str::to_owned).to_vec(), Some((certificate, key)))
    }

    /// A server in the network of another process, at an address there, for whoever can reach it.
    pub(crate) fn far_away(network: u32, address: &str) -> Postgres {
        let mut server = Postgres::start();
        server.stop();
        server.network = Some(network);
        server.settings.push(format!("listen_addresses={address}"));
        let known = server.folder.path().join("data/pg_hba.conf");
        let all = fs::read_to_string(&known).unwrap() + "host all all all trust\n";
        fs::write(&known, all).unwrap();
        server.resume();
        server
    }

    /// The same without the certificate.
    pub(crate) fn without_tls(mut self) -> Postgres {
        self.stop();
        self.settings.retain(|setting| setting != "ssl=on");
        self.resume();
        self
    }

    fn with(settings: Vec<String>, certificate: Option<(&str, &str)>) -> Postgres {
        let folder = tempfile::Builder::new()
            .prefix("vitrine-pg")
            .tempdir_in("/tmp")
            .unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let programs = programs();
        let made = unprivileged(&programs.join("initdb"))
            .args([
                "--no-sync",
                "--auth",
                "trust",
                "--username",
                "postgres",
                "--encoding",
                "UTF8",
            ])
            .args(["--locale", "C", "--pgdata"])
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        if let Some((certificate, key)) = certificate {
            put(&folder.path().join("data/server.crt"), certificate);
            put(&folder.path().join("data/server.key"), key);
        }
        let mut server = Postgres {
            folder,
            programs,
            process: None,
            settings,
            network: None,
        };
        server.resume();
        server
    }

    /// Starts the server again after [`stop`](Postgres::stop).
    pub(crate) fn resume(&mut self) {
        assert!(self.process.is_none());
        let program = self.programs.join("postgres");
        let mut command = match self.network {
            None => unprivileged(&program),
            Some(process) => within(process, &unprivileged(&program)),
        };
        command.arg("-D").arg(self.folder.path().join("data"));
        command.arg("-k").arg(self.folder.path());
        let common = ["listen_addresses=", "max_wal_size=4GB", "shared_buffers=128MB"].map(str::to_owned);
        // The later counts.
        for setting in common.iter().chain(&self.settings) {
            command.arg("-c").arg(setting);
        }
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        command.stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().unwrap());
        let config = self.url("postgres");
        for _ in 0..PATIENCE {
            if postgres::Client::connect(&config, postgres::NoTls).is_ok() {
                return;
            }
            thread::sleep(PAUSE);
        }
        panic!("{}", fs::read_to_string(self.folder.path().join("log")).unwrap());
    }

    /// Takes the server away, as a crash of its machine would.
    pub(crate) fn stop(&mut self) {
        if self.process.is_some() {
            self.hold_still(false);
        }
        if let Some(mut process) = self.process.take() {
            // SIGQUIT: at once, and its children with it.
            let pid = process.id().to_string();
            Command::new("kill").args(["-QUIT", &pid]).status().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display();
        let port = self
            .settings
            .iter()
            .find_map(|setting| setting.strip_prefix("port="));
        let port = port.unwrap_or("5432");
        format!("postgresql:///{database}?user=postgres&host={folder}&port={port}")
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.5432")
    }

    /// Holds the server still, or lets it go on.
    pub(crate) fn hold_still(&self, still: bool) {
        let signal = if still { "-STOP" } else { "-CONT" };
        let pid = self.process.as_ref().unwrap().id().to_string();
        let children = Command::new("pgrep").args(["-P", &pid]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        let kill = |pid: &str| Command::new("kill").args([signal, pid]).output().unwrap();
        assert!(kill(&pid).status.success());
        // Of its children some may have ended meanwhile.
        children.split_whitespace().for_each(|child| drop(kill(child)));
    }

    /// The address of a new, empty database.
    pub(crate) fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("shop{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut client = postgres::Client::connect(&self.url("postgres"), postgres::NoTls).unwrap();
        client.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        self.url(&name)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}
