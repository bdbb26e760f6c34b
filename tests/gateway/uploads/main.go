// Uploads more than anybody reads, with Go's own client: HTTP/1.1, HTTP/2, and each with a body of unknown length.
// Arguments: URL, CA file, how often. Prints how often the answer was heard, and fails when once it was not.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
)

const size = 16 << 20

func main() {
	ca, err := os.ReadFile(os.Args[2])
	check(err)
	rounds, err := strconv.Atoi(os.Args[3])
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	body := make([]byte, size)
	for _, http2 := range []bool{false, true} {
		for _, declared := range []bool{false, true} {
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: http2}
			client := &http.Client{Transport: transport}
			heard := map[string]int{}
			for range rounds {
				var reader io.Reader = bytes.NewReader(body)
				if !declared {
					reader = io.MultiReader(reader)
				}
				answer, err := client.Post(os.Args[1], "application/x-tar", reader)
				if err != nil {
					heard[err.Error()]++
					continue
				}
				text, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				heard[fmt.Sprint(answer.Proto, " ", answer.StatusCode, " ", string(text), " ", err)]++
			}
			fmt.Println(declared, heard)
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
