package ipcmd

import (
	"encoding/json"

	"xbr-script/internal/rawjson"
)

// MarshalJSON implements json.Marshaler: names need not be UTF-8.
func (n Names) MarshalJSON() ([]byte, error) {
	raw := make(map[int]rawjson.String, len(n))
	for index, name := range n {
		raw[index] = rawjson.String(name)
	}
	return json.Marshal(raw)
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *Names) UnmarshalJSON(data []byte) error {
	var raw map[int]rawjson.String
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*n = Names{}
	for index, name := range raw {
		(*n)[index] = string(name)
	}
	return nil
}
