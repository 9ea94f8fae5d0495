package bridge

import (
	"fmt"

	"xbr-script/internal/config"
)

// Shape is what dom0's side of a bridge is.
type Shape int

// The shapes, as dom0= names them.
const (
	Veth     Shape = iota // dom0 has an interface of its own, whose other end is a port of the bridge
	OnBridge              // the bridge is dom0's interface
)

// shapeNames are what dom0= calls the shapes, and what stands in files.
var shapeNames = [...]string{Veth: "veth", OnBridge: "bridge"}

func (s Shape) String() string { return shapeNames[s] }

// MarshalText implements encoding.TextMarshaler, for the status in JSON.
func (s Shape) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Shape) UnmarshalText(name []byte) (err error) {
	*s, err = shapeNamed(string(name))
	return err
}

// shapeOf is the shape that a value of dom0= asks for.
func shapeOf(d config.Dom0) Shape {
	if d == config.Dom0Bridge {
		return OnBridge
	}
	return Veth
}

// shapeNamed is the shape of that name.
func shapeNamed(name string) (Shape, error) {
	for s, n := range shapeNames {
		if n == name {
			return Shape(s), nil
		}
	}
	return 0, fmt.Errorf("dom0_is is %q in it, which is neither veth nor bridge", name)
}
