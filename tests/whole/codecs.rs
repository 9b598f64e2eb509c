//! What the load test publishes is what codecs' own streams are made of: nothing of it is dropped on the way.

use loadtest::measure::Counter;

use super::stage::Stage;

const VIEWERS: u64 = 4;

#[test]
fn of_every_codec_every_packet_arrives() {
    let stage = Stage::start();
    for codec in ["vp8", "vp9", "h264", "av1"] {
        let (what, room) = (format!("publisher.codec={codec}"), format!("server.room={codec}"));
        let viewers = format!("phases.join.viewers={VIEWERS}");
        let sets = [
            &what,
            &room,
            &viewers,
            "publisher.gop_seconds=1",
            "canaries=0",
            "phases.join.seconds=1",
            "phases.hold.seconds=4",
        ];
        let run = stage.pass("steady", &sets);
        let window = run.window();
        let count = |what| window.counter(what);
        let seen = [
            Counter::Watching,
            Counter::Lost,
            Counter::NotAuthentic,
            Counter::Ended,
        ]
        .map(count);
        assert_eq!(seen, [VIEWERS, 0, 0, 0], "{codec}");
        // A picture that stands still for want of a keyframe asks for one. At most once, where it came before the first.
        assert!(
            count(Counter::Plis) <= VIEWERS,
            "{codec}: {}",
            count(Counter::Plis)
        );
        // However slow this machine is, there are several keyframes of each layer, and pictures for everybody.
        let keyframes = run.publishers.streams.iter().map(|stream| stream.keyframes);
        assert!(keyframes.filter(|sent| *sent >= 2).count() == 3, "{codec}");
        assert!(count(Counter::Frames) > VIEWERS * 10, "{codec}");
    }
}
