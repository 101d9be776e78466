package protocol

import "errors"

// Rehearse has the machine do, on a disk that nobody will use, what a setup and a first command do. Nothing of it is left
// but what the processor's emulation has learnt. The machine must not be set up yet.
type Rehearse struct {
	Op     string `json:"op"`
	Device string `json:"device"`
}

// RehearseDone is the result of a rehearsal.
type RehearseDone struct {
	OK bool `json:"ok"`
}

func checkRehearse(r Rehearse) error {
	if !devicePath.MatchString(r.Device) {
		return errors.New("device is not the path of a device")
	}
	return nil
}
