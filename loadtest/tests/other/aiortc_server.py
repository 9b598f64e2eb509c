"""A WHIP and WHEP server on aiortc, an implementation that shares no code with the load test: to try it by hand.

    python3 -m venv /tmp/aiortc && /tmp/aiortc/bin/pip install aiortc aiohttp
    /tmp/aiortc/bin/python loadtest/tests/other/aiortc_server.py 8099
    vitrine loadtest publish --url http://localhost:8099/whip &
    vitrine loadtest watch --url http://localhost:8099/whep --viewers 5 --seconds 10

It decodes what is published and encodes it for every viewer; without a publisher viewers get aiortc's own test picture.
GET /sent tells what left toward viewers, by RTP stream.
"""

import sys
import uuid

from aiohttp import web
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole, MediaRelay
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

relay = MediaRelay()
sessions = {}
sources = {}
gone = []


async def answer(connection, offer):
    await connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
    for transceiver in connection.getTransceivers():
        if transceiver.direction == "recvonly" and transceiver.sender.track:
            transceiver.direction = "sendonly"
    await connection.setLocalDescription(await connection.createAnswer())
    number = uuid.uuid4().hex
    sessions[number] = connection
    return web.Response(
        status=201,
        content_type="application/sdp",
        headers={"Location": f"/session/{number}"},
        text=connection.localDescription.sdp,
    )


async def whip(request):
    connection = RTCPeerConnection()
    sink = MediaBlackhole()

    @connection.on("track")
    async def on_track(track):
        sources[track.kind] = track
        # Somebody must read, or the buffers grow.
        sink.addTrack(relay.subscribe(track))
        await sink.start()

    return await answer(connection, await request.text())


async def whep(request):
    connection = RTCPeerConnection()
    own = {"audio": AudioStreamTrack, "video": VideoStreamTrack}
    for kind in ("audio", "video"):
        source = sources.get(kind)
        alive = source is not None and source.readyState == "live"
        connection.addTrack(relay.subscribe(source) if alive else own[kind]())
    return await answer(connection, await request.text())


async def leave(request):
    connection = sessions.pop(request.match_info["number"], None)
    if connection is None:
        return web.Response(status=404)
    gone.append(await told(connection))
    await connection.close()
    return web.Response()


async def told(connection):
    stats = await connection.getStats()
    return [
        {"kind": each.kind, "packets": each.packetsSent, "bytes": each.bytesSent}
        for each in stats.values()
        if each.type == "outbound-rtp"
    ]


async def sent(_):
    return web.json_response({"here": [await told(each) for each in sessions.values()], "gone": gone})


app = web.Application()
app.router.add_post("/whip", whip)
app.router.add_post("/whep", whep)
app.router.add_delete("/session/{number}", leave)
app.router.add_get("/sent", sent)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8099)
