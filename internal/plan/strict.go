package plan

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Strict reads JSON that has nothing but what v knows: a field that another version
// has written would mean something that this one misses.
func Strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if len(bytes.TrimSpace(data[d.InputOffset():])) > 0 {
		return errors.New("something follows it")
	}
	return nil
}
