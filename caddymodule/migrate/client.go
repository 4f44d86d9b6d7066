package migrate

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/project"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/source"
)

// clientAdvice says what to do about members of wx.cloud that do not go to the gateway.
var clientAdvice = map[string]string{
	"database":         "it stays in Tencent's cloud: keep wx.cloud.init for it, or move the data behind functions",
	"uploadFile":       "storage stays in Tencent's cloud: keep wx.cloud.init for it, or upload to a server of your own",
	"downloadFile":     "storage stays in Tencent's cloud: keep wx.cloud.init for it",
	"getTempFileURL":   "storage stays in Tencent's cloud: keep wx.cloud.init for it",
	"deleteFile":       "storage stays in Tencent's cloud: keep wx.cloud.init for it",
	"callContainer":    "it goes to WeChat Cloud Run: call the gateway with wx.request instead",
	"connectContainer": "it goes to WeChat Cloud Run: call the gateway with wx.connectSocket instead",
	"?":                "which member is used shows only when it runs; look there",
}

// analyzeClient counts what the client's sources use of wx.cloud.
func analyzeClient(p *project.Project) Client {
	byMember := map[string]*ClientUse{}
	for _, file := range p.Client {
		parsed, err := source.Analyze(file.Path, file.Text, nil, source.Known{})
		if err != nil {
			p.Skipped = append(p.Skipped, fmt.Sprintf("%s: %v", file.Path, err))
			continue
		}
		for _, use := range parsed.Uses {
			if !use.Is(source.WX, "cloud") || len(use.Path) < 3 {
				continue
			}
			member := use.Path[2]
			found := byMember[member]
			if found == nil {
				found = &ClientUse{Member: member}
				byMember[member] = found
			}
			found.Count++
			if len(found.Places) < 3 {
				found.Places = append(found.Places, fmt.Sprintf("%s:%d", file.Path, use.Line))
			}
			if use.Name != "" && member == "callFunction" {
				found.Names = addName(found.Names, use.Name)
			}
		}
	}
	client := Client{Uses: []ClientUse{}}
	for _, use := range byMember {
		client.Uses = append(client.Uses, *use)
	}
	slices.SortFunc(client.Uses, func(a, b ClientUse) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Member, b.Member))
	})
	return client
}
