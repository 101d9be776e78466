package linux

const (
	sysFstatat       = 262
	sysPerfEventOpen = 298
	sysSyncfs        = 306
	sysFinitModule   = 313
	sysRenameat2     = 316
	sysMemfdCreate   = 319
	sysOpenTree      = 428
	sysOpenat2       = 437
)
