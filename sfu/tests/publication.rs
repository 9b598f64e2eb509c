//! A publisher's packets in, feedback out, in virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]

mod rtp;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtp::{AUDIO_PT, MID_ID, Packet, RID_ID, RRID_ID, RTX_PT, TWCC_ID, VIDEO_PT, begin, publisher_media};
use sfu::media::{MediaConfig, Publication};
use sfu::negotiation::{MediaKind, ReceivedMedia};
use sfu::relay::EncodingId;
use sfu::rtcp;

const LOW: EncodingId = EncodingId { section: 1, layer: 1 };

fn publication(now: Instant) -> Publication {
    Publication::new(Arc::new(publisher_media()), MediaConfig::default(), 7, now)
}

fn video(sequence: u16) -> Packet {
    Packet::new(VIDEO_PT, sequence, 3000 * u32::from(sequence), 0xaa)
        .extension(MID_ID, b"1")
        .extension(RID_ID, b"l")
}

fn feedback<P: rtc_rtcp::Packet + Clone + 'static>(publication: &mut Publication, now: Instant) -> Vec<P> {
    publication.handle_timeout(now);
    let mut out = Vec::new();
    let mut found = Vec::new();
    while publication.poll_rtcp(now, &mut out) {
        assert!(out.len() <= 1200);
        found.extend(
            rtcp::parse(&out)
                .iter()
                .filter_map(|packet| rtcp::as_type::<P>(&**packet).cloned()),
        );
        out.clear();
    }
    found
}

#[test]
fn streams_are_told_apart_by_mid_and_rid_then_by_ssrc() {
    let now = begin();
    let mut publication = publication(now);
    publication.handle_rtp(now, &Packet::new(VIDEO_PT, 1, 0, 0xbb).vp8(true).bytes());
    assert_eq!(
        publication.stats().dropped,
        1,
        "simulcast without a rid is nobody's"
    );
    publication.handle_rtp(now, &video(1).vp8(true).bytes());
    publication.handle_rtp(now, &Packet::new(VIDEO_PT, 2, 3000, 0xaa).vp8(false).bytes());
    publication.handle_rtp(
        now,
        &Packet::new(AUDIO_PT, 9, 0, 0xcc).payload(&[1, 2, 3]).bytes(),
    );
    let track = publication.track(MediaKind::Video).unwrap();
    assert_eq!(
        track
            .encodings
            .iter()
            .map(|e| e.history.end())
            .collect::<Vec<_>>(),
        [0, 2]
    );
    assert_eq!(track.encodings[1].history.keyframe(), Some(0));
    assert_eq!(track.encodings[1].size(), Some((320, 180)));
    assert_eq!(
        publication.track(MediaKind::Audio).unwrap().encodings[0]
            .history
            .end(),
        1
    );
    assert!(publication.is_flowing(now) && !publication.is_flowing(now + Duration::from_secs(4)));
}

#[test]
fn layers_without_names_are_told_by_their_announced_sources_or_the_host_is_told() {
    let now = begin();
    let mut media = publisher_media();
    let send = |publication: &mut Publication| {
        for ssrc in [0xaa, 0xbb] {
            publication.handle_rtp(now, &Packet::new(VIDEO_PT, 1, 0, ssrc).vp8(true).bytes());
        }
        let health = publication.health(now);
        let told = health.iter().map(|encoding| encoding.faults.unnamed);
        (publication.stats().dropped, told.collect::<Vec<_>>())
    };
    let of =
        |media: &[ReceivedMedia]| Publication::new(Arc::new(media.to_vec()), MediaConfig::default(), 7, now);
    assert_eq!(send(&mut of(&media)), (2, vec![false, true, true]));
    media[1].ssrcs = vec![(0xaa, None)];
    assert_eq!(
        send(&mut of(&media)),
        (2, vec![false, true, true]),
        "one does not tell which"
    );
    media[1].ssrcs = vec![(0xbb, None), (0xaa, None)];
    let mut publication = of(&media);
    assert_eq!(send(&mut publication), (0, vec![false; 3]));
    let encodings = &publication.track(MediaKind::Video).unwrap().encodings;
    assert_eq!(encodings[0].size(), Some((160, 180)), "in the order of the offer");
}

#[test]
fn layers_of_a_group_of_sources_are_told_apart() {
    let now = begin();
    let mut media = publisher_media();
    media[1].rids.clear();
    media[1].ssrcs = vec![(0xbb, Some(0x1bb)), (0xaa, None)];
    let mut publication = Publication::new(Arc::new(media), MediaConfig::default(), 7, now);
    for number in [1, 3] {
        for ssrc in [0xaa, 0xbb] {
            let packet = Packet::new(VIDEO_PT, number, 3000 * u32::from(number), ssrc).vp8(number == 1);
            publication.handle_rtp(now, &packet.bytes());
        }
    }
    let lost = Packet::new(VIDEO_PT, 2, 6000, 0xbb).vp8(false);
    let repair = [&[0, 2], lost.payload_bytes()].concat();
    publication.handle_rtp(now, &Packet::new(RTX_PT, 9, 6000, 0x1bb).payload(&repair).bytes());
    assert_eq!(publication.stats().dropped, 0);
    let layers = &publication.track(MediaKind::Video).unwrap().encodings;
    let sizes: Vec<_> = layers.iter().map(|layer| layer.size()).collect();
    assert_eq!(
        sizes,
        [Some((160, 180)), Some((320, 180))],
        "in the order of the group"
    );
    let numbers = |layer: usize| {
        let history = &layers[layer].history;
        let packets = (history.start()..history.end()).filter_map(|at| history.get(at));
        packets.map(|packet| packet.sequence as u16).collect::<Vec<_>>()
    };
    assert_eq!(
        (numbers(0), numbers(1)),
        (vec![1, 3, 2], vec![1, 3]),
        "the repair is the first one's"
    );
}

#[test]
fn a_lost_packet_is_asked_for_and_comes_back_by_rtx() {
    let now = begin();
    let mut publication = publication(now);
    for sequence in [1, 2, 4] {
        publication.handle_rtp(now, &video(sequence).vp8(sequence == 1).bytes());
    }
    assert!(feedback::<TransportLayerNack>(&mut publication, now).is_empty());
    let soon = now + Duration::from_millis(15);
    assert!(publication.poll_timeout().unwrap() <= soon);
    let nacks = feedback::<TransportLayerNack>(&mut publication, soon);
    assert_eq!((nacks.len(), nacks[0].media_ssrc), (1, 0xaa));
    assert_eq!(nacks[0].nacks[0].packet_list(), [3]);
    let lost = video(3).vp8(false);
    let mut payload = vec![0, 3];
    payload.extend(lost.payload_bytes());
    let repair = Packet::new(RTX_PT, 77, 9000, 0xdd)
        .extension(MID_ID, b"1")
        .extension(RRID_ID, b"l")
        .payload(&payload);
    publication.handle_rtp(soon, &repair.bytes());
    assert_eq!(
        (publication.stats().recovered, publication.stats().dropped),
        (1, 0)
    );
    let history = &publication.track(MediaKind::Video).unwrap().encodings[1].history;
    let recovered = history.get(3).unwrap();
    assert_eq!(recovered.payload(), lost.payload_bytes());
    assert_eq!((recovered.sequence as u16, recovered.timestamp), (3, 9000));
    publication.handle_rtp(soon, &repair.bytes());
    assert_eq!(publication.stats().dropped, 1, "once is enough");
}

#[test]
fn many_wishes_for_a_keyframe_make_one_request_until_it_comes() {
    let now = begin();
    let mut publication = publication(now);
    publication.handle_rtp(now, &video(1).vp8(false).bytes());
    (0..100).for_each(|_| publication.request_keyframe(now, LOW));
    assert_eq!(feedback::<PictureLossIndication>(&mut publication, now).len(), 1);
    publication.request_keyframe(now, LOW);
    assert!(feedback::<PictureLossIndication>(&mut publication, now + Duration::from_millis(400)).is_empty());
    let again = now + Duration::from_millis(500);
    assert_eq!(
        feedback::<PictureLossIndication>(&mut publication, again).len(),
        1,
        "none came"
    );
    publication.handle_rtp(again, &video(2).vp8(true).bytes());
    let later = again + Duration::from_secs(2);
    assert!(feedback::<PictureLossIndication>(&mut publication, later).is_empty());
}

#[test]
fn reports_and_transport_feedback_are_sent_in_time() {
    let now = begin();
    let mut publication = publication(now);
    for sequence in 0..50u16 {
        let at = now + Duration::from_millis(20) * u32::from(sequence);
        let packet = video(sequence)
            .extension(TWCC_ID, &(sequence + 100).to_be_bytes())
            .vp8(sequence == 0);
        publication.handle_rtp(at, &packet.bytes());
    }
    let later = now + Duration::from_millis(1100);
    let mut out = Vec::new();
    assert!(publication.poll_rtcp(later, &mut out));
    let packets = rtcp::parse(&out);
    let report = rtcp::as_type::<ReceiverReport>(&*packets[0]).unwrap();
    assert_eq!((report.reports[0].ssrc, report.reports[0].total_lost), (0xaa, 0));
    let times = packets
        .iter()
        .find_map(|packet| rtcp::as_type::<TransportLayerCc>(&**packet))
        .unwrap();
    assert_eq!((times.base_sequence_number, times.packet_status_count), (100, 50));
    assert!(
        times
            .recv_deltas
            .iter()
            .skip(1)
            .all(|delta| delta.delta == 20_000)
    );
}

#[test]
fn a_replica_has_what_the_original_has() {
    let now = begin();
    let mut original = publication(now);
    for sequence in 1..=10 {
        original.handle_rtp(now, &video(sequence).vp8(sequence == 5).bytes());
    }
    let mut replica = Publication::replica(original.media().clone(), MediaConfig::default(), now);
    original
        .cached()
        .into_iter()
        .for_each(|item| replica.handle_relayed(item));
    original.set_relaying(true);
    original.handle_rtp(now, &video(11).vp8(false).bytes());
    while let Some(item) = original.poll_relayed() {
        replica.handle_relayed(item);
    }
    let sequences = |publication: &Publication| {
        let history = &publication.track(MediaKind::Video).unwrap().encodings[1].history;
        let from = history.keyframe().unwrap();
        (from..history.end())
            .map(|at| history.get(at).unwrap().sequence as u16)
            .collect::<Vec<_>>()
    };
    assert_eq!(sequences(&replica), [5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(sequences(&replica), sequences(&original));
    replica.request_keyframe(now, LOW);
    assert_eq!(replica.poll_keyframe_request(now), Some(LOW));
    assert_eq!(replica.poll_keyframe_request(now), None);
}

/// One picture of a layer.
fn picture(publication: &mut Publication, now: Instant, rid: &[u8], number: u16) {
    let ssrc = if rid == b"h" { 0xaa } else { 0xbb };
    let packet = Packet::new(VIDEO_PT, number, 3000 * u32::from(number), ssrc)
        .extension(MID_ID, b"1")
        .extension(RID_ID, rid)
        .vp8(number == 0);
    publication.handle_rtp(now, &packet.bytes());
}

#[test]
fn a_layer_switched_off_is_noticed_within_half_a_second_and_so_is_its_return() {
    let begin = begin();
    let mut publication = publication(begin);
    let high = |publication: &Publication, now| {
        let track = publication.track(MediaKind::Video).unwrap();
        track.encodings[0].is_active(now)
    };
    let at = |number: u16| begin + Duration::from_millis(33) * u32::from(number);
    for number in 0..60 {
        picture(&mut publication, at(number), b"l", number);
        if !(30..50).contains(&number) {
            picture(&mut publication, at(number), b"h", number);
        }
        let expected = match number {
            0..33 => true,
            45..50 => false,
            50.. => true,
            _ => continue,
        };
        assert_eq!(high(&publication, at(number)), expected, "picture {number}");
    }
}

#[test]
fn a_screen_that_hardly_changes_keeps_all_its_layers() {
    let begin = begin();
    let mut publication = publication(begin);
    for number in 0..10 {
        let now = begin + Duration::from_millis(1500) * u32::from(number);
        for (rid, late) in [(b"l", 0), (b"h", 40)] {
            let now = now + Duration::from_millis(late);
            picture(&mut publication, now, rid, number);
            let ladder = publication.track(MediaKind::Video).unwrap().ladder(now).len();
            assert_eq!(ladder, if number == 0 && rid == b"l" { 1 } else { 2 });
        }
    }
}
