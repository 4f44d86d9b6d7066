package project

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// isSource reports whether a file holds JavaScript or TypeScript that somebody wrote. The components of uni-app, mpvue and WePY
// have it between other things.
func isSource(name string) bool {
	switch path.Ext(name) {
	case ".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue", ".nvue", ".wpy", ".uvue":
		return !strings.HasSuffix(name, ".d.ts") && !strings.HasSuffix(name, ".min.js")
	}
	return false
}

// readClient reads the client's sources.
func (p *Project) readClient(folder string) {
	if !p.isFolder(folder) {
		p.Skipped = append(p.Skipped, folder+": the client's folder is not there")
		return
	}
	names := p.Files(folder)
	for _, name := range names {
		if !isSource(name) || isCompiled(folder, name, names) {
			continue
		}
		text, err := p.read(name, maxClient)
		if err != nil {
			p.Skipped = append(p.Skipped, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		p.Client = append(p.Client, &Source{name, text})
	}
}

// isCompiled reports whether a file of the client is made of others that are there too, so that it does not count twice: names
// are all files, in order.
func isCompiled(folder, name string, names []string) bool {
	if inside := strings.TrimPrefix(name, folder+"/"); !isBuilt(folder) && isBuilt(path.Dir(inside)) {
		return true
	}
	base, ok := strings.CutSuffix(name, ".js")
	if !ok {
		return false
	}
	for _, ext := range []string{".ts", ".tsx"} {
		if _, found := slices.BinarySearch(names, base+ext); found {
			return true
		}
	}
	return false
}
