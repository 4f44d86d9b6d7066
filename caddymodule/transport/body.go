package transport

import (
	"io"
	"reflect"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// lender is a body in memory whose bytes can be sent without being copied, such as that of an event which `cloudid` has read. Nobody
// may change them; done is to be called when they are not read any more.
type lender interface {
	Lend() (bytes []byte, done func(), ok bool)
}

var proxyPackage = reflect.TypeFor[reverseproxy.Handler]().PkgPath()

// unwrap returns the body that reverse_proxy was given. It wraps each in types that cannot be named here, and which pass on what
// they read. A body that a handler put around another is not looked into: it may want to see what is read.
func unwrap(body io.Reader) io.Reader {
	for {
		wrapper := reflect.ValueOf(body)
		if wrapper.Kind() != reflect.Pointer || wrapper.Type().Elem().PkgPath() != proxyPackage || wrapper.Elem().Kind() != reflect.Struct {
			return body
		}
		field := wrapper.Elem().FieldByName("ReadCloser")
		if !field.IsValid() {
			return body
		}
		inner, ok := field.Interface().(io.ReadCloser)
		if !ok {
			return body
		}
		body = inner
	}
}
