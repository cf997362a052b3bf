// pion_client is a WebRTC stack of its own (Pion, in Go) over WHIP and WHEP.
//
//	pion_client publish URL SECONDS FILE.ivf [FRAMES]
//	pion_client watch URL SECONDS [PUBLISHERS [FRAMES [FRAMES]]]
//
// It publishes the file's VP8 over and over, and silence; or counts what can be put together of what it watches. It runs
// for so long, until SIGTERM, or until so many frames of each kind came; then it ends its session with DELETE and
// prints one line of JSON: {"video_frames": …, "audio_frames": …, "location": …}. After the last FRAMES of video it
// restarts ICE by PATCH (RFC 9725 section 4.3.2), and tells of that as "restart".
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc"
	"github.com/pion/webrtc/pkg/media"
	"github.com/pion/webrtc/pkg/media/ivfreader"
	"github.com/pion/webrtc/pkg/media/samplebuilder"
)

const (
	videoInterval = time.Second / 30
	audioInterval = 20 * time.Millisecond
	latePackets   = 200
)

var videoFrames, audioFrames atomic.Int64

func exchange(to, offer string) (answer, location, etag string, err error) {
	response, err := http.Post(to, "application/sdp", strings.NewReader(offer))
	if err != nil {
		return "", "", "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", "", "", err
	}
	if response.StatusCode != http.StatusCreated {
		return "", "", "", fmt.Errorf("%s: %s", response.Status, body)
	}
	base, err := url.Parse(to)
	if err != nil {
		return "", "", "", err
	}
	where, err := base.Parse(response.Header.Get("Location"))
	if err != nil {
		return "", "", "", err
	}
	return string(body), where.String(), response.Header.Get("ETag"), nil
}

// offer with all candidates in it.
func offer(peer *webrtc.PeerConnection, options *webrtc.OfferOptions) (string, error) {
	offer, err := peer.CreateOffer(options)
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(peer)
	if err := peer.SetLocalDescription(offer); err != nil {
		return "", err
	}
	<-gathered
	return peer.LocalDescription().SDP, nil
}

// iceLines are those of a description that a fragment of it has (RFC 8840), or all others.
func iceLines(sdp string, isOther bool) []string {
	lines := []string{}
	for _, line := range strings.Split(strings.TrimSpace(sdp), "\r\n") {
		isICE := false
		for _, prefix := range []string{"a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=end-of-candidates"} {
			isICE = isICE || strings.HasPrefix(line, prefix)
		}
		if isICE != isOther {
			lines = append(lines, line)
		}
	}
	return lines
}

func patch(location, ifMatch, fragment string) (status int, etag, body string, err error) {
	request, err := http.NewRequest(http.MethodPatch, location, strings.NewReader(fragment))
	if err != nil {
		return 0, "", "", err
	}
	request.Header.Set("Content-Type", "application/trickle-ice-sdpfrag")
	request.Header.Set("If-Match", ifMatch)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, response.Header.Get("ETag"), string(text), err
}

// restartICE has the server restart, and goes on with what it answers in place of what the answer said before.
func restartICE(peer *webrtc.PeerConnection, location, etag string) (map[string]any, error) {
	sdp, err := offer(peer, &webrtc.OfferOptions{ICERestart: true})
	if err != nil {
		return nil, err
	}
	fragment := strings.Join(iceLines(sdp, false), "\r\n") + "\r\n"
	status, newETag, body, err := patch(location, "*", fragment)
	if err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("the restart is answered by %d %s (%v)", status, body, err)
	}
	described := []string{}
	for _, line := range iceLines(peer.CurrentRemoteDescription().SDP, true) {
		described = append(described, line)
		if strings.HasPrefix(line, "a=mid:") {
			described = append(described, iceLines(body, false)...)
		}
	}
	answer := strings.Join(described, "\r\n") + "\r\n"
	if err := peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		return nil, err
	}
	trickled, _, _, err := patch(location, newETag, fragment)
	if err != nil {
		return nil, err
	}
	stale, _, _, err := patch(location, etag, fragment)
	if err != nil {
		return nil, err
	}
	again, sameETag, _, err := patch(location, "*", fragment)
	return map[string]any{"etag": newETag, "trickled": trickled, "stale": stale, "again": again, "etag_again": sameETag}, err
}

func connect(peer *webrtc.PeerConnection, to string) (location, etag string, err error) {
	sdp, err := offer(peer, nil)
	if err != nil {
		return "", "", err
	}
	answer, location, etag, err := exchange(to, sdp)
	if err != nil {
		return "", "", err
	}
	return location, etag, peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
}

// One time through the file; it begins with a keyframe.
func play(track *webrtc.TrackLocalStaticSample, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	reader, _, err := ivfreader.NewWith(file)
	if err != nil {
		return err
	}
	for {
		frame, _, err := reader.ParseNextFrame()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := track.WriteSample(media.Sample{Data: frame, Duration: videoInterval}); err != nil {
			return err
		}
		videoFrames.Add(1)
		time.Sleep(videoInterval)
	}
}

func hum(track *webrtc.TrackLocalStaticSample) {
	silence := []byte{0xf8, 0xff, 0xfe} // an Opus packet of 20 ms
	for range time.Tick(audioInterval) {
		if track.WriteSample(media.Sample{Data: silence, Duration: audioInterval}) == nil {
			audioFrames.Add(1)
		}
	}
}

func drainRTCP(sender *webrtc.RTPSender) { // NACKs are answered by an interceptor in its Read
	buffer := make([]byte, 1500)
	for {
		if _, _, err := sender.Read(buffer); err != nil {
			return
		}
	}
}

func publish(peer *webrtc.PeerConnection, path string) error {
	video, err := webrtc.NewTrackLocalStaticSample(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, "video", "pion")
	if err != nil {
		return err
	}
	audio, err := webrtc.NewTrackLocalStaticSample(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}, "audio", "pion")
	if err != nil {
		return err
	}
	for _, track := range []webrtc.TrackLocal{audio, video} {
		sender, err := peer.AddTrack(track)
		if err != nil {
			return err
		}
		go drainRTCP(sender)
	}
	peer.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state != webrtc.PeerConnectionStateConnected {
			return
		}
		go hum(audio)
		go func() {
			for play(video, path) == nil {
			}
		}()
	})
	return nil
}

func count(track *webrtc.TrackRemote) {
	if track.Kind() == webrtc.RTPCodecTypeAudio {
		for {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
			audioFrames.Add(1)
		}
	}
	builder := samplebuilder.New(latePackets, &codecs.VP8Packet{}, track.Codec().ClockRate)
	isDecodable := false // from the first keyframe on (RFC 6386: bit 0 is clear)
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		builder.Push(packet)
		for sample := builder.Pop(); sample != nil; sample = builder.Pop() {
			isDecodable = isDecodable || len(sample.Data) > 0 && sample.Data[0]&1 == 0
			if isDecodable {
				videoFrames.Add(1)
			}
		}
	}
}

func watch(peer *webrtc.PeerConnection, publishers int) error {
	peer.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { go count(track) })
	for i := 0; i < publishers; i++ {
		for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
			_, err := peer.AddTransceiverFromKind(
				kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func number(arguments []string, at, otherwise int) int {
	if at < len(arguments) {
		if value, err := strconv.Atoi(arguments[at]); err == nil {
			return value
		}
	}
	return otherwise
}

func run(arguments []string) error {
	if len(arguments) < 4 || (arguments[1] == "publish" && len(arguments) < 5) {
		return errors.New("usage: pion_client publish URL SECONDS FILE.ivf [FRAMES] | watch URL SECONDS [PUBLISHERS [FRAMES [FRAMES]]]")
	}
	peer, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return err
	}
	defer peer.Close()
	frames := int64(0)
	if arguments[1] == "publish" {
		err = publish(peer, arguments[4])
	} else {
		frames = int64(number(arguments, 5, 0))
		err = watch(peer, number(arguments, 4, 1))
	}
	if err != nil {
		return err
	}
	location, etag, err := connect(peer, arguments[2])
	if err != nil {
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	deadline := time.After(time.Duration(number(arguments, 3, 60)) * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	restartAfter := int64(number(arguments, map[string]int{"publish": 5, "watch": 6}[arguments[1]], 0))
	var restarted map[string]any
	for isOver := false; !isOver; {
		select {
		case <-ended:
			isOver = true
		case <-deadline:
			isOver = true
		case <-tick.C:
			isOver = frames > 0 && videoFrames.Load() >= frames && audioFrames.Load() >= frames
			if restartAfter > 0 && videoFrames.Load() >= restartAfter && restarted == nil {
				if restarted, err = restartICE(peer, location, etag); err != nil {
					return err
				}
			}
		}
	}
	// Before the connection says goodbye by itself: the session would be gone, and not found any more.
	request, err := http.NewRequest(http.MethodDelete, location, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"video_frames": videoFrames.Load(),
		"audio_frames": audioFrames.Load(),
		"location":     location,
		"deleted":      response.StatusCode,
		"etag":         etag,
		"restart":      restarted,
	})
}

func main() {
	if err := run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "pion_client:", err)
		os.Exit(1)
	}
}
