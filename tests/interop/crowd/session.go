package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/pion/rtp"
	"golang.org/x/net/websocket"
)

const (
	tracksMax     = 2 // of one kind, of one participant
	mediaInterval = 250 * time.Millisecond
	repeatOneIn   = 5
	glareOneIn    = 8
)

// line is an m-line, as this end knows it (RFC 9429).
type line struct {
	kind, mid                      string
	isOwn, isStopped, isPublishing bool
	// What is published on it.
	track          string
	ssrc           uint32
	sequenceNumber uint16
	timestamp      uint32
	// What the SFU last said that it sends on it; hears.ssrc is 0 if nothing.
	hears   section
	formats string
	codecs  []string
}

// session is one participant in the room, from joining to leaving. It does what a browser does: its m-lines keep their
// order and mids, idle ones are used again, and while an offer of its own is open it passes over the SFU's.
type session struct {
	crowd        *crowd
	random       *rand.Rand
	id           int64
	version      int
	stream       string // the msid of its tracks
	knowsOfferID bool   // or is a client of before there was one
	socket       *websocket.Conn
	transport    *transport
	ended        chan struct{}

	mutex         sync.Mutex
	peerID        string
	isJoined      bool
	isOver        bool
	lines         []*line
	hasOpenOffer  bool
	offerID       string // what the open one is answered or refused by
	before        []line // the m-lines as they were, should it be refused
	nextMid       int
	nextTrack     int
	tracksPeak    map[string]int
	awaitsRefusal map[string]string // by id: the code
	failure       error
	published     int // tracks, ever
	heardOf       map[string]bool
}

type message map[string]any

func (m message) text(name string) string {
	value, _ := m[name].(string)
	return value
}

func join(c *crowd, index int, random *rand.Rand) (*session, error) {
	place, err := url.Parse(c.url)
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("ws://%s/realtime/webrtc/signaling?room_id=%s&name=p%d", place.Host, url.QueryEscape(c.room), index)
	s := &session{crowd: c, random: random, id: random.Int63(), stream: fmt.Sprintf("p%d", index), knowsOfferID: index%4 != 3,
		ended: make(chan struct{}), tracksPeak: map[string]int{}, awaitsRefusal: map[string]string{}, heardOf: map[string]bool{}}
	if s.transport, err = newTransport(); err != nil {
		return nil, err
	}
	if s.socket, err = websocket.Dial(address, "realtime.v1", c.url); err != nil {
		s.transport.close(true)
		return nil, err
	}
	go s.listen()
	go s.play()
	return s, nil
}

func (s *session) fail(format string, arguments ...any) {
	if s.failure == nil && !s.isOver {
		s.failure = fmt.Errorf("%s (%s): %s", s.stream, s.peerID, fmt.Sprintf(format, arguments...))
	}
}

func (s *session) say(m message) {
	m["room_id"], m["target_peer_id"] = s.crowd.room, "sfu"
	if err := websocket.JSON.Send(s.socket, m); err != nil {
		s.fail("cannot send: %v", err)
	}
}

// ---- what the server says ----

func (s *session) listen() {
	defer close(s.ended)
	for {
		var text []byte
		err := websocket.Message.Receive(s.socket, &text)
		s.mutex.Lock()
		if err != nil {
			s.fail("signalling ended: %v", err)
			s.mutex.Unlock()
			return
		}
		var m message
		if err := json.Unmarshal(text, &m); err != nil {
			s.fail("not JSON: %s", text)
		} else {
			s.hear(m)
		}
		s.mutex.Unlock()
	}
}

func (s *session) hear(m message) {
	switch m.text("type") {
	case "joined":
		s.peerID, s.isJoined = m.text("peer_id"), true
	case "error":
		s.hearError(m)
	case "signal":
		remote := parse(m.text("sdp"))
		s.transport.start(remote)
		switch m.text("signal_type") {
		case "offer":
			s.hearOffer(remote, m["offer_id"])
		case "answer":
			if s.hasOpenOffer && m.text("id") == s.offerID {
				s.hasOpenOffer = false
				s.describe(remote)
			}
		}
	}
}

func (s *session) hearError(m message) {
	id := m.text("id")
	if code, isAwaited := s.awaitsRefusal[id]; isAwaited && code == m.text("code") && m.text("detail") != "" {
		delete(s.awaitsRefusal, id)
		s.crowd.refused.Add(1)
		if s.hasOpenOffer && id == s.offerID {
			s.rollBack()
		}
		return
	}
	if s.hasOpenOffer && id == s.offerID && m.text("code") == "media_overloaded" {
		s.rollBack() // and it may be tried again
		return
	}
	if strings.HasPrefix(id, "old-") && m.text("code") == "stale_answer" {
		return // which of two is the stale one, nobody can tell
	}
	s.fail("%v", m)
}

// rollBack has everything as it was before the open offer.
func (s *session) rollBack() {
	for _, l := range s.lines {
		if l.isPublishing {
			s.crowd.count(l.kind, -1)
		}
	}
	s.lines = nil
	for at := range s.before {
		l := s.before[at]
		s.lines = append(s.lines, &l)
		if l.isPublishing {
			s.crowd.count(l.kind, 1)
		}
	}
	s.hasOpenOffer = false
}

// describe takes in what the SFU says of each m-line.
func (s *session) describe(remote *description) {
	for at, media := range remote.sections {
		if at == len(s.lines) {
			s.lines = append(s.lines, &line{kind: media.kind, mid: media.mid})
		}
		l := s.lines[at]
		if !l.isStopped && (l.mid != media.mid || l.kind != media.kind) {
			s.fail("m-line %d was %s %s and is %s %s", at, l.kind, l.mid, media.kind, media.mid)
		}
		if !l.isOwn {
			l.formats, l.codecs = media.formats, media.codecs
		}
		l.hears = section{}
		if media.sends && !media.isRejected && !l.isStopped {
			l.hears = media
			s.heardOf[media.publisher+" "+media.track] = true
		}
	}
	if len(remote.sections) < len(s.lines) {
		s.fail("%d m-lines became %d", len(s.lines), len(remote.sections))
	}
}

func (s *session) hearOffer(remote *description, offerID any) {
	if offerID == nil {
		s.fail("an offer without offer_id")
	}
	// As if this end had offered a moment before it came.
	if !s.hasOpenOffer && s.random.Intn(glareOneIn) == 0 {
		if s.random.Intn(2) == 0 {
			s.offerAgain()
		} else {
			s.offerTooFew()
		}
	}
	if s.hasOpenOffer {
		s.crowd.glares.Add(1)
		if s.knowsOfferID && s.random.Intn(2) == 0 && len(s.lines) > 0 && len(remote.sections) == len(s.lines) {
			s.answer(remote, offerID, "late", true)
		}
		return
	}
	s.describe(remote)
	s.answer(remote, offerID, "", false)
	if s.random.Intn(repeatOneIn) == 0 {
		s.crowd.repeats.Add(1)
		s.answer(remote, offerID, "repeat", s.knowsOfferID)
	}
}

func (s *session) answer(remote *description, offerID any, name string, isStale bool) {
	s.version++
	m := message{"type": "signal", "signal_type": "answer",
		"sdp": s.write(s.lines, "active", func(at int, l *line) (bool, bool) {
			media := remote.sections[at]
			return l.isPublishing && media.receives, !l.isOwn && media.sends
		})}
	if s.knowsOfferID {
		m["offer_id"] = offerID
	} else {
		name = "old-" + name
	}
	if name != "" {
		m["id"] = fmt.Sprintf("%s-%d", name, s.version)
	}
	if isStale {
		s.awaitsRefusal[m.text("id")] = "stale_answer"
	}
	s.say(m)
}

// ---- what this end does ----

func flowOfOffer(_ int, l *line) (sends, receives bool) {
	return l.isPublishing, !l.isOwn && !l.isStopped // a browser goes on offering to receive what it once took
}

// remember is due before anything of an offer is changed.
func (s *session) remember() {
	s.before = nil
	for _, l := range s.lines {
		s.before = append(s.before, *l)
	}
}

// offer what was changed since remember().
func (s *session) offer(lines []*line) {
	if len(lines) == 0 {
		return // nothing to offer
	}
	s.hasOpenOffer = true
	s.offerID = fmt.Sprintf("offer-%d", s.version)
	s.say(message{"type": "signal", "signal_type": "offer", "id": s.offerID, "sdp": s.write(lines, "actpass", flowOfOffer)})
}

func (s *session) offerAgain() {
	s.remember()
	s.offer(s.lines)
}

// offerTooFew leaves out the last m-line, as an offer of long ago would.
func (s *session) offerTooFew() {
	if s.hasOpenOffer || len(s.lines) < 2 {
		return
	}
	s.remember()
	s.offer(s.lines[:len(s.lines)-1])
	s.awaitsRefusal[s.offerID] = "bad_sdp"
}

func (s *session) tracksOf(kind string) (count int) {
	for _, l := range s.lines {
		if l.isPublishing && l.kind == kind {
			count++
		}
	}
	return count
}

// room for another track: an m-line of ours that is idle or stopped, one of the SFU's (as addTrack() would), or a new one.
func (s *session) lineFor(kind string) *line {
	usable := []*line{}
	for _, l := range s.lines {
		if l.isStopped || (l.kind == kind && !l.isPublishing && (l.isOwn || s.random.Intn(8) == 0)) {
			usable = append(usable, l)
		}
	}
	var l *line
	if len(usable) > 0 {
		l = usable[s.random.Intn(len(usable))]
	} else {
		l = &line{isStopped: true}
		s.lines = append(s.lines, l)
	}
	if l.isStopped {
		*l = line{kind: kind, isOwn: true, mid: fmt.Sprint(s.nextMid)}
		s.nextMid++
	}
	return l
}

func (s *session) publish(kind string) {
	if s.hasOpenOffer || s.tracksOf(kind) >= tracksMax {
		return
	}
	s.remember()
	l := s.lineFor(kind)
	l.isPublishing = true
	l.track = fmt.Sprintf("%s-%s-%d", s.peerID, kind, s.nextTrack)
	s.nextTrack++
	l.ssrc = s.random.Uint32() | 1
	s.crowd.count(kind, 1)
	s.published++
	if now := s.tracksOf(kind); now > s.tracksPeak[kind] {
		s.tracksPeak[kind] = now
	}
	s.offer(s.lines)
}

func (s *session) unpublish() {
	published := []*line{}
	for _, l := range s.lines {
		if l.isPublishing {
			published = append(published, l)
		}
	}
	if s.hasOpenOffer || len(published) == 0 {
		return
	}
	s.remember()
	l := published[s.random.Intn(len(published))]
	l.isPublishing = false
	l.isStopped = l.isOwn && s.random.Intn(2) == 0
	s.crowd.count(l.kind, -1)
	s.offer(s.lines)
}

// act does one thing or another; with no chance of leaving, which is the participant's.
func (s *session) act() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !s.isJoined {
		return
	}
	switch choice := s.random.Intn(20); {
	case choice < 10:
		s.publish([]string{"audio", "video"}[s.random.Intn(2)])
	case choice < 17:
		s.unpublish()
	case choice < 18:
		s.offerTooFew()
	default:
		if !s.hasOpenOffer {
			s.offerAgain()
		}
	}
}

// leave by bye, by closing, or by falling silent.
func (s *session) leave() {
	s.mutex.Lock()
	way := s.random.Intn(3)
	s.isOver = true
	for _, l := range s.lines {
		if l.isPublishing {
			s.crowd.count(l.kind, -1)
		}
	}
	if way == 0 && s.isJoined {
		s.say(message{"type": "signal", "signal_type": "bye"})
	}
	s.mutex.Unlock()
	if way == 2 {
		s.transport.close(true)
	}
	_ = s.socket.Close()
	<-s.ended
	s.transport.close(false)
}

// ---- media ----

var (
	silence  = []byte{0xf8, 0xff, 0xfe} // an Opus packet of 20 ms
	keyframe = []byte{0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x00, 0x30, 0x00, 0x00, 0x47, 0x08, 0x85, 0x85}
)

func (s *session) play() {
	tick := time.NewTicker(mediaInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.ended:
			return
		case <-tick.C:
		}
		s.mutex.Lock()
		for _, l := range s.lines {
			if !l.isPublishing {
				continue
			}
			payload, payloadType, ticks := silence, uint8(111), uint32(12000)
			if l.kind == "video" {
				payload, payloadType, ticks = keyframe, 96, 22500
			}
			if !l.isOwn {
				payloadType = firstFormat(l.formats)
			}
			_ = s.transport.send(&rtp.Packet{Header: rtp.Header{Version: 2, Marker: l.kind == "video", PayloadType: payloadType,
				SequenceNumber: l.sequenceNumber, Timestamp: l.timestamp, SSRC: l.ssrc}, Payload: payload}) // a lost packet
			l.sequenceNumber++
			l.timestamp += ticks
		}
		s.mutex.Unlock()
	}
}

func firstFormat(formats string) (payloadType uint8) {
	_, _ = fmt.Sscan(formats, &payloadType)
	return payloadType
}
