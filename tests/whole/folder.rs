//! One data folder, one server.

use super::server::{Server, vitrine_says};

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let server = Server::start(&["--no-demo"]);
    let folder = server.folder.as_ref().unwrap().path();
    let said = vitrine_says(folder, &["--http-listen", "127.0.0.1:0", "--media-port", "0"]);
    assert_eq!(said.status.code(), Some(1));
    let error = String::from_utf8(said.stderr).unwrap();
    assert!(error.contains("is in use by another server"), "{error}");
}
