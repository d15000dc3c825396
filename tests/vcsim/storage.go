package main

import (
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// disks is the library's manager of disk files, that also knows sizes and locks.
type disks struct {
	simulator.VirtualDiskManager
	f *faults
}

type browser struct {
	simulator.HostDatastoreBrowser
	f *faults
}

func wrapStorage(f *faults) {
	ref := *simulator.Map.Get(types.ManagedObjectReference{Type: "ServiceInstance", Value: "ServiceInstance"}).(*simulator.ServiceInstance).Content.VirtualDiskManager
	simulator.Map.Put(&disks{VirtualDiskManager: *simulator.Map.Get(ref).(*simulator.VirtualDiskManager), f: f})
	for _, entity := range simulator.Map.All("Datastore") {
		found := entity.(*simulator.Datastore).Browser
		simulator.Map.Put(&browser{HostDatastoreBrowser: *simulator.Map.Get(found).(*simulator.HostDatastoreBrowser), f: f})
	}
}

func (d *disks) CreateVirtualDiskTask(ctx *simulator.Context, req *types.CreateVirtualDisk_Task) soap.HasFault {
	body := d.VirtualDiskManager.CreateVirtualDiskTask(ctx, req)
	ref := body.(*methods.CreateVirtualDisk_TaskBody).Res.Returnval
	if simulator.Map.Get(ref).(*simulator.Task).Info.Error == nil {
		if spec, ok := req.Spec.(types.BaseFileBackedVirtualDiskSpec); ok {
			d.f.mu.Lock()
			d.f.sizes[req.Name] = spec.GetFileBackedVirtualDiskSpec().CapacityKb
			d.f.mu.Unlock()
		}
	}
	return body
}

// CopyVirtualDiskTask takes its time, and locks both files meanwhile; until its end the copy is a file without its data.
func (d *disks) CopyVirtualDiskTask(ctx *simulator.Context, req *types.CopyVirtualDisk_Task) soap.HasFault {
	task := simulator.CreateTask(d, "copyVirtualDisk", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		if d.f.busy(req.SourceName, nil) {
			return nil, new(types.FileLocked)
		}
		d.f.copyBegins(req.SourceName, req.DestName)
		defer d.f.copyEnds(req.SourceName, req.DestName)
		half := &types.CreateVirtualDisk_Task{Name: req.DestName, Datacenter: req.DestDatacenter}
		made := d.VirtualDiskManager.CreateVirtualDiskTask(ctx, half).(*methods.CreateVirtualDisk_TaskBody)
		if fault := outcome(made.Res.Returnval); fault != nil {
			return nil, fault
		}
		d.f.copyLasts()
		force := true
		whole := *req
		whole.Force = &force
		body := d.VirtualDiskManager.CopyVirtualDiskTask(ctx, &whole).(*methods.CopyVirtualDisk_TaskBody)
		return nil, outcome(body.Res.Returnval)
	})
	ref := task.Reference()
	go task.Run()
	return &methods.CopyVirtualDisk_TaskBody{Res: &types.CopyVirtualDisk_TaskResponse{Returnval: ref}}
}

func (d *disks) MoveVirtualDiskTask(ctx *simulator.Context, req *types.MoveVirtualDisk_Task) soap.HasFault {
	body := d.VirtualDiskManager.MoveVirtualDiskTask(ctx, req)
	ref := body.(*methods.MoveVirtualDisk_TaskBody).Res.Returnval
	if simulator.Map.Get(ref).(*simulator.Task).Info.Error == nil {
		d.f.moved(req.SourceName, req.DestName)
	}
	return body
}

func (d *disks) SetVirtualDiskUuid(ctx *simulator.Context, req *types.SetVirtualDiskUuid) soap.HasFault {
	d.f.mu.Lock()
	d.f.uuids[req.Name] = strings.NewReplacer(" ", "", "-", "").Replace(req.Uuid)
	d.f.mu.Unlock()
	return d.VirtualDiskManager.SetVirtualDiskUuid(ctx, req)
}

func (d *disks) DeleteVirtualDiskTask(ctx *simulator.Context, req *types.DeleteVirtualDisk_Task) soap.HasFault {
	if !d.f.busy(req.Name, nil) {
		return d.VirtualDiskManager.DeleteVirtualDiskTask(ctx, req)
	}
	task := simulator.CreateTask(d, "deleteVirtualDisk", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		return nil, new(types.FileLocked)
	})
	return &methods.DeleteVirtualDisk_TaskBody{Res: &types.DeleteVirtualDisk_TaskResponse{Returnval: task.Run()}}
}

// QueryVirtualDiskUuid answers in the format of a real host: pairs of digits with blanks.
func (d *disks) QueryVirtualDiskUuid(ctx *simulator.Context, req *types.QueryVirtualDiskUuid) soap.HasFault {
	body := d.VirtualDiskManager.QueryVirtualDiskUuid(ctx, req).(*methods.QueryVirtualDiskUuidBody)
	if body.Res != nil {
		digits := strings.ReplaceAll(d.f.uuid(req.Name), "-", "")
		var pairs []string
		for at := 0; at < len(digits); at += 2 {
			pairs = append(pairs, digits[at:at+2])
		}
		body.Res.Returnval = strings.Join(pairs[:8], " ") + "-" + strings.Join(pairs[8:], " ")
	}
	return body
}

func (b *browser) SearchDatastoreTask(req *types.SearchDatastore_Task) soap.HasFault {
	body := b.HostDatastoreBrowser.SearchDatastoreTask(req)
	ref := body.(*methods.SearchDatastore_TaskBody).Res.Returnval
	result, ok := simulator.Map.Get(ref).(*simulator.Task).Info.Result.(types.HostDatastoreBrowserSearchResults)
	if ok {
		for _, file := range result.File {
			if disk, ok := file.(*types.VmDiskFileInfo); ok {
				b.f.mu.Lock()
				disk.FileSize = b.f.used[result.FolderPath+"/"+disk.Path]
				disk.CapacityKb = b.f.sizes[result.FolderPath+"/"+disk.Path]
				b.f.mu.Unlock()
			}
		}
	}
	return body
}
