package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
)

// connections at a time, and bytes of one echo.
const (
	connections = 64
	message     = 64
)

func init() {
	cases["echo_64"] = echo64
	cases["http_64"] = http64
}

// clients runs one client for each connection and sums up what they did.
func clients(n uint64, client func(each uint64) uint64) uint64 {
	each := n / connections
	sums := make([]uint64, connections)
	var wg sync.WaitGroup
	for i := range sums {
		wg.Add(1)
		go func() {
			sums[i] = client(each)
			wg.Done()
		}()
	}
	wg.Wait()
	sum := n - each*connections
	for _, one := range sums {
		sum += one
	}
	return sum
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return listener
}

func connect(listener net.Listener) net.Conn {
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		panic(err)
	}
	return conn
}

func echo64(n uint64) uint64 {
	listener := listen()
	go func() {
		for range connections {
			conn, err := listener.Accept()
			if err != nil {
				panic(err)
			}
			go func() {
				var buf [1024]byte
				for {
					got, err := conn.Read(buf[:])
					if err != nil {
						return
					}
					if _, err := conn.Write(buf[:got]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return clients(n, func(each uint64) uint64 {
		conn := connect(listener)
		defer conn.Close()
		var out, in [message]byte
		for range each {
			if _, err := conn.Write(out[:]); err != nil {
				panic(err)
			}
			if _, err := io.ReadFull(conn, in[:]); err != nil {
				panic(err)
			}
		}
		return each
	})
}

func http64(n uint64) uint64 {
	listener := listen()
	answer := []byte("hello")
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(answer)
	}))
	request := []byte("GET / HTTP/1.1\r\nhost: peers\r\n\r\n")
	return clients(n, func(each uint64) uint64 {
		conn := connect(listener)
		defer conn.Close()
		var buf [4096]byte
		var answered uint64
		for range each {
			if _, err := conn.Write(request); err != nil {
				panic(err)
			}
			got := 0
			for !bytes.HasSuffix(buf[:got], answer) {
				more, err := conn.Read(buf[got:])
				if err != nil {
					panic(err)
				}
				got += more
			}
			if bytes.HasPrefix(buf[:got], []byte("HTTP/1.1 200")) {
				answered++
			}
		}
		return answered
	})
}
