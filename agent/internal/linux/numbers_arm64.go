package linux

const (
	sysFstatat       = 79
	sysPerfEventOpen = 241
	sysSyncfs        = 267
	sysFinitModule   = 273
	sysRenameat2     = 276
	sysMemfdCreate   = 279
	sysOpenTree      = 428
	sysOpenat2       = 437
)
