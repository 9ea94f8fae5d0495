package networkd

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"xbr-script/internal/refusal"
	"xbr-script/internal/systemd"
)

// varlinkSocket is where systemd-networkd answers, by the Varlink protocol, from version
// 257 on.
const varlinkSocket = "/run/systemd/netif/io.systemd.Network"

// answerLimit is how long it may take to answer. Tests wait less.
var answerLimit = 5 * time.Second

// errMute is the error if it does not answer in time.
var errMute = refusal.New("nothing was changed; to see what systemd-networkd does: systemctl status systemd-networkd",
	"systemd-networkd does not answer what it has leased")

// client is what it tells about DHCPv4 on an interface (networkd-json.c). What a lease
// says is of no interest.
type client struct {
	Lease            *json.RawMessage
	ClientIdentifier []uint16 // bytes; as []byte it would be decoded from base64
}

// ask finds out by asking it what its files no longer tell: 262 writes none about leases
// of DHCPv4. Earlier ones do not know the question, and nothing is found out by it. It is
// not asked if it does not run, as that would have systemd start it.
func (l *Link) ask(index int) error {
	if !l.Configures() || l.leased || l.iaid4 != "" {
		return nil
	}
	if up, err := systemd.Up(unit); err != nil || !up {
		return err
	}
	c, err := describe(index)
	if err != nil {
		return err
	}
	id := make([]byte, 0, len(c.ClientIdentifier))
	for _, b := range c.ClientIdentifier {
		id = append(id, byte(b)) //nolint:gosec // it is one
	}
	l.leased, l.iaid4 = c.Lease != nil, iaidOf(id)
	return nil
}

// describe asks it about an interface. What cannot be asked, it does not know.
func describe(index int) (c client, err error) {
	conn, err := net.DialTimeout("unix", varlinkSocket, answerLimit)
	if err != nil {
		return c, late(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return c, err
	}
	if _, err := fmt.Fprintf(conn, `{"method":"io.systemd.Network.Link.Describe","parameters":{"InterfaceIndex":%d}}`+"\x00", index); err != nil {
		return c, late(err)
	}
	text, err := bufio.NewReader(conn).ReadBytes(0)
	if err != nil {
		return c, late(err)
	}
	var answer struct {
		Parameters struct {
			Interface struct{ DHCPv4Client client }
		} `json:"parameters"`
	}
	if err := json.Unmarshal(text[:len(text)-1], &answer); err != nil {
		return c, nil //nolint:nilerr // another one's language
	}
	return answer.Parameters.Interface.DHCPv4Client, nil
}

// late is the error if it is that there was no answer in time; nil for others.
func late(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errMute
	}
	return nil
}
