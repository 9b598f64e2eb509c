// A WHIP and WHEP server on pion, an implementation in Go that shares no code with the load test: to try it by hand.
//
//	apt-get install golang-go golang-github-pion-webrtc.v3-dev
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o /tmp/pion loadtest/tests/other/pion_server.go && /tmp/pion 8097
//	vitrine loadtest publish --url http://localhost:8097/whip &
//	vitrine loadtest watch --url http://localhost:8097/whep --viewers 5 --seconds 60
//
// It hands the largest layer and the sound of the one publisher on to every viewer. GET /counts tells what came, by layer, what
// left toward viewers, and how often a connection was called disconnected.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc"
)

// One picture and one sound toward one viewer.
type viewer struct {
	tracks map[webrtc.RTPCodecType]*webrtc.TrackLocalStaticRTP
}

type server struct {
	sync.Mutex
	api         *webrtc.API
	connections map[string]*webrtc.PeerConnection
	viewers     map[string]viewer
	publisher   *webrtc.PeerConnection
	picture     webrtc.SSRC
	largest     string

	Received     map[string]uint64
	Sent         uint64
	Disconnected int
	Deleted      int
}

func newAPI() *webrtc.API {
	media := &webrtc.MediaEngine{}
	check(media.RegisterDefaultCodecs())
	for _, uri := range []string{
		"urn:ietf:params:rtp-hdrext:sdes:mid",
		"urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
		"urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
	} {
		check(media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, webrtc.RTPCodecTypeVideo))
	}
	interceptors := &interceptor.Registry{}
	check(webrtc.RegisterDefaultInterceptors(media, interceptors))
	settings := webrtc.SettingEngine{}
	settings.SetLite(true)
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	return webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(interceptors), webrtc.WithSettingEngine(settings))
}

// Answers an offer, and remembers the connection until it is deleted or lost.
func (s *server) open(w http.ResponseWriter, r *http.Request, prepare func(string, *webrtc.PeerConnection)) {
	offer, err := io.ReadAll(io.LimitReader(r.Body, 1<<17))
	check(err)
	connection, err := s.api.NewPeerConnection(webrtc.Configuration{})
	check(err)
	id := fmt.Sprintf("%p", connection)
	prepare(id, connection)
	connection.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		log.Println(r.URL.Path, id, state)
		s.Lock()
		defer s.Unlock()
		switch state {
		case webrtc.PeerConnectionStateDisconnected:
			s.Disconnected++
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			delete(s.viewers, id)
		}
	})
	if err := connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: string(offer)}); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	answer, err := connection.CreateAnswer(nil)
	check(err)
	gathered := webrtc.GatheringCompletePromise(connection)
	check(connection.SetLocalDescription(answer))
	<-gathered
	s.Lock()
	s.connections[id] = connection
	s.Unlock()
	w.Header().Set("Content-Type", "application/sdp")
	w.Header().Set("Location", "/session/"+id)
	w.WriteHeader(http.StatusCreated)
	fmt.Fprint(w, connection.LocalDescription().SDP)
}

func (s *server) whip(w http.ResponseWriter, r *http.Request) {
	s.open(w, r, func(_ string, connection *webrtc.PeerConnection) {
		s.Lock()
		s.publisher, s.largest = connection, ""
		s.Unlock()
		connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { s.hand(track) })
	})
}

// Hands a track on to every viewer, when it is the sound or the largest picture.
func (s *server) hand(track *webrtc.TrackRemote) {
	name := track.RID()
	if name == "" {
		name = track.Kind().String()
	}
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		s.Lock()
		s.Received[name]++
		// The demo's layers are l, m and h.
		if track.Kind() == webrtc.RTPCodecTypeVideo && (s.largest == "" || name == "h") {
			s.largest, s.picture = name, track.SSRC()
		}
		if track.Kind() == webrtc.RTPCodecTypeAudio || name == s.largest {
			s.send(track.Kind(), packet)
		}
		s.Unlock()
	}
}

func (s *server) send(kind webrtc.RTPCodecType, packet *rtp.Packet) {
	for _, viewer := range s.viewers {
		bare := rtp.Packet{Header: packet.Header, Payload: packet.Payload}
		bare.Extension, bare.Extensions = false, nil
		if viewer.tracks[kind].WriteRTP(&bare) == nil {
			s.Sent++
		}
	}
}

func (s *server) whep(w http.ResponseWriter, r *http.Request) {
	s.open(w, r, func(id string, connection *webrtc.PeerConnection) {
		tracks := map[webrtc.RTPCodecType]*webrtc.TrackLocalStaticRTP{}
		for kind, mime := range map[webrtc.RTPCodecType]string{
			webrtc.RTPCodecTypeVideo: webrtc.MimeTypeVP8,
			webrtc.RTPCodecTypeAudio: webrtc.MimeTypeOpus,
		} {
			track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, kind.String(), "stage")
			check(err)
			sender, err := connection.AddTrack(track)
			check(err)
			tracks[kind] = track
			go s.listen(sender)
		}
		s.Lock()
		s.viewers[id] = viewer{tracks}
		s.Unlock()
	})
}

// A viewer's reports have to be read; its request for a keyframe is the publisher's.
func (s *server) listen(sender *webrtc.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			if _, is := packet.(*rtcp.PictureLossIndication); is {
				s.ask()
			}
		}
	}
}

func (s *server) ask() {
	s.Lock()
	defer s.Unlock()
	if s.publisher != nil {
		_ = s.publisher.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(s.picture)}})
	}
}

func (s *server) session(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/session/")
	s.Lock()
	connection := s.connections[id]
	delete(s.connections, id)
	delete(s.viewers, id)
	s.Unlock()
	if r.Method != http.MethodDelete || connection == nil {
		http.NotFound(w, r)
		return
	}
	check(connection.Close())
	s.Lock()
	s.Deleted++
	s.Unlock()
}

func (s *server) counts(w http.ResponseWriter, _ *http.Request) {
	s.Lock()
	defer s.Unlock()
	check(json.NewEncoder(w).Encode(map[string]interface{}{
		"received": s.Received, "sent": s.Sent, "disconnected": s.Disconnected, "deleted": s.Deleted, "sessions": len(s.connections),
	}))
}

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func main() {
	s := &server{
		api: newAPI(), connections: map[string]*webrtc.PeerConnection{}, viewers: map[string]viewer{}, Received: map[string]uint64{},
	}
	http.HandleFunc("/whip", s.whip)
	http.HandleFunc("/whep", s.whep)
	http.HandleFunc("/session/", s.session)
	http.HandleFunc("/counts", s.counts)
	check(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
