package main

// What real vSphere does and the library does not. Each behaviour names its source in docs/vsphere.md.

import (
	"crypto/sha256"
	"fmt"
	"log"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

type faults struct {
	service  *simulator.Service
	stale    time.Duration
	taskTime time.Duration

	mu           sync.Mutex
	crashed      map[types.ManagedObjectReference]time.Time // hosts
	hung         map[string]bool                            // VM names whose tasks do not end
	lies         map[string]bool                            // VM names whose next change is made, and reported as failed
	mute         map[string]int                             // method -> answers to swallow
	calls        map[string]int
	slow         map[string]int      // method -> seconds that the next answer takes
	locked       map[string]bool     // files that somebody outside of the inventory has open
	expire       map[string][]string // method -> when its next callers lose their sessions: before or after it is carried out
	expired      int
	removed      map[string]*vm // out of the inventory, by name
	hidden       map[string]shown
	snapped      map[string]map[int32]bool // VM name -> device keys that were there when its snapshot was made
	lieAs        string                    // how the next lies are told
	down         bool
	noAttributes bool              // the user may not set custom attributes
	noEvents     bool              // the user may not log events
	events       []string          // VM and what was said of it
	given        map[string]string // file -> storage policy of its device
	bytes        map[string]int    // method -> length of its answers
	peers        map[string]*traffic
	seek         string // answers with this text are counted
	sought       int
	copies
	cutting
	sizes   map[string]int64 // file -> KiB
	used    map[string]int64 // file -> bytes that it takes
	version int
}

func newFaults(service *simulator.Service, stale, taskTime time.Duration) *faults {
	f := &faults{
		service: service, stale: stale, taskTime: taskTime,
		crashed: map[types.ManagedObjectReference]time.Time{},
		hung:    map[string]bool{}, lies: map[string]bool{}, mute: map[string]int{}, calls: map[string]int{},
		locked: map[string]bool{}, slow: map[string]int{}, sizes: map[string]int64{}, used: map[string]int64{},
		expire: map[string][]string{}, removed: map[string]*vm{}, copies: newCopies(),
		bytes: map[string]int{}, peers: map[string]*traffic{}, given: map[string]string{}, hidden: map[string]shown{}, snapped: map[string]map[int32]bool{},
	}
	for _, entity := range simulator.Map.All("VirtualMachine") {
		old := entity.(*simulator.VirtualMachine)
		old.Config.ChangeVersion = f.nextVersion()
		simulator.Map.Put(&vm{VirtualMachine: *old, f: f})
	}
	wrapStorage(f)
	return f
}

func (f *faults) nextVersion() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version++
	return fmt.Sprintf("2026-01-01T00:00:00.%06dZ", f.version)
}

// vms are all VMs, wrapped.
func (f *faults) vms() []*vm {
	var found []*vm
	for _, entity := range simulator.Map.All("VirtualMachine") {
		if machine, ok := entity.(*vm); ok {
			found = append(found, machine)
		}
	}
	return found
}

// holder is the VM that has the file open, by the rule of VMFS: a VM that runs keeps it locked, and so does the memory
// of a crashed host until its heartbeat is seen to be old.
func (f *faults) holder(file string, except *vm) *vm {
	for _, machine := range f.vms() {
		if machine == except || machine.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOff {
			continue
		}
		f.mu.Lock()
		crash, dead := f.crashed[*machine.Runtime.Host]
		f.mu.Unlock()
		if dead && time.Since(crash) > f.stale {
			continue
		}
		for _, disk := range machine.files() {
			if disk == file {
				return machine
			}
		}
	}
	return nil
}

// busy says whether this VM would find the file locked.
func (f *faults) busy(file string, except *vm) bool {
	f.mu.Lock()
	outside := f.locked[file] || f.open[file] > 0
	f.mu.Unlock()
	return outside || f.holder(file, except) != nil
}

func (f *faults) take(set map[string]bool, name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	had := set[name]
	delete(set, name)
	return had
}

func (f *faults) isHung(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hung[name]
}

// lost is why a VM on this host cannot be changed now.
func (f *faults) lost(ref *types.ManagedObjectReference) types.BaseMethodFault {
	host := simulator.Map.Get(*ref).(*simulator.HostSystem)
	switch host.Runtime.ConnectionState {
	case types.HostSystemConnectionStateConnected:
		return nil
	case types.HostSystemConnectionStateDisconnected:
		return new(types.HostNotConnected)
	default:
		return new(types.HostNotReachable)
	}
}

func (f *faults) setHost(name, state string, crash bool) bool {
	for _, entity := range simulator.Map.All("HostSystem") {
		host := entity.(*simulator.HostSystem)
		if host.Name != name {
			continue
		}
		f.mu.Lock()
		_, wasDead := f.crashed[host.Self]
		if crash {
			f.crashed[host.Self] = time.Now()
		}
		back := state == string(types.HostSystemConnectionStateConnected)
		if back {
			delete(f.crashed, host.Self)
		}
		f.mu.Unlock()
		update(host, "runtime.connectionState", types.HostSystemConnectionState(state))
		for _, machine := range f.vms() {
			if machine.Runtime.Host == nil || *machine.Runtime.Host != host.Self {
				continue
			}
			if back && wasDead {
				update(machine, "runtime.powerState", types.VirtualMachinePowerStatePoweredOff)
			}
			shown := types.VirtualMachineConnectionStateDisconnected
			if back {
				shown = types.VirtualMachineConnectionStateConnected
			}
			update(machine, "runtime.connectionState", shown)
		}
		return true
	}
	return false
}

// restart is what vSphere HA does: the VM of a dead host runs on another one, with its disks.
func (f *faults) restart(name, on string) bool {
	for _, entity := range simulator.Map.All("HostSystem") {
		host := entity.(*simulator.HostSystem)
		for _, machine := range f.vms() {
			if host.Name == on && machine.Name == name {
				ref := host.Self
				machine.Runtime.Host = &ref
				update(machine, "runtime.host", ref)
				update(machine, "runtime.connectionState", types.VirtualMachineConnectionStateConnected)
				update(machine, "runtime.powerState", types.VirtualMachinePowerStatePoweredOn)
				return true
			}
		}
	}
	return false
}

func update(obj mo.Reference, name string, value types.AnyType) {
	simulator.Map.WithLock(obj, func() {
		simulator.Map.Update(obj, []types.PropertyChange{{Name: name, Val: value}})
	})
}

func diskUUID(file string) string {
	sum := sha256.Sum256([]byte(file))
	text := fmt.Sprintf("6000C29%x", sum[:13])[:32]
	return fmt.Sprintf("%s-%s-%s-%s-%s", text[:8], text[8:12], text[12:16], text[16:20], text[20:])
}

// ServeHTTP answers POST /_fault/NAME, all from forms.
func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.FormValue("vm")
	off := r.FormValue("off") != ""
	ok := true
	f.mu.Lock()
	switch strings.TrimPrefix(r.URL.Path, "/_fault/") {
	case "hang":
		f.hung[name] = !off
	case "lie":
		f.lies[name], f.lieAs = true, r.FormValue("as")
	case "lock":
		f.locked[r.FormValue("file")] = !off
	case "slow":
		f.slow[r.FormValue("method")], _ = strconv.Atoi(r.FormValue("seconds"))
	case "bytes":
		for method, count := range f.bytes {
			fmt.Fprintf(w, "%s %d\n", method, count)
		}
		f.bytes = map[string]int{}
	case "traffic":
		f.tellTraffic(w)
	case "policies":
		for file, policy := range f.given {
			fmt.Fprintf(w, "%s\t%s\n", file, policy)
		}
	case "seek":
		f.seek, f.sought = r.FormValue("text"), 0
	case "sought":
		fmt.Fprintf(w, "%d\n", f.sought)
	case "noevents":
		f.noEvents = !off
	case "noattributes":
		f.noAttributes = !off
	case "events":
		fmt.Fprint(w, strings.Join(f.events, "\n"))
	case "silent":
		silent = !off
	case "mute":
		f.mute[r.FormValue("method")]++
	case "down":
		f.down = !off
	case "password":
		f.service.Listen.User = userPassword(r.FormValue("user"), r.FormValue("password"))
	case "calls":
		for method, count := range f.calls {
			fmt.Fprintf(w, "%s %d\n", method, count)
		}
		f.calls = map[string]int{}
	case "expire":
		f.expire[r.FormValue("method")] = append(f.expire[r.FormValue("method")], r.FormValue("when"))
	case "cut":
		f.cutting.at, _ = strconv.Atoi(r.FormValue("at"))
		f.how, f.met = r.FormValue("how"), ""
	case "uncut":
		fmt.Fprint(w, f.met)
		f.cutting.at, f.starting, f.met = 0, 0, ""
	case "held":
		f.mu.Unlock()
		f.held(w)
		f.mu.Lock()
	case "expired":
		fmt.Fprintf(w, "%d\n", f.expired)
	case "used":
		f.used[r.FormValue("file")], _ = strconv.ParseInt(r.FormValue("bytes"), 10, 64)
	case "sizes":
		for file, size := range f.sizes {
			fmt.Fprintf(w, "%d %s\n", size, file)
		}
	case "copying":
		f.seconds, _ = strconv.Atoi(r.FormValue("seconds"))
		f.twins = r.FormValue("twins") != ""
	case "origins":
		for target, source := range f.origins {
			fmt.Fprintf(w, "%s\t%s\n", target, source)
		}
	case "host":
		f.mu.Unlock()
		ok = f.setHost(r.FormValue("name"), r.FormValue("state"), r.FormValue("crash") != "")
		f.mu.Lock()
	case "empty":
		f.mu.Unlock()
		ok = f.empty(name, off)
		f.mu.Lock()
	case "blank":
		f.mu.Unlock()
		ok = f.blank(name, off, r.FormValue("held") != "")
		f.mu.Lock()
	case "hide":
		f.mu.Unlock()
		ok = f.hide(name, off, r.FormValue("listed") != "")
		f.mu.Lock()
	case "snapshot":
		f.mu.Unlock()
		ok = f.snapshot(name, off)
		f.mu.Lock()
	case "move":
		f.mu.Unlock()
		ok = f.move(name, r.FormValue("file"), r.FormValue("to"))
		f.mu.Lock()
	case "remove":
		f.mu.Unlock()
		ok = f.remove(name)
		f.mu.Lock()
	case "register":
		f.mu.Unlock()
		ok = f.register(name)
		f.mu.Lock()
	case "pod":
		f.mu.Unlock()
		ok = f.pod(r.FormValue("name"), r.FormValue("datastore"), off)
		f.mu.Lock()
	case "store":
		f.mu.Unlock()
		ok = f.store(r.FormValue("name"), r.FormValue("free"), r.FormValue("unmounted"))
		f.mu.Lock()
	case "restart":
		f.mu.Unlock()
		ok = f.restart(name, r.FormValue("on"))
		f.mu.Lock()
	default:
		ok = false
	}
	f.mu.Unlock()
	if !ok {
		log.Printf("unknown fault %s", r.URL)
		http.NotFound(w, r)
	}
}
