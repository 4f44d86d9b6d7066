// Keeps parallel calls of Node.js functions with wx-server-sdk apart. Printed by `caddy cloudid preload`; load it first:
//
//   CLOUDID_GATEWAY=http://127.0.0.1:9080 node --require ./cloudid-preload.cjs server.js
//
// The SDK reads who the user is from process.env, late and for the whole process. With this file loaded, whatever runs on
// behalf of an HTTP request finds the values of that request's headers there, and nothing of other requests; what it
// writes to these variables is seen by itself alone. All other variables are as ever.
'use strict'

const { AsyncLocalStorage } = require('node:async_hooks')
const { Server } = require('node:net') // http, https and http2 servers are made of it

const headers = {
  WX_OPENID: 'x-wx-openid',
  WX_APPID: 'x-wx-appid',
  WX_UNIONID: 'x-wx-unionid',
  WX_FROM_OPENID: 'x-wx-from-openid',
  WX_FROM_APPID: 'x-wx-from-appid',
  WX_OPEN_DATA_INFO: 'x-wx-open-data-info',
  WX_API_TOKEN: 'x-wx-cloudbase-access-token',
  TCB_SOURCE: 'x-wx-source'
}

// What the SDK needs beside, unless it is set. It has no use for the credentials here but stops without any.
const defaults = { WX_CONTEXT_KEYS: Object.keys(headers).filter(name => name.startsWith('WX_')).join() }
if (process.env.CLOUDID_GATEWAY) {
  Object.assign(defaults, {
    TCB_CONTEXT_CNFG: JSON.stringify({ URL: process.env.CLOUDID_GATEWAY.replace(/\/+$/, '') + '/admin' }),
    TENCENTCLOUD: 'true',
    TENCENTCLOUD_SECRETID: 'unused',
    TENCENTCLOUD_SECRETKEY: 'unused',
    SCF_NAMESPACE: 'cloudid'
  })
}
for (const [name, value] of Object.entries(defaults)) process.env[name] ??= value

const calls = new AsyncLocalStorage() // for each request, its variables
const serverEmit = Server.prototype.emit

Server.prototype.emit = function (event, request, second, ...rest) {
  if (!['request', 'checkContinue', 'checkExpectation', 'upgrade'].includes(event) || !request?.headers) {
    return serverEmit.apply(this, arguments)
  }
  const own = Object.create(null)
  for (const [name, header] of Object.entries(headers)) {
    if (request.headers[header] !== undefined) own[name] = String(request.headers[header])
  }
  // Their later events come from the connection, which many requests may share.
  for (const emitter of [request, second]) {
    const emit = emitter.emit
    emitter.emit = function () { return calls.run(own, () => emit.apply(this, arguments)) }
  }
  return calls.run(own, () => serverEmit.call(this, event, request, second, ...rest))
}

// of returns where a variable lives at the moment: in the call, if there is one and it is a call's, else in the process.
const of = (env, name) => (Object.hasOwn(headers, name) && calls.getStore()) || env

process.env = new Proxy(process.env, {
  get: (env, name) => of(env, name)[name],
  set: (env, name, value) => { of(env, name)[name] = typeof name === 'symbol' ? value : String(value); return true },
  has: (env, name) => name in of(env, name),
  deleteProperty: (env, name) => delete of(env, name)[name],
  defineProperty: (env, name, property) => Reflect.defineProperty(of(env, name), name, property),
  getOwnPropertyDescriptor: (env, name) => Reflect.getOwnPropertyDescriptor(of(env, name), name),
  ownKeys: env => {
    const own = calls.getStore()
    const names = Reflect.ownKeys(env)
    return own ? names.filter(name => !Object.hasOwn(headers, name)).concat(Object.keys(own)) : names
  }
})
