package linux

const (
	sysSyncfs      = 267
	sysFinitModule = 273
	sysMemfdCreate = 279
)
