// A device for the tests: wx as a mini program sees it, its requests made by fetch, its user known to the sandbox.
import crypto from 'node:crypto'

/** What wx.cloud is before install: none of its functions may be reached by a call that belongs to the gateway. */
export function nativeCloud () {
  class CloudID {
    constructor (id) { this.id = id }
    toJSON () { return this.id }
  }
  const unserved = () => { throw new Error("WeChat's own cloud was called") }
  return {
    init () { this.initialized = true },
    callFunction: unserved,
    CloudID: id => new CloudID(id),
    database: () => ({ collection: name => `collection ${name} of WeChat's cloud` }),
    uploadFile: () => 'uploaded to WeChat'
  }
}

/**
 * @param sandbox   address of the sandbox, which makes login codes and open data
 * @param openid    of the device's user
 * @param cloudIDs  whether WeChat gives this device CloudIDs
 * @param spelling  of header names: 'lower', or 'canonical' as some devices have them
 */
export function device ({ sandbox, openid = 'openid-of-alice', cloudIDs = true, spelling = 'canonical', storage = new Map() }) {
  const state = { offline: false, sessionKeyDropped: false, logins: 0, requests: [], storage, toasts: [] }
  const members = {
    cloud: nativeCloud(),
    request: options => { request(options, state, spelling) },
    login (options) {
      state.logins++
      if (state.offline) return later(options, 'fail', { errMsg: 'login:fail no network', errno: 600003 })
      // A login keeps the user's session_key, unless WeChat has dropped it.
      const renewed = state.sessionKeyDropped ? { session_key: crypto.randomBytes(16).toString('base64') } : {}
      post(`${sandbox}/sandbox/code`, { openid, ...renewed }).then(
        ({ code }) => { state.sessionKeyDropped = false; settle(options, 'success', { code, errMsg: 'login:ok' }) },
        err => settle(options, 'fail', { errMsg: `login:fail ${err.message}` }))
    },
    checkSession (options) {
      if (state.sessionKeyDropped) return later(options, 'fail', { errMsg: 'checkSession:fail session time out, need relogin' })
      later(options, 'success', { errMsg: 'checkSession:ok' })
    },
    getWeRunData (options) {
      if (!options) return new Promise((resolve, reject) => members.getWeRunData({ success: resolve, fail: reject }))
      weRunData(sandbox, openid, cloudIDs).then(res => settle(options, 'success', res), err => settle(options, 'fail', { errMsg: `getWeRunData:fail ${err.message}` }))
    },
    getStorageSync: key => storage.has(key) ? JSON.parse(storage.get(key)) : '',
    setStorageSync: (key, value) => { storage.set(key, JSON.stringify(value)) },
    removeStorageSync: key => { storage.delete(key) },
    showToast: options => { state.toasts.push(options.title) },
    showLoading () {},
    hideLoading () {}
  }
  return { wx: withGetters(members), state }
}

/** On devices, members of wx are getters, which Object.defineProperty can replace. */
function withGetters (members) {
  const wx = {}
  for (const name of Object.keys(members)) {
    Object.defineProperty(wx, name, { get: () => members[name], enumerable: true, configurable: true })
  }
  return wx
}

function settle (options, callback, value) {
  options[callback]?.(value)
  options.complete?.(value)
}

function later (options, callback, value) {
  setTimeout(() => settle(options, callback, value), 1)
}

async function request (options, state, spelling) {
  const { url, method = 'GET', header = {}, data, dataType = 'json', timeout = 60000 } = options
  state.requests.push({ url, header, data })
  if (state.offline) return later(options, 'fail', { errMsg: 'request:fail -105:net::ERR_NAME_NOT_RESOLVED', errno: 600001 })
  let result
  try {
    const response = await fetch(url, {
      method,
      headers: { 'content-type': 'application/json', ...header },
      body: typeof data === 'string' ? data : JSON.stringify(data),
      signal: AbortSignal.timeout(timeout)
    })
    result = {
      statusCode: response.status,
      header: headersOf(response, spelling),
      data: parsed(await response.text(), dataType),
      cookies: [],
      errMsg: 'request:ok'
    }
  } catch (err) {
    const timedOut = err.name === 'TimeoutError'
    return settle(options, 'fail', timedOut
      ? { errMsg: 'request:fail timeout', errno: 5 }
      : { errMsg: 'request:fail -102:net::ERR_CONNECTION_REFUSED', errno: 600001 })
  }
  settle(options, 'success', result)
}

function headersOf (response, spelling) {
  const canonical = name => name.replace(/(^|-)[a-z]/g, letter => letter.toUpperCase())
  return Object.fromEntries([...response.headers].map(([name, value]) => [spelling === 'lower' ? name : canonical(name), value]))
}

/** As wx.request does: with dataType json, whatever can be parsed is. */
function parsed (text, dataType) {
  if (dataType !== 'json') return text
  try { return JSON.parse(text) } catch { return text }
}

/** encryptedData and iv on every device whose user has a session, cloudID where WeChat gives them. */
async function weRunData (sandbox, openid, cloudIDs) {
  const user = { openid, kind: 'werun' }
  const encrypted = await post(`${sandbox}/sandbox/encrypted`, user).catch(err => cloudIDs ? {} : Promise.reject(err))
  const { cloudID } = cloudIDs ? await post(`${sandbox}/sandbox/cloudid`, user) : {}
  return { errMsg: 'getWeRunData:ok', ...encrypted, ...(cloudID && { cloudID }) }
}

export async function post (url, body) {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${url} responded ${response.status} ${await response.text()}`)
  return response.json()
}
