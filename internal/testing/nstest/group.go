package nstest

import "regexp"

var groupNumber = regexp.MustCompile(`group [0-9]{5,}`)

// Ungrouped is a script without the number of the group by which stop deletes, which is
// another one each time.
func Ungrouped(script string) string { return groupNumber.ReplaceAllString(script, "group N") }
