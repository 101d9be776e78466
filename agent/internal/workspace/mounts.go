package workspace

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"opensandbox/agent/internal/linux"
)

// detachMounts unmounts everything at and below the path, the last mounted first.
func detachMounts(path string) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return
	}
	points := mountPoints(string(table), path)
	for i := len(points) - 1; i >= 0; i-- {
		syscall.Unmount(points[i], syscall.MNT_DETACH|linux.UmountNofollow)
	}
}

// mountPoints finds the mount points at and below the path in the text of a mountinfo file.
func mountPoints(table, path string) []string {
	var points []string
	for _, line := range strings.Split(table, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if point := unescape(fields[4]); point == path || strings.HasPrefix(point, path+"/") {
			points = append(points, point)
		}
	}
	return points
}

// unescape undoes the kernel's way to write blanks and backslashes: three octal digits.
func unescape(text string) string {
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if code, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				plain.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		plain.WriteByte(text[i])
	}
	return plain.String()
}
