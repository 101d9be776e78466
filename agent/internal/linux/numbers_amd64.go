package linux

const (
	sysPerfEventOpen = 298
	sysSyncfs        = 306
	sysFinitModule   = 313
	sysMemfdCreate   = 319
)
