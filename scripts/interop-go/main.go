// Verifies a log that interop-log.ts has made with golang.org/x/mod/sumdb, which knows nothing of Postern; and prints the
// roots of the test vectors (`go run . vectors`).
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error, what string) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	must(err, path)
	return data
}

// tiles reads hash tiles of height 8 under the paths of tlog-tiles.
type tiles struct{ dir string }

func (tiles) Height() int                     { return 8 }
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(t.dir, path))
		if os.IsNotExist(err) {
			data, err = os.ReadFile(filepath.Join(t.dir, strings.Split(path, ".p/")[0]))
		}
		if err != nil {
			return nil, err
		}
		out = append(out, data[:tile.W*tlog.HashSize])
	}
	return out, nil
}

func openCheckpoint(text []byte, keys note.Verifiers) tlog.Tree {
	opened, err := note.Open(text, keys)
	must(err, "note.Open")
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err, "size")
	root, err := tlog.ParseHash(lines[2])
	must(err, "root")
	return tlog.Tree{N: size, Hash: root}
}

func hashes(lines []string) []tlog.Hash {
	var out []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		must(err, "hash")
		out = append(out, hash)
	}
	return out
}

func bundle(dir string, n, size int64) [][]byte {
	path := tlog.Tile{H: 8, L: -1, N: n, W: 256}.Path() // tile/8/data/...
	path = filepath.Join(dir, strings.Replace(path, "tile/8/data", "tile/entries", 1))
	if _, err := os.Stat(path); err != nil {
		path = fmt.Sprintf("%s.p/%d", path, size%256)
	}
	var entries [][]byte
	for data := read(path); len(data) > 0; {
		length := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:length])
		data = data[length:]
	}
	return entries
}

func verify(dir string) {
	logDir := filepath.Join(dir, "log")
	verifier, err := note.NewVerifier(strings.TrimSpace(string(read(filepath.Join(logDir, "log.vkey")))))
	must(err, "note.NewVerifier")
	keys := note.VerifierList(verifier)
	tree := openCheckpoint(read(filepath.Join(logDir, "checkpoint")), keys)
	reader := tlog.TileHashReader(tree, tiles{logDir})

	trees := map[int64]tlog.Tree{}
	checkpoints, _ := filepath.Glob(filepath.Join(dir, "checkpoints", "*"))
	for _, file := range checkpoints {
		old := openCheckpoint(read(file), keys)
		trees[old.N] = old
		root, err := tlog.TreeHash(old.N, reader)
		must(err, "tlog.TreeHash")
		if root != old.Hash {
			log.Fatalf("%s: another root", file)
		}
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		must(err, "tlog.ProveTree")
		must(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash), "tlog.CheckTree")
	}

	// Every entry against the authenticated tiles.
	for i := int64(0); i < tree.N; i += 256 {
		for j, entry := range bundle(logDir, i/256, tree.N) {
			want, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, i+int64(j))})
			must(err, "ReadHashes")
			if tlog.RecordHash(entry) != want[0] {
				log.Fatalf("leaf %d is not that of the tile", i+int64(j))
			}
		}
	}

	proofs, _ := filepath.Glob(filepath.Join(dir, "proofs", "*"))
	for _, file := range proofs {
		head, checkpoint, _ := bytes.Cut(read(file), []byte("\n\n"))
		of := openCheckpoint(checkpoint, keys)
		lines := strings.Split(string(head), "\n")
		entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
		must(err, "extra")
		index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
		must(err, "index")
		path := hashes(lines[3:])
		must(tlog.CheckRecord(path, of.N, of.Hash, index, tlog.RecordHash(entry)), file)
		entry[len(entry)/2] ^= 1
		if tlog.CheckRecord(path, of.N, of.Hash, index, tlog.RecordHash(entry)) == nil {
			log.Fatalf("%s: a changed entry was not refused", file)
		}
	}

	consistencies, _ := filepath.Glob(filepath.Join(dir, "consistency", "*"))
	for _, file := range consistencies {
		head, checkpoint, _ := bytes.Cut(read(file), []byte("\n\n"))
		lines := strings.Split(string(head), "\n")
		old, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
		must(err, "old")
		of := openCheckpoint(checkpoint, keys)
		if old > 0 { // sumdb has no proof from the empty tree
			must(tlog.CheckTree(hashes(lines[1:]), of.N, of.Hash, old, trees[old].Hash), file)
		}
	}
	fmt.Printf("golang.org/x/mod/sumdb: %d leaves, %d checkpoints, %d inclusion and %d consistency proofs hold\n",
		tree.N, len(checkpoints), len(proofs), len(consistencies))
}

// vectors prints the roots of trees whose entry i is i in decimal.
func vectors() {
	sizes := []int64{0, 1, 2, 3, 255, 256, 257, 65535, 65536, 65537, 1000000}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	roots := map[string]string{}
	n := int64(0)
	for _, size := range sizes {
		for ; n < size; n++ {
			add, err := tlog.StoredHashes(n, []byte(strconv.FormatInt(n, 10)), reader)
			must(err, "tlog.StoredHashes")
			stored = append(stored, add...)
		}
		root, err := tlog.TreeHash(size, reader)
		must(err, "tlog.TreeHash")
		roots[strconv.FormatInt(size, 10)] = fmt.Sprintf("%x", root[:])
	}
	must(json.NewEncoder(os.Stdout).Encode(roots), "json")
}

func main() {
	log.SetFlags(0)
	if os.Args[1] == "vectors" {
		vectors()
	} else {
		verify(os.Args[1])
	}
}
