package protocol

// Freeze has all that commands and processes started stand still.
type Freeze struct {
	Op string `json:"op"`
}

// FreezeDone is the result of a freeze: none of them carries out another instruction.
type FreezeDone struct {
	OK bool `json:"ok"`
}

// Thaw has what stands still go on.
type Thaw struct {
	Op string `json:"op"`
}

// ThawDone is the result of a thaw.
type ThawDone struct {
	OK bool `json:"ok"`
}

// Resume makes a machine that goes on from an instant of another one the one it shall be, and then has what stands still
// go on. Without names it keeps those that it has.
type Resume struct {
	Op         string `json:"op"`
	Hostname   string `json:"hostname,omitempty"`
	MachineID  string `json:"machineId,omitempty"`
	UnixTimeMs int64  `json:"unixTimeMs"`
	Entropy    string `json:"entropy"`
}

// ResumeDone is the result of a resume.
type ResumeDone struct {
	OK bool `json:"ok"`
}

func checkResume(r Resume) error {
	return checkOwn(r.Hostname, r.MachineID, r.UnixTimeMs, r.Entropy)
}
