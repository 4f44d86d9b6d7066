package project_test

import (
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/project"
)

func TestStrict(t *testing.T) {
	for text, want := range map[string]string{
		"{\"a\": 1}\r\n":   "{\"a\": 1}\r\n",
		"\uFEFF{\"a\": 1}": "{\"a\": 1}",
		"{\"a\": \"//,}\\\"\", /* b */ \"c\": [1,],}": "{\"a\": \"//,}\\\"\",         \"c\": [1 ] }",
		"{ // a\n}":           "{     \n}",
		"[1, \"b\" /**/]":     "[1, \"b\"     ]",
		"[\"a\", 1 /**/]":     "[\"a\", 1     ]",
		"[1,\t\r\n /**/]":     "[1 \t\r\n     ]",
		"[1,/*x*/]":           "[1      ]",
		"[1 /* a\n b */]":     "[1     \n     ]",
		"[1] // x":            "[1]     ",
		"[1 /* x":             "[1 /* x",
		"[1, 2 /**/], /**/ 3": "[1, 2 /**/], /**/ 3",
		"\uFEFF \n":           "{}\n",
		"{":                   "{",
		"{\"a\":1}/":          "{\"a\":1}/",
	} {
		if got := string(project.Strict([]byte(text))); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
