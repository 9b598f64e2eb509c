"""Publishes a test picture and a tone by WHIP with GStreamer's webrtcbin: gstreamer.py URL TOKEN, ended by SIGTERM.

Debian has GStreamer's WHIP elements in no release; this asks and answers for them. Everything that meets the server's
media ports is GStreamer's own: ICE, its RSA certificate, DTLS, SRTP, payloaders, congestion control."""

import signal
import sys
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PIPELINE = """
    webrtcbin name=peer bundle-policy=max-bundle
    videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=25/1
      ! vp8enc deadline=1 target-bitrate=800000 keyframe-max-dist=50 ! rtpvp8pay picture-id-mode=15-bit
      ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! peer.
    audiotestsrc is-live=true volume=0.1 ! audioconvert ! audioresample ! opusenc ! rtpopuspay
      ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! peer.
"""
url, token = sys.argv[1:]
session = None


def request(method, address, body=None):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    return urllib.request.urlopen(urllib.request.Request(address, body, headers, method=method))


def on_gathered(peer, _):
    global session
    complete = GstWebRTC.WebRTCICEGatheringState.COMPLETE
    if session or peer.get_property("ice-gathering-state") != complete:
        return
    offer = peer.get_property("local-description").sdp.as_text()
    with request("POST", url, offer.encode()) as response:
        session = urllib.parse.urljoin(url, response.headers["Location"])
        _, answer = GstSdp.SDPMessage.new_from_text(response.read().decode())
    kind = GstWebRTC.WebRTCSDPType.ANSWER
    description = GstWebRTC.WebRTCSessionDescription.new(kind, answer)
    peer.emit("set-remote-description", description, None)


def on_negotiation_needed(peer):
    def on_offer(promise, *_):
        reply = promise.get_reply()  # owns the offer
        peer.emit("set-local-description", reply.get_value("offer"), None)

    peer.emit("create-offer", None, Gst.Promise.new_with_change_func(on_offer, None))


def on_error(_, message):
    print(*message.parse_error(), file=sys.stderr, flush=True)
    loop.quit()


Gst.init(None)
loop = GLib.MainLoop()
pipeline = Gst.parse_launch(PIPELINE)
peer = pipeline.get_by_name("peer")
peer.connect("on-negotiation-needed", on_negotiation_needed)
peer.connect("notify::ice-gathering-state", on_gathered)
pipeline.get_bus().add_signal_watch()
pipeline.get_bus().connect("message::error", on_error)
GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGTERM, loop.quit)
pipeline.set_state(Gst.State.PLAYING)
loop.run()
if session:
    request("DELETE", session).close()
pipeline.set_state(Gst.State.NULL)
