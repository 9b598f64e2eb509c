//! TLS, and HTTP/2 over it.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::fake::{Setting, Stage, header};
use reqwest::{Certificate, Client, Version};
use signaling::listen::Tls;

fn certificate(folder: &Path) -> (Tls, Certificate) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let trusted = Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    (Tls::load(&certificate, &key).unwrap(), trusted)
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, trusted) = certificate(folder.path());
    let client = |only_http1: bool| {
        let builder = Client::builder().add_root_certificate(trusted.clone());
        let builder = if only_http1 { builder.http1_only() } else { builder };
        builder.build().unwrap()
    };
    let mut setting = Setting {
        tls: Some(tls),
        client: client(false),
        ..Setting::default()
    };
    setting.door.secure = true;
    let stage = Stage::new(setting).await;
    let response = stage.whip().send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (201, Version::HTTP_2)
    );
    assert!(header(&response, "strict-transport-security").starts_with("max-age="));
    let response = client(true).get(stage.url("/healthz")).send().await.unwrap();
    assert_eq!(response.version(), Version::HTTP_11);
}

#[tokio::test]
async fn a_renewed_certificate_greets_those_who_come_then() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, _) = certificate(folder.path());
    let mut setting = Setting {
        tls: Some(tls),
        ..Setting::default()
    };
    setting.listen.renewal = Duration::from_millis(20);
    let stage = Stage::new(setting).await;
    let (_, renewed) = certificate(folder.path());
    // Whoever trusts only the new one comes in sooner or later; how late says nothing, but never is too late.
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let client = Client::builder()
            .add_root_certificate(renewed.clone())
            .build()
            .unwrap();
        match client.get(stage.url("/healthz")).send().await {
            Ok(response) => break assert_eq!(response.status(), 200),
            Err(error) => assert!(
                Instant::now() < end,
                "a minute after the files were renewed the server still greets with the old certificate: {error:?}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Half a renewal, or a broken one, changes nothing.
    std::fs::write(folder.path().join("key.pem"), "no key").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let client = Client::builder().add_root_certificate(renewed).build().unwrap();
    assert_eq!(
        client.get(stage.url("/healthz")).send().await.unwrap().status(),
        200
    );
}

#[tokio::test]
async fn http2_is_spoken_without_tls_to_those_who_know() {
    let client = Client::builder().http2_prior_knowledge().build().unwrap();
    let stage = Stage::new(Setting {
        client,
        ..Setting::default()
    })
    .await;
    let response = stage.whip().send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (201, Version::HTTP_2)
    );
}

#[test]
fn files_that_are_no_certificate_are_named() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let missing = folder.path().join("none.pem");
    for (certificate, key, named) in [
        (&missing, &key, "none.pem"),
        (&certificate, &missing, "none.pem"),
        (&key, &key, "key.pem"),
        (&certificate, &certificate, "cert.pem"),
    ] {
        let error = Tls::load(certificate, key).err().unwrap().to_string();
        assert!(error.contains(named), "{error}");
    }
}
