package wechat

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// weRun is open data with 31 days of steps.
func weRun(id string) string {
	var days []string
	for day := range 31 {
		days = append(days, fmt.Sprintf(`{"timestamp":%d,"step":%d}`, 1571673600+day*86400, 9000+day))
	}
	return `{"cloudID":"` + id + `","data":{"stepInfoList":[` + strings.Join(days, ",") +
		`],"watermark":{"appid":"wx3d289323f5900f8e","timestamp":1574338655}}}`
}

// BenchmarkGetOpenData reads a response with three items, without a network.
func BenchmarkGetOpenData(b *testing.B) {
	ids := []string{
		"27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g",
		"39_JeXrSGN2VA0oq32eDIrs4Ww_H-8uK0NkGYZ5RMYmFhpoyJUoCx2oRU7qzuQ",
		"46_xfdrNJQu82wXb7UoifzXVDV5hCvfo0Au0-1hLR48a-a9_8-v7i8_OpNI0uc",
	}
	var items []string
	for _, id := range ids {
		items = append(items, `{"cloud_id":"`+id+`","json":`+string(gjson.AppendJSONString(nil, weRun(id)))+`}`)
	}
	body := `{"errcode":0,"errmsg":"ok","data_list":[` + strings.Join(items, ",") + `]}`
	client, err := New("http://wechat", func(Call) {})
	if err != nil {
		b.Fatal(err)
	}
	client.transport, client.http.Transport = netHTTPTransport{client.http, client.endpoint}, responseOf(body)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		list, err := client.GetOpenData(context.Background(), "token", "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", ids)
		if err != nil {
			b.Fatal(err)
		}
		for _, one := range list {
			if one.Code != 0 || !one.IsFor("wx3d289323f5900f8e") {
				b.Fatal(one.Code)
			}
		}
	}
}
