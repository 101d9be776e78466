package linux

const (
	sysSyncfs      = 306
	sysFinitModule = 313
	sysMemfdCreate = 319
)
