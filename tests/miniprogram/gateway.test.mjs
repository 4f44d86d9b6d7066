// Login, results and errors of the client, against the built gateway and real functions.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { device, post } from './device.mjs'
import { program } from './program.mjs'
import { startRig } from './rig.mjs'

let rig
before(async () => { rig = await startRig() })
after(() => rig?.stop())
beforeEach(() => post(`${rig.sandbox}/sandbox/reset`, {}))

/** A device with the client installed in it. */
function installed (options, install) {
  const { wx, state } = device({ sandbox: rig.sandbox, ...options })
  const run = program(wx, rig.url)
  run.client().install({ url: rig.url, ...install })
  return { wx, state, client: run.client, call: (name, data) => wx.cloud.callFunction({ name, data }) }
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const rejection = async promise => {
  try { await promise } catch (err) { return err }
  assert.fail('the call was expected to fail')
}

const fault = body => post(`${rig.sandbox}/sandbox/fault`, { api: 'jscode2session', ...body })
const logins = async () => (await rig.calls()).jscode2session
const storedToken = storage => [...storage.keys()][0]

describe('login', () => {
  test('100 calls at once without a session: one wx.login, and one login at WeChat', async () => {
    const { state, call } = installed()
    const results = await Promise.all(Array.from({ length: 100 }, (_, n) => call('echo', { n })))
    assert.deepEqual(results.map(({ result }) => result.event.n), Array.from({ length: 100 }, (_, n) => n))
    assert.equal(state.logins, 1)
    assert.equal(await logins(), 1)
  })

  test('the token is kept in storage for the next start of the app', async () => {
    const storage = new Map()
    await installed({ storage }).call('echo')
    const { state, call } = installed({ storage })
    await call('echo')
    assert.equal(state.logins, 0)
  })

  test('two gateways have two tokens', async () => {
    const storage = new Map()
    await installed({ storage }).call('echo')
    const other = rig.url.replace('127.0.0.1', 'localhost')
    const { state, call } = installed({ storage }, { url: other })
    await call('echo').catch(() => {}) // this gateway has no such name: the login is what counts
    assert.equal(state.logins, 1)
  })

  test('a token in its last minute is not used', async () => {
    const storage = new Map()
    await installed({ storage }).call('echo')
    const key = storedToken(storage)
    const stored = JSON.parse(storage.get(key))
    const ahead = stored.until - Date.now()
    assert.ok(ahead > 7100e3 && ahead <= 7140e3, `it is used for ${ahead / 1000} s of 7200`)
    storage.set(key, JSON.stringify({ ...stored, until: Date.now() - 1 }))
    const { state, call } = installed({ storage })
    await call('echo')
    assert.equal(state.logins, 1)
  })

  test('a clock that was set back does not lengthen a session', async () => {
    const storage = new Map()
    await installed({ storage }).call('echo')
    const key = storedToken(storage)
    const stored = JSON.parse(storage.get(key))
    storage.set(key, JSON.stringify({ ...stored, from: stored.from + 86400e3, until: stored.until + 86400e3 }))
    const { state, call } = installed({ storage })
    await call('echo')
    assert.equal(state.logins, 1)
  })

  test('401: calls log in again, once for all of them', async () => {
    const storage = new Map()
    await installed({ storage }).call('echo')
    const key = storedToken(storage)
    storage.set(key, JSON.stringify({ ...JSON.parse(storage.get(key)), token: 'of a key that is gone' }))
    const { state, call } = installed({ storage })
    const results = await Promise.all(Array.from({ length: 20 }, (_, n) => call('echo', { n })))
    assert.ok(results.every(({ result }) => result.openid === 'openid-of-alice'))
    assert.equal(state.logins, 1)
  })

  test('401 after that: the call fails, and the function ran twice at most', async () => {
    const { state, call } = installed()
    const before = rig.plain.received.length
    const err = await rejection(call('plain', { status: 401 }))
    assert.equal(err.errCode, -501019)
    assert.equal(err.statusCode, 401)
    assert.equal(state.logins, 2)
    assert.equal(rig.plain.received.length - before, 2)
  })

  test('wx.login fails: so do all who wait, in its words; the next call tries again', async () => {
    const { state, call } = installed()
    state.offline = true
    const errors = await Promise.all([rejection(call('echo')), rejection(call('echo'))])
    for (const err of errors) {
      assert.equal(err.errCode, -1)
      assert.equal(err.errMsg, 'cloud.callFunction:fail login:fail no network')
      assert.equal(err.errno, 600003)
    }
    assert.notEqual(errors[0], errors[1])
    assert.equal(state.logins, 1)
    state.offline = false
    assert.equal((await call('echo')).result.openid, 'openid-of-alice')
  })

  test('WeChat is busy, 503 with Retry-After: it waits and logs in with a fresh code', async () => {
    await fault({ errcode: -1, times: 1 })
    const { state, call } = installed()
    assert.equal((await call('echo')).result.openid, 'openid-of-alice')
    assert.equal(state.logins, 2)
  })

  test('WeChat stays busy: the call fails, and says that it was the login', async () => {
    await fault({ errcode: -1, times: 100 })
    const { state, call } = installed()
    const err = await rejection(call('echo'))
    assert.equal(err.errCode, -501018)
    assert.match(err.errMsg, /^cloud\.callFunction:fail login: Error: errCode: -501018 resource unavailable \| errMsg: Service Unavailable$/)
    assert.equal(state.logins, 2)
  })

  for (const [what, errcode, errCode] of [['blocks the user', 40226, -501019], ['takes no more logins', 45011, -501003], ['calls the secret wrong', 40125, -501001]]) {
    test(`WeChat ${what}: the call fails at once`, async () => {
      await fault({ errcode, times: 100 })
      const { state, call } = installed()
      const err = await rejection(call('echo'))
      assert.equal(err.errCode, errCode)
      assert.equal(state.logins, 1)
    })
  }

  test('loginPath names something else: the error says so', async () => {
    const { call } = installed({}, { loginPath: '/nothing/here' })
    const err = await rejection(call('echo'))
    assert.match(err.errMsg, /did not respond with \{"token","expires_in"\}/)
  })
})

describe('results', () => {
  for (const [kind, expected] of [
    ['object', { sum: 3, list: [1, null, 'x'] }], ['array', [1, 2]], ['number', 123], ['zero', 0], ['false', false],
    ['text', 'hello'], ['digits', '123'], ['jsonText', '{"not":"parsed"}'], ['nothing', undefined], ['null', undefined]
  ]) {
    test(`${kind}, returned by a function`, async () => {
      assert.deepEqual((await installed().call('results', { kind })).result, expected)
    })
  }

  for (const [what, type, body, expected] of [
    ['JSON with a charset', 'Application/JSON; charset=utf-8', ' {"a":1}', { a: 1 }],
    ['problem+json', 'application/problem+json', '{"a":1}', { a: 1 }],
    ['JSON of no length', 'application/json', '', undefined],
    ['HTML', 'text/html', '<p>1</p>', '<p>1</p>'],
    ['XML', 'application/xml', '<a/>', '<a/>'],
    ['text of no length', 'text/plain', '', ''],
    ['an object without a type', undefined, '{"a":1}', { a: 1 }],
    ['digits without a type', undefined, '123', '123']
  ]) {
    test(what, async () => {
      const headers = type ? { 'Content-Type': type } : {}
      assert.deepEqual((await installed().call('plain', { headers, body })).result, expected)
    })
  }

  test('JSON that is none fails the call', async () => {
    const err = await rejection(installed().call('plain', { headers: { 'Content-Type': 'application/json' }, body: '{"a":' }))
    assert.equal(err.errMsg, 'cloud.callFunction:fail the response is not the JSON that its Content-Type says')
  })

  test("requestID is the gateway's, another for each call", async () => {
    const { call } = installed()
    const [first, second] = [await call('echo'), await call('results', { kind: 'nothing' })]
    assert.match(first.requestID, uuid)
    assert.match(second.requestID, uuid)
    assert.notEqual(first.requestID, second.requestID)
  })

  test("or the function's X-Request-Id", async () => {
    for (const spelling of ['lower', 'canonical']) {
      const { requestID } = await installed({ spelling }).call('plain', { headers: { 'X-Request-Id': 'r-1' } })
      assert.equal(requestID, 'r-1')
    }
  })
})

describe('errors', () => {
  for (const [status, errCode] of [
    [300, -501001], [304, -501001], [400, -501007], [403, -501019], [404, -501000], [409, -501007], [413, -501007],
    [429, -501003], [500, -504002], [501, -501001], [502, -504001], [503, -501018], [504, -501002]
  ]) {
    test(`status ${status} is ${errCode}`, async () => {
      const err = await rejection(installed().call('plain', { status, headers: { 'X-Request-Id': 'r-2' } }))
      assert.equal(err.errCode, errCode)
      assert.match(err.errMsg, new RegExp(`^cloud\\.callFunction:fail Error: errCode: ${errCode} .+ \\| errMsg: HTTP status ${status}$`))
      assert.equal(err.message, err.errMsg)
      assert.ok(err instanceof Error)
      assert.equal(err.statusCode, status)
      assert.equal(err.requestID, 'r-2')
    })
  }

  for (const [what, body, errCode, message] of [
    ['errCode and errMsg of its own', '{"errCode":-601006,"errMsg":"cloudID expired."}', -601006, 'cloudID expired.'],
    ["WeChat's server API's", '{"errcode":40003,"errmsg":"invalid openid"}', 40003, 'invalid openid'],
    ['a message', '{"code":"X","message":"no stock"}', -501007, 'no stock'],
    ['an error that is text', '{"error":"no stock"}', -501007, 'no stock'],
    ['a line of text', 'no stock', -501007, 'no stock'],
    ['a page', '<html><body>no stock</body></html>', -501007, 'HTTP status 422'],
    ['null', 'null', -501007, 'null'],
    ['a book', 'x'.repeat(5000), -501007, 'x'.repeat(300)]
  ]) {
    test(`a function that fails with ${what}`, async () => {
      const err = await rejection(installed().call('plain', { status: 422, body }))
      assert.equal(err.errCode, errCode)
      assert.equal(err.errMsg.split(' | errMsg: ')[1], message)
    })
  }

  test("the gateway refuses the event: the error has the gateway's words", async () => {
    const { wx, call } = installed()
    const data = {}
    for (const name of 'abcdef') data[name] = wx.cloud.CloudID('27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g')
    const err = await rejection(call('echo', data))
    assert.equal(err.errCode, -501007)
    assert.equal(err.statusCode, 400)
    assert.match(err.errMsg, /CloudID/)
    assert.match(err.requestID, uuid)
  })

  test('503 with a short Retry-After: it waits that long, and calls again', async () => {
    const start = Date.now()
    const { result } = await installed().call('plain', { status: 503, headers: { 'Retry-After': '1' }, until: 1, n: Math.random() })
    assert.equal(result, 'recovered')
    assert.ok(Date.now() - start >= 1000)
  })

  for (const [status, errCode, what, headers] of [
    [503, -501018, 'a long', { 'Retry-After': '60' }], [503, -501018, 'no', {}],
    [503, -501018, "a date's", { 'Retry-After': new Date().toUTCString() }], [502, -504001, 'a short', { 'Retry-After': '1' }]
  ]) {
    test(`${status} with ${what} Retry-After: the call fails at once`, async () => {
      const { call } = installed()
      await call('echo')
      const start = Date.now()
      const before = rig.plain.received.length
      const err = await rejection(call('plain', { status, headers }))
      assert.equal(err.errCode, errCode)
      assert.equal(rig.plain.received.length - before, 1)
      assert.ok(Date.now() - start < 1000)
    })
  }

  test('no network: wx.request says why', async () => {
    const { state, call } = installed()
    await call('echo')
    state.offline = true
    const err = await rejection(call('echo'))
    assert.equal(err.errCode, -1)
    assert.equal(err.errno, 600001)
    assert.equal(err.errMsg, 'cloud.callFunction:fail request:fail -105:net::ERR_NAME_NOT_RESOLVED')
    assert.equal(err.statusCode, undefined)
  })

  test('a function that takes longer than timeout', async () => {
    const { client, call } = installed()
    await call('echo')
    client().install({ url: rig.url, timeout: 300 })
    const err = await rejection(call('results', { kind: 'slow' }))
    assert.equal(err.errCode, -501002)
    assert.equal(err.errMsg, 'cloud.callFunction:fail request:fail timeout')
  })
})

describe('CloudIDs', () => {
  const werun = async openid => (await post(`${rig.sandbox}/sandbox/cloudid`, { openid, kind: 'werun' })).cloudID

  test('at the top level they become open data, elsewhere they stay strings', async () => {
    const { wx, call } = installed()
    const [top, nested] = [await werun('openid-of-alice'), await werun('openid-of-alice')]
    const { result } = await call('echo', { a: wx.cloud.CloudID(top), obj: { b: wx.cloud.CloudID(nested) }, list: [wx.cloud.CloudID(nested)] })
    assert.equal(result.event.a.cloudID, top)
    assert.ok(result.event.a.data.stepInfoList)
    assert.deepEqual([result.event.obj, result.event.list], [{ b: nested }, [nested]])
    assert.deepEqual(result.openData, ['a'])
    assert.deepEqual(Object.keys(result.event).sort(), ['a', 'list', 'obj'])
  })

  test("another user's is an error object in its place", async () => {
    const { wx, call } = installed()
    const { result } = await call('echo', { a: wx.cloud.CloudID(await werun('openid-of-bob')) })
    assert.ok(result.event.a.errCode < 0)
    assert.deepEqual(result.openData, [])
  })

  test('beside a member that the app itself calls cloudid_list', async () => {
    const { wx, call } = installed()
    const { result } = await call('echo', { cloudid_list: ['mine'], a: wx.cloud.CloudID(await werun('openid-of-alice')) })
    assert.deepEqual(result.event.cloudid_list, ['mine'])
    assert.ok(result.event.a.data.stepInfoList)
  })

  test("what WeChat's own CloudID made before install", async () => {
    const { wx } = device({ sandbox: rig.sandbox })
    const made = wx.cloud.CloudID(await werun('openid-of-alice'))
    program(wx).client().install({ url: rig.url })
    const { result } = await wx.cloud.callFunction({ name: 'echo', data: { made } })
    assert.ok(result.event.made.data.stepInfoList)
  })
})
