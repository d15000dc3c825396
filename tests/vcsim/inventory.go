package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// remove takes a VM out of the inventory, whatever runs.
func (f *faults) remove(name string) bool {
	for _, machine := range f.vms() {
		if machine.Name == name {
			for object, list := range parents(machine) {
				simulator.Map.RemoveReference(simulator.Map.Get(object), list, machine.Self)
			}
			simulator.Map.Remove(machine.Self)
			f.mu.Lock()
			f.removed[name] = machine
			f.mu.Unlock()
			return true
		}
	}
	return false
}

// register brings a removed VM back: off, on its host again, and without the disks that were added to it, as an
// administrator has to register it when somebody else has them by now.
func (f *faults) register(name string) bool {
	f.mu.Lock()
	machine, ok := f.removed[name]
	delete(f.removed, name)
	f.mu.Unlock()
	if !ok {
		return false
	}
	var kept []types.BaseVirtualDevice
	for _, device := range machine.Config.Hardware.Device {
		if disk, ok := device.(*types.VirtualDisk); !ok || !independent(disk) {
			kept = append(kept, device)
		}
	}
	machine.Config.Hardware.Device = kept
	machine.Config.ChangeVersion = f.nextVersion()
	machine.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff
	machine.Runtime.ConnectionState = types.VirtualMachineConnectionStateConnected
	for object, list := range parents(machine) {
		simulator.Map.AddReference(simulator.Map.Get(object), list, machine.Self)
	}
	simulator.Map.Put(machine)
	return true
}

// parents are the lists in which a VM is found.
func parents(machine *vm) map[types.ManagedObjectReference]*[]types.ManagedObjectReference {
	found := map[types.ManagedObjectReference]*[]types.ManagedObjectReference{}
	if folder, ok := simulator.Map.Get(*machine.Parent).(*simulator.Folder); ok {
		found[folder.Self] = &folder.ChildEntity
	}
	if pool, ok := simulator.Map.Get(*machine.ResourcePool).(*simulator.ResourcePool); ok {
		found[pool.Self] = &pool.Vm
	}
	if host, ok := simulator.Map.Get(*machine.Runtime.Host).(*simulator.HostSystem); ok {
		found[host.Self] = &host.Vm
	}
	return found
}

func independent(disk *types.VirtualDisk) bool {
	backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	return ok && backing.DiskMode == string(types.VirtualDiskModeIndependent_persistent)
}
