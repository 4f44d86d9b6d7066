package event_test

import (
	"fmt"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
)

func Example() {
	rules := event.Rules{Fields: []string{"weRunData"}, MaxDeclarations: 5}
	if err := rules.Compile(); err != nil {
		fmt.Println(err)
		return
	}
	body := []byte(`{"weRunData":"27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g", "n":1.10}`)
	parsed, err := rules.Parse(body)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range parsed.Declarations {
		fmt.Println(d.Name, d.Kind)
	}
	body, changed := parsed.Write([][]byte{[]byte(`{"cloudID":"27_Ih","data":{}}`)}, nil, func(size int) []byte { return make([]byte, 0, size) })
	fmt.Println(changed, string(body))
	// Output:
	// weRunData field
	// true {"weRunData":{"cloudID":"27_Ih","data":{}}, "n":1.10}
}

func ExampleRules_Parse_rejected() {
	rules := event.Rules{Fields: []string{"weRunData"}, MaxDeclarations: 5}
	_ = rules.Compile()
	_, err := rules.Parse([]byte(`{"we_run_data":{"data":"made up"}}`))
	fmt.Println(err)
	// Output:
	// the member 'weRunData' must be sent once, spelled exactly so, and 'we_run_data' is the same name to some readers: letter case, escapes, space, _ and -, and what follows a NUL, a point or a bracket do not tell names apart in every language; rename it
}

func ExampleRules_CheckQuery() {
	rules := event.Rules{ReplaceUserInfo: true}
	_ = rules.Compile()
	fmt.Println(rules.CheckQuery("page=2"))
	fmt.Println(rules.CheckQuery("page=2&userInfo[openId]=made-up"))
	// Output:
	// <nil>
	// the query may have no parameter 'userInfo': some frameworks take it for the member of the event
}
