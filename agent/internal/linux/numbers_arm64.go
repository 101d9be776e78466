package linux

const (
	sysPerfEventOpen = 241
	sysSyncfs        = 267
	sysFinitModule   = 273
	sysMemfdCreate   = 279
)
