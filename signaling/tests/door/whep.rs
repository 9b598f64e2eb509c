//! WHEP: draft-ietf-wish-whep, where it differs from WHIP.

use std::sync::atomic::Ordering;

use crate::fake::{SDP, Stage, header, refused, stage, stage_with, token};
use reqwest::Response;
use signaling::token::Scope;
use signaling::{Layer, LayerWish, PlayerReport, RoomMedia};

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
        r#"{"spatialLayerId":1,"temporalLayerId":2,"maxSpatialLayerId":3,"maxTemporalLayerId":0}"#,
    ] {
        assert_eq!(layer(good).send().await.unwrap().status(), 200);
    }
    let wishes = stage.house.media.wishes.lock().unwrap().clone();
    let by_id = LayerWish {
        rid: Some("h".to_owned()),
        max_width: Some(640),
        ..LayerWish::default()
    };
    assert_eq!(wishes.first(), Some(&by_id));
    assert_eq!(wishes.get(1).unwrap().rid.as_deref(), Some("l"));
    assert_eq!(wishes.get(2), Some(&LayerWish::default()));
    let inside = LayerWish {
        spatial_layer_id: Some(1),
        temporal_layer_id: Some(2),
        max_spatial_layer_id: Some(3),
        max_temporal_layer_id: Some(0),
        ..LayerWish::default()
    };
    assert_eq!(wishes.get(3), Some(&inside));
    let left = stage.request("DELETE", &format!("{location}/layer")).send().await;
    assert_eq!(left.unwrap().status(), 200);
    let wishes = stage.house.media.wishes.lock().unwrap().clone();
    assert_eq!(wishes.get(4), Some(&LayerWish::default()));

    for bad in [
        "",
        "[]",
        r#"{"rid":5}"#,
        r#"{"maxWidth":-1}"#,
        r#"{"spatialLayerId":256}"#,
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
    refused(stage.request("DELETE", "/whep/demo/unknown/layer"), 404).await;
}

/// A session of the open room, and a stream of its events.
async fn followed(stage: &Stage, wanted: &'static str) -> (String, String) {
    let location = header(&stage.whep().send().await.unwrap(), "location").to_owned();
    let mut post = stage.request("POST", &format!("{location}/events"));
    if !wanted.is_empty() {
        post = post.header("content-type", "application/json").body(wanted);
    }
    let created = post.send().await.unwrap();
    assert_eq!(created.status(), 201);
    let stream = header(&created, "location").to_owned();
    assert!(stream.starts_with(&format!("{location}/events/")));
    (location, stream)
}

/// Reads an event stream until it has said something.
async fn hear(response: &mut Response, what: &str) -> String {
    let mut said = String::new();
    while !said.contains(what) {
        let chunk = response.chunk().await.unwrap();
        said.push_str(std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap());
    }
    said
}

#[tokio::test]
async fn a_player_hears_of_its_room_and_is_told_to_come_back() {
    let stage = stage().await;
    let response = stage.whep().send().await.unwrap();
    let links: Vec<_> = response
        .headers()
        .get_all("link")
        .iter()
        .map(|link| link.to_str().unwrap())
        .collect();
    let link = links
        .iter()
        .find(|link| link.contains("server-sent-events"))
        .unwrap();
    assert!(
        link.ends_with("events=\"active,inactive,layers,viewercount,reconnect\""),
        "{link}"
    );

    let (_, stream) = followed(&stage, "").await;
    let mut response = stage.get(&stream).await;
    assert_eq!(header(&response, "content-type"), "text/event-stream");
    let layer = Layer {
        rid: Some("h".to_owned()),
        bitrate: Some(900_000),
        width: Some(1280),
        ..Layer::default()
    };
    let room = &stage.house.media.room;
    room.send_modify(|room| {
        *room = RoomMedia {
            live: true,
            viewers: 3,
            layers: vec![layer],
        }
    });
    let said = hear(&mut response, "viewercount").await;
    assert!(!said.contains("inactive"), "nobody was there before: {said}");
    let expected = "event: active\ndata: {}\n\nevent: layers\ndata: \
        {\"1\":[{\"bitrate\":900000,\"rid\":\"h\",\"spatialLayerId\":0,\"width\":1280}]}\n\n\
        event: viewercount\ndata: {\"viewercount\":3}\n\n";
    assert_eq!(said, expected);
    room.send_modify(|room| room.live = false);
    let said = hear(&mut response, "\n\n").await;
    assert_eq!(said, "event: inactive\ndata: {}\n\n");
    stage.close.send(true).unwrap();
    assert_eq!(
        hear(&mut response, "\n\n").await,
        "event: reconnect\ndata: {}\n\n"
    );
    assert_eq!(response.chunk().await.unwrap(), None, "then it ends");
}

#[tokio::test]
async fn a_player_hears_only_what_it_asked_for_and_can_end_it() {
    let stage = stage().await;
    let (location, stream) = followed(&stage, r#"["viewercount"]"#).await;
    let mut response = stage.get(&stream).await;
    stage
        .house
        .media
        .room
        .send_modify(|room| (room.live, room.viewers) = (true, 9));
    let said = hear(&mut response, "viewercount").await;
    assert!(!said.contains("active"), "{said}");
    assert_eq!(
        stage.request("DELETE", &stream).send().await.unwrap().status(),
        200
    );
    assert_eq!(response.chunk().await.unwrap(), None, "it ends");
    refused(stage.request("DELETE", &stream), 404).await;
    refused(stage.request("GET", &stream), 404).await;

    let events = || {
        stage
            .request("POST", &format!("{location}/events"))
            .header("content-type", "application/json")
    };
    refused(events().body(r#"["active","later"]"#), 400).await;
    refused(events().body("{}"), 400).await;
    let (location, stream) = followed(&stage, "[]").await;
    let mut response = stage.get(&stream).await;
    stage.request("DELETE", &location).send().await.unwrap();
    assert_eq!(
        response.chunk().await.unwrap(),
        None,
        "a session's streams end with it"
    );
    refused(stage.request("GET", &stream), 404).await;
}

#[tokio::test]
async fn a_player_that_listens_again_takes_the_place_of_its_lost_connection() {
    let stage = stage().await;
    let (_, stream) = followed(&stage, "").await;
    let mut lost = stage.get(&stream).await;
    let mut again = stage.get(&stream).await;
    assert_eq!(lost.chunk().await.unwrap(), None, "one listener at a time");
    stage.house.media.room.send_modify(|room| room.viewers = 2);
    hear(&mut again, "viewercount").await;
}

#[tokio::test]
async fn a_player_tells_of_itself_and_the_operator_reads_of_all() {
    let stage = stage().await;
    let location = header(&stage.whep().send().await.unwrap(), "location").to_owned();
    let report = |json: &'static str| {
        let request = stage.request("POST", &format!("{location}/report")).body(json);
        request.header("content-type", "application/json")
    };
    let told = report(r#"{"firstFrameMs":180,"freezes":2,"freezeMs":700,"later":1}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(told.status(), 204);
    let expected = PlayerReport {
        first_frame_ms: Some(180),
        freezes: Some(2),
        freeze_ms: Some(700),
        playout_delay_ms: None,
    };
    assert_eq!(*stage.house.media.reports.lock().unwrap(), [expected]);
    refused(report(r#"{"freezes":-1}"#), 400).await;

    let viewers = |scope| {
        stage
            .request("GET", "/api/rooms/demo/viewers")
            .bearer_auth(token(&[scope], "demo"))
    };
    refused(stage.request("GET", "/api/rooms/demo/viewers"), 401).await;
    refused(viewers(Scope::Host), 403).await;
    let read: serde_json::Value = viewers(Scope::Operator)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(read["count"], 1);
    assert_eq!(read["viewers"][0]["estimate"], 900_000);
}
