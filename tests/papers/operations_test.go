package papers

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
)

// Prometheus takes the alert rules.
func TestAlertRules(t *testing.T) {
	if out, err := exec.Command(program(t, "promtool"), "check", "rules", filepath.Join(root, "docs/alerts.yml")).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// Prometheus takes each expression of the dashboard, with Grafana's variables set.
func TestDashboard(t *testing.T) {
	promtool := program(t, "promtool")
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "docs/grafana.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$appid", ".*")
	var rules strings.Builder
	rules.WriteString("groups: [{name: dashboard, rules: [")
	for _, panel := range dashboard.Panels {
		if len(panel.Targets) == 0 {
			t.Errorf("the panel %q shows nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			expr, err := json.Marshal(variables.Replace(target.Expr))
			if err != nil {
				t.Fatal(err)
			}
			rules.WriteString("{record: panel, expr: " + string(expr) + "},")
		}
	}
	rules.WriteString("]}]")
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	// That two panels show the same is no fault.
	if out, err := exec.Command(promtool, "check", "rules", "--lint=none", file).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// Each metric that a document, a rule or a panel names is one of the gateway's, with the labels that stand beside it; and
// the page on operations has them all.
func TestMetricsExist(t *testing.T) {
	labels := metricsOfGateway(t)
	texts := []page{
		{"docs/alerts.yml", read(t, "docs/alerts.yml")},
		// Quotes as they are written in PromQL.
		{"docs/grafana.json", strings.ReplaceAll(read(t, "docs/grafana.json"), `\"`, `"`)},
	}
	texts = append(texts, pages(t)...)
	for _, p := range texts {
		if p.path == "CHANGELOG.md" {
			continue // it also has the names of the past
		}
		for _, use := range metricUse.FindAllStringSubmatch(p.text, -1) {
			name := strings.TrimRight(use[1], "_")
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				if _, known := labels[name]; !known {
					name = strings.TrimSuffix(name, part)
				}
			}
			if _, known := labels[name]; !known {
				t.Errorf("%s names the metric %s, which does not exist", p.path, name)
				continue
			}
			for _, label := range labelUse.FindAllStringSubmatch(use[2], -1) {
				if !slices.Contains(append([]string{"instance", "job", "le"}, labels[name]...), label[1]) {
					t.Errorf("%s gives the metric %s the label %s; it has %v", p.path, name, label[1], labels[name])
				}
			}
		}
	}
	operations := read(t, "docs/operations.md")
	for name, own := range labels {
		row := regexp.MustCompile("(?m)^.*`" + name + "`.*$").FindString(operations)
		if row == "" {
			t.Errorf("docs/operations.md does not have the metric %s", name)
		}
		for _, label := range own {
			if !strings.Contains(row, "`"+label+"`") {
				t.Errorf("docs/operations.md does not say that %s has the label %s", name, label)
			}
		}
	}
}

var (
	metricUse = regexp.MustCompile(`(caddy_cloudid_[a-z_]+)(\{[^}]*\})?`)
	labelUse  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	described = regexp.MustCompile(`fqName: "(caddy_cloudid_[a-z_]+)".*variableLabels: \{([^}]*)\}`)
)

// metricsOfGateway returns the metrics that a running gateway registers, with their labels.
func metricsOfGateway(t *testing.T) map[string][]string {
	t.Helper()
	caddyrig.Load(t, "{\n\tadmin off\n\tpersist_config off\n\tmetrics\n\tcloudid {\n\t\taccount wx0123456789abcdef {\n\t\t\ttoken static made-up\n\t\t}\n\t}\n}\n")
	ctx := caddy.ActiveContext()
	descriptions := make(chan *prometheus.Desc)
	go func() {
		ctx.GetMetricsRegistry().Describe(descriptions)
		close(descriptions)
	}()
	labels := make(map[string][]string)
	for description := range descriptions {
		if found := described.FindStringSubmatch(description.String()); found != nil {
			labels[found[1]] = strings.FieldsFunc(found[2], func(r rune) bool { return r == ',' || r == ' ' })
		}
	}
	if len(labels) < 10 {
		t.Fatalf("only %d metrics found: %v", len(labels), labels)
	}
	return labels
}

// systemd takes the unit of the gateway, and those of a timer that calls a function. It also looks whether the programs exist, so
// the test puts others in their place, and says nothing more than what it does not like.
func TestUnits(t *testing.T) {
	units := map[string]string{"caddy-cloudid.service": read(t, "docs/caddy-cloudid.service")}
	for _, b := range (page{"docs/functions.md", read(t, "docs/functions.md")}).blocks() {
		switch {
		case b.language != "ini":
		case strings.Contains(b.text, "[Timer]"):
			units["nightly.timer"] = b.text
		default:
			units["nightly.service"] = b.text
		}
	}
	if len(units) != 3 {
		t.Fatalf("%d units found", len(units))
	}
	folder, arguments := t.TempDir(), []string{"verify"}
	for name, text := range units {
		text = strings.NewReplacer("/usr/local/bin/caddy", "/bin/true", "/usr/bin/curl", "/bin/true").Replace(text)
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, path)
	}
	if out, err := exec.Command(program(t, "systemd-analyze"), arguments...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}
