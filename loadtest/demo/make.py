#!/usr/bin/env python3
"""Makes the demo clip: three VP8 renditions (IVF) and a soft chime (Opus in Ogg), a seamless 12 s loop.

Needs ffmpeg (with libvpx and libopus), a Chromium and the DejaVu fonts, all from Debian:

    apt install ffmpeg chromium fonts-dejavu
    ./make.py                # writes high.ivf, mid.ivf, low.ivf and chime.ogg beside this file
    ./make.py --look 75 x.png    # one frame, to look at

scene.html draws the frames; this script serves it on loopback, collects them and encodes.
"""
import argparse
import http.server
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FPS = 25
FRAMES = 300
GOP = 38  # 1.52 s: short, because a file cannot answer a keyframe request
RENDITIONS = [("high", 720, 1280, 1100), ("mid", 360, 640, 400), ("low", 180, 320, 130)]

# Five bell strokes of a pentatonic scale, each fading within its two seconds, over a faint fifth.
NOTES = [523.25, 659.25, 783.99, 587.33, 440.0, 523.25]


def chime() -> str:
    strokes = "+".join(
        f"between(t,{2 * i},{2 * i + 2})*(sin(2*PI*{f}*t)+0.35*sin(4*PI*{f}*t)+0.12*sin(6.02*PI*{f}*t))"
        for i, f in enumerate(NOTES)
    )
    stroke = "exp(-3.2*mod(t,2))*min(1,mod(t,2)*60)*min(1,(2-mod(t,2))*20)"
    pad = "0.03*(sin(2*PI*130.75*t)+0.7*sin(2*PI*196*t))*(0.8+0.2*sin(PI*t))"
    return f"0.16*{stroke}*({strokes})+{pad}"


def collect(query: str, sink) -> int:
    """Serves the scene to a headless Chromium and writes every PNG it posts to `sink`."""
    seen = 0
    failure = None

    class Desk(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.answer((HERE / "scene.html").read_bytes() if self.path.startswith("/?") else b"")

        def do_POST(self):
            nonlocal seen, failure
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if self.path == "/frame":
                sink.write(body)
                seen += 1
                print(f"\rframe {seen}", end="", file=sys.stderr, flush=True)
            else:
                failure = body.decode() if self.path == "/failed" else None
                self.server.done = True
            self.answer(b"")

        def answer(self, body):
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    desk = http.server.HTTPServer(("127.0.0.1", 0), Desk)
    desk.done = False
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or "google-chrome"
    with tempfile.TemporaryDirectory() as profile:
        chromium = subprocess.Popen(
            [browser, "--headless", "--no-sandbox", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--use-angle=swiftshader",
             "--enable-unsafe-swiftshader", f"--user-data-dir={profile}",
             f"http://127.0.0.1:{desk.server_port}/?{query}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not desk.done:
                desk.handle_request()
        finally:
            chromium.terminate()
            chromium.wait()
    print(file=sys.stderr)
    if failure:
        sys.exit(f"the scene failed: {failure}")
    return seen


def encode(master: pathlib.Path) -> None:
    for name, width, height, kbps in RENDITIONS:
        for turn in ("1", "2"):
            subprocess.run(
                ["ffmpeg", "-v", "error", "-y", "-i", master, "-vf", f"scale={width}:{height}:flags=area",
                 "-pix_fmt", "yuv420p", "-c:v", "libvpx", "-b:v", f"{kbps}k", "-maxrate", f"{kbps * 5 // 4}k",
                 "-bufsize", f"{kbps}k", "-g", str(GOP), "-keyint_min", str(GOP), "-auto-alt-ref", "0",
                 "-deadline", "good", "-cpu-used", "1", "-error-resilient", "default",
                 "-pass", turn, "-passlogfile", master.with_name(name),
                 "-f", "ivf", HERE / f"{name}.ivf" if turn == "2" else "/dev/null"], check=True)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"aevalsrc='{chime()}':s=48000:d={FRAMES / FPS}",
         "-ac", "2", "-c:a", "libopus", "-b:a", "48k", "-frame_duration", "20", "-f", "ogg", HERE / "chime.ogg"],
        check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="makes the demo clip")
    parser.add_argument("--look", nargs=2, metavar=("FRAME", "PNG"), help="draw one frame only")
    parser.add_argument("--master", help="keep (or reuse, if it exists) the lossless master here")
    args = parser.parse_args()
    query = f"frames={FRAMES}&fps={FPS}"
    if args.look:
        with open(args.look[1], "wb") as png:
            collect(f"{query}&only={args.look[0]}", png)
        return
    with tempfile.TemporaryDirectory() as scratch:
        master = pathlib.Path(args.master or pathlib.Path(scratch) / "master.mkv")
        if not master.exists():
            ffmpeg = subprocess.Popen(
                ["ffmpeg", "-v", "error", "-f", "image2pipe", "-c:v", "png", "-r", str(FPS), "-i", "-",
                 "-c:v", "libx264rgb", "-qp", "0", "-preset", "ultrafast", master], stdin=subprocess.PIPE)
            collect(query, ffmpeg.stdin)
            ffmpeg.stdin.close()
            if ffmpeg.wait():
                sys.exit("ffmpeg could not store the frames")
        encode(master)
    for file in [f"{name}.ivf" for name, *_ in RENDITIONS] + ["chime.ogg"]:
        print(f"{(HERE / file).stat().st_size:>9} {file}")


if __name__ == "__main__":
    main()
