package transport

import (
	"io"
	"reflect"
	"sync"

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
	for body != nil && isWrapper(reflect.TypeOf(body)) {
		body, _ = reflect.ValueOf(body).Elem().Field(0).Interface().(io.Reader)
	}
	return body
}

// knownTypes remembers of types of bodies whether they are reverse_proxy's wrappers. There are a handful.
var knownTypes sync.Map

// isWrapper reports whether a type is one of reverse_proxy's wrappers: a pointer to a struct that embeds the body first.
func isWrapper(body reflect.Type) bool {
	if known, ok := knownTypes.Load(body); ok {
		return known.(bool)
	}
	wrapper := false
	if body.Kind() == reflect.Pointer && body.Elem().PkgPath() == proxyPackage && body.Elem().Kind() == reflect.Struct && body.Elem().NumField() > 0 {
		first := body.Elem().Field(0)
		wrapper = first.Anonymous && first.Type == reflect.TypeFor[io.ReadCloser]()
	}
	knownTypes.Store(body, wrapper)
	return wrapper
}
