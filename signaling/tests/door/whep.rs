//! WHEP: draft-ietf-wish-whep, where it differs from WHIP.

use std::sync::atomic::Ordering;

use crate::fake::{SDP, header, refused, stage, stage_with, token};
use signaling::LayerWish;
use signaling::token::Scope;

#[tokio::test]
async fn anybody_may_watch_an_open_room() {
    let stage = stage().await;
    let response = stage.whep().send().await.unwrap();
    assert_eq!(response.status(), 201);
    let location = header(&response, "location").to_owned();
    assert!(location.starts_with("/whep/demo/"));
    let link = header(&response, "link");
    assert!(
        link.contains(&format!("<{location}/layer>")) && link.contains("urn:ietf:params:whep:ext:core:layer")
    );
    let delete = stage.request("DELETE", &location);
    assert_eq!(delete.send().await.unwrap().status(), 200);
    refused(stage.request("DELETE", &location), 404).await;
}

#[tokio::test]
async fn a_private_room_needs_a_token_to_view() {
    let stage = stage().await;
    let post = || {
        stage
            .request("POST", "/whep/private")
            .header("content-type", SDP)
            .body("offer")
    };
    refused(post(), 401).await;
    refused(post().bearer_auth(token(&[Scope::View], "demo")), 403).await;
    let response = post()
        .bearer_auth(token(&[Scope::View], "private"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 201);
    let location = header(&response, "location").to_owned();
    refused(stage.request("DELETE", &location), 401).await;
    let delete = stage
        .request("DELETE", &location)
        .bearer_auth(token(&[Scope::Host], "private"));
    assert_eq!(delete.send().await.unwrap().status(), 200);

    let strict = stage_with(|door| door.watch_needs_token = true).await;
    refused(strict.whep(), 401).await;
}

#[tokio::test]
async fn an_endpoint_says_what_it_takes() {
    let stage = stage().await;
    for method in ["GET", "HEAD"] {
        let response = stage.request(method, "/whep/demo").send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), SDP);
        assert_eq!(response.text().await.unwrap(), "");
    }
}

#[tokio::test]
async fn viewers_wait_for_the_host_unless_told_to_come_back() {
    let patient = stage().await;
    patient.house.shop.live.store(false, Ordering::Relaxed);
    assert_eq!(patient.whep().send().await.unwrap().status(), 201);

    let strict = stage_with(|door| door.viewers_may_wait = false).await;
    strict.house.shop.live.store(false, Ordering::Relaxed);
    let response = refused(strict.whep(), 409).await;
    assert!(header(&response, "retry-after").parse::<u32>().unwrap() >= 1);
    strict.house.shop.live.store(true, Ordering::Relaxed);
    assert_eq!(strict.whep().send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_viewer_chooses_its_layer_and_gives_the_choice_back() {
    let stage = stage().await;
    let location = header(&stage.whep().send().await.unwrap(), "location").to_owned();
    let layer = |json: &'static str| {
        let request = stage.request("POST", &format!("{location}/layer")).body(json);
        request.header("content-type", "application/json")
    };
    for good in [
        r#"{"mediaId":"0","encodingId":"h","maxWidth":640}"#,
        r#"{"rid":"l","later":1}"#,
        "{}",
    ] {
        assert_eq!(layer(good).send().await.unwrap().status(), 200);
    }
    let wishes = stage.house.media.wishes.lock().unwrap().clone();
    let by_id = LayerWish {
        rid: Some("h".to_owned()),
        max_width: Some(640),
        max_height: None,
    };
    assert_eq!(wishes.first(), Some(&by_id));
    assert_eq!(wishes.get(1).unwrap().rid.as_deref(), Some("l"));
    assert_eq!(wishes.get(2), Some(&LayerWish::default()));

    for bad in [
        "",
        "[]",
        r#"{"rid":5}"#,
        r#"{"maxWidth":-1}"#,
        r#"{"maxWidth":1e99}"#,
    ] {
        refused(layer(bad), 400).await;
    }
    refused(
        stage.request("POST", &format!("{location}/layer")).body("{}"),
        415,
    )
    .await;
    refused(stage.request("POST", "/whep/demo/unknown/layer").body("{}"), 404).await;
}
