//! Content encodings: which one a client takes, and what a file becomes in it (RFC 9110 §8.4).

use std::io::Write;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Each file is compressed when it is first asked for: all of the viewer's page in 5 ms. Quality 11 takes thirty times as long for a
/// tenth less.
const BROTLI_QUALITY: u32 = 9;
/// log2 of the window: 64 KiB, more than any file has. A larger one is slow to set up.
const BROTLI_WINDOW: u32 = 16;
const BROTLI_BUFFER: usize = 4096;

/// How a body is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Encoding {
    Plain,
    Gzip,
    Brotli,
}

impl Encoding {
    /// The one a client likes best; of those it likes equally the smallest.
    pub(crate) fn wished(headers: &HeaderMap) -> Encoding {
        let lines = headers.get_all(ACCEPT_ENCODING).iter();
        let accepted: Vec<(&str, f32)> = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .map(weighed)
            .collect();
        let weight = |name: &str| {
            let named = |wanted: &str| {
                accepted
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            };
            named(name)
                .or_else(|| named("*"))
                .map_or(0.0, |(_, weight)| *weight)
        };
        let (gzip, brotli) = (weight("gzip"), weight("br"));
        match () {
            () if brotli > 0.0 && brotli >= gzip => Encoding::Brotli,
            () if gzip > 0.0 => Encoding::Gzip,
            () => Encoding::Plain,
        }
    }

    /// As `Content-Encoding` has it.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Encoding::Plain => None,
            Encoding::Gzip => Some("gzip"),
            Encoding::Brotli => Some("br"),
        }
    }

    /// The same bytes in this encoding.
    pub(crate) fn apply(self, plain: &Bytes) -> Bytes {
        let written = match self {
            Encoding::Plain => return plain.clone(),
            Encoding::Gzip => {
                let mut writer = GzEncoder::new(Vec::new(), Compression::best());
                writer.write_all(plain).and_then(|()| writer.finish())
            }
            Encoding::Brotli => {
                let mut written = Vec::new();
                let mut writer =
                    brotli::CompressorWriter::new(&mut written, BROTLI_BUFFER, BROTLI_QUALITY, BROTLI_WINDOW);
                let done = writer.write_all(plain).and_then(|()| writer.flush());
                drop(writer);
                done.map(|()| written)
            }
        };
        // Memory takes everything. If it did not, the plain file is no smaller, and is sent.
        written.map_or_else(|_| plain.clone(), Bytes::from)
    }
}

/// One member of `Accept-Encoding` and its weight, 1 without one (RFC 9110 §12.4.2).
fn weighed(member: &str) -> (&str, f32) {
    let (name, parameters) = member.split_once(';').unwrap_or((member, ""));
    let weight = parameters
        .trim()
        .strip_prefix("q=")
        .map_or(Ok(1.0), |weight| weight.trim().parse());
    (name.trim(), weight.unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_client_chooses() {
        for (accepted, expected) in [
            ("", Encoding::Plain),
            ("gzip, deflate, br, zstd", Encoding::Brotli),
            ("gzip, deflate", Encoding::Gzip),
            ("deflate", Encoding::Plain),
            ("br;q=0.5, gzip;q=0.8", Encoding::Gzip),
            ("br;q=0, gzip;q=0", Encoding::Plain),
            ("gzip;q=0, *", Encoding::Brotli),
            ("GZIP ; q=1.0", Encoding::Gzip),
            ("gzip;q=none", Encoding::Plain),
            ("identity", Encoding::Plain),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(accepted))]);
            assert_eq!(Encoding::wished(&headers), expected, "{accepted}");
        }
        assert_eq!(Encoding::wished(&HeaderMap::new()), Encoding::Plain);
    }
}
