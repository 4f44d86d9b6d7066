// Command handmade is a gateway as one writes it by hand in Go, for the benchmark: httputil.ReverseProxy and
// encoding/json.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
)

var cloudID = regexp.MustCompile(`^[0-9]{1,4}_[A-Za-z0-9_-]{40,128}$`)

func main() {
	if len(os.Args) != 6 {
		log.Fatal("usage: handmade LISTEN FUNCTION WECHAT OPENID TOKEN")
	}
	listen, function, weChat := os.Args[1], os.Args[2], os.Args[3]
	query := url.Values{"openid": {os.Args[4]}, "access_token": {os.Args[5]}}.Encode()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 512
	g := &gateway{
		weChat: "http://" + weChat + "/wxa/getopendata?" + query,
		client: &http.Client{Transport: transport},
		proxy: &httputil.ReverseProxy{
			Transport: transport,
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&url.URL{Scheme: "http", Host: function})
				r.SetXForwarded()
			},
		},
	}
	log.Fatal(http.ListenAndServe(listen, g))
}

type gateway struct {
	weChat string
	client *http.Client
	proxy  *httputil.ReverseProxy
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var event map[string]json.RawMessage
	if err := json.Unmarshal(body, &event); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	names, ids := find(event)
	if len(ids) > 0 {
		if err := g.replace(event, names, ids); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		if body, err = json.Marshal(event); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	g.proxy.ServeHTTP(w, r)
}

func find(event map[string]json.RawMessage) (names map[string]string, ids []string) {
	names = make(map[string]string)
	for name, value := range event {
		var id string
		switch value[0] {
		case '"':
			_ = json.Unmarshal(value, &id)
		case '{':
			var object struct {
				CloudID string `json:"cloudID"`
			}
			_ = json.Unmarshal(value, &object)
			id = object.CloudID
		}
		if cloudID.MatchString(id) {
			names[id] = name
			ids = append(ids, id)
		}
	}
	return names, ids
}

func (g *gateway) replace(event map[string]json.RawMessage, names map[string]string, ids []string) error {
	ask, err := json.Marshal(map[string][]string{"cloudid_list": ids})
	if err != nil {
		return err
	}
	res, err := g.client.Post(g.weChat, "application/json", bytes.NewReader(ask))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var response struct {
		ErrCode  int    `json:"errcode"`
		ErrMsg   string `json:"errmsg"`
		DataList []struct {
			CloudID string `json:"cloud_id"`
			JSON    string `json:"json"`
		} `json:"data_list"`
	}
	if err := json.NewDecoder(res.Body).Decode(&response); err != nil {
		return err
	}
	if response.ErrCode != 0 {
		return fmt.Errorf("errcode %d: %s", response.ErrCode, response.ErrMsg)
	}
	for _, item := range response.DataList {
		name, asked := names[item.CloudID]
		if !asked {
			return errors.New("a response to no question")
		}
		event[name] = json.RawMessage(item.JSON)
	}
	return nil
}
