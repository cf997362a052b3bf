// crowd is a room of participants that join, leave, publish and unpublish at random, on Pion's ICE, DTLS and SRTP.
//
//	crowd URL ROOM SEED SECONDS PARTICIPANTS
//
// Offers collide with the SFU's on purpose, answers are told twice or too late, and offers that cannot be are made. After
// so many seconds everybody comes in, publishes and is still: each must then receive every track of every other, with
// no more m-lines than were needed at once. It prints what it found as one line of JSON, stays until its input
// ends, and leaves. A seed repeats the decisions, though not how they interleave.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	actEvery      = 900 * time.Millisecond // a participant, on average
	leaveOneIn    = 25                     // of its acts
	packetsEnough = 3
	settleTimeout = 120 * time.Second
	lookEvery     = 100 * time.Millisecond
	// A line is wanted before the one that it will be in the place of is known to be free.
	linesSlack = 8
)

type crowd struct {
	url, room string
	sessions  []*session // nil: not in the room
	random    []*rand.Rand

	glares, repeats, refused, joins atomic.Int64
	ever                            int // tracks heard of by all, in all

	mutex     sync.Mutex
	now, peak map[string]int // tracks in the room, by kind
}

func (c *crowd) count(kind string, by int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.now[kind] += by
	if c.now[kind] > c.peak[kind] {
		c.peak[kind] = c.now[kind]
	}
}

func (c *crowd) enter(index int) error {
	s, err := join(c, index, c.random[index])
	if err != nil {
		return fmt.Errorf("p%d cannot join: %w", index, err)
	}
	c.joins.Add(1)
	c.sessions[index] = s
	return nil
}

func (s *session) check() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.failure == nil {
		if err := s.transport.failed(); err != nil {
			s.fail("%v", err)
		}
	}
	return s.failure
}

// live is one participant until `end`.
func (c *crowd) live(index int, end time.Time) error {
	random := c.random[index]
	for time.Now().Before(end) {
		time.Sleep(time.Duration(random.Int63n(int64(2 * actEvery))))
		s := c.sessions[index]
		switch {
		case s == nil:
			if random.Intn(3) == 0 {
				if err := c.enter(index); err != nil {
					return err
				}
			}
		case random.Intn(leaveOneIn) == 0:
			if err := s.check(); err != nil {
				return err
			}
			s.leave()
			c.sessions[index] = nil
		default:
			s.act()
			if err := s.check(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *crowd) everyone(do func(index int) error) error {
	failures := make(chan error, len(c.sessions))
	for index := range c.sessions {
		go func(index int) { failures <- do(index) }(index)
	}
	var first error
	for range c.sessions {
		if err := <-failures; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// publishSomething makes sure of a track, as soon as no offer is open.
func (c *crowd) publishSomething(index int) error {
	if c.sessions[index] == nil {
		if err := c.enter(index); err != nil {
			return err
		}
	}
	s := c.sessions[index]
	for deadline := time.Now().Add(settleTimeout); time.Now().Before(deadline); time.Sleep(lookEvery) {
		s.mutex.Lock()
		isPublishing := s.tracksOf("audio")+s.tracksOf("video") > 0
		if s.isJoined && !isPublishing {
			s.publish([]string{"audio", "video"}[index%2])
		}
		isQuiet := s.isJoined && !s.hasOpenOffer && isPublishing
		s.mutex.Unlock()
		if err := s.check(); err != nil || isQuiet {
			return err
		}
	}
	return fmt.Errorf("p%d: its offer is not answered", index)
}

// ---- in the end ----

type place struct{ publisher, track string }

func (c *crowd) published() map[place]bool {
	all := map[place]bool{}
	for _, s := range c.sessions {
		s.mutex.Lock()
		for _, l := range s.lines {
			if l.isPublishing {
				all[place{s.peerID, l.track}] = true
			}
		}
		s.mutex.Unlock()
	}
	return all
}

// lacks says what a participant does not have yet; "": nothing.
func (s *session) lacks(all map[place]bool, before map[uint32]int) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	heard := map[place]uint32{}
	for _, l := range s.lines {
		if l.hears.ssrc == 0 {
			continue
		}
		at := place{l.hears.publisher, l.hears.track}
		if !all[at] || at.publisher == s.peerID {
			return fmt.Sprintf("%s is sent %v, which is over", s.stream, at)
		}
		heard[at] = l.hears.ssrc
	}
	for at := range all {
		if at.publisher == s.peerID {
			continue
		}
		ssrc, isKnown := heard[at]
		if !isKnown {
			return fmt.Sprintf("%s is not offered %v", s.stream, at)
		}
		if count := s.transport.received(ssrc); count < before[ssrc]+packetsEnough {
			return fmt.Sprintf("%s received %d packets of %v (m-lines: %d)", s.stream, count-before[ssrc], at, len(s.lines))
		}
	}
	if s.hasOpenOffer || len(s.awaitsRefusal) > 0 {
		return fmt.Sprintf("%s waits for an answer, or for refusals of %v", s.stream, s.awaitsRefusal)
	}
	return ""
}

func (s *session) counts() map[uint32]int {
	s.transport.mutex.Lock()
	defer s.transport.mutex.Unlock()
	counts := make(map[uint32]int, len(s.transport.packets))
	for ssrc, count := range s.transport.packets {
		counts[ssrc] = count
	}
	return counts
}

func (c *crowd) settle() error {
	all := c.published()
	before := make([]map[uint32]int, len(c.sessions))
	for index, s := range c.sessions {
		before[index] = s.counts()
	}
	missing := ""
	for deadline := time.Now().Add(settleTimeout); time.Now().Before(deadline); time.Sleep(lookEvery) {
		missing = ""
		for index, s := range c.sessions {
			if err := s.check(); err != nil {
				return err
			}
			if missing == "" {
				missing = s.lacks(all, before[index])
			}
		}
		if missing == "" {
			return nil
		}
	}
	return fmt.Errorf("it does not settle: %s", missing)
}

type result struct {
	PeerID string   `json:"peer_id"`
	MLines int      `json:"m_lines"`
	Tracks []string `json:"tracks"`
}

func (c *crowd) results() ([]result, error) {
	results := []result{}
	for _, s := range c.sessions {
		s.mutex.Lock()
		r := result{PeerID: s.peerID, MLines: len(s.lines), Tracks: []string{}}
		for _, l := range s.lines {
			if l.isPublishing {
				r.Tracks = append(r.Tracks, l.track)
			}
		}
		most := c.peak["audio"] + c.peak["video"] + s.tracksPeak["audio"] + s.tracksPeak["video"] + linesSlack
		c.ever += len(s.heardOf) + s.published
		s.mutex.Unlock()
		if r.MLines > most {
			return nil, fmt.Errorf("%s has %d m-lines, and %d would have been enough", s.stream, r.MLines, most)
		}
		results = append(results, r)
	}
	return results, nil
}

func (c *crowd) run(seconds int) error {
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	if err := c.everyone(func(index int) error { return c.live(index, end) }); err != nil {
		return err
	}
	began := time.Now()
	if err := c.everyone(c.publishSomething); err != nil {
		return err
	}
	if err := c.settle(); err != nil {
		return err
	}
	settled := time.Since(began)
	results, err := c.results()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"participants": results, "joins": c.joins.Load(), "glares": c.glares.Load(), "repeats": c.repeats.Load(),
		"refused": c.refused.Load(), "tracks_ever": c.ever, "peak": c.peak, "settled_ms": settled.Milliseconds(),
	})
}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: crowd URL ROOM SEED SECONDS PARTICIPANTS")
		os.Exit(2)
	}
	numbers := [3]int64{}
	for at, text := range os.Args[3:] {
		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			fmt.Fprintln(os.Stderr, "crowd:", err)
			os.Exit(2)
		}
		numbers[at] = number
	}
	c := &crowd{url: os.Args[1], room: os.Args[2], sessions: make([]*session, numbers[2]), now: map[string]int{}, peak: map[string]int{}}
	for index := range c.sessions {
		c.random = append(c.random, rand.New(rand.NewSource(numbers[0]*1000+int64(index))))
	}
	if err := c.run(int(numbers[1])); err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = c.everyone(func(index int) error {
		c.sessions[index].leave()
		return nil
	})
}
