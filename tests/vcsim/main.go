// The vSphere simulator of Debian's govmomi library as a server for Reberth's tests.
//
// Stock, it is the library as it is: an independent check of the driver's calls. With -faults it also behaves, as far
// as docs/vsphere.md describes it, like real hosts that crash, lock files and take their time (faults.go).
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/vmware/govmomi/pbm/simulator"
	"github.com/vmware/govmomi/simulator"
)

func main() {
	model := simulator.VPX()
	listen := flag.String("l", "127.0.0.1:0", "listen address")
	username := flag.String("username", "", "the only user")
	password := flag.String("password", "", "its password")
	cert := flag.String("tlscert", "", "certificate file")
	key := flag.String("tlskey", "", "key file")
	idle := flag.Duration("session-idle", 0, "end sessions after this time without a call")
	faulty := flag.Bool("faults", false, "wrap the VMs with the fault layer")
	stale := flag.Duration("stale-lock", 16*time.Second, "how long a crashed host's file locks live (VMFS: 16 s)")
	taskTime := flag.Duration("task-time", 0, "how long tasks on VMs run")
	flag.IntVar(&model.Cluster, "cluster", 1, "clusters")
	flag.IntVar(&model.ClusterHost, "host", 3, "hosts in each cluster")
	flag.IntVar(&model.Machine, "vm", 3, "VMs in each cluster")
	flag.IntVar(&model.Datastore, "ds", 1, "datastores")
	disks := flag.Int("disks", 0, "disks of each VM beside its first one")
	flag.IntVar(&page, "page", 0, "objects in one answer, at most; a real vCenter: 100")
	flag.Parse()
	model.Host = 0
	if *idle > 0 {
		simulator.SessionIdleTimeout = *idle
	}

	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		log.Fatal(err)
	}
	service := model.Service
	service.RegisterEndpoints = true
	service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	service.Listen = &url.URL{Host: *listen, User: url.UserPassword(*username, *password)}
	server := service.NewServer()
	for _, entity := range simulator.Map.All("VirtualMachine") {
		// The one thing that the library leaves out of a configuration and that a real one always has.
		entity.(*simulator.VirtualMachine).Config.ChangeVersion = "stock"
	}
	moreDisks(*disks)
	if page > 0 || *faulty {
		wrapPages()
	}
	if *faulty {
		layer := newFaults(service, *stale, *taskTime)
		server.Config.Handler = layer.wrap(server.Config.Handler)
	}
	fmt.Printf("READY %s\n", server.URL.Host)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends when whoever started us ends, however it ends
		stop <- syscall.SIGTERM
	}()
	<-stop
	// Not server.Close: it waits for clients that wait for updates.
	model.Remove()
}
