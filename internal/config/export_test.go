package config

// What TestDocumented goes by.
var (
	KeyNames     = func() []string { return keyNames(perBridge, hostWide, manner, argsOnly) }
	CommandNames = commandNames
	OptionNames  = optionNames
)
