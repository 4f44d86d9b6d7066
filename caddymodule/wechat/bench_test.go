package wechat

import (
	"context"
	"fmt"
	"io"
	"net/http"
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

// phone is open data as short as most is.
func phone(id string) string {
	return `{"cloudID":"` + id + `","data":{"phoneNumber":"13580006666","purePhoneNumber":"13580006666","countryCode":"86","watermark":{"timestamp":1574338655,"appid":"wx3d289323f5900f8e"}}}`
}

// BenchmarkGetOpenData makes a request and reads the response, without a network.
func BenchmarkGetOpenData(b *testing.B) {
	ids := []string{
		"27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g",
		"39_JeXrSGN2VA0oq32eDIrs4Ww_H-8uK0NkGYZ5RMYmFhpoyJUoCx2oRU7qzuQ",
		"46_xfdrNJQu82wXb7UoifzXVDV5hCvfo0Au0-1hLR48a-a9_8-v7i8_OpNI0uc",
	}
	for _, bench := range []struct {
		name string
		ids  []string
		data func(id string) string
	}{
		{"a phone number", ids[:1], phone},
		{"three phone numbers", ids, phone},
		{"the steps of three months", ids, weRun},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var items []string
			for _, id := range bench.ids {
				items = append(items, `{"cloud_id":"`+id+`","json":`+string(gjson.AppendJSONString(nil, bench.data(id)))+`}`)
			}
			body := `{"errcode":0,"errmsg":"ok","data_list":[` + strings.Join(items, ",") + `]}`
			client, err := New("http://wechat", func(Call) {})
			if err != nil {
				b.Fatal(err)
			}
			client.transport = canned(body)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				list, err := client.GetOpenData(context.Background(), "token", "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", bench.ids)
				if err != nil {
					b.Fatal(err)
				}
				for _, one := range list {
					if one.Code != 0 || !one.IsFor("wx3d289323f5900f8e") {
						b.Fatal(one.Code)
					}
				}
			}
		})
	}
}

// canned is a transport that has the response.
type canned string

func (c canned) post(context.Context, string, []byte) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, ContentLength: int64(len(c)), Body: io.NopCloser(strings.NewReader(string(c)))}, nil
}

func (canned) close() {}
