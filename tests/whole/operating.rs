//! What an operator meets before the server serves: a configuration that names what is not there, a system's small
//! bounds, a command that was given the wrong folder.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::server::{BINARY, vitrine_says};

#[test]
fn a_check_finds_what_would_keep_a_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let good = vitrine_says(folder.path(), &["check"]);
    assert!(good.status.success());
    let nothing = folder.path().join("nothing.pem");
    let nothing = nothing.to_str().unwrap();
    for (arguments, key) in [
        (
            vec!["--http-tls-certificate", nothing, "--http-tls-key", nothing],
            "http_tls_certificate",
        ),
        (vec!["--shop-catalogue", nothing], "shop_catalogue"),
        (
            vec!["--media-ice-servers", "http://stun.example"],
            "media_ice_servers",
        ),
        (vec!["--log", "vitrine=loud"], "log"),
    ] {
        let said = vitrine_says(folder.path(), &[&["check"], &arguments[..]].concat());
        let error = String::from_utf8(said.stderr).unwrap();
        assert!(!said.status.success() && error.contains(key), "{key}: {error}");
        assert!(said.stdout.is_empty(), "it is not called good as well");
    }
}

#[test]
fn a_system_s_small_bound_on_open_files_is_raised() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Command::new("sh")
        .args(["-c", "ulimit -S -n 100; exec \"$0\" \"$@\"", BINARY])
        .args(["--http-listen", "127.0.0.1:0", "--media-port", "0", "--no-demo"])
        .env("VITRINE_DATA_DIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("Ctrl-C")));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let limits = limits.lines().find(|line| line.starts_with("Max open files"));
    let limits: Vec<&str> = limits.unwrap().split_whitespace().collect();
    assert_eq!(limits[3], limits[4], "soft and hard");
}

#[test]
fn a_token_by_a_secret_that_no_server_has_yet_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let token = || {
        let arguments = ["token", "--scope", "publish", "--room", "demo"];
        let said = vitrine_says(folder.path(), &arguments);
        assert!(said.status.success());
        assert_eq!(
            said.stdout.split(|byte| *byte == b'\n').count(),
            2,
            "the token alone"
        );
        String::from_utf8(said.stderr).unwrap()
    };
    assert!(token().contains("a new secret was made in"));
    assert_eq!(token(), "");
}
