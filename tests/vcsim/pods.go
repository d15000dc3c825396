package main

// Datastore clusters, whose members come and go, and what a datastore says of its room and its hosts.

import (
	"strconv"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func datastoreNamed(name string) *simulator.Datastore {
	for _, entity := range simulator.Map.All("Datastore") {
		if found := entity.(*simulator.Datastore); found.Name == name {
			return found
		}
	}
	return nil
}

// pod puts a datastore into a datastore cluster, or takes it out. The library can only put, and once.
func (f *faults) pod(name, datastore string, off bool) bool {
	store := datastoreNamed(datastore)
	for _, entity := range simulator.Map.All("StoragePod") {
		found := entity.(*simulator.StoragePod)
		if found.Name != name || store == nil {
			continue
		}
		simulator.Map.WithLock(found, func() {
			kept := []types.ManagedObjectReference{}
			for _, each := range found.ChildEntity {
				if each != store.Self {
					kept = append(kept, each)
				}
			}
			if !off {
				kept = append(kept, store.Self)
			}
			found.ChildEntity = kept
		})
		return true
	}
	return false
}

// store sets the free room of a datastore in bytes, and the host by whose name it is not mounted there.
func (f *faults) store(name, free, unmounted string) bool {
	found := datastoreNamed(name)
	if found == nil {
		return false
	}
	simulator.Map.WithLock(found, func() {
		if bytes, err := strconv.ParseInt(free, 10, 64); err == nil {
			found.Summary.FreeSpace = bytes
		}
		for at := range found.Host {
			host := simulator.Map.Get(found.Host[at].Key).(*simulator.HostSystem)
			mounted := host.Name != unmounted
			found.Host[at].MountInfo.Mounted = &mounted
		}
	})
	return true
}
