package main

// A vCenter that serves many more than the swarm's VMs: what those have, and who asks how much.

import (
	"fmt"
	"net"
	"net/http"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const freeUnit = 8 // of the VMs' one controller, after its own

// moreDisks gives each VM this many disks of its own beside its first one. Their files are not made: nobody opens them.
func moreDisks(count int) {
	for _, entity := range simulator.Map.All("VirtualMachine") {
		machine := entity.(*simulator.VirtualMachine)
		var added []types.BaseVirtualDevice
		for _, device := range machine.Config.Hardware.Device {
			first, ok := device.(*types.VirtualDisk)
			if !ok {
				continue
			}
			for number := 0; number < count; number++ {
				disk, backing := *first, *first.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
				backing.FileName = fmt.Sprintf("[LocalDS_0] %s/%s_%d.vmdk", machine.Name, machine.Name, number+1)
				backing.Uuid = diskUUID(backing.FileName)
				unit := int32(freeUnit + number)
				disk.Key, disk.UnitNumber, disk.Backing = first.Key+unit, &unit, &backing
				added = append(added, &disk)
			}
		}
		machine.Config.Hardware.Device = append(machine.Config.Hardware.Device, added...)
	}
}

// traffic is what one address asked for, and how long the answers were.
type traffic struct{ requests, bytes int }

func peerOf(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return host
}

// asked counts a request of this address. f.mu is held.
func (f *faults) asked(peer string) {
	if f.peers[peer] == nil {
		f.peers[peer] = &traffic{}
	}
	f.peers[peer].requests++
}

// tellTraffic says what each address caused since it was last told, and begins anew. f.mu is held.
func (f *faults) tellTraffic(w http.ResponseWriter) {
	for peer, count := range f.peers {
		fmt.Fprintf(w, "%s %d %d\n", peer, count.requests, count.bytes)
	}
	f.peers = map[string]*traffic{}
}
