//! A headless Chromium, led by the DevTools protocol over a pipe: no port that others could connect to.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::Error;

/// Names it goes by, best first.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
/// The browser's side of the pipe is descriptors 3 and 4; its own output goes nowhere.
const WITH_PIPE: &str = r#"exec "$0" "$@" 3<&0 4>&1 >/dev/null 2>&1"#;
const FLAGS: [&str; 16] = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-quic",
    "--disable-sync",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-renderer-backgrounding",
    "--mute-audio",
    // The page is nobody's, so every server is a foreign one to it.
    "--disable-web-security",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns,PrivateNetworkAccessChecks,LocalNetworkAccessChecks",
    "--autoplay-policy=no-user-gesture-required",
];
/// A browser that takes longer for an answer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a browser of this kind is on this machine.
pub(super) fn find() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let place = |name: &str| {
        folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())
    };
    NAMES.into_iter().find_map(place)
}

/// One browser with one page.
pub(super) struct Page {
    // Ends with this.
    _browser: Child,
    _profile: Profile,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    session: Option<String>,
    number: u64,
}

/// A folder of the browser's own, removed with it.
struct Profile(PathBuf);

impl Drop for Profile {
    fn drop(&mut self) {
        // What is left of it does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Page {
    /// Starts a browser with an empty page.
    ///
    /// # Errors
    /// When it does not start or does not answer.
    pub(super) async fn open(browser: PathBuf) -> Result<Page, Error> {
        let profile = std::env::temp_dir().join(format!("vitrine-loadtest-{:016x}", rand::random::<u64>()));
        let profile = Profile(profile);
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(WITH_PIPE)
            .arg(&browser)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.0.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| broken(&error))?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(broken(&"it has no pipe"));
        };
        let mut page = Page {
            _browser: child,
            _profile: profile,
            orders,
            answers: BufReader::new(answers),
            session: None,
            number: 0,
        };
        let target = page
            .call("Target.createTarget", json!({"url": "about:blank"}))
            .await?;
        let attach = json!({"targetId": target.get("targetId"), "flatten": true});
        let attached = page.call("Target.attachToTarget", attach).await?;
        let session = attached.get("sessionId").and_then(Value::as_str);
        page.session = session.map(str::to_owned);
        Ok(page)
    }

    /// Evaluates an expression, waits for what it promises, and gives that.
    ///
    /// # Errors
    /// When the browser does not answer, or the expression throws.
    pub(super) async fn evaluate(&mut self, expression: &str) -> Result<Value, Error> {
        let parameters = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.call("Runtime.evaluate", parameters).await?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            let text = thrown.pointer("/exception/description").unwrap_or(thrown);
            return Err(broken(text));
        }
        Ok(answer
            .pointer_mut("/result/value")
            .map(Value::take)
            .unwrap_or_default())
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Result<Value, Error> {
        let called = tokio::time::timeout(PATIENCE, self.exchange(method, parameters)).await;
        called.map_err(|_| broken(&format!("no answer to {method} in {PATIENCE:?}")))?
    }

    /// Messages end with a zero byte; events that nobody asked for are passed over.
    async fn exchange(&mut self, method: &str, parameters: Value) -> Result<Value, Error> {
        self.number += 1;
        let mut order = json!({"id": self.number, "method": method, "params": parameters});
        if let (Some(session), Some(fields)) = (&self.session, order.as_object_mut()) {
            fields.insert("sessionId".into(), session.as_str().into());
        }
        let order = format!("{order}\0");
        self.orders
            .write_all(order.as_bytes())
            .await
            .map_err(|error| broken(&error))?;
        let mut answer = Vec::new();
        loop {
            answer.clear();
            let read = self.answers.read_until(0, &mut answer).await;
            if read.map_err(|error| broken(&error))? == 0 {
                return Err(broken(&"it has ended"));
            }
            answer.pop();
            let mut message: Value = serde_json::from_slice(&answer).map_err(|error| broken(&error))?;
            if message.get("id").and_then(Value::as_u64) != Some(self.number) {
                continue;
            }
            return match message.get("error") {
                Some(error) => Err(broken(error)),
                None => Ok(message.get_mut("result").map(Value::take).unwrap_or_default()),
            };
        }
    }
}

fn broken(why: &dyn std::fmt::Display) -> Error {
    Error::Protocol(format!("the browser: {why}"))
}
