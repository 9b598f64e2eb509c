//! `publish`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::Url;

use super::{print, the_end};
use crate::clip::Clip;
use crate::clip::keyframe::Codec;
use crate::clip::synthetic::{self, Recipe};
use crate::{PublishOptions, PublishReport, demo, peer, publish};

#[derive(Args, Debug)]
pub(super) struct Publish {
    /// The WHIP endpoint.
    #[arg(long, default_value = "http://localhost:8080/whip/demo")]
    url: Url,
    /// A token to publish with.
    #[arg(long)]
    token: Option<String>,
    /// A video file instead of the demo: IVF, WebM or MP4; given up to four times, smallest first, for simulcast.
    #[arg(long, value_name = "FILE")]
    video: Vec<PathBuf>,
    /// A sound file to the videos, Ogg with Opus; the first video's own when not given.
    #[arg(long, value_name = "FILE", requires = "video")]
    audio: Option<PathBuf>,
    /// A made-up stream of this codec instead, stamped for latency: vp8, vp9, h264 or av1.
    #[arg(long, value_name = "CODEC", conflicts_with = "video", value_parser = codec)]
    synthetic: Option<Codec>,
    /// A layer of the made-up stream, smallest first.
    #[arg(long, value_name = "HEIGHT:KBPS", value_parser = layer,
          default_values = ["180:150", "360:450", "720:1000"], requires = "synthetic")]
    layer: Vec<(u16, u32)>,
    /// Pictures per second of the made-up stream.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=120), requires = "synthetic")]
    fps: u32,
    /// Seconds from keyframe to keyframe of the made-up stream.
    #[arg(long, default_value_t = 2.0, value_parser = gop, requires = "synthetic")]
    gop: f64,
    /// Do not answer keyframe requests, as most encoders do not: the next keyframe comes when the stream has one.
    #[arg(long)]
    ignore_pli: bool,
    /// The best layer falls silent for so many seconds, comes back for as long, over and over.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    dropout: Option<u64>,
    /// How long; until Ctrl-C when not given.
    #[arg(long)]
    seconds: Option<u64>,
    /// The server may be another machine than this one.
    #[arg(long)]
    i_own_this_server: bool,
}

fn codec(name: &str) -> Result<Codec, String> {
    Codec::from_mime(&format!("video/{name}")).ok_or_else(|| "vp8, vp9, h264 or av1 is accepted".into())
}

fn layer(text: &str) -> Result<(u16, u32), String> {
    let parsed = text
        .split_once(':')
        .and_then(|(height, kbps)| Some((height.parse().ok()?, kbps.parse().ok()?)));
    parsed
        .filter(|(height, kbps)| (16..=4_320).contains(height) && (20..=50_000).contains(kbps))
        .ok_or_else(|| "HEIGHT:KBPS with 16 to 4320 lines and 20 to 50000 kbit/s is accepted".into())
}

fn gop(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=60.0).contains(seconds));
    seconds.ok_or_else(|| "0.1 to 60 seconds are accepted".into())
}

impl Publish {
    pub(super) async fn run(self, json: bool) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.i_own_this_server || peer::is_loopback(&self.url),
            "{} is not this machine; if that server is yours, say --i-own-this-server",
            self.url
        );
        let options = PublishOptions {
            token: self.token.clone(),
            ignore_pli: self.ignore_pli,
            stamped: self.synthetic.is_some(),
            dropout: self.dropout.map(Duration::from_secs),
            ..PublishOptions::new(self.url.clone(), self.clip()?)
        };
        let report = publish(options, the_end(self.seconds)).await?;
        print(json, &report, || say(&report))
    }

    fn clip(&self) -> anyhow::Result<Clip> {
        if let Some(codec) = self.synthetic {
            return Ok(synthetic::clip(&Recipe {
                codec,
                layers: self.layer.clone(),
                fps: self.fps,
                gop: Duration::from_secs_f64(self.gop),
                audio_kbps: 48,
            })?);
        }
        if self.video.is_empty() {
            return Ok(demo::clip()?);
        }
        Ok(Clip::from_paths(
            self.video.iter().map(PathBuf::as_path),
            self.audio.as_deref(),
        )?)
    }
}

fn say(report: &PublishReport) {
    println!("{:.1} s on {} connections", report.seconds, report.connections);
    for stream in &report.streams {
        let rate = stream.bytes as f64 * 8.0 / 1000.0 / report.seconds.max(0.001);
        println!(
            "  {:>5}  {:>8} packets  {rate:>7.0} kbit/s",
            stream.name, stream.packets
        );
    }
    println!(
        "asked for again {}, sent again {}, keyframes asked for {}",
        report.nacked, report.repaired, report.keyframe_requests
    );
}
