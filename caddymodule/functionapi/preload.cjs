// Keeps parallel calls of Node.js functions with wx-server-sdk apart. Printed by `caddy cloudid preload`; load it first:
//
//   CLOUDID_GATEWAY=http://127.0.0.1:9080 CLOUDID_LISTEN=127.0.0.1 node --require ./cloudid-preload.cjs server.js
//
// The SDK reads who the user is from process.env, late and for the whole process. With this file loaded, whatever runs on
// behalf of an HTTP request finds the values of that request's headers there, and nothing of other requests; what it
// writes to these variables is seen by itself alone. Code of which nobody can tell for which request it runs finds none. All
// other variables are as ever.
//
//   CLOUDID_GATEWAY  where functions reach the directive cloudid_api; sets what the SDK needs
//   CLOUDID_LISTEN   the address of servers that name none, which would listen on all addresses
'use strict'

const { AsyncLocalStorage, AsyncResource } = require('node:async_hooks')
const fs = require('node:fs')
const Module = require('node:module')
const { Server, Socket } = require('node:net') // http, https and http2 servers are made of Server
const path = require('node:path')

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

// --- Each request has variables of its own.

const calls = new AsyncLocalStorage() // for each request, its variables
const nobody = Object.freeze(Object.create(null)) // for code of which nobody knows for which request it runs
let serving = false // the first request has come
const serverEmit = Server.prototype.emit

Server.prototype.emit = function (event, request, second, ...rest) {
  if (!['request', 'checkContinue', 'checkExpectation', 'upgrade'].includes(event) || !request?.headers) {
    return serverEmit.apply(this, arguments)
  }
  serving = true
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

// of returns where a variable lives at the moment: in the call, if it is a call's, else in the process. Outside of calls those of
// calls are the process's until the first request has come, for scripts and tests; then there are none.
const of = (env, name) => {
  if (!Object.hasOwn(headers, name)) return env
  return calls.getStore() ?? (serving ? nobody : env)
}
const changeable = (env, name) => of(env, name) !== nobody

process.env = new Proxy(process.env, {
  get: (env, name) => of(env, name)[name],
  set: (env, name, value) => {
    if (changeable(env, name)) of(env, name)[name] = typeof name === 'symbol' ? value : String(value)
    return true
  },
  has: (env, name) => name in of(env, name),
  deleteProperty: (env, name) => !changeable(env, name) || delete of(env, name)[name],
  defineProperty: (env, name, property) => !changeable(env, name) || Reflect.defineProperty(of(env, name), name, property),
  getOwnPropertyDescriptor: (env, name) => {
    const property = Reflect.getOwnPropertyDescriptor(of(env, name), name)
    return property && { ...property, configurable: true }
  },
  ownKeys: env => {
    const own = calls.getStore() ?? (serving ? nobody : undefined)
    const names = Reflect.ownKeys(env)
    return own ? names.filter(name => !Object.hasOwn(headers, name)).concat(Object.keys(own)) : names
  }
})

// --- What calls share belongs to none of them.
//
// A client that is made in the first call, and kept, has a connection whose events would run on behalf of that call for ever, and
// with them the callbacks of all later calls.

const outside = original => function () { return calls.exit(() => Reflect.apply(original, this, arguments)) }

Socket.prototype.connect = outside(Socket.prototype.connect)
for (const [module, ...names] of [['node:tls', 'connect'], ['node:http2', 'connect'], ['node:dgram', 'createSocket'], ['node:child_process', 'fork', 'spawn']]) {
  const exports = require(module)
  for (const name of names) exports[name] = outside(exports[name])
}
const threads = require('node:worker_threads')
threads.Worker = new Proxy(threads.Worker, {
  construct: (Worker, args, target) => calls.exit(() => Reflect.construct(Worker, args, target))
})
Module.syncBuiltinESMExports()

// --- Servers that name no address listen on the one that the operator wants.

const address = process.env.CLOUDID_LISTEN
const listen = Server.prototype.listen

if (address) Server.prototype.listen = function (...args) { return listen.apply(this, withAddress(args)) }

// withAddress returns the arguments of listen with the address in them, if they have none and are not about a path or a handle.
function withAddress (args) {
  const [first, second, ...rest] = args
  if (typeof first === 'object' && first !== null) {
    const { port, host } = first
    return port === undefined || host ? args : [{ ...first, host: address }, ...args.slice(1)]
  }
  if (typeof first === 'string' && !(Number(first) >= 0)) return args // a path
  if (args.length === 0 || typeof first === 'function') return [0, address, ...args]
  if (typeof second === 'string' && second !== '') return args
  return second === undefined || second === null || second === '' ? [first, address, ...rest] : [first, address, second, ...rest]
}

// --- What is loaded: an SDK that does not look at the environment must not run, and some pools need a hand.

const oldest = [2, 3, 3]

// Pools that keep callbacks waiting for a connection: whoever gives one back calls the next of them, and would lend it the call that
// it runs for. By package, the methods whose callbacks must run for their own call.
const queues = { mysql: ['getConnection'], mysql2: ['getConnection'], 'pg-pool': ['connect'], 'generic-pool': ['acquire'] }

const compile = Module.prototype._compile

Module.prototype._compile = function (content, filename) {
  const { name, version, folder } = packageOf(path.dirname(filename))
  if (name === 'wx-server-sdk' && isOlder(version)) {
    throw new Error(`wx-server-sdk ${version} in ${folder} is too old: whatever the environment says, it sends what a function asks, ` +
      'and the token of the call, to Tencent\'s servers. Install 2.3.3 or newer: npm install wx-server-sdk@^2.6.3')
  }
  const result = compile.apply(this, arguments)
  if (Object.hasOwn(queues, name)) bindCallbacks(this.exports?.prototype, queues[name])
  return result
}

function bindCallbacks (prototype, methods) {
  for (const method of methods) {
    if (typeof prototype?.[method] !== 'function' || !Object.hasOwn(prototype, method)) continue
    const original = prototype[method]
    prototype[method] = function (...args) {
      return original.apply(this, args.map(arg => typeof arg === 'function' ? AsyncResource.bind(arg) : arg))
    }
  }
}

const packages = new Map() // by folder, the package that it belongs to

function packageOf (folder) {
  let found = packages.get(folder)
  if (!found) {
    const parent = path.dirname(folder)
    found = readPackage(folder) ?? (parent === folder ? {} : packageOf(parent))
    packages.set(folder, found)
  }
  return found
}

function readPackage (folder) {
  try {
    const { name, version } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'))
    return name && { name, version, folder }
  } catch {} // most folders have none
}

function isOlder (version) {
  const numbers = String(version).split('.').map(number => parseInt(number, 10))
  const i = oldest.findIndex((number, i) => numbers[i] !== number)
  return i >= 0 && !(numbers[i] > oldest[i])
}
