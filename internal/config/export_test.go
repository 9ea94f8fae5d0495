package config

// What TestDocumented compares documents with.
var (
	KeyNames     = func() []string { return keyNames(perBridge, hostWide, manner, argsOnly, perGuest) }
	CommandNames = commandNames
	OptionNames  = optionNames
	KeyValues    = func(name string) string {
		k, _ := findKey(name)
		return k.values
	}
	WrongValue = func(name, value string) string {
		if k, _ := findKey(name); k.check(value) != nil {
			return k.check(value).reason
		}
		return ""
	}
)
