package event_test

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
)

// ordinaryBody is an object of about size bytes as applications send them: rows of mixed values, Chinese, some escapes.
func ordinaryBody(size int, members string) []byte {
	const row = `{"id":12345,"name":"a name of usual length","note":"走了一万步\n再走一万步","tags":["a","\u6b65"],"price":1.10,"ok":true},`
	return []byte(`{"title":"\u5fae\u4fe1\u8fd0\u52a8","date":"2024-05-17","user":{"name":"x","cloud":"y"},"rows":[` +
		strings.TrimSuffix(strings.Repeat(row, size/len(row)), ",") + `],` + members + `"n":1}`)
}

var benchmarkSizes = []struct {
	name  string
	bytes int
}{{"2KB", 2 << 10}, {"100KB", 100 << 10}, {"1MB", 1 << 20}}

func BenchmarkFind(b *testing.B) {
	for _, kind := range []struct{ name, members string }{
		{"no CloudID", ``},
		{"one CloudID", `"weRunData":"` + runID + `",`},
		{"three CloudIDs", `"weRunData":"` + runID + `","shareInfo":"` + shareID + `","phone":{"cloudID":"` + infoID + `"},`},
	} {
		eachSize(b, kind.name, kind.members, func(b *testing.B, rules *event.Rules, body []byte) {
			if _, err := rules.Parse(body); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkReject takes bodies whose fault is seen last.
func BenchmarkReject(b *testing.B) {
	for _, kind := range []struct{ name, members string }{
		{"no JSON", `"n":1}`},
		{"the same member twice", `"weRunData":"` + runID + `","weRunData":1,`},
	} {
		eachSize(b, kind.name, kind.members, func(b *testing.B, rules *event.Rules, body []byte) {
			if _, err := rules.Parse(body); err == nil {
				b.Fatal("it was not rejected")
			}
		})
	}
}

// eachSize runs a benchmark with ordinary bodies that end with these members.
func eachSize(b *testing.B, name, members string, run func(*testing.B, *event.Rules, []byte)) {
	for _, size := range benchmarkSizes {
		b.Run(name+"/"+size.name, func(b *testing.B) {
			body := ordinaryBody(size.bytes, members)
			rules := specOf(b, "").rules(b)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				run(b, rules, body)
			}
		})
	}
}

// BenchmarkWrite writes into memory that is used again, as the gateway does.
func BenchmarkWrite(b *testing.B) {
	openData := [][]byte{[]byte(`{"cloudID":"` + runID + `","data":{"stepInfoList":[{"timestamp":1571673600,"step":9103}]}}`)}
	memory := make([]byte, 0, 2<<20)
	room := func(int) []byte { return memory }
	for _, size := range benchmarkSizes {
		b.Run(size.name, func(b *testing.B) {
			body := ordinaryBody(size.bytes, `"weRunData":"`+runID+`",`)
			found, err := specOf(b, "").rules(b).Parse(body)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				found.Write(openData, nil, room)
			}
		})
	}
}

// BenchmarkHostile shows whether anybody can make a body that costs far more a byte than an ordinary one.
func BenchmarkHostile(b *testing.B) {
	for _, shape := range hostileShapes {
		b.Run(shape.name, func(b *testing.B) {
			body := shape.body(1 << 20)
			rules := specOf(b, shape.rules).rules(b)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = handle(rules, body)
			}
		})
	}
}

// handle does all that is done with a body.
func handle(rules *event.Rules, body []byte) ([]byte, error) {
	found, err := rules.Parse(body)
	if err != nil {
		return nil, err
	}
	return write(found, numberedValues(len(found.Declarations)), []byte(`{"U":1}`)), nil
}

func TestOrdinaryBodiesCostNoAllocation(t *testing.T) {
	for rules, allowed := range map[string]float64{
		"": 0, "guess: off": 0, "max_ids: 1": 0, "fields: weRunData phone": 0,
		"user_info": 1, "event: /user": 1, // of a few bytes, for a function that gjson calls
	} {
		r := specOf(t, rules).rules(t)
		for _, size := range benchmarkSizes {
			body := ordinaryBody(size.bytes, ``)
			if n := testing.AllocsPerRun(10, func() {
				if _, err := r.Parse(body); err != nil {
					t.Error(err)
				}
			}); n > allowed {
				t.Errorf("%s with rules %q: %v allocations", size.name, rules, n)
			}
		}
	}
}

// hostileShapes are bodies of some size that make as much work of as few bytes as their authors could think of.
var hostileShapes = []struct {
	name, rules string
	body        func(size int) []byte
}{
	{"members", "", repeated(`{"k":"`+runID+`","z":0`, `,"a":1`, `}`)},
	{"members in strict mode", manyFields, repeated(`{"z":0`, `,"a":1`, `}`)},
	{"escaped names", "", repeated(`{"k":"`+runID+`","z":0`, `,"\n":1`, `}`)},
	{"escaped names in strict mode", manyFields, repeated(`{"z":0`, `,"\u0066":1`, `}`)},
	{"the same listed name", manyFields, repeated(`{"f0":0`, `,"f0":1`, `}`)},
	{"the same listed name with a CloudID", manyFields, repeated(`{"f0":0`, `,"f0":"x"`, `}`)},
	{"names that fold to a listed one", manyFields, repeated(`{"f0":0`, `,"F0":1`, `}`)},
	{"a long name that folds almost", "fields: " + strings.Repeat("k", 200), repeated(`{"z":0`, `,"`+strings.Repeat(`\u212a`, 199)+`":1`, `}`)},
	{"one long escaped name", "", repeated(`{"k":"`+runID+`","`, `\n`, `":1}`)},
	{"names up to a NUL", "", repeated(`{"k":"`+runID+`","\u0000`, `\u0000`, `":1}`)},
	{"CloudIDs", "", repeated(`{"z":0`, `,"":"`+runID+`"`, `}`)},
	{"almost CloudIDs, escaped", "", repeated(`{"z":0`, `,"":"1\u005f"`, `}`)},
	{"almost CloudIDs in objects", "", repeated(`{"z":0`, `,"":{"cloudI\u0064":""}`, `}`)},
	{"cloudID many times in one object", "", repeated(`{"k":{"cloudID":"`+runID+`"`, `,"cloudID":"`+runID+`"`, `}}`)},
	{"__proto__", "", repeated(`{"z":0`, `,"__proto_\u005f":1`, `}`)},
	{"nested arrays", "", repeated(``, `[`, ``)},
	{"nested objects", "", repeated(``, `{"a":`, ``)},
	{"nested as deeply as allowed, again and again", "", repeated(`{"k":"`+runID+`"`, `,"a":`+strings.Repeat("[", 511)+strings.Repeat("]", 511), `}`)},
	{"lists", "", repeated(`{"z":0`, `,"cloudid_list":[{"key_name":"a","cloud_id":"x"}]`, `}`)},
	{"entries of a list", "", repeated(`{"cloudid_list":[{"key_name":"a","cloud_id":"x"}`, `,{"key_name":"a","cloud_id":"x"}`, `]}`)},
	{"entries of a list, which may be many", "max_ids: 1000000", repeated(`{"cloudid_list":[{"key_name":"a","cloud_id":"x"}`, `,{"key_name":"a","cloud_id":"x"}`, `]}`)},
	{"userInfo", "user_info", repeated(`{"z":0`, `,"userInfo":1`, `}`)},
	{"userInfo, escaped", "user_info", repeated(`{"z":0`, `,"\u0075serInfo":1`, `}`)},
	{"the event's place", "event: /a", repeated(`{"a":{}`, `,"a":1`, `}`)},
	{"an array before the event", "event: /900000000", repeated(`[0`, `,0`, `]`)},
	{"a quoted event", "event: /data string; user_info", repeated(`{"data":"{\"k\":\"`+runID+`\"`, `,\"userInfo\":1`, `}"}`)},
	{"a quoted event, all escaped", "event: /data string", repeated(`{"data":"{\"k\":\"`+runID+`\"`, `,\u0022a\u0022:1`, `}"}`)},
}

// manyFields is more than anybody configures.
var manyFields = fieldsRule(30)

func fieldsRule(fields int) string {
	var rule strings.Builder
	rule.WriteString("fields:")
	for i := range fields {
		fmt.Fprintf(&rule, " f%d", i)
	}
	return rule.String()
}

// BenchmarkFields shows that the time for names does not depend on how many are listed: a body of tiny members, of which
// none is listed or each begins like one that is.
func BenchmarkFields(b *testing.B) {
	for name, body := range map[string][]byte{
		"others": repeated(`{"z":0`, `,"a":1`, `}`)(1 << 20), "similar": repeated(`{"z":0`, `,"f_":1`, `}`)(1 << 20),
	} {
		for _, fields := range []int{3, 30, 300} {
			b.Run(fmt.Sprintf("%s/%d", name, fields), func(b *testing.B) {
				rules := specOf(b, fieldsRule(fields)).rules(b)
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := rules.Parse(body); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func repeated(before, part, behind string) func(size int) []byte {
	return func(size int) []byte {
		return []byte(before + strings.Repeat(part, (size-len(before)-len(behind))/len(part)) + behind)
	}
}

// What a body costs grows with its length and no faster. That is counted here, in allocations and bytes; BenchmarkHostile
// shows the time.
func TestHostileBodiesCostNoMoreThanTheirLength(t *testing.T) {
	const size = 1 << 18
	for _, shape := range hostileShapes {
		t.Run(shape.name, func(t *testing.T) {
			rules := specOf(t, shape.rules).rules(t)
			objects, memory := cost(rules, shape.body(size))
			objects4, memory4 := cost(rules, shape.body(4*size))
			if memory > 16*size || memory4 > 4*16*size {
				t.Errorf("%d bytes allocated for %d, %d for %d", memory, size, memory4, 4*size)
			}
			// Four times, and half as much again for slices that double as they grow; square would be sixteen times.
			if objects4 > 6*objects+100 || memory4 > 6*memory+4096 {
				t.Errorf("grows faster than the body: %d objects, %d bytes; for four times the length %d and %d", objects, memory, objects4, memory4)
			}
		})
	}
}

// cost is the least of some runs: now and then the runtime allocates something of its own meanwhile.
func cost(rules *event.Rules, body []byte) (objects, memory uint64) {
	objects, memory = math.MaxUint64, math.MaxUint64
	for range 5 {
		var before, behind runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = handle(rules, body)
		runtime.ReadMemStats(&behind)
		objects = min(objects, behind.Mallocs-before.Mallocs)
		memory = min(memory, behind.TotalAlloc-before.TotalAlloc)
	}
	return objects, memory
}
