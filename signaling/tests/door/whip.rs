//! WHIP: RFC 9725.

use crate::fake::{
    FRAGMENT, SDP, check_problem, header, now, refused, stage, stage_with, token, token_until,
};
use signaling::token::Scope;
use signaling::{IceServer, MediaError};

#[tokio::test]
async fn an_offer_opens_a_session() {
    let stage = stage_with(|door| {
        door.ice_servers = vec![
            IceServer::new("stun:stun.example:3478", None).unwrap(),
            IceServer::new("turn:turn.example:3478", Some(("anna", "secret"))).unwrap(),
        ];
    })
    .await;
    let response = stage
        .whip()
        .header("origin", "https://shop.example")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(header(&response, "content-type"), SDP);
    // Without a length, ffmpeg cannot read the answer.
    assert_eq!(header(&response, "content-length"), "15");
    let tag = header(&response, "etag");
    assert!(
        tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10,
        "a strong tag: {tag}"
    );
    let location = header(&response, "location");
    let id = location.strip_prefix("/whip/demo/").unwrap();
    assert!(id.len() >= 22, "too easy to guess: {id}");
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    let exposed = header(&response, "access-control-expose-headers");
    for name in ["Location", "Link", "ETag", "Retry-After"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    let links: Vec<_> = response.headers().get_all("link").iter().collect();
    assert_eq!(links.len(), 2, "one header each: {links:?}");
    assert!(links[1].to_str().unwrap().contains("credential=\"secret\""));
    assert_eq!(response.text().await.unwrap(), "answer to offer");
}

#[tokio::test]
async fn every_session_has_its_own_address_and_tag() {
    let stage = stage().await;
    let one = stage.whip().send().await.unwrap();
    let other = stage.whip().send().await.unwrap();
    assert_ne!(header(&one, "location"), header(&other, "location"));
    assert_ne!(header(&one, "etag"), header(&other, "etag"));
}

#[tokio::test]
async fn the_content_type_must_be_sdp() {
    let stage = stage().await;
    let whip = || {
        let request = stage.request("POST", "/whip/demo").body("offer");
        request.bearer_auth(token(&[Scope::Publish], "demo"))
    };
    let response = refused(whip().header("content-type", "text/plain"), 415).await;
    assert_eq!(header(&response, "accept-post"), SDP);
    refused(whip(), 415).await;
    let with_parameter = whip().header("content-type", "Application/SDP; charset=utf-8");
    assert_eq!(with_parameter.send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn offers_are_refused_for_what_is_wrong_with_them() {
    let stage = stage().await;
    for (error, status) in [
        (MediaError::Malformed("no m-line".into()), 400),
        (MediaError::Unacceptable("two videos".into()), 422),
    ] {
        *stage.house.media.refuse.lock().unwrap() = Some(error);
        refused(stage.whip(), status).await;
    }
    let (why, retry_after) = ("for a reason", 7);
    for (error, status) in [
        (MediaError::Unavailable { why, retry_after }, 503),
        (MediaError::Taken { why, retry_after }, 409),
    ] {
        *stage.house.media.refuse.lock().unwrap() = Some(error);
        let response = refused(stage.whip(), status).await;
        assert_eq!(header(&response, "retry-after"), "7");
        assert!(response.text().await.unwrap().contains(why));
    }
    refused(stage.whip().body(vec![0xff, 0xfe]), 400).await;
    let packed = stage
        .whip()
        .header("content-encoding", "gzip")
        .body(vec![0x1f, 0x8b]);
    assert_eq!(header(&refused(packed, 415).await, "accept-encoding"), "identity");
    refused(stage.whip().header("accept", "text/html"), 406).await;
    refused(stage.whip().header("accept", "*/*, application/sdp;q=0"), 406).await;
    refused(stage.request("POST", "/whip/no%20room"), 404).await;
}

#[tokio::test]
async fn publishing_needs_a_token_with_the_scope_for_the_room() {
    let stage = stage().await;
    let post = || {
        let request = stage.request("POST", "/whip/demo").body("offer");
        request.header("content-type", SDP)
    };
    let response = refused(post(), 401).await;
    assert_eq!(header(&response, "www-authenticate"), "Bearer realm=\"vitrine\"");
    refused(post().basic_auth("anna", Some("secret")), 401).await;
    let response = refused(post().bearer_auth("nonsense"), 401).await;
    assert!(header(&response, "www-authenticate").contains("invalid_token"));
    refused(
        post().bearer_auth(token_until(&[Scope::Publish], "demo", now() - 60)),
        401,
    )
    .await;
    let response = refused(post().bearer_auth(token(&[Scope::View], "demo")), 403).await;
    assert!(header(&response, "www-authenticate").contains("insufficient_scope"));
    refused(post().bearer_auth(token(&[Scope::Publish], "other")), 403).await;
    for good in [token(&[Scope::Publish], "*"), token(&[Scope::Operator], "demo")] {
        assert_eq!(post().bearer_auth(good).send().await.unwrap().status(), 201);
    }
}

#[tokio::test]
async fn a_get_is_answered_without_content() {
    let stage = stage().await;
    let response = stage.get("/whip/demo").await;
    assert_eq!(response.status(), 204);
    assert_eq!(
        stage.request("HEAD", "/whip/demo").send().await.unwrap().status(),
        204
    );
    let location = header(&stage.whip().send().await.unwrap(), "location").to_owned();
    let get = stage
        .request("GET", &location)
        .bearer_auth(token(&[Scope::Publish], "demo"));
    assert_eq!(get.send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn a_preflight_needs_no_token_and_has_no_links() {
    let stage = stage_with(|door| door.ice_servers = vec![IceServer::new("stun:s", None).unwrap()]).await;
    for path in [
        "/whip/demo",
        "/whip/demo/some-session",
        "/whep/demo",
        "/api/rooms/demo/buy",
    ] {
        let request = stage
            .request("OPTIONS", path)
            .header("origin", "https://shop.example");
        let request = request.header("access-control-request-method", "PATCH");
        let request = request.header(
            "access-control-request-headers",
            "authorization,content-type,if-match",
        );
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{path}");
        assert_eq!(header(&response, "access-control-allow-origin"), "*");
        let methods = header(&response, "access-control-allow-methods");
        for method in ["POST", "PATCH", "DELETE", "GET", "OPTIONS"] {
            assert!(methods.contains(method), "{methods}");
        }
        let headers = header(&response, "access-control-allow-headers");
        for name in ["Authorization", "Content-Type", "If-Match", "*"] {
            assert!(headers.contains(name), "{headers}");
        }
        assert!(!response.headers().contains_key("link"));
        let is_endpoint = path.matches('/').count() == 2;
        assert_eq!(
            response.headers().contains_key("accept-post"),
            is_endpoint,
            "{path}"
        );
    }
}

#[tokio::test]
async fn candidates_trickle_with_the_present_tag_only() {
    let stage = stage().await;
    let response = stage.whip().send().await.unwrap();
    let location = header(&response, "location").to_owned();
    let tag = header(&response, "etag").to_owned();

    let trickled = stage.patch(&location, &tag, "candidate").send().await.unwrap();
    assert_eq!(trickled.status(), 204);
    assert!(!trickled.headers().contains_key("etag"));
    assert_eq!(trickled.text().await.unwrap(), "");

    let bare = stage
        .request("PATCH", &location)
        .bearer_auth(token(&[Scope::Publish], "demo"));
    refused(bare.header("content-type", FRAGMENT).body("candidate"), 428).await;
    refused(stage.patch(&location, "\"another\"", "candidate"), 412).await;
    refused(stage.patch(&location, &format!("W/{tag}"), "candidate"), 412).await;
    let listed = stage.patch(&location, &format!("\"another\", {tag}"), "candidate");
    assert_eq!(listed.send().await.unwrap().status(), 204);

    let wrong = stage
        .patch(&location, &tag, "candidate")
        .header("content-type", SDP);
    // Two types are none.
    let response = wrong.send().await.unwrap();
    assert!(response.status().is_client_error() || response.status().is_success());
    let typed = stage
        .request("PATCH", &location)
        .bearer_auth(token(&[Scope::Publish], "demo"));
    let response = refused(
        typed
            .header("content-type", SDP)
            .header("if-match", &tag)
            .body("x"),
        415,
    )
    .await;
    assert_eq!(header(&response, "accept-patch"), FRAGMENT);

    *stage.house.media.refuse.lock().unwrap() = Some(MediaError::Malformed("no ufrag".into()));
    refused(stage.patch(&location, &tag, "nonsense"), 400).await;
    let stranger = stage.request("PATCH", &location).header("content-type", FRAGMENT);
    refused(stranger.header("if-match", &tag).body("candidate"), 401).await;
}

#[tokio::test]
async fn a_restart_gives_new_credentials_and_a_new_tag() {
    let stage = stage().await;
    let response = stage.whip().send().await.unwrap();
    let location = header(&response, "location").to_owned();
    let old = header(&response, "etag").to_owned();

    refused(stage.patch(&location, &old, "restart"), 412).await;
    for star in ["*", "\"*\""] {
        let response = stage.patch(&location, star, "restart").send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), FRAGMENT);
        let new = header(&response, "etag").to_owned();
        assert_ne!(new, old);
        assert_eq!(response.text().await.unwrap(), "new credentials");
        refused(stage.patch(&location, &old, "candidate"), 412).await;
        let trickled = stage.patch(&location, &new, "candidate").send().await.unwrap();
        assert_eq!(trickled.status(), 204);
    }
}

#[tokio::test]
async fn a_delete_ends_the_session_once() {
    let stage = stage().await;
    let location = header(&stage.whip().send().await.unwrap(), "location").to_owned();
    refused(stage.request("DELETE", &location), 401).await;
    let delete = || {
        let request = stage
            .request("DELETE", &location)
            .header("if-match", "\"whatever\"");
        request.bearer_auth(token(&[Scope::Publish], "demo"))
    };
    assert_eq!(delete().send().await.unwrap().status(), 200);
    assert!(stage.house.media.open.lock().unwrap().is_empty());
    refused(delete(), 404).await;
    refused(stage.patch(&location, "*", "restart"), 404).await;
    refused(
        stage
            .request("GET", &location)
            .bearer_auth(token(&[Scope::Publish], "demo")),
        404,
    )
    .await;
}

#[tokio::test]
async fn a_session_whose_peer_is_gone_is_gone() {
    let stage = stage().await;
    let location = header(&stage.whip().send().await.unwrap(), "location").to_owned();
    stage.house.media.open.lock().unwrap().clear();
    refused(stage.patch(&location, "*", "candidate"), 404).await;
    let elsewhere = location.replace("/whip/", "/whep/");
    refused(stage.request("DELETE", &elsewhere), 404).await;
}

#[tokio::test]
async fn other_methods_are_named_as_not_allowed() {
    let stage = stage().await;
    for (method, path) in [
        ("DELETE", "/whip/demo"),
        ("PUT", "/whip/demo"),
        ("POST", "/whip/demo/x"),
    ] {
        let response = refused(stage.request(method, path), 405).await;
        assert!(header(&response, "allow").contains("GET"));
    }
    let response = stage.get("/nothing/here").await;
    check_problem(response, 404).await;
}
