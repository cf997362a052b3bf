package main

import (
	"fmt"
	"strconv"
	"strings"
)

// section is one m-line of the SFU's, as far as it matters here.
type section struct {
	kind, mid        string
	isRejected       bool
	sends, receives  bool
	publisher, track string // msid
	ssrc             uint32
	formats          string   // of the m= line
	codecs           []string // rtpmap, fmtp, rtcp-fb
}

// description is an offer or answer of the SFU's.
type description struct {
	ufrag, pwd, fingerprint string
	candidates              []string
	sections                []section
}

func after(line, prefix string) (string, bool) {
	return strings.TrimPrefix(line, prefix), strings.HasPrefix(line, prefix)
}

func (s *section) parse(line string) {
	switch line {
	case "a=sendrecv", "a=sendonly", "a=recvonly":
		s.sends, s.receives = line != "a=recvonly", line != "a=sendonly"
	}
	if mid, ok := after(line, "a=mid:"); ok {
		s.mid = mid
	}
	if msid, ok := after(line, "a=msid:"); ok {
		s.publisher, s.track, _ = strings.Cut(msid, " ")
	}
	if text, ok := after(line, "a=ssrc:"); ok && s.ssrc == 0 {
		number, _, _ := strings.Cut(text, " ")
		ssrc, _ := strconv.ParseUint(number, 10, 32)
		s.ssrc = uint32(ssrc)
	}
	for _, prefix := range []string{"a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"} {
		if strings.HasPrefix(line, prefix) {
			s.codecs = append(s.codecs, line)
		}
	}
}

func parse(text string) *description {
	d := &description{}
	for _, line := range strings.Split(text, "\r\n") {
		if media, ok := after(line, "m="); ok {
			words := strings.SplitN(media, " ", 4)
			d.sections = append(d.sections, section{kind: words[0], isRejected: words[1] == "0", formats: words[3]})
			continue
		}
		if value, ok := after(line, "a=ice-ufrag:"); ok {
			d.ufrag = value
		} else if value, ok := after(line, "a=ice-pwd:"); ok {
			d.pwd = value
		} else if value, ok := after(line, "a=fingerprint:sha-256 "); ok {
			d.fingerprint = value
		} else if value, ok := after(line, "a=candidate:"); ok && len(d.sections) <= 1 && strings.Contains(strings.ToLower(value), " udp ") {
			d.candidates = append(d.candidates, value)
		} else if len(d.sections) > 0 {
			d.sections[len(d.sections)-1].parse(line)
		}
	}
	return d
}

var (
	ownFormats = map[string]string{"audio": "111", "video": "96"}
	ownCodecs  = map[string][]string{
		"audio": {"a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1"},
		"video": {"a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 ccm fir"},
	}
)

func direction(sends, receives bool) string {
	switch {
	case sends && receives:
		return "sendrecv"
	case sends:
		return "sendonly"
	case receives:
		return "recvonly"
	}
	return "inactive"
}

// write makes an offer or answer of `lines`; sends and receives say what flows on each.
func (s *session) write(lines []*line, setup string, flows func(at int, l *line) (sends, receives bool)) string {
	s.version++
	mids := []string{}
	for _, l := range lines {
		if !l.isStopped {
			mids = append(mids, l.mid)
		}
	}
	text := []string{"v=0", fmt.Sprintf("o=- %d %d IN IP4 127.0.0.1", s.id, s.version), "s=-", "t=0 0",
		"a=group:BUNDLE " + strings.Join(mids, " ")}
	for at, l := range lines {
		formats, codecs := ownFormats[l.kind], ownCodecs[l.kind]
		if !l.isOwn {
			formats, codecs = l.formats, l.codecs
		}
		port := "9"
		if l.isStopped {
			port = "0"
		}
		sends, receives := flows(at, l)
		text = append(text, fmt.Sprintf("m=%s %s UDP/TLS/RTP/SAVPF %s", l.kind, port, formats), "c=IN IP4 0.0.0.0",
			"a=mid:"+l.mid, "a=rtcp-mux", "a=ice-ufrag:"+s.transport.ufrag, "a=ice-pwd:"+s.transport.pwd,
			"a=fingerprint:sha-256 "+s.transport.fingerprint, "a=setup:"+setup, "a="+direction(sends, receives))
		text = append(text, codecs...)
		if sends {
			text = append(text, fmt.Sprintf("a=msid:%s %s", s.stream, l.track),
				fmt.Sprintf("a=ssrc:%d cname:%s", l.ssrc, s.stream))
		}
	}
	return strings.Join(text, "\r\n") + "\r\n"
}
