//! What an operator meets before the server serves: a configuration that names what is not there, a system's small
//! bounds, a command that was given the wrong folder.

use super::server::vitrine_says;

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
