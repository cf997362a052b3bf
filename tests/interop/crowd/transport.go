package main

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v2"
	"github.com/pion/dtls/v2/pkg/crypto/fingerprint"
	"github.com/pion/dtls/v2/pkg/crypto/selfsign"
	"github.com/pion/ice/v2"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v2"
)

const (
	datagramMax      = 1500
	handshakeTimeout = 60 * time.Second
	dtlsQueue        = 64
)

// transport is Pion's ICE, DTLS and SRTP under one participant: it sends RTP, and counts what comes, by SSRC.
type transport struct {
	agent       *ice.Agent
	certificate tls.Certificate
	fingerprint string // as in SDP
	ufrag, pwd  string
	cancel      context.CancelFunc

	mutex     sync.Mutex
	isStarted bool
	conn      *ice.Conn
	dtls      *dtls.Conn
	out       *srtp.Context // nil until the handshake is over
	packets   map[uint32]int
	failure   error
}

func newTransport() (*transport, error) {
	t := &transport{packets: map[uint32]int{}}
	var err error
	if t.certificate, err = selfsign.GenerateSelfSigned(); err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(t.certificate.Certificate[0])
	if err != nil {
		return nil, err
	}
	if t.fingerprint, err = fingerprint.Fingerprint(parsed, crypto.SHA256); err != nil {
		return nil, err
	}
	t.agent, err = ice.NewAgent(&ice.AgentConfig{
		NetworkTypes:     []ice.NetworkType{ice.NetworkTypeUDP4},
		MulticastDNSMode: ice.MulticastDNSModeDisabled,
	})
	if err != nil {
		return nil, err
	}
	if err = t.agent.OnCandidate(func(ice.Candidate) {}); err != nil {
		return nil, err
	}
	if err = t.agent.GatherCandidates(); err != nil {
		return nil, err
	}
	t.ufrag, t.pwd, err = t.agent.GetLocalUserCredentials()
	return t, err
}

// start connects to what the first offer or answer names; later ones name the same.
func (t *transport) start(remote *description) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.isStarted || remote.ufrag == "" {
		return
	}
	t.isStarted = true
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	t.cancel = cancel
	go func() {
		if err := t.connect(ctx, remote); err != nil && ctx.Err() == nil {
			t.mutex.Lock()
			t.failure = err
			t.mutex.Unlock()
		}
	}()
}

func (t *transport) connect(ctx context.Context, remote *description) error {
	for _, text := range remote.candidates {
		candidate, err := ice.UnmarshalCandidate(text)
		if err != nil {
			return err
		}
		if err := t.agent.AddRemoteCandidate(candidate); err != nil {
			return err
		}
	}
	conn, err := t.agent.Dial(ctx, remote.ufrag, remote.pwd)
	if err != nil {
		return fmt.Errorf("ICE: %w", err)
	}
	pipe := &dtlsPipe{Conn: conn, datagrams: make(chan []byte, dtlsQueue)}
	keys := make(chan *srtp.Context, 1)
	go t.receive(conn, pipe, keys)
	secured, err := dtls.ClientWithContext(ctx, pipe, &dtls.Config{
		Certificates:           []tls.Certificate{t.certificate},
		SRTPProtectionProfiles: []dtls.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_128_GCM},
		InsecureSkipVerify:     true, // by the fingerprint, below
		ExtendedMasterSecret:   dtls.RequireExtendedMasterSecret,
	})
	if err != nil {
		return fmt.Errorf("DTLS: %w", err)
	}
	return t.secure(conn, secured, remote, keys)
}

func (t *transport) secure(conn *ice.Conn, secured *dtls.Conn, remote *description, keys chan *srtp.Context) error {
	state := secured.ConnectionState()
	parsed, err := x509.ParseCertificate(state.PeerCertificates[0])
	if err != nil {
		return err
	}
	if seen, err := fingerprint.Fingerprint(parsed, crypto.SHA256); err != nil || !strings.EqualFold(seen, remote.fingerprint) {
		return fmt.Errorf("the certificate has the fingerprint %s, not %s", seen, remote.fingerprint)
	}
	config := srtp.Config{Profile: srtp.ProtectionProfileAeadAes128Gcm}
	if err := config.ExtractSessionKeysFromDTLS(&state, true); err != nil {
		return err
	}
	out, err := srtp.CreateContext(config.Keys.LocalMasterKey, config.Keys.LocalMasterSalt, config.Profile)
	if err != nil {
		return err
	}
	in, err := srtp.CreateContext(config.Keys.RemoteMasterKey, config.Keys.RemoteMasterSalt, config.Profile)
	if err != nil {
		return err
	}
	keys <- in
	t.mutex.Lock()
	t.conn, t.dtls, t.out = conn, secured, out
	t.mutex.Unlock()
	return nil
}

// receive tells DTLS from media by the first byte (RFC 7983). RTCP is passed over.
func (t *transport) receive(conn *ice.Conn, pipe *dtlsPipe, keys chan *srtp.Context) {
	defer close(pipe.datagrams)
	var in *srtp.Context
	for {
		datagram := make([]byte, datagramMax)
		n, err := conn.Read(datagram)
		if err != nil {
			return
		}
		datagram = datagram[:n]
		switch {
		case n > 0 && datagram[0] >= 20 && datagram[0] < 64:
			select {
			case pipe.datagrams <- datagram:
			default: // it is sent again
			}
		case n >= 12 && datagram[0] >= 128 && datagram[0] < 192 && (datagram[1] < 192 || datagram[1] > 223):
			if in == nil {
				select {
				case in = <-keys:
				default:
					continue
				}
			}
			if _, err := in.DecryptRTP(nil, datagram, nil); err == nil {
				t.mutex.Lock()
				t.packets[binary.BigEndian.Uint32(datagram[8:])]++
				t.mutex.Unlock()
			}
		}
	}
}

// send drops what it is given before the handshake is over.
func (t *transport) send(packet *rtp.Packet) error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.out == nil {
		return nil
	}
	plain, err := packet.Marshal()
	if err != nil {
		return err
	}
	protected, err := t.out.EncryptRTP(nil, plain, nil)
	if err != nil {
		return err
	}
	_, err = t.conn.Write(protected)
	return err
}

func (t *transport) received(ssrc uint32) int {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.packets[ssrc]
}

func (t *transport) failed() error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.failure
}

// close says goodbye (DTLS close_notify), or falls silent.
func (t *transport) close(isSilent bool) {
	t.mutex.Lock()
	secured, cancel := t.dtls, t.cancel
	t.out = nil
	t.mutex.Unlock()
	if cancel != nil {
		cancel()
	}
	if secured != nil && !isSilent {
		_ = secured.Close() // the other side may be gone already
	}
	_ = t.agent.Close()
}

// dtlsPipe is what DTLS reads of an ICE connection that it shares with media.
type dtlsPipe struct {
	net.Conn
	datagrams chan []byte
}

func (p *dtlsPipe) Read(into []byte) (int, error) {
	datagram, isOpen := <-p.datagrams
	if !isOpen {
		return 0, io.EOF
	}
	if len(datagram) > len(into) {
		return 0, errors.New("a DTLS record that is too long")
	}
	return copy(into, datagram), nil
}
