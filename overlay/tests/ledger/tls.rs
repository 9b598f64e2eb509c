//! A database that shows a certificate, and one that shows none.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use overlay::ledger::{Ledger, LedgerError, PostgresLedger};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::server::Postgres;

/// An authority, and a certificate and key that it gave to `localhost`.
fn issue() -> (String, String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    (authority.pem(), certificate.pem(), key.serialize_pem())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn file(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn why(connected: Result<PostgresLedger, LedgerError>) -> String {
    match connected {
        Ok(_) => panic!("it was believed"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_database_is_believed_by_its_certificate_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, certificate, key) = issue();
    let (other, ..) = issue();
    let authority = file(folder.path(), "authority.pem", &authority);
    let other = file(folder.path(), "other.pem", &other);
    let no_pem = file(
        folder.path(),
        "no.pem",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    );
    let port = free_port();
    let server = Postgres::with_certificate(port, &certificate, &key);
    let url = |host: &str| format!("postgres://postgres@{host}:{port}/postgres?sslmode=require");

    let mut ledger = PostgresLedger::connect(&url("localhost"), Some(&authority)).unwrap();
    assert_eq!(ledger.audit().unwrap().differences, []);
    let mut beside = postgres::Client::connect(&server.url("postgres"), postgres::NoTls).unwrap();
    let sql = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
               WHERE ssl AND application_name = 'vitrine'";
    let encrypted: i64 = beside.query_one(sql, &[]).unwrap().get(0);
    assert_eq!(encrypted, 1);

    for authorities in [Some(&*other), None] {
        let why = why(PostgresLedger::connect(&url("localhost"), authorities));
        assert!(why.contains("invalid peer certificate"), "{why}");
    }
    let why_not = why(PostgresLedger::connect(&url("127.0.0.1"), Some(&authority)));
    assert!(why_not.contains("certificate"), "the name of another: {why_not}");
    let why_not = why(PostgresLedger::connect(&url("localhost"), Some(&no_pem)));
    assert!(why_not.contains("certificates of the database"), "{why_not}");
    let why_not = why(PostgresLedger::connect(
        &url("localhost"),
        Some(&folder.path().join("none")),
    ));
    assert!(why_not.contains("certificates of the database"), "{why_not}");
}

#[test]
fn a_database_without_a_certificate_is_none_where_one_is_required() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, certificate, key) = issue();
    let authority = file(folder.path(), "authority.pem", &authority);
    let port = free_port();
    let _server = Postgres::with_certificate(port, &certificate, &key).without_tls();
    let connect = |url: &str| PostgresLedger::connect(url, Some(&authority));
    let url = format!("postgres://postgres@localhost:{port}/postgres");
    let why_not = why(connect(&format!("{url}?sslmode=require")));
    assert!(why_not.contains("TLS"), "{why_not}");
    assert!(connect(&format!("{url}?sslmode=disable")).is_ok());
    assert!(connect(&url).is_ok(), "on the same machine it is a wish");
    // Another name for this machine, which nobody knows for it: what would be said there is secret.
    let why_not = why(connect(&format!("postgres://postgres@0.0.0.0:{port}/postgres")));
    assert!(why_not.contains("TLS"), "{why_not}");
}
