//! Nothing comes through for a while, as in a lift or a tunnel, or next to nothing: what a viewer sees when the line is there
//! again.

use std::time::Duration;

use super::bottleneck::Bottleneck;
use super::camera::Camera;
use super::outcome::Outcome;
use super::world::World;

const FROM: f64 = 20.0;

/// An encoder's two layers, of which the smaller one is 600 kbit/s, with keyframes each two seconds and each four.
fn encoders() -> [(&'static str, Camera); 2] {
    let long = Camera {
        group: 120,
        ..Camera::encoder()
    };
    [("encoder", Camera::encoder()), ("long groups", long)]
}

/// Until a picture is seen again and until the best one is, in seconds, and the eight seconds after the line is there again.
fn back(name: &str, camera: &Camera, line: Bottleneck, back: f64) -> ([f64; 2], Outcome) {
    let mut world = World::new(1, camera.clone());
    let line = world.line(line);
    world.watch(line);
    world.run_to(back + 24.0);
    let top = camera.layers.len() as u8 - 1;
    let seen = [0, top].map(|least| {
        let time = world.time_to(0, back, |layer| layer >= least);
        time.unwrap_or(f64::INFINITY)
    });
    let outcome = world.outcome(0, back, back + 8.0);
    let [picture, best] = seen;
    println!("{name}: a picture after {picture:.2} s, the best after {best:.2} s, {outcome}");
    assert_eq!(world.outcome(0, 8.0, back + 24.0).flapped, 0, "{name}");
    (seen, outcome)
}

fn away(seconds: f64, kbps: u64) -> Bottleneck {
    let [from, to] = [FROM, FROM + seconds].map(Duration::from_secs_f64);
    let mut line = Bottleneck::new(1, &[(0, 4000)]);
    line.plan.push((to, kbps * 1000));
    line.outage = (from, to);
    line
}

#[test]
fn a_line_that_was_away_is_used_again_at_once() {
    let [encoder, long] = encoders();
    for (name, camera) in [("browser", Camera::simulcast()), encoder, long] {
        for seconds in [0.5, 1.0, 3.0, 8.0, 20.0] {
            let name = format!("{name}, {seconds} s away");
            let ([picture, best], outcome) = back(&name, &camera, away(seconds, 4000), FROM + seconds);
            assert!(picture <= 0.25 && best <= 5.0, "{name}");
            // Of a long group only the keyframe may be shown until the next.
            let most = if camera.group > 60 { 2500 } else { 250 };
            assert!(outcome.longest_freeze <= Duration::from_millis(most), "{name}");
        }
    }
    for seconds in [0.5, 1.0, 3.0, 20.0] {
        let name = format!("browser, {seconds} s away, then 900 kbps");
        let ([picture, _], outcome) = back(&name, &Camera::simulcast(), away(seconds, 900), FROM + seconds);
        assert!(picture <= 0.5, "{name}");
        assert!(outcome.longest_freeze <= Duration::from_millis(400), "{name}");
    }
}

#[test]
fn who_saw_stills_on_a_thin_line_sees_the_best_picture_soon_after() {
    for (name, camera) in encoders() {
        for kbps in [60, 100, 250] {
            let line = Bottleneck::new(1, &[(0, 4000), (20, kbps), (40, 4000)]);
            let ([_, best], _) = back(&format!("{name}, {kbps} kbps for 20 s"), &camera, line, 40.0);
            assert!(best <= 10.0, "{best}");
        }
        // What waited meanwhile comes all at once.
        let mut line = Bottleneck::new(1, &[(0, 4000), (20, 0), (24, 4000)]);
        line.plan[1].1 = 100;
        line.queue = Duration::from_secs(8);
        let ([picture, best], _) = back(&format!("{name}, held up for 4 s"), &camera, line, 24.0);
        assert!(picture <= 0.25 && best <= 10.0, "{picture} {best}");
    }
}
