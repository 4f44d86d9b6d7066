package jsonscan

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// benchmarkShapes are texts of about size bytes as applications send them. A gain in one must not be a loss in another.
var benchmarkShapes = []struct {
	name string
	text func(size int) string
}{
	{"rows", func(size int) string {
		const row = `{"id":12345,"name":"a name of usual length","note":"走了一万步\n再走一万步","tags":["a","\u6b65"],"price":1.10,"ok":true},`
		return `{"rows":[` + strings.TrimSuffix(strings.Repeat(row, size/len(row)), ",") + `],"n":1}`
	}},
	{"rows that differ", func(size int) string { return `{"rows":[` + randomRows(size, "", "", "") + `],"n":1}` }},
	{"rows with indentation", func(size int) string {
		return "{\n  \"rows\": [" + randomRows(size, "\n    ", "\n      ", " ") + "\n  ],\n  \"n\": 1\n}\n"
	}},
	{"top-level members", func(size int) string {
		return "{" + strings.TrimSuffix(strings.Repeat(`"action":"add","id":7,"ok":true,"unionidOfThis":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",`, size/78), ",") + "}"
	}},
	{"numbers", func(size int) string {
		random := rand.New(rand.NewPCG(1, 2))
		return list(size, func() string {
			return fmt.Sprintf(`[%.6f,%.5f,%d]`, 180*random.Float64(), 90*random.Float64(), random.IntN(1e9))
		})
	}},
	{"small numbers", func(size int) string {
		random := rand.New(rand.NewPCG(1, 2))
		return list(size, func() string { return fmt.Sprint(random.IntN(1000)) })
	}},
	{"Chinese", func(size int) string { return quoted(size, `今天走了一万步，明天再走一万步。`) }},
	{"Chinese escaped", func(size int) string { return quoted(size, `\u4eca\u5929\u8d70\u4e86\u4e00\u4e07\u6b65`) }},
	{"text with line ends", func(size int) string { return quoted(size, `A line as people write it, \"with a word\" in quotes.\n`) }},
	{"picture", func(size int) string { return quoted(size, `iVBORw0KGgoAAAANSUhEUgAAAAUA`) }},
	{"deep", func(size int) string {
		const deep = `{"a":[[{"b":{}}],[]]}`
		return list(size, func() string { return strings.Repeat(`{"a":[`, 200) + deep + strings.Repeat(`]}`, 200) })
	}},
	{"literals", func(size int) string {
		random := rand.New(rand.NewPCG(1, 2))
		return list(size, func() string { return []string{"true", "false", "null"}[random.IntN(3)] })
	}},
}

func list(size int, element func() string) string {
	var text strings.Builder
	for text.Len() < size {
		text.WriteString("," + element())
	}
	return `{"list":[` + text.String()[1:] + `],"n":1}`
}

func quoted(size int, part string) string {
	return `{"text":"` + strings.Repeat(part, size/len(part)) + `","n":1}`
}

// randomRows are rows whose strings, numbers and members differ in length and order, so that a processor cannot learn them.
// Before, in and between are the space before a row, before a member, and behind a colon.
func randomRows(size int, before, in, between string) string {
	random := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("a of steps name usual length today information 走了 一万步 公里 \\n \\u6b65 \\\" é 😀")
	phrase := func() string {
		return `"` + strings.Repeat(words[random.IntN(8)], random.IntN(3)) + words[random.IntN(len(words))] + words[random.IntN(8)] + `"`
	}
	value := func() string {
		switch random.IntN(8) {
		case 0:
			return []string{"true", "false", "null"}[random.IntN(3)]
		case 1, 2:
			return fmt.Sprint(random.IntN(1 << (1 + random.IntN(40))))
		case 3:
			return fmt.Sprintf("%.2f", 1000*random.Float64())
		case 4:
			return "[" + phrase() + "," + between + phrase() + "]"
		default:
			return phrase()
		}
	}
	names := strings.Fields("id name note tags price ok openid createdAt description quantity")
	var text strings.Builder
	for text.Len() < size {
		if text.Len() > 0 {
			text.WriteByte(',')
		}
		text.WriteString(before + "{")
		for i, name := range names {
			if i > 0 && random.IntN(3) == 0 {
				continue
			}
			if i > 0 {
				text.WriteByte(',')
			}
			text.WriteString(in + `"` + name + `":` + between + value())
		}
		text.WriteString(before + "}")
	}
	return text.String()
}

func BenchmarkCheck(b *testing.B) {
	for _, shape := range benchmarkShapes {
		for _, kilobytes := range []int{2, 1000} {
			b.Run(fmt.Sprintf("%s/%dKB", shape.name, kilobytes), func(b *testing.B) {
				text := []byte(shape.text(kilobytes << 10))
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					if err := Check(text); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
