package host

import (
	"encoding/json"

	"xbr-script/internal/rawjson"
)

// linkJSON is a Link as it is kept: names and aliases need not be UTF-8.
type linkJSON struct {
	Name     rawjson.String
	AltNames []rawjson.String
	Alias    rawjson.String
	plainLink
}

// plainLink has the rest; what linkJSON names is linkJSON's.
type plainLink Link

// MarshalJSON implements json.Marshaler.
func (l Link) MarshalJSON() ([]byte, error) {
	return json.Marshal(linkJSON{rawjson.String(l.Name), rawjson.Strings(l.AltNames), rawjson.String(l.Alias), plainLink(l)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *Link) UnmarshalJSON(data []byte) error {
	var kept linkJSON
	if err := json.Unmarshal(data, &kept); err != nil {
		return err
	}
	*l = Link(kept.plainLink)
	l.Name, l.AltNames, l.Alias = string(kept.Name), rawjson.Plain(kept.AltNames), string(kept.Alias)
	return nil
}
