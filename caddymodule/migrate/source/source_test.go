package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/source"
)

// uses writes what a file uses, one a line: the line, the path, () for a call, and the name that it gives.
func uses(t *testing.T, name, text string, resolve source.Resolver) string {
	t.Helper()
	file, err := source.Analyze(name, []byte(text), resolve, source.Known{})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, use := range file.Uses {
		line := fmt.Sprintf("%d %s", use.Line, strings.Join(use.Path, "."))
		if use.Called {
			line += "()"
		}
		if use.Name != "" {
			line += " " + use.Name
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestUses(t *testing.T) {
	for _, c := range []struct{ sentence, name, text, want string }{
		{"the usual function", "index.js", `const cloud = require('wx-server-sdk')
cloud.init()
exports.main = async event => {
  const { OPENID } = cloud.getWXContext()
  return cloud.getOpenData({ list: [event.id] })
}`, "2 sdk.init()\n4 sdk.getWXContext()\n5 sdk.getOpenData()"},
		{"a database kept outside", "index.js", `const cloud = require('wx-server-sdk')
const db = cloud.database()
exports.main = () => db.collection('a').get()`, "2 sdk.database()\n3 sdk.database.collection()"},
		{"a renamed import", "index.mjs", `import wxcloud from 'wx-server-sdk'
import * as all from "wx-server-sdk"
import { getWXContext as who } from 'wx-server-sdk'
wxcloud.uploadFile({})
all.downloadFile({})
who()`, "3 sdk.getWXContext\n4 sdk.uploadFile()\n5 sdk.downloadFile()\n6 sdk.getWXContext()"},
		{"destructuring", "index.js", `const { database, openapi: api } = require('wx-server-sdk')
api.subscribeMessage.send({})
const db = database()`, "1 sdk.database\n1 sdk.openapi\n2 sdk.openapi.subscribeMessage.send()\n1 sdk.database()"},
		{"openapi, also for another account, and by a name that only running tells", "index.js", `const cloud = require('wx-server-sdk')
cloud.openapi.wxacode.getUnlimited({ scene: 'a' })
cloud.openapi({ appid: 'wx1' }).customerServiceMessage.send({})
cloud.openapi['security']['msgSecCheck']({})
const name = 'x'
cloud.openapi[name]({})`, "2 sdk.openapi.wxacode.getUnlimited()\n3 sdk.openapi.customerServiceMessage.send()\n3 sdk.openapi()\n4 sdk.openapi.security.msgSecCheck()\n6 sdk.openapi.?()"},
		{"calls of other functions by name", "index.js", "const cloud = require('wx-server-sdk')\ncloud.callFunction({ name: 'sum', data: {} })\ncloud.callFunction({ name: other })", "2 sdk.callFunction() sum\n3 sdk.callFunction()"},
		{"comments and strings do not count", "index.js", "// cloud.database()\nconst text = 'cloud.database()'\n/* require('wx-server-sdk').uploadFile */", ""},
		{"a name that is something else here", "index.js", "const cloud = require('./mine')\nfunction f (cloud) { cloud.database() }\nconst wx = {}\nwx.cloud.callFunction({})", ""},
		{"used above the place where it is set", "index.js", "exports.main = () => cloud.database()\nvar cloud = require('wx-server-sdk')", "1 sdk.database()"},
		{"TypeScript keeps its lines", "index.ts", `import cloud = require('wx-server-sdk')

interface Event { id: string }
type Later = { a: number }

export const main = async (event: Event): Promise<unknown> => {
  const db: any = cloud.database()
  return cloud.getOpenData({ list: [event.id] })
}`, "7 sdk.database()\n8 sdk.getOpenData()"},
		{"TypeScript with ES imports", "index.ts", "import cloud from 'wx-server-sdk'\nimport type { X } from 'somewhere'\ncloud.init({ env: cloud.DYNAMIC_CURRENT_ENV } as any)", "3 sdk.init()\n3 sdk.DYNAMIC_CURRENT_ENV"},
		{"destructuring under other names, of members of members, and of a parameter", "index.js", `const { database: db, openapi: { wxacode }, ...rest } = require('wx-server-sdk')
const f = ({ uploadFile: up, [key]: other }) => up()
f(require('wx-server-sdk'))
wxacode.get()
db()`, "1 sdk.database\n1 sdk.openapi.wxacode\n2 sdk.uploadFile()\n2 sdk.uploadFile\n4 sdk.openapi.wxacode.get()\n1 sdk.database()"},
		{"through five variables, the last one first", "index.js", "e.uploadFile()\nvar e = d\nvar d = c\nvar c = b\nvar b = a\nvar a = require('wx-server-sdk')", "1 sdk.uploadFile()"},
		{"the environment", "index.js", "const { ONE, TWO: two } = process.env, env = process.env\nenv.THREE.split(',')\nprocess.env.SET = env['FOUR']\nfunction f (process) { process.env.OTHER }", "1 process.env.ONE\n1 process.env.TWO\n1 process.env\n1 process.env\n2 process.env.THREE.split()\n3 process.env.FOUR"},
		{"the client", "pages/index.js", "Page({ async onLoad () { await wx.cloud.callFunction({ name: 'steps', data: { w: wx.cloud.CloudID('a') } }) } })\nconst c = wx.cloud\nc.uploadFile({})", "1 wx.cloud.callFunction() steps\n1 wx.cloud.CloudID()\n2 wx.cloud\n3 wx.cloud.uploadFile()"},
		{"the client with Taro and JSX", "index.tsx", "import Taro from '@tarojs/taro'\nexport default () => <View onClick={() => Taro.cloud.callFunction({ name: 'a' })}/>", "2 wx.cloud.callFunction() a"},
		{"optional chaining and await", "index.js", "const cloud = require('wx-server-sdk')\nasync function f () { (await cloud?.getWXContext())?.OPENID }", "2 sdk.getWXContext()"},
		{"a member by a literal", "index.js", "const cloud = require('wx-server-sdk')\nconst f = cloud['database']", "2 sdk.database"},
		{"one of two by a condition", "index.js", "const cloud = require('wx-server-sdk')\nconst c = process.env.X ? cloud : null\nconst d = process.env.X ? null : cloud\nc.uploadFile()\nd.downloadFile()", "2 process.env.X\n3 process.env.X\n4 sdk.uploadFile()\n5 sdk.downloadFile()"},
		{"either of two", "app.js", "const c = wx.cloud || require('./cloud')\nc.callFunction({ name: 'x' })", "1 wx.cloud\n2 wx.cloud.callFunction() x"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if got := uses(t, c.name, c.text, func(string) map[string]source.Value { return nil }); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestValuesOfOtherFiles(t *testing.T) {
	sdk := source.Value{Root: source.SDK}
	resolve := func(module string) map[string]source.Value {
		switch module {
		case "./cloud":
			return map[string]source.Value{"": sdk}
		case "./db":
			return map[string]source.Value{"db": sdk.Member("database"), "cloud": sdk}
		}
		return nil
	}
	got := uses(t, "index.js", "const cloud = require('./cloud')\nconst { db } = require('./db')\ncloud.getWXContext()\ndb.collection('a')\nrequire('./db').cloud.uploadFile()", resolve)
	if want := "2 sdk.database\n3 sdk.getWXContext()\n4 sdk.database.collection()\n5 sdk.uploadFile()"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestExports(t *testing.T) {
	for _, c := range []struct{ sentence, text, want string }{
		{"the SDK itself", "module.exports = require('wx-server-sdk')", "map[:sdk]"},
		{"an object of parts", "const cloud = require('wx-server-sdk')\nmodule.exports = { cloud, db: cloud.database(), n: 1 }", "map[cloud:sdk db:sdk.database]"},
		{"one by one", "const cloud = require('wx-server-sdk')\nexports.db = cloud.database()\nmodule.exports.cloud = cloud", "map[cloud:sdk db:sdk.database]"},
		{"an ES module", "import cloud from 'wx-server-sdk'\nexport const db = cloud.database()\nexport default cloud\nexport { cloud as c }", "map[c:sdk db:sdk.database default:sdk]"},
		{"exported again", "export { database as db } from 'wx-server-sdk'", "map[db:sdk.database]"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			file, err := source.Analyze("a.js", []byte(c.text), nil, source.Known{})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for name, value := range file.Exports {
				got[name] = strings.Join(append([]string{value.Root}, value.Members...), ".")
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

// What a file takes of Node.js as a CommonJS module does, whether it is an ES module, and where that imports of the SDK what is not there.
func TestKinds(t *testing.T) {
	for _, c := range []struct{ sentence, text, want string }{
		{"nothing", "const a = 1", " 0 false 0"},
		{"exports", "const a = 1\nexports.main = a", "exports 2 false 0"},
		{"module", "module.exports = 1", "module 1 false 0"},
		{"require, the first of two", "require('fs')\nexports.a = 1", "require 1 false 0"},
		{"names of its own", "function f (require, module) { require(module) }\nconst exports = {}\nexports.a = 1", " 0 false 0"},
		{"a name that it asks typeof of", "if (typeof exports === 'object') exports.a = 1", " 0 false 0"},
		{"another that it asks typeof of", "if (typeof a === 'object') exports.a = !exports.b", "exports 1 false 0"},
		{"import", "import fs from 'fs'", " 0 true 0"},
		{"export", "export const a = 1", " 0 true 0"},
		{"export of another", "export { a } from './a.js'", " 0 true 0"},
		{"the SDK's default", "import cloud from 'wx-server-sdk'", " 0 true 0"},
		{"the same by name", "import { default as cloud } from 'wx-server-sdk'", " 0 true 0"},
		{"a member of it", "import fs from 'fs'\nimport { init } from 'wx-server-sdk'\nimport { init as i } from 'wx-server-sdk'", " 0 true 2"},
		{"all of it", "import * as cloud from 'wx-server-sdk'", " 0 true 1"},
		{"the default of all of it", "import * as all from 'wx-server-sdk'\nall.default.init()", " 0 true 0"},
		{"a member of another", "import { readFile } from 'fs'", " 0 true 0"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			file, err := source.Analyze("a.js", []byte(c.text), nil, source.Known{})
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(file.CommonJS, " ", file.CommonJSLine, " ", file.IsModule, " ", file.ImportsOfSDK); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestRelative(t *testing.T) {
	file, err := source.Analyze("a.js", []byte("const { readFile } = fs\nfs.readFileSync('a.json')\nreadFile('./b')\nfs.readFileSync('/c')\nfs.readFileSync(d)\nfs.writeFileSync('e')\nfs.promises.readFile(`f`)\nreadFile()"), nil, source.Known{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(file.Relative), "[{a.json 2} {./b 1} {f 7}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRequires(t *testing.T) {
	file, err := source.Analyze("a.js", []byte("const a = require('lodash')\nrequire('./b')\nrequire(a)\nimport('c')\ntry { require('e') } catch {}\nfunction f (require) { require('not') }"), nil, source.Known{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(file.Requires), "[{lodash 1 false} {./b 2 false} {? 1 false} {c 4 false} {e 5 true}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSyntaxErrorsHaveWordsAndALine(t *testing.T) {
	for name, text := range map[string]string{"a.js": "const a = 1\nconst b = = 2", "a.ts": "let a: number =\n\n;;)"} {
		if _, err := source.Analyze(name, []byte(text), nil, source.Known{}); err == nil || !strings.HasPrefix(err.Error(), "line ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
