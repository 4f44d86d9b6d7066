package source_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/source"
)

func TestUsesThroughObjectsAndFunctions(t *testing.T) {
	const sdk = "const cloud = require('wx-server-sdk')\n"
	for _, c := range []struct{ sentence, name, text, want string }{
		{"a member that the project gives to the SDK is not the SDK's own", "a.js", sdk + "cloud.db = cloud.database()\ncloud.now = Date.now\ncloud.now()\ncloud.db.collection('a')", "2 sdk.database\n2 sdk.database()\n5 sdk.database.collection()"},
		{"a member of this", "a.js", sdk + "class A { constructor () { this.cloud = cloud }\n f () { return this.cloud.getWXContext() }\n g () { const { cloud } = this; cloud.uploadFile() } }", "3 sdk.getWXContext()\n4 sdk.uploadFile()"},
		{"a field of a class", "a.js", sdk + "class A { cloud = cloud\n f () { const self = this; self.cloud.getWXContext() } }", "3 sdk.getWXContext()"},
		{"a global", "a.js", "global.cloud = require('wx-server-sdk')\nglobalThis.cloud.database()\ncloud.getWXContext()", "2 sdk.database()\n3 sdk.getWXContext()"},
		{"a parameter of a function of the file", "a.js", sdk + "function f (c) { c.uploadFile() }\nconst g = ({ openapi }) => openapi.wxacode.get()\nf(cloud)\ng(cloud)", "2 sdk.uploadFile()\n3 sdk.openapi.wxacode.get()\n3 sdk.openapi"},
		{"what a parameter is by default", "a.js", sdk + "const f = (c = cloud) => c.uploadFile()\nfunction g ({ database } = cloud) { database() }", "2 sdk.uploadFile()\n3 sdk.database()\n3 sdk.database"},
		{"a function that is called at once", "a.js", "(function (c) {\n c.uploadFile() })(require('wx-server-sdk'))", "2 sdk.uploadFile()"},
		{"what TypeScript compiles an import to", "a.js", "const cloud = __importStar(require('wx-server-sdk'))\nconst b = tslib_1.__importDefault(require('wx-server-sdk'))\ncloud.init();\n(0, b.default.getWXContext)()", "3 sdk.init()\n4 sdk.getWXContext()"},
		{"Windows line ends", "a.js", "const cloud = require('wx-server-sdk')\r\n\r\ncloud.database()\r\n", "3 sdk.database()"},
		{"a component keeps its lines", "a.vue", "<template>\n <a>{{ wx.cloud.x }}</a>\n</template>\n<script>\nwx.cloud.uploadFile()\n</script>\n<script setup lang='ts'>\nlet a: number = wx.cloud.downloadFile()\n</script>", "5 wx.cloud.uploadFile()\n8 wx.cloud.downloadFile()"},
		{"a component without a script", "a.vue", "<template>\n <a/>\n</template>", ""},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if got := uses(t, c.name, c.text, func(string) map[string]source.Value { return nil }); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestMembersAreKnownInFilesThatBelongTogether(t *testing.T) {
	known := source.Known{}
	if _, err := source.Analyze("base.js", []byte("this.cloud = require('wx-server-sdk')"), nil, known); err != nil {
		t.Fatal(err)
	}
	file, err := source.Analyze("a.js", []byte("this.cloud.database()"), nil, known)
	if err != nil || len(file.Uses) != 1 || !file.Uses[0].Is(source.SDK, "database") {
		t.Errorf("%v, %v", file, err)
	}
}

func TestEscapes(t *testing.T) {
	for _, c := range []struct {
		sentence, text string
		want           bool
	}{
		{"an argument", "helper(cloud)", true},
		{"an argument of a constructor", "new Helper(cloud)", true},
		{"a member of an object that is an argument", "helper({ cloud })", true},
		{"openapi", "helper(cloud.openapi)", true},
		{"a member of an object that a variable is", "const api = { cloud }\napi.cloud.database()", true},
		{"an array", "const all = [cloud]", true},
		{"in an object, the database, which is a use already", "const api = { db: cloud.database() }", false},
		{"a member of an object that is not followed", "ctx.cloud = cloud", true},
		{"a member by an expression", "ctx[name] = cloud", true},
		{"a result", "const get = () => cloud", true},
		{"the exports of a bundled module", "f({ 1: e => { e.exports = require('wx-server-sdk') } })", true},
		{"the database, which is a use already", "helper(cloud.database())", false},
		{"a function of the file, which is followed", "function f (c) {}\nf(cloud)", false},
		{"the console", "console.log(cloud)", false},
		{"the exports, which are followed", "module.exports = { cloud }", false},
		{"a result of a call", "f(cloud.getWXContext())", false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			file, err := source.Analyze("a.js", []byte("const cloud = require('wx-server-sdk')\n"+c.text), nil, source.Known{})
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Contains(file.Escapes, 2); got != c.want {
				t.Errorf("lines %v", file.Escapes)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string]string{
		"exports.main = () => 1":                            "main",
		"module.exports.main = () => 1":                     "main",
		"module.exports = { main, other () {} }":            "main other",
		"exports = module.exports = { main }":               "main",
		"export const main = () => 1":                       "main",
		"export async function main () {}":                  "main",
		"function main () {}\nexport { main, main as x }":   "main x",
		"export default function main () {}":                "default",
		"function main () {}":                               "",
		"const exports = {}\nexports.main = 1":              "",
		"module.exports = require('./b')":                   " opaque",
		"export * from './b'":                               "* opaque",
		"module.exports = { ...require('./b') }":            " opaque",
		"Object.defineProperty(exports, 'main', {})":        " opaque",
		"Object.assign(module.exports, {})":                 " opaque",
		"for (const name in all) exports[name] = all[name]": " opaque",
		"const e = exports\ne.main = 1":                     " opaque",
	} {
		file, err := source.Analyze("a.js", []byte(text), nil, source.Known{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var names []string
		for name := range file.Names {
			names = append(names, name)
		}
		slices.Sort(names)
		got := strings.Join(names, " ")
		if file.Opaque {
			got = fmt.Sprint(got, " opaque")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
