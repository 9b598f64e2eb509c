//! A server as a process of its own, on free ports and a folder of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_vitrine");
/// Long, for a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    child: Child,
    pub(crate) folder: Option<TempDir>,
    pub(crate) url: String,
    pub(crate) media: Vec<SocketAddr>,
    /// Publishes to the demo room and hosts it.
    pub(crate) token: String,
    pub(crate) client: Client,
}

/// The command with its data in a folder.
pub(crate) fn vitrine(folder: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.env("VITRINE_DATA_DIR", folder).env("VITRINE_LOG", "warn");
    command
}

/// Runs a subcommand to its end.
pub(crate) fn vitrine_says(folder: &Path, arguments: &[&str]) -> Output {
    vitrine(folder).args(arguments).output().unwrap()
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Server {
        Server::start_in(tempfile::tempdir().unwrap(), arguments)
    }

    /// Starts on a folder that may have been used, and returns when it says that it is on.
    pub(crate) fn start_in(folder: TempDir, arguments: &[&str]) -> Server {
        let mut child = vitrine(folder.path())
            .args([
                "--http-listen",
                "127.0.0.1:0",
                "--media-port",
                "0",
                "--media-shards",
                "2",
            ])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut url, mut token, mut media) = (None, None, Vec::new());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.by_ref() {
            let line = line.unwrap();
            if let Some(whip) = line.trim().strip_prefix("Publish (WHIP)") {
                let (origin, _) = whip.trim().split_once("/whip/").unwrap();
                url = Some(origin.replace("localhost", "127.0.0.1"));
            } else if let Some(text) = line.trim().strip_prefix("Bearer token") {
                token = Some(text.trim().to_owned());
            } else if let Some(ports) = line.trim().strip_prefix("Media ports") {
                let ports = ports.trim().trim_start_matches("UDP and TCP");
                let ports = ports.split(',').map(|port| port.trim().parse::<u16>().unwrap());
                media = ports
                    .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
                    .collect();
            } else if line.contains("Ctrl-C") {
                break;
            }
        }
        // Whatever else it says is read away, or it would wait.
        std::thread::spawn(move || lines.for_each(drop));
        assert_eq!(media.len(), 2, "a port per shard");
        Server {
            child,
            folder: Some(folder),
            url: url.unwrap(),
            media,
            token: token.unwrap(),
            client: Client::new(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of memory that it has.
    pub(crate) fn memory(&self) -> usize {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.id())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }

    /// Files and sockets that it has open.
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id()))
            .unwrap()
            .count()
    }

    /// Processor time that it has used.
    pub(crate) fn worked(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        let ticks = rest
            .split(' ')
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().unwrap());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// A token from the command line.
    pub(crate) fn token_for(&self, scope: &str) -> String {
        let folder = self.folder.as_ref().unwrap().path();
        let said = vitrine_says(folder, &["token", "--scope", scope, "--room", "*"]);
        assert!(said.status.success());
        let text = String::from_utf8(said.stdout).unwrap();
        text.lines().last().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(self.at(path)).send().await.unwrap()
    }

    pub(crate) async fn room(&self) -> Value {
        self.get("/api/rooms/demo").await.json().await.unwrap()
    }

    /// Waits until the demo is on the air.
    pub(crate) async fn on_air(&self) {
        let end = Instant::now() + PATIENCE;
        while self.room().await["live"] != json!(true) {
            assert!(Instant::now() < end, "nothing on the air");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A counter, summed over the shards.
    pub(crate) async fn counter(&self, name: &str) -> f64 {
        let text = self.get("/metrics").await.text().await.unwrap();
        let values = text.lines().filter_map(|line| {
            let (metric, value) = line.rsplit_once(' ')?;
            (metric.split('{').next()? == name).then(|| value.parse::<f64>().unwrap())
        });
        values.sum()
    }

    /// A buyer's token, made by the API.
    pub(crate) async fn buyer(&self, operator: &str, name: &str) -> String {
        self.buyer_in(operator, "demo", name).await
    }

    /// The same for another room.
    pub(crate) async fn buyer_in(&self, operator: &str, room: &str, name: &str) -> String {
        let body = json!({"scopes": ["view"], "room": room, "sub": name});
        let request = self.client.post(self.at("/api/tokens")).bearer_auth(operator);
        let made = request.json(&body).send().await.unwrap();
        assert_eq!(made.status(), StatusCode::CREATED);
        let made: Value = made.json().await.unwrap();
        made["token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn buy(&self, token: &str, id: &str, variant: &str) -> RequestBuilder {
        let body = json!({"lines": [{"variant": variant, "quantity": 1}], "price_version": 1});
        let request = self.client.post(self.at("/api/rooms/demo/buy"));
        request
            .bearer_auth(token)
            .header("Idempotency-Key", id)
            .json(&body)
    }

    /// Ends it as a power cut would; gives the folder.
    pub(crate) fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.folder.take().unwrap()
    }

    /// Sends it a signal. One that has ended and is not waited for yet takes it, too.
    pub(crate) fn tell(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Asks it to end, and waits.
    pub(crate) fn end(&mut self, signal: &str) -> ExitStatus {
        self.tell(signal);
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already where the test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
