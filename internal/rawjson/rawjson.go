// Package rawjson carries strings through JSON that need not be UTF-8, such as
// names of interfaces and comments of admins: encoding/json would change them.
package rawjson

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// String is a string of any bytes. In JSON it is a string if it is UTF-8, else an
// array of its bytes.
type String string

// MarshalJSON implements json.Marshaler.
func (s String) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(s)) {
		return json.Marshal(string(s))
	}
	bytes := make([]uint16, len(s)) // JSON would turn uint8 into base64
	for i := range bytes {
		bytes[i] = uint16(s[i])
	}
	return json.Marshal(bytes)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *String) UnmarshalJSON(data []byte) error {
	if len(data) == 0 || data[0] != '[' {
		return json.Unmarshal(data, (*string)(s))
	}
	var numbers []uint16 // as above
	if err := json.Unmarshal(data, &numbers); err != nil {
		return err
	}
	bytes := make([]byte, len(numbers))
	for i, n := range numbers {
		if n > 0xff {
			return fmt.Errorf("%d is no byte", n)
		}
		bytes[i] = byte(n)
	}
	*s = String(bytes)
	return nil
}

// Strings converts strings to this type.
func Strings(list []string) []String {
	var out []String
	for _, s := range list {
		out = append(out, String(s))
	}
	return out
}

// Plain is the reverse of Strings.
func Plain(list []String) []string {
	var out []string
	for _, s := range list {
		out = append(out, string(s))
	}
	return out
}
