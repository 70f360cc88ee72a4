// The Go side of the peers benchmark: `peers CASE OPS` prints "result NANOSECONDS FIGURE PEAK_KIB CHECK".
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var cases = map[string]func(n uint64) uint64{
	"spawn_join":      spawnJoin,
	"spawn_inside":    spawnAll,
	"yield_100":       yields,
	"pingpong":        pingpong,
	"stream":          func(n uint64) uint64 { return stream(0, n) },
	"spsc_128":        func(n uint64) uint64 { return stream(128, n) },
	"mpmc_4x4":        mpmc,
	"select_2":        selectTwo,
	"mutex_free":      mutexFree,
	"mutex_100":       mutex100,
	"skynet":          func(n uint64) uint64 { return skynet(0, n) },
	"sieve_500":       sieve,
	"fan_local":       func(n uint64) uint64 { return fan(equalShares(n, uint64(runtime.GOMAXPROCS(0)))) },
	"fan_balanced":    func(n uint64) uint64 { return fan(equalShares(n, 16)) },
	"fan_skewed":      func(n uint64) uint64 { return fan([]uint64{n - n/10, n / 10}) },
	"workers_8":       func(n uint64) uint64 { return workers(8, n) },
	"workers_24":      func(n uint64) uint64 { return workers(24, n) },
	"workers_32":      func(n uint64) uint64 { return workers(32, n) },
	"sleeps_100k":     sleeps,
	"mutex_hog":       mutexHog,
	"sleep_overshoot": sleepOvershoot,
	"blocking_100":    blocking,
	"start_spinners":  startBesideSpinners,
	"timer_cancel":    timerCancel,
	"ctx_cancel":      ctxCancel,
	"ctx_tree":        ctxTree,
	"parked_1m":       parked,
}

// figure is what a case measured itself: bytes, or a latency.
var figure uint64

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(runtime.Version())
		return
	}
	run, known := cases[os.Args[1]]
	if !known {
		fmt.Println("none")
		return
	}
	if len(os.Args) != 3 {
		panic("usage: peers CASE OPS")
	}
	n, err := strconv.ParseUint(os.Args[2], 10, 64)
	if err != nil {
		panic(err)
	}
	start, before := time.Now(), used()
	check := run(n)
	took := time.Since(start).Nanoseconds()
	if os.Getenv("PEERS_CPU") != "" {
		took = used() - before
	}
	fmt.Println("result", took, figure, peak(), check)
}

func spawnJoin(n uint64) uint64 {
	var sum uint64
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		go func() {
			sum += i & 1
			wg.Done()
		}()
		wg.Wait()
	}
	return sum
}

func spawnAll(n uint64) uint64 {
	var left atomic.Int64
	left.Store(int64(n))
	done := make(chan uint64, 1)
	for range n {
		go func() {
			if left.Add(-1) == 0 {
				done <- 1
			}
		}()
	}
	<-done
	return n - uint64(left.Load())
}

// sum adds up what each of `count` goroutines returns.
func sum(count uint64, f func() uint64) func() uint64 {
	results := make([]uint64, count)
	var wg sync.WaitGroup
	for i := range count {
		wg.Add(1)
		go func() {
			results[i] = f()
			wg.Done()
		}()
	}
	return func() uint64 {
		wg.Wait()
		var total uint64
		for _, result := range results {
			total += result
		}
		return total
	}
}

func yields(n uint64) uint64 {
	return sum(100, func() uint64 {
		for range n / 100 {
			runtime.Gosched()
		}
		return n / 100
	})()
}

func pingpong(n uint64) uint64 {
	to, back := make(chan uint64), make(chan uint64)
	echo := sum(1, func() uint64 {
		for value := range to {
			back <- value + 1
		}
		return 0
	})
	var total uint64
	for i := range n {
		to <- i
		total += <-back - i
	}
	close(to)
	return total + echo()
}

func produce(ch chan<- uint64, n uint64) func() uint64 {
	return func() uint64 {
		for i := range n {
			ch <- i
		}
		return 0
	}
}

func consume(ch <-chan uint64) func() uint64 {
	return func() uint64 {
		var total uint64
		for value := range ch {
			total += value
		}
		return total
	}
}

func stream(size int, n uint64) uint64 {
	ch := make(chan uint64, size)
	consumer := sum(1, consume(ch))
	sum(1, produce(ch, n))()
	close(ch)
	return consumer()
}

func mpmc(n uint64) uint64 {
	ch := make(chan uint64, 128)
	consumers := sum(4, consume(ch))
	sum(4, produce(ch, n/4))()
	close(ch)
	return consumers()
}

func selectTwo(n uint64) uint64 {
	a, b := make(chan uint64), make(chan uint64)
	first, second := sum(1, produce(a, n/2)), sum(1, produce(b, n/2))
	var total uint64
	for range n {
		select {
		case value := <-a:
			total += value
		case value := <-b:
			total += value
		}
	}
	return total + first() + second()
}

func mutexFree(n uint64) uint64 {
	var mu sync.Mutex
	var count uint64
	for range n {
		mu.Lock()
		count++
		mu.Unlock()
	}
	return count
}

func mutex100(n uint64) uint64 {
	var mu sync.Mutex
	var count uint64
	sum(100, func() uint64 {
		for i := range n / 100 {
			mu.Lock()
			count++
			if i%8 == 0 {
				runtime.Gosched()
			}
			mu.Unlock()
		}
		return 0
	})()
	return count
}

func skynet(first, size uint64) uint64 {
	if size == 1 {
		return first
	}
	size /= 10
	results := make(chan uint64, 10)
	for i := range uint64(10) {
		go func() { results <- skynet(first+i*size, size) }()
	}
	var total uint64
	for range 10 {
		total += <-results
	}
	return total
}

func sieve(n uint64) uint64 {
	ch := make(chan uint64)
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Add(int(n) + 1)
	go func(out chan<- uint64) {
		for i := uint64(2); !stop.Load(); i++ {
			out <- i
		}
		close(out)
		wg.Done()
	}(ch)
	var total uint64
	for range n {
		prime := <-ch
		total += prime
		next := make(chan uint64)
		go func(in <-chan uint64) {
			for value := range in {
				if value%prime != 0 {
					next <- value
				}
			}
			close(next)
			wg.Done()
		}(ch)
		ch = next
	}
	stop.Store(true)
	for range ch {
	}
	wg.Wait()
	return total
}

func job(x uint64) uint64 {
	for range 4 {
		x = (x ^ (x >> 7)) * 0x9E37_79B9 & 0xFFFF_FFFF
	}
	return x
}

func workers(count, n uint64) uint64 {
	ch := make(chan uint64, 1024)
	pool := sum(count, func() uint64 {
		var total uint64
		for seed := range ch {
			total += job(seed)
		}
		return total
	})
	for i := range n {
		ch <- i
	}
	close(ch)
	return pool()
}

func fan(shares []uint64) uint64 {
	var n uint64
	for _, share := range shares {
		n += share
	}
	var left atomic.Int64
	left.Store(int64(n))
	done := make(chan uint64, 1)
	for _, share := range shares {
		go func() {
			for i := range share {
				go func() {
					sink(job(i))
					if left.Add(-1) == 0 {
						done <- 1
					}
				}()
				if i%64 == 63 {
					runtime.Gosched()
				}
			}
		}()
	}
	<-done
	return n - uint64(left.Load())
}

// sink keeps the compiler from leaving out what made the value.
//
//go:noinline
func sink(uint64) {}

func equalShares(n, parts uint64) []uint64 {
	shares := make([]uint64, parts)
	for i := range parts {
		shares[i] = n / parts
		if i < n%parts {
			shares[i]++
		}
	}
	return shares
}

func startBesideSpinners(n uint64) uint64 {
	const spin = 200 * time.Millisecond
	procs := uint64(runtime.GOMAXPROCS(0))
	for range n {
		var spinning atomic.Uint64
		var took atomic.Int64
		sum(procs, func() uint64 {
			number := spinning.Add(1)
			for spinning.Load() != procs {
			}
			begin := time.Now()
			if number == 1 {
				go func() { took.Store(time.Since(begin).Nanoseconds()) }()
			}
			for time.Since(begin) < spin && took.Load() == 0 {
			}
			return 0
		})()
		for took.Load() == 0 {
			runtime.Gosched()
		}
		figure = max(figure, uint64(took.Load()))
	}
	return n
}

// percentile99 is the 99th percentile.
func percentile99(durations []uint64) uint64 {
	slices.Sort(durations)
	return durations[len(durations)*99/100]
}

func mutexHog(n uint64) uint64 {
	var mu sync.Mutex
	var stop atomic.Bool
	hog := sum(1, func() uint64 {
		for !stop.Load() {
			mu.Lock()
			time.Sleep(100 * time.Microsecond)
			mu.Unlock()
		}
		return 0
	})
	var waits []uint64
	for range n {
		time.Sleep(100 * time.Microsecond)
		begin := time.Now()
		mu.Lock()
		waits = append(waits, uint64(time.Since(begin)))
		mu.Unlock()
	}
	stop.Store(true)
	figure = percentile99(waits)
	return uint64(len(waits)) + hog()
}

func sleepOvershoot(n uint64) uint64 {
	var mu sync.Mutex
	var late []uint64
	slept := sum(10, func() uint64 {
		var mine []uint64
		for range n / 10 {
			begin := time.Now()
			time.Sleep(time.Millisecond)
			mine = append(mine, uint64(max(0, time.Since(begin)-time.Millisecond)))
		}
		mu.Lock()
		late = append(late, mine...)
		mu.Unlock()
		return n / 10
	})()
	figure = percentile99(late)
	return slept
}

func blocking(n uint64) uint64 {
	return sum(n, func() uint64 {
		// Unlike time.Sleep it blocks the thread.
		pause := syscall.NsecToTimespec(int64(10 * time.Millisecond))
		if syscall.Nanosleep(&pause, nil) != nil {
			return 0
		}
		return 1
	})()
}

func sleeps(n uint64) uint64 {
	var left atomic.Int64
	left.Store(int64(n))
	done := make(chan uint64, 1)
	for range n {
		go func() {
			time.Sleep(time.Millisecond)
			if left.Add(-1) == 0 {
				done <- 1
			}
		}()
	}
	<-done
	return n - uint64(left.Load())
}

func timerCancel(n uint64) uint64 {
	var armed uint64
	for range n {
		if time.NewTimer(time.Hour).Stop() {
			armed++
		}
	}
	return armed
}

func ctxCancel(n uint64) uint64 {
	var cancelled uint64
	for range n {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if ctx.Err() != nil {
			cancelled++
		}
	}
	return cancelled
}

func ctxTree(n uint64) uint64 {
	var cancelled uint64
	for range n / 1000 {
		root, cancel := context.WithCancel(context.Background())
		nodes := make([]context.Context, 0, 1000)
		cancels := make([]context.CancelFunc, 0, 1000)
		add := func(parent context.Context) context.Context {
			node, cancel := context.WithCancel(parent)
			nodes, cancels = append(nodes, node), append(cancels, cancel)
			return node
		}
		for range 10 {
			branch := add(root)
			for range 99 {
				add(branch)
			}
		}
		cancel()
		for _, node := range nodes {
			if node.Err() != nil {
				cancelled++
			}
		}
	}
	return cancelled
}

var started, ended atomic.Uint64

func parked(n uint64) uint64 {
	reach := func(count *atomic.Uint64) {
		for count.Load() != n {
			runtime.Gosched()
		}
		time.Sleep(20 * time.Millisecond)
	}
	ch := make(chan uint64, 1)
	before := resident()
	for range n {
		go func() {
			started.Add(1)
			<-ch
			ended.Add(1)
		}()
	}
	reach(&started)
	figure = resident() - before
	close(ch)
	reach(&ended)
	return ended.Load()
}

// used is the CPU time of this process in nanoseconds.
func used() int64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func resident() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseUint(strings.Fields(string(text))[1], 10, 64)
	return pages * uint64(os.Getpagesize())
}

// peak is the highest resident memory of this process in KiB.
func peak() uint64 {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, _ := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			return kib
		}
	}
	return 0
}
