package network

import (
	"net"
	"testing"
)

func TestAnAddressIsWrittenAsTheKernelReadsIt(t *testing.T) {
	address, err := newSocketAddress(net.ParseIP("10.0.2.15"))
	if err != nil || address.family != 2 || address.address != [4]byte{10, 0, 2, 15} {
		t.Errorf("%+v, %v", address, err)
	}
	if _, err := newSocketAddress(net.ParseIP("::1")); err == nil {
		t.Error("an address of IPv6 was taken")
	}
}
