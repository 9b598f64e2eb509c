//! Pages, files, pictures, and what operators look at.

use std::sync::atomic::Ordering;

use crate::fake::{check_problem, header, stage, stage_with};

#[tokio::test]
async fn health_readiness_and_metrics() {
    let stage = stage().await;
    let health = stage.get("/healthz").await;
    assert_eq!(
        (health.status().as_u16(), health.text().await.unwrap().as_str()),
        (200, "ok")
    );
    assert_eq!(stage.get("/readyz").await.status(), 200);
    stage.house.ready.store(false, Ordering::Relaxed);
    let response = check_problem(stage.get("/readyz").await, 503).await;
    header(&response, "retry-after");
    let problem: serde_json::Value = response.json().await.unwrap();
    assert_eq!(problem["detail"], "the database rests");
    let metrics = stage.get("/metrics").await;
    assert!(header(&metrics, "content-type").starts_with("text/plain; version=0.0.4"));
    assert_eq!(metrics.text().await.unwrap(), "vitrine_viewers 1\n");
}

#[tokio::test]
async fn pages_may_load_their_own_files_only() {
    let stage = stage_with(|door| {
        door.front_room = Some("demo".into());
        door.frame_ancestors = vec!["https://shop.example".into()];
    })
    .await;
    for (path, camera, framed) in [
        ("/", "camera=()", "'self' https://shop.example"),
        ("/watch/demo", "camera=()", "'self' https://shop.example"),
        ("/host/demo", "camera=(self)", "'none'"),
    ] {
        let page = stage.get(path).await;
        assert_eq!(page.status(), 200, "{path}");
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        let policy = header(&page, "content-security-policy");
        assert!(
            policy.contains("default-src 'none'; script-src 'self'; style-src 'self'"),
            "{policy}"
        );
        assert!(policy.ends_with(&format!("frame-ancestors {framed}")), "{policy}");
        assert!(header(&page, "permissions-policy").contains(camera));
        assert_eq!(header(&page, "x-content-type-options"), "nosniff");
        assert_eq!(header(&page, "referrer-policy"), "no-referrer");

        let tag = header(&page, "etag").to_owned();
        let again = stage.request("GET", path).header("if-none-match", tag);
        assert_eq!(again.send().await.unwrap().status(), 304);
    }
    check_problem(stage.get("/watch/no%20room").await, 404).await;
    let browser = stage
        .request("GET", "/watch/no%20room")
        .header("accept", "text/html,*/*;q=0.8");
    let page = browser.send().await.unwrap();
    assert_eq!(page.status(), 404);
    assert!(
        page.text()
            .await
            .unwrap()
            .contains("There is no show at this address")
    );
}

#[tokio::test]
async fn files_are_compressed_for_who_takes_it() {
    let stage = stage().await;
    let path = "/assets/player.js";
    let plain = stage.get(path).await;
    assert!(!plain.headers().contains_key("content-encoding"));
    assert_eq!(header(&plain, "vary"), "Accept-Encoding");
    let mut tags = vec![header(&plain, "etag").to_owned()];
    let plain = plain.bytes().await.unwrap();
    for (accepted, encoding) in [("gzip, deflate", "gzip"), ("gzip, br, zstd", "br")] {
        let ask = || stage.request("GET", path).header("accept-encoding", accepted);
        let file = ask().send().await.unwrap();
        assert_eq!(header(&file, "content-encoding"), encoding);
        assert_eq!(header(&file, "vary"), "Accept-Encoding");
        assert_eq!(header(&file, "content-type"), "text/javascript; charset=utf-8");
        let tag = header(&file, "etag").to_owned();
        let body = file.bytes().await.unwrap();
        assert!(
            body.len() * 2 < plain.len(),
            "{encoding}: {} of {}",
            body.len(),
            plain.len()
        );

        let known = ask().header("if-none-match", &tag).send().await.unwrap();
        assert_eq!(known.status(), 304);
        assert_eq!(
            (header(&known, "etag"), header(&known, "vary")),
            (tag.as_str(), "Accept-Encoding")
        );
        // What was kept in another encoding is not the same bytes.
        let other = ask()
            .header("if-none-match", &tags.concat())
            .send()
            .await
            .unwrap();
        assert_eq!(other.status(), 200);
        tags.push(tag);
    }
}

#[tokio::test]
async fn a_link_to_a_show_is_shown_with_its_title_elsewhere() {
    let stage = stage_with(|door| {
        door.front_room = Some("demo".into());
        door.public_url = Some("https://shop.example".into());
    })
    .await;
    for path in ["/", "/watch/demo"] {
        let page = stage.get(path).await.text().await.unwrap();
        assert!(
            page.contains("\"og:image\" content=\"https://shop.example/media/boots.jpg\""),
            "{page}"
        );
        assert!(
            page.contains("<title>Shoes &amp; &lt;boots&gt;</title>"),
            "{page}"
        );
        assert!(
            page.contains("\"og:title\" content=\"Shoes &amp; &lt;boots&gt;\""),
            "{page}"
        );
    }
    // What is not for everybody is not named.
    for path in ["/watch/private", "/host/demo"] {
        let page = stage.get(path).await.text().await.unwrap();
        assert!(!page.contains("Shoes") && !page.contains("og:image"), "{path}");
    }
}

#[tokio::test]
async fn a_page_names_the_files_of_its_own_release_which_are_kept_for_ever() {
    let stage = stage_with(|door| door.front_room = Some("demo".into())).await;
    for path in ["/", "/watch/demo", "/host/demo"] {
        let page = stage.get(path).await;
        assert_eq!(header(&page, "cache-control"), "no-cache");
        let page = page.text().await.unwrap();
        assert_eq!(page.contains("data-room=\"demo\""), path == "/");
        let addresses: Vec<_> = page
            .split('"')
            .filter(|part| part.starts_with("/assets/"))
            .collect();
        assert!(addresses.len() > 3, "{page}");
        for address in addresses {
            let file = stage.get(address).await;
            assert_eq!(file.status(), 200, "{address}");
            assert_eq!(
                header(&file, "cache-control"),
                "public, max-age=31536000, immutable"
            );
        }
    }
    // A shop's own page embeds the player under its lasting name; a page of before the last release asks for files that are gone.
    for address in ["/assets/player.js", "/assets/0123456789abcdef/player.js"] {
        let file = stage.get(address).await;
        assert_eq!(file.status(), 200, "{address}");
        assert_eq!(header(&file, "cache-control"), "no-cache");
    }
}

#[tokio::test]
async fn no_path_leads_out_of_the_embedded_files() {
    let stage = stage().await;
    for path in [
        "/assets/none.js",
        "/assets/..%2fCargo.toml",
        "/assets/%2e%2e/Cargo.toml",
        "/assets/watch.html",
        "/assets/0123456789abcdef/watch.html",
        "/assets/0123456789abcdef/..%2fwatch.js",
        "/assets/README.md",
    ] {
        check_problem(stage.get(path).await, 404).await;
    }
}

#[tokio::test]
async fn pictures_come_from_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("media");
    std::fs::create_dir_all(pictures.join("shoes")).unwrap();
    std::fs::write(pictures.join("shoes/red.svg"), "<svg/>").unwrap();
    std::fs::write(pictures.join("notes.txt"), "notes").unwrap();
    std::fs::write(folder.path().join("secret.png"), "secret").unwrap();
    let stage = stage_with(|door| door.pictures = pictures.clone()).await;

    let picture = stage.get("/media/shoes/red.svg").await;
    assert_eq!(picture.status(), 200);
    assert_eq!(header(&picture, "content-type"), "image/svg+xml");
    assert!(header(&picture, "content-security-policy").contains("sandbox"));
    let large = std::fs::File::create(pictures.join("large.png")).unwrap();
    for (bytes, status) in [(8 << 20, 200), ((8 << 20) + 1, 404)] {
        large.set_len(bytes).unwrap();
        assert_eq!(stage.get("/media/large.png").await.status(), status, "{bytes}");
    }
    for path in [
        "/media/none.png",
        "/media/shoes",
        "/media/notes.txt",
        "/media/..%2fsecret.png",
        "/media/%2e%2e/secret.png",
        "/media/shoes/..%2f..%2fsecret.png",
        "/media/%2fetc%2fx.png",
    ] {
        check_problem(stage.get(path).await, 404).await;
    }
}
