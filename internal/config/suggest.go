package config

import "strings"

// nearest is the right word that was most probably meant, or "" if none is near.
func nearest(word string, right []string) string {
	word = bare(word)
	if r := alias(word, right); r != "" {
		return r
	}
	best, bestDistance := "", maxDistance+1
	for _, r := range right {
		d := distance(word, bare(r))
		if d < bestDistance && (d == 0 || 2*d < len(word)) {
			best, bestDistance = r, d
		}
	}
	if word == "" {
		return ""
	}
	return best
}

// otherNames is what wrappers, documentation and other tools call our keys.
var otherNames = map[string]string{
	"nic": "netdev", "dev": "netdev", "device": "netdev", "iface": "netdev", "interface": "netdev", "ifname": "netdev",
	"if": "netdev", "netif": "netdev", "card": "netdev", "eth": "netdev", "physdev": "netdev",
	"br": "bridge", "brname": "bridge", "xenbr": "bridge", "switch": "bridge",
	"vif": "vifnum", "num": "vifnum", "number": "vifnum",
	"spoof": "antispoof", "nospoof": "antispoof", "spoofing": "antispoof",
	"forward": "ip_forward", "forwarding": "ip_forward",
	"conf": "config", "file": "config", "timeout": "wait",
	"mode": "dom0", "type": "dom0", "shape": "dom0",
}

// enough is how many letters are enough to tell which word is meant.
const enough = 4

// alias is the right word that this word is another name of, or that it is the
// beginning or a continuation of: antispoofing, bridgename, netd.
func alias(word string, right []string) string {
	other, known := otherNames[word]
	for _, r := range right {
		if b := bare(r); known && b == other || !known && (begins(word, b) || begins(b, word)) {
			return r
		}
	}
	return ""
}

// begins says whether a word begins with a part that says what it is.
func begins(word, part string) bool {
	return len(part) >= enough && len(word) < 2*len(part) && strings.HasPrefix(word, part)
}

// maxDistance is how many slips of the keyboard are forgiven: fewer in a short
// word, because "on" is not a mistyped "no".
const maxDistance = 2

// bare is what people remember of a word: no dashes in front, no value, any
// case.
func bare(word string) string {
	word, _, _ = strings.Cut(word, "=")
	return strings.ToLower(strings.TrimLeft(word, "-"))
}

// distance counts the letters to add, drop, change or swap with their neighbour
// to turn a into b. It gives up early if the lengths are too different.
func distance(a, b string) int {
	if diff := len(a) - len(b); diff > maxDistance || -diff > maxDistance {
		return maxDistance + 1
	}
	// Row i holds the distances of a[:i] to every beginning of b.
	before, last := []int(nil), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(last[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
