// Package network gives the machine's network device its address. What can be reached through it is for the host to say.
package network

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"unsafe"

	"opensandbox/agent/internal/linux"
)

// device is the kernel's name for the first network device; the machine has no other.
const device = "eth0"

// Config is what the machine needs to reach its gateway.
type Config struct {
	Address, Gateway net.IP
	// Prefix is how many bits the addresses of the link share.
	Prefix int
}

// Up sets the device up and sends all that is for others to the gateway.
func Up(config Config) error {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	mask := net.IP(net.CIDRMask(config.Prefix, 32))
	steps := []struct {
		name string
		do   func() error
	}{
		{"address", func() error { return setAddress(socket, syscall.SIOCSIFADDR, config.Address) }},
		{"netmask", func() error { return setAddress(socket, syscall.SIOCSIFNETMASK, mask) }},
		{"up", func() error { return linux.SetInterfaceUp(socket, device) }},
		{"route", func() error { return addDefaultRoute(socket, config.Gateway) }},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s of %s: %w", step.name, device, err)
		}
	}
	return nil
}

// socketAddress is the kernel's sockaddr_in.
type socketAddress struct {
	family  uint16
	port    uint16
	address [4]byte
	_       [8]byte
}

func newSocketAddress(ip net.IP) (socketAddress, error) {
	four := ip.To4()
	if four == nil {
		return socketAddress{}, errors.New("not an IPv4 address")
	}
	result := socketAddress{family: syscall.AF_INET}
	copy(result.address[:], four)
	return result, nil
}

func setAddress(socket int, request uintptr, ip net.IP) error {
	address, err := newSocketAddress(ip)
	if err != nil {
		return err
	}
	// The kernel's ifreq.
	change := struct {
		name    [syscall.IFNAMSIZ]byte
		address socketAddress
		_       [8]byte
	}{address: address}
	copy(change.name[:], device)
	return linux.IoctlPointer(socket, request, unsafe.Pointer(&change))
}

func addDefaultRoute(socket int, gateway net.IP) error {
	const up, viaGateway = 1, 2
	address, err := newSocketAddress(gateway)
	if err != nil {
		return err
	}
	anywhere := socketAddress{family: syscall.AF_INET}
	// The kernel's rtentry.
	route := struct {
		_                          uint64
		destination, gateway, mask socketAddress
		flags                      uint16
		_                          [62]byte
	}{destination: anywhere, gateway: address, mask: anywhere, flags: up | viaGateway}
	return linux.IoctlPointer(socket, syscall.SIOCADDRT, unsafe.Pointer(&route))
}
