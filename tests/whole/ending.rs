//! How it ends, and what it says when it cannot begin.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::StatusCode;

use super::server::{PATIENCE, Server, vitrine, vitrine_says};
use super::viewer::Viewer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_to_end_it_ends_in_order_though_somebody_watches() {
    let mut server = Server::start(&[]);
    server.on_air().await;
    let _viewer = Viewer::watch(&server).await;
    let operator = server.token_for("operator");
    let buyer = server.buyer(&operator, "anna").await;
    let bought = server.buy(&buyer, "0198c0de-0000-7000-8000-000000000001", "candle");
    assert_eq!(bought.send().await.unwrap().status(), StatusCode::OK);

    let begin = Instant::now();
    let status = tokio::task::block_in_place(|| server.end("-TERM"));
    assert_eq!(status.code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    let audit = vitrine_says(server.folder.as_ref().unwrap().path(), &["audit"]);
    assert!(audit.status.success(), "{audit:?}");
}

#[test]
fn a_log_that_no_terminal_shows_has_no_colours() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = vitrine(folder.path())
        .args([
            "--no-demo",
            "--log",
            "info",
            "--http-listen",
            "127.0.0.1:0",
            "--media-port",
            "0",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("Ctrl-C")));
    let pid = server.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    let log = String::from_utf8(server.wait_with_output().unwrap().stderr).unwrap();
    assert!(log.contains("ending") && !log.contains('\u{1b}'), "{log:?}");
}

#[test]
fn an_interrupt_ends_it_too() {
    let mut server = Server::start(&["--no-demo"]);
    assert_eq!(server.end("-INT").code(), Some(0));
}

#[test]
fn a_second_server_on_the_same_ports_says_which_is_taken() {
    let server = Server::start(&["--no-demo"]);
    let folder = tempfile::tempdir().unwrap();
    let http = server.url.trim_start_matches("http://");
    let media = server.media[0].port().to_string();
    for (arguments, port) in [
        (
            ["--http-listen", http, "--media-port", "0"],
            http.rsplit(':').next().unwrap(),
        ),
        (["--http-listen", "127.0.0.1:0", "--media-port", &media], &*media),
    ] {
        let begin = Instant::now();
        let said = vitrine_says(folder.path(), &arguments);
        assert_eq!(said.status.code(), Some(1));
        assert!(begin.elapsed() < PATIENCE);
        let error = String::from_utf8(said.stderr).unwrap();
        assert!(error.contains(port) && error.contains("in use"), "{error}");
        assert_eq!(error.matches("in use").count(), 1, "said once: {error}");
        assert!(error.starts_with("vitrine: cannot "), "{error}");
    }
}
