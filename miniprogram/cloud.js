// The client of caddy-cloudid for WeChat mini programs: wx.cloud.callFunction and wx.cloud.CloudID, served by a gateway
// of your own. In app.js, before anything else:
//
//   require('./cloud').install({ url: 'https://example.com' })
//
// README.md has the options and the errors. No build step and no dependencies: copy this file as it is. It needs ES2015
// and Promise, nothing newer, so it also runs on the oldest base libraries that know wx.cloud.
'use strict'

/**
 * @typedef {{ url: string, path?: string, loginPath?: string, timeout?: number }} Options
 * @typedef {{ statusCode: number, header: any, data: any }} HTTPResponse
 * @typedef {{ token: string, from: number, until: number }} StoredSession
 */

/** The longest Retry-After that a call waits for, in seconds. */
const LONGEST_WAIT = 5

/** Form of a CloudID. */
const LOOKS_LIKE_CLOUDID = /^[0-9]{1,4}_[A-Za-z0-9_-]{40,128}$/

/** @type {{ url: string, path: string, timeout?: number, session: Session } | undefined} */
let settings

/** What wx.cloud.CloudID was before install. @type {any} */
let nativeCloudID

// --- Errors -----------------------------------------------------------------------------------------------------------

/**
 * WeChat's numbers and words for an HTTP status, from its list of cloud error codes. -501000 is not in that list, but it
 * is what WeChat's client reports of a function that does not exist.
 *
 * @type {{ [status: number]: [number, string] }}
 */
const BY_STATUS = {
  401: [-501019, 'unauthorized operation'],
  403: [-501019, 'unauthorized operation'],
  404: [-501000, 'FunctionName parameter could not be found'],
  408: [-501002, 'resource server timeout'],
  429: [-501003, 'resource quota exceeded'],
  500: [-504002, 'functions execute fail'],
  502: [-504001, 'functions invoke fail'],
  503: [-501018, 'resource unavailable'],
  504: [-501002, 'resource server timeout']
}

/** Why a call failed, before it is known whose failure it becomes: one login can fail many calls. */
class Failure {
  /** @param {number} errCode @param {string} reason @param {object} [more] */
  constructor (errCode, reason, more) {
    this.errCode = errCode
    this.reason = reason
    this.more = more
  }
}

/** @param {string} api @param {any} cause */
function toError (api, cause) {
  const failure = cause instanceof Failure ? cause : new Failure(-1, String((cause && cause.message) || cause))
  const errMsg = api + ':fail ' + failure.reason
  return Object.assign(new Error(errMsg), { errCode: failure.errCode, errMsg: errMsg }, failure.more)
}

/**
 * No function takes part in a login, so that none has failed.
 *
 * @type {typeof BY_STATUS}
 */
const BY_STATUS_OF_LOGIN = Object.assign({}, BY_STATUS, {
  500: [-501001, 'resource system error'],
  502: [-501001, 'resource system error']
})

/** @param {HTTPResponse} response */
function httpFailure (response, byStatus = BY_STATUS) {
  const status = response.statusCode
  const other = status >= 400 && status < 500 ? [-501007, 'invalid request'] : [-501001, 'resource system error']
  const known = byStatus[status] || other
  const own = errorIn(response)
  const code = own.errCode ? String(own.errCode) : known.join(' ')
  const reason = 'Error: errCode: ' + code + ' | errMsg: ' + (own.message || 'HTTP status ' + status)
  return new Failure(own.errCode || known[0], reason, { statusCode: status, requestID: requestID(response) })
}

/**
 * What the body of an error response says: the gateway's {"error":{"message"}}, tcb-ff's {"code","message"}, an
 * {"errCode","errMsg"} that a function made itself, or a line of text.
 *
 * @param {HTTPResponse} response
 * @returns {{ errCode: number, message: string }}
 */
function errorIn (response) {
  const text = textOf(response).trim()
  let body
  try { body = JSON.parse(text) } catch (err) { /* no JSON */ }
  if (body === null || typeof body !== 'object') {
    return { errCode: 0, message: text.charAt(0) === '<' ? '' : text.slice(0, 300) }
  }
  const inner = body.error !== null && typeof body.error === 'object' ? body.error : body
  const errCode = [inner.errCode, inner.errcode].find(Number.isInteger) || 0
  const message = [inner.errMsg, inner.errmsg, inner.message, body.error].find(s => typeof s === 'string') || ''
  return { errCode: errCode, message: message.slice(0, 300) }
}

/** @param {any} err what wx.request or wx.login gave to fail */
function wxFailure (err, api = '') {
  let message = String((err && err.errMsg) || err || api + ':fail')
  if (/domain list/i.test(message)) message += '; add the domain to the request domains (request 合法域名) at mp.weixin.qq.com'
  const more = err && Number.isInteger(err.errno) ? { errno: err.errno } : undefined
  return new Failure(/time\s?out|超时/i.test(message) ? -501002 : -1, message, more)
}

// --- HTTP -------------------------------------------------------------------------------------------------------------

/**
 * @param {string} url @param {string} body @param {string} [token] @param {number} [timeout]
 * @returns {Promise<HTTPResponse>}
 */
function post (url, body, token, timeout) {
  /** @type {{ [name: string]: string }} */
  const header = { 'content-type': 'application/json' }
  if (token) header.Authorization = 'Bearer ' + token
  return new Promise((resolve, reject) => wx.request(within(timeout, {
    url: url,
    method: 'POST',
    header: header,
    data: body,
    // Not json: wx.request would parse whatever it can, and turn the text 123 into a number.
    dataType: 'text',
    responseType: 'text',
    success: resolve,
    fail: (/** @type {any} */ err) => reject(wxFailure(err, 'request'))
  })))
}

/** Options of wx with a time limit, if there is one: undefined would be a wrong type to wx. @param {number | undefined} timeout @param {any} options */
function within (timeout, options) {
  return timeout ? Object.assign({ timeout: timeout }, options) : options
}

/**
 * Attempts something a second time, if the first response is 503 and says to come back within a few seconds.
 *
 * @param {() => Promise<HTTPResponse>} attempt
 */
function twiceIfBusy (attempt) {
  return attempt().then(response => {
    const wait = response.statusCode === 503 ? headerOf(response, 'retry-after') : ''
    // A date in place of seconds is not waited for: the device's clock may be wrong.
    if (!/^\d+$/.test(wait) || Number(wait) > LONGEST_WAIT) return response
    return new Promise(resolve => setTimeout(resolve, Number(wait) * 1000)).then(attempt)
  })
}

/** Devices spell the names of headers differently. @param {HTTPResponse} response @param {string} name in lower case */
function headerOf (response, name) {
  const header = response.header || {}
  const key = Object.keys(header).find(key => key.toLowerCase() === name)
  return key === undefined ? '' : String(header[key])
}

/** @param {HTTPResponse} response */
function requestID (response) {
  return headerOf(response, 'x-request-id')
}

/** @param {HTTPResponse} response */
function textOf (response) {
  const data = response.data
  if (data === undefined || data === null) return ''
  return typeof data === 'string' ? data : JSON.stringify(data)
}

/** The result of a function, by its Content-Type. @param {HTTPResponse} response */
function resultOf (response) {
  const type = headerOf(response, 'content-type').split(';')[0].trim().toLowerCase()
  const text = textOf(response)
  if (response.statusCode === 204) return undefined
  if (/^(application|text)\/json$|\+json$/.test(type)) return text.trim() === '' ? undefined : parseJSON(text)
  if (type !== '') return text
  // Node's http sends none by itself.
  try { return /^\s*[[{]/.test(text) ? JSON.parse(text) : text || undefined } catch (err) { return text }
}

/** @param {string} text */
function parseJSON (text) {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (err) {
    throw new Failure(-1, 'the response is not the JSON that its Content-Type says')
  }
}

// --- Login ------------------------------------------------------------------------------------------------------------

/** The session with one gateway: its token, in memory and in storage, and the login that is under way. */
class Session {
  /** @param {string} url */
  constructor (url) {
    this.url = url
    this.key = 'caddy-cloudid ' + url
    /** That of a login's requests, in milliseconds. @type {number | undefined} */
    this.timeout = undefined
    /** undefined: the storage has not been read. @type {StoredSession | null | undefined} */
    this.stored = undefined
    /** @type {Promise<string> | null} */
    this.pending = null
    /** Whether a login succeeded since the app started. */
    this.loggedIn = false
  }

  /** The token to call with: the one at hand, or that of a login which all callers share. @returns {Promise<string>} */
  token () {
    if (this.pending) return this.pending
    const token = this.current()
    return token ? Promise.resolve(token) : this.login()
  }

  /**
   * The token of a session whose session_key is still WeChat's. wx.checkSession fails when WeChat has dropped that key;
   * what it encrypts from then on can only be read after another login.
   *
   * @returns {Promise<string>}
   */
  tokenWithKey () {
    const token = this.current()
    if (!token || typeof wx.checkSession !== 'function') return this.token()
    return new Promise(resolve => wx.checkSession({
      success: () => resolve(undefined),
      fail: () => {
        this.forget(token)
        resolve(undefined)
      }
    })).then(() => this.token())
  }

  /**
   * As tokenWithKey, but a token from storage does not do: another wx.login may have changed the key since.
   *
   * @returns {Promise<string>}
   */
  tokenWithNewKey () {
    return this.loggedIn ? this.tokenWithKey() : this.pending || this.login()
  }

  /** Drops a token that was rejected, unless another has taken its place meanwhile. @param {string} token */
  forget (token) {
    if (!this.stored || this.stored.token !== token) return
    this.stored = null
    try { wx.removeStorageSync(this.key) } catch (err) { /* the next login overwrites it */ }
  }

  /** @returns {string} */
  current () {
    if (this.stored === undefined) this.stored = this.read()
    const now = Date.now()
    const stored = this.stored
    // A clock that was set back says nothing about the end.
    return stored && stored.from <= now && now < stored.until ? stored.token : ''
  }

  /** @returns {StoredSession | null} */
  read () {
    try {
      return wx.getStorageSync(this.key) || null
    } catch (err) {
      return null
    }
  }

  /** @returns {Promise<string>} */
  login () {
    const done = () => { this.pending = null }
    const attempt = () => loginCode(this.timeout).then(code => post(this.url, JSON.stringify({ code: code }), '', this.timeout))
    this.pending = twiceIfBusy(attempt)
      .then(response => this.keep(response))
    this.pending.then(done, done)
    return this.pending
  }

  /** @param {HTTPResponse} response */
  keep (response) {
    if (response.statusCode < 200 || response.statusCode >= 300) throw prefixed('login: ', httpFailure(response, BY_STATUS_OF_LOGIN))
    let body
    try { body = JSON.parse(textOf(response)) } catch (err) { /* rejected below */ }
    if (!body || typeof body.token !== 'string' || !(body.expires_in > 0)) {
      throw new Failure(-1, 'login: ' + this.url + ' did not respond with {"token","expires_in"}; is wechat_login there?')
    }
    const now = Date.now()
    // The last minute is not used, or the last tenth of a short session: the way to the gateway takes time too.
    const life = body.expires_in * 1000 - Math.min(60000, body.expires_in * 100)
    this.stored = { token: body.token, from: now, until: now + life }
    this.loggedIn = true
    try { wx.setStorageSync(this.key, this.stored) } catch (err) { /* full: it stays in memory */ }
    return body.token
  }
}

/** @param {number} [timeout] @returns {Promise<string>} */
function loginCode (timeout) {
  return new Promise((resolve, reject) => wx.login(within(timeout, {
    success: (/** @type {any} */ res) => res.code ? resolve(res.code) : reject(new Failure(-1, 'login:fail wx.login gave no code')),
    fail: (/** @type {any} */ err) => reject(wxFailure(err, 'login'))
  })))
}

/** @param {string} prefix @param {Failure} failure */
function prefixed (prefix, failure) {
  return new Failure(failure.errCode, prefix + failure.reason, failure.more)
}

// --- callFunction -----------------------------------------------------------------------------------------------------

/** As wx.cloud.callFunction: a promise, or callbacks and no promise. @param {any} options */
function callFunction (options) {
  const callbacks = options || {}
  const outcome = new Promise(resolve => resolve(call(options)))
    .then(null, cause => { throw toError('cloud.callFunction', cause) })
  if (![callbacks.success, callbacks.fail, callbacks.complete].some(f => typeof f === 'function')) return outcome
  outcome.then(
    result => callBack(callbacks, 'success', result),
    error => callBack(callbacks, 'fail', error))
}

/** What a callback throws is the app's own error, not a failed call: App.onError shall see it. */
function callBack (/** @type {any} */ callbacks, /** @type {string} */ name, /** @type {any} */ value) {
  for (const callback of [name, 'complete']) {
    if (typeof callbacks[callback] !== 'function') continue
    try {
      callbacks[callback](value)
    } catch (err) {
      setTimeout(() => { throw err }, 0)
    }
  }
}

/** @param {any} options */
function call (options) {
  if (!settings) throw new Failure(-1, "Cloud API isn't enabled, please call require('./cloud').install({ url }) first")
  if (!options || typeof options.name !== 'string' || options.name === '' || /^\.\.?$/.test(options.name)) {
    throw new Failure(-401003, 'parameter.name should be the name of a function')
  }
  const { session, timeout } = settings
  const url = settings.url + settings.path.replace('{name}', encodeURIComponent(options.name))
  const event = toEvent(options.data)
  const body = toJSON(event)
  const token = Object.keys(event).some(name => isEncrypted(event[name])) ? session.tokenWithKey() : session.token()
  const send = (/** @type {string} */ token) => twiceIfBusy(() => post(url, body, token, timeout))
  return token
    .then(token => send(token).then(response => {
      if (response.statusCode !== 401) return response
      session.forget(token)
      return session.token().then(send)
    }))
    .then(response => {
      if (response.statusCode < 200 || response.statusCode >= 300) throw httpFailure(response)
      return { result: resultOf(response), errMsg: 'cloud.callFunction:ok', requestID: requestID(response) }
    })
}

/**
 * The event for a call's data: its CloudIDs are taken out and listed in cloudid_list, as WeChat's own client does.
 *
 * @param {any} data
 * @returns {{ [name: string]: any }}
 */
function toEvent (data) {
  if (data && typeof data.toJSON === 'function') data = data.toJSON()
  if (data === undefined || data === null) data = {}
  if (typeof data !== 'object' || Array.isArray(data)) throw new Failure(-401003, 'parameter.data should be an object')
  // Without a prototype, so that a member named __proto__ is one like any other.
  const event = Object.create(null)
  const list = []
  // An app's own member of that name stays; the CloudIDs are then sent in the gateway's other form.
  const listed = !Object.prototype.hasOwnProperty.call(data, 'cloudid_list')
  for (const name of Object.keys(data)) {
    const id = cloudIDIn(data[name])
    if (id === undefined) event[name] = data[name]
    else if (listed) list.push({ key_name: name, cloud_id: id })
    else event[name] = { cloudID: id }
  }
  if (list.length > 0) event.cloudid_list = list
  return event
}

/** @param {{ [name: string]: any }} event */
function toJSON (event) {
  try {
    return JSON.stringify(event)
  } catch (err) {
    const culprit = Object.keys(event).find(name => !isSerializable(event[name]))
    throw new Failure(-401002, 'parameter.data.' + culprit + ' cannot be written as JSON: it holds ' +
      (/bigint/i.test(String(err)) ? 'a BigInt' : 'a circular reference, or its toJSON failed'))
  }
}

/** @param {any} value */
function isSerializable (value) {
  try {
    JSON.stringify(value)
    return true
  } catch (err) {
    return false
  }
}

/** Reports whether a value is what WeChat gives to devices without CloudIDs. @param {any} value */
function isEncrypted (value) {
  return value !== null && typeof value === 'object' && typeof value.encryptedData === 'string' &&
    typeof value.iv === 'string' && !LOOKS_LIKE_CLOUDID.test(value.cloudID)
}

// --- CloudID ----------------------------------------------------------------------------------------------------------

/**
 * As wx.cloud.CloudID, with or without new: marks a CloudID at the top level of data as one to be replaced.
 *
 * @param {string} cloudID
 */
function CloudID (cloudID) {
  return Object.assign(Object.create(CloudID.prototype), { cloudID: cloudID })
}

/** @this {any} */
function idOf () {
  return this.cloudID
}

CloudID.prototype.toJSON = idOf
CloudID.prototype.toString = idOf

/**
 * The CloudID that an object stands for, if it is one: ours, or WeChat's, made before install.
 *
 * @param {any} value
 * @returns {string | undefined}
 */
function cloudIDIn (value) {
  if (value === null || typeof value !== 'object' || typeof value.toJSON !== 'function') return undefined
  const known = value instanceof CloudID || isInstance(value, nativeCloudID)
  let id
  try { id = value.toJSON() } catch (err) { return undefined }
  return typeof id === 'string' && (known || LOOKS_LIKE_CLOUDID.test(id)) ? id : undefined
}

/** @param {any} value @param {any} constructor which may be anything, an arrow function for one */
function isInstance (value, constructor) {
  try { return value instanceof constructor } catch (err) { return false }
}

// --- Set-up -----------------------------------------------------------------------------------------------------------

const cloud = {
  /** Sets the gateway, and puts callFunction and CloudID into wx.cloud. @param {Options} options */
  install (options) {
    cloud.configure(options)
    if (!intoWxCloud()) {
      console.error("caddy-cloudid: wx.cloud cannot be changed here. Write const cloud = require('./cloud') at the top of " +
        'each file that calls a function, and there cloud.callFunction and cloud.CloudID in place of wx.cloud.callFunction ' +
        'and wx.cloud.CloudID.')
    }
    return cloud
  },

  /** Sets the gateway, and changes nothing in wx. @param {Options} options */
  configure (options) {
    const { url, path = '/fn/{name}', loginPath = '/login', timeout } = options || {}
    if (typeof url !== 'string' || !/^https?:\/\/[^/?#]+[^?#]*$/.test(url)) {
      throw new TypeError("caddy-cloudid: url must be the gateway's address, such as https://example.com")
    }
    if (typeof path !== 'string') throw new TypeError('caddy-cloudid: path must be a string, such as /fn/{name}')
    if (typeof loginPath !== 'string') throw new TypeError('caddy-cloudid: loginPath must be a string, such as /login')
    if (timeout !== undefined && !(timeout > 0)) throw new TypeError('caddy-cloudid: timeout must be in milliseconds, above 0')
    const base = url.replace(/\/+$/, '')
    const login = base + absolute(loginPath)
    const session = settings && settings.session.url === login ? settings.session : new Session(login)
    const named = path.indexOf('{name}') < 0 ? path.replace(/\/*$/, '/{name}') : path
    session.timeout = timeout
    settings = { url: base, path: absolute(named), timeout: timeout, session: session }
    inheritFromWxCloud()
    return cloud
  },

  /** As wx.cloud.init, which it calls where there is one; with a url, also configure. @param {any} [options] */
  init (options) {
    if (options && options.url) cloud.configure(options)
    inheritFromWxCloud()
    const inherited = Object.getPrototypeOf(cloud)
    if (typeof inherited.init === 'function') inherited.init(options)
  },

  /**
   * Makes sure that the session's key is the one that WeChat encrypts with. Calls log in by themselves; a page whose data
   * comes as encryptedData calls this before it asks WeChat for that data, since a login in between may change the key.
   */
  login () {
    return new Promise(resolve => {
      if (!settings) throw new Failure(-1, 'call install({ url }) first')
      resolve(settings.session.tokenWithNewKey())
    }).then(() => undefined, cause => { throw toError('cloud.login', cause) })
  },

  callFunction,
  CloudID
}

/** @param {string} path */
function absolute (path) {
  return path.charAt(0) === '/' ? path : '/' + path
}

/** @returns {any} undefined also where there is no wx, or reading its cloud throws */
function wxCloud () {
  try { return wx.cloud } catch (err) { return undefined }
}

/** database, uploadFile and the rest are to be found in this object too, wherever it stands in for wx.cloud. */
function inheritFromWxCloud () {
  const native = wxCloud()
  if (!native || native === cloud) return
  if (native.CloudID && native.CloudID !== CloudID) nativeCloudID = native.CloudID
  // Unless wx.cloud was built on top of this object.
  try { Object.setPrototypeOf(cloud, native) } catch (err) { /* it has them already */ }
}

/** Puts both members into wx.cloud or, where they cannot all be changed, this object in the place of wx.cloud. */
function intoWxCloud () {
  if (typeof wx === 'undefined') return false
  const native = wxCloud()
  const both = native ? [put(native, 'callFunction', callFunction), put(native, 'CloudID', CloudID)] : [false]
  if (!both.every(Boolean) || !isInstalled()) put(wx, 'cloud', cloud)
  return isInstalled()
}

/** Reads wx again: a getter may make a new object each time. A CloudID of WeChat's own serves as well. */
function isInstalled () {
  const current = wxCloud()
  return Boolean(current && current.CloudID) && current.callFunction === callFunction
}

/**
 * Sets a member: by assignment or, where that is refused or has no effect, by definition.
 *
 * @param {any} object @param {string} name @param {any} value
 */
function put (object, name, value) {
  const define = () => Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
  for (const way of [() => { object[name] = value }, define]) {
    try {
      way()
      if (object[name] === value) return true
    } catch (err) { /* frozen, or only a getter */ }
  }
  return false
}

module.exports = cloud
