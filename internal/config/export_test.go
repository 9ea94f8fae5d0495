package config

// What TestDocumented compares documents with.
var (
	KeyNames     = func() []string { return keyNames(perBridge, hostWide, manner, argsOnly, perGuest) }
	CommandNames = commandNames
	OptionNames  = optionNames
)
