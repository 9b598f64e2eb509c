"""A WHIP endpoint in front of Debian's Janus, an implementation in C: to publish to it by hand and to compare counts.

    apt-get install janus
    python3 loadtest/tests/other/janus_whip.py 192.0.2.7 8098
    vitrine loadtest publish --url http://192.0.2.7:8098/whip --i-own-this-server --json

It starts a Janus of its own and puts each publisher into a room of its video room plugin. The address is this
machine's own: Janus has no candidates on loopback. GET /received tells what Janus counted, by media. There is no WHEP:
Janus 1.1.2 takes no offers from viewers.
"""

import json
import subprocess
import sys
import tempfile
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST, PORT = sys.argv[1], int(sys.argv[2])
API, ADMIN = f"http://127.0.0.1:{PORT + 1}/janus", f"http://127.0.0.1:{PORT + 2}/admin"
SECRET = "only on this machine"
SETTINGS = {
    "janus.jcfg": f'general: {{ admin_secret = "{SECRET}" }}\nmedia: {{ ipv6 = false }}\n',
    "janus.transport.http.jcfg": f"""
general: {{ base_path = "/janus"  http = true  port = {PORT + 1}  ip = "127.0.0.1" }}
admin: {{ admin_base_path = "/admin"  admin_http = true  admin_port = {PORT + 2}  admin_ip = "127.0.0.1" }}
""",
}
publishers = {}
gone = []


def ask(url, message=None):
    body = None if message is None else json.dumps({"transaction": "t", **message}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as answer:
        return json.load(answer)


def answer_of(offer):
    """Joins a new room with an offer; the answer, and where the publisher is."""
    session = f"{API}/{ask(API, {'janus': 'create'})['data']['id']}"
    handle = ask(session, {"janus": "attach", "plugin": "janus.plugin.videoroom"})["data"]["id"]
    room = len(publishers) + len(gone) + 1
    say = lambda body, **more: ask(f"{session}/{handle}", {"janus": "message", "body": body, **more})
    say({"request": "create", "room": room, "publishers": 1})
    join = {"request": "joinandconfigure", "ptype": "publisher", "room": room}
    say(join, jsep={"type": "offer", "sdp": offer})
    while True:
        event = ask(session)
        if "jsep" in event:
            return event["jsep"]["sdp"], session, handle


def received(session, handle):
    """What Janus counted of a publisher, by the kind of media."""
    where = f"{ADMIN}/{session.rsplit('/')[-1]}/{handle}"
    info = ask(where, {"janus": "handle_info", "admin_secret": SECRET})["info"]
    media = info["webrtc"]["media"].values()
    return [{"type": each["type"], "mid": each["mid"], **each.get("stats", {}).get("in", {})} for each in media]


class Whip(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, kind, text, **headers):
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_POST(self):
        offer = self.rfile.read(int(self.headers["Content-Length"])).decode()
        sdp, session, handle = answer_of(offer)
        name = str(handle)
        publishers[name] = (session, handle)
        self.reply(201, "application/sdp", sdp, Location=f"/session/{name}")

    def do_DELETE(self):
        session, handle = publishers.pop(self.path.rsplit("/")[-1])
        gone.append(received(session, handle))
        ask(session, {"janus": "destroy"})
        self.reply(200, "text/plain", "")

    def do_GET(self):
        here = [received(*publisher) for publisher in publishers.values()]
        self.reply(200, "application/json", json.dumps({"here": here, "gone": gone}))

    def log_message(self, *_):
        pass


with tempfile.TemporaryDirectory() as folder:
    for name, text in SETTINGS.items():
        Path(folder, name).write_text(text)
    janus = subprocess.Popen(["janus", "-F", folder, "-d", "3"], stdout=subprocess.DEVNULL)
    try:
        ThreadingHTTPServer((HOST, PORT), Whip).serve_forever()
    finally:
        janus.terminate()
