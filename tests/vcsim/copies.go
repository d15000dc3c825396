package main

import "time"

// copies are what the fault layer knows of copies of disks. All under the fault layer's lock.
type copies struct {
	seconds int               // how long the next ones take
	open    map[string]int    // files that are being read or written by a copy
	twins   bool              // the next copies have the UUID of their source
	uuids   map[string]string // of files whose UUID does not follow from their name
	origins map[string]string // whole copies and those under way -> what they are copied from
}

func newCopies() copies {
	return copies{open: map[string]int{}, uuids: map[string]string{}, origins: map[string]string{}}
}

func (f *faults) copyBegins(source, target string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[source]++
	f.open[target]++
	f.origins[target] = source
}

func (f *faults) copyLasts() {
	f.mu.Lock()
	seconds := f.seconds
	f.mu.Unlock()
	time.Sleep(time.Duration(seconds) * time.Second)
}

func (f *faults) copyEnds(source, target string) {
	twin := f.uuid(source)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[source]--
	f.open[target]--
	f.sizes[target] = f.sizes[source]
	if f.twins {
		f.uuids[target] = twin
	}
}

func (f *faults) moved(source, target string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sizes[target] = f.sizes[source]
	f.origins[target] = f.origins[source]
	delete(f.origins, source)
	if uuid, set := f.uuids[source]; set {
		f.uuids[target] = uuid
	}
}

// uuid is what guests see of a file: it follows from its name unless it was copied or set.
func (f *faults) uuid(file string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if set, ok := f.uuids[file]; ok {
		return set
	}
	return diskUUID(file)
}
