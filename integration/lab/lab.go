// Package lab builds small networks on one Linux machine: machines, which are
// network namespaces, on one switch, each behind a link of its own rates. What
// runs inside reaches nothing outside. It needs root and iproute2.
//
// Start reading at New.
package lab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// ErrUnavailable tells that no networks can be made here, and why.
var ErrUnavailable = errors.New("no network namespaces here")

// maxMachines is how many addresses the switch's subnet has for machines.
const maxMachines = 250

// Link is the cable from a machine to the switch. Rates are in bits per second;
// 0 is no limit. They bound what travels as Ethernet frames, headers included.
type Link struct{ Up, Down int64 }

// Lab is one network. Its methods may be called by one goroutine at a time.
type Lab struct {
	tag      string // begins the names of all its namespaces
	machines []*Machine
	closing  sync.Once
}

// Machine is one host of a lab.
type Machine struct {
	namespace, ip, port string
}

// New makes a network without machines. Whoever called it calls Close.
func New(ctx context.Context) (*Lab, error) {
	if os.Getuid() != 0 {
		return nil, fmt.Errorf("%w: only root can make them", ErrUnavailable)
	}
	for _, tool := range []string{"ip", "tc"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%w: no %s command (Debian: iproute2)", ErrUnavailable, tool)
		}
	}
	l := &Lab{tag: fmt.Sprintf("rs%06x", rand.Uint32()&0xffffff)}
	if err := run(ctx, "ip", "netns", "add", l.hub()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	for _, line := range []string{
		"link add switch type bridge",
		"link set switch type bridge forward_delay 0 mcast_snooping 0", // nobody on it asks who listens to what
		"link set switch up",
	} {
		if err := l.ip(ctx, l.hub(), line); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

func (l *Lab) hub() string { return l.tag + "h" }

// ip runs an ip command inside a namespace.
func (l *Lab) ip(ctx context.Context, namespace, line string) error {
	return run(ctx, "ip", append([]string{"-n", namespace}, strings.Fields(line)...)...)
}

// Machine adds a machine behind a link.
func (l *Lab) Machine(ctx context.Context, link Link) (*Machine, error) {
	n := len(l.machines) + 1
	if n > maxMachines {
		return nil, fmt.Errorf("a lab has room for %d machines", maxMachines)
	}
	m := &Machine{
		namespace: l.tag + strconv.Itoa(n),
		ip:        fmt.Sprintf("10.77.0.%d", n),
		port:      fmt.Sprintf("port%d", n),
	}
	if err := run(ctx, "ip", "netns", "add", m.namespace); err != nil {
		return nil, err
	}
	l.machines = append(l.machines, m)
	for _, step := range []struct{ namespace, line string }{
		{l.hub(), "link add " + m.port + " type veth peer name eth0 netns " + m.namespace},
		{l.hub(), "link set " + m.port + " master switch"},
		{l.hub(), "link set " + m.port + " up"},
		{m.namespace, "addr add " + m.ip + "/24 dev eth0"},
		{m.namespace, "link set lo up"},
		{m.namespace, "link set eth0 up"},
		{m.namespace, "route add default dev eth0"},
	} {
		if err := l.ip(ctx, step.namespace, step.line); err != nil {
			return nil, err
		}
	}
	if err := shape(ctx, m.namespace, "eth0", link.Up); err != nil {
		return nil, err
	}
	return m, shape(ctx, l.hub(), m.port, link.Down)
}

// shape bounds what leaves through a device. The bucket holds one large
// segment, or 4 ms at higher rates; the queue, 50 ms, is that of a good router.
func shape(ctx context.Context, namespace, device string, rate int64) error {
	if rate == 0 {
		return nil
	}
	burst := max(rate/8/250, 64<<10)
	return run(ctx, "tc", "-n", namespace, "qdisc", "add", "dev", device, "root", "tbf",
		"rate", strconv.FormatInt(rate, 10)+"bit", "burst", strconv.FormatInt(burst, 10), "latency", "50ms")
}

// IP is the machine's address.
func (m *Machine) IP() string { return m.ip }

// Command is a command that runs on the machine. Its process is the command
// itself, so that a signal reaches it.
func (m *Machine) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", m.namespace, name}, args...)...)
}

// Received is how many bytes the machine's link has brought it, headers
// included.
func (m *Machine) Received(ctx context.Context) (int64, error) {
	out, err := m.Command(ctx, "cat", "/sys/class/net/eth0/statistics/rx_bytes").Output()
	if err != nil {
		return 0, fmt.Errorf("reading the counters of %s: %w", m.ip, err)
	}
	return strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
}

// Close takes the network down. The processes inside must have ended.
func (l *Lab) Close() error {
	var errs []error
	l.closing.Do(func() {
		ctx := context.Background() // even after an interrupt
		for _, m := range l.machines {
			errs = append(errs, run(ctx, "ip", "netns", "del", m.namespace))
		}
		errs = append(errs, run(ctx, "ip", "netns", "del", l.hub()))
	})
	return errors.Join(errs...)
}

func run(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
