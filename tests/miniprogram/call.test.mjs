// What callFunction sends, and how it comes back, under a wx made for it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { program } from './program.mjs'
import { wxWith } from './stub.mjs'

const url = 'https://example.com'
const realID = '27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g'
const turn = () => new Promise(resolve => setImmediate(resolve))

/** Waits until so many responses have come, and what waits for them has run. */
async function settled (state, responses) {
  while (state.responses < responses) await turn()
  await turn()
}

function installed (respond) {
  const { wx, requests, state } = wxWith(undefined, respond)
  program(wx).client().install({ url })
  const call = options => wx.cloud.callFunction(options)
  const sent = async data => {
    await call({ name: 'f', data })
    return requests.at(-1).data
  }
  return { wx, requests, state, call, sent, calls: () => requests.filter(request => request.url.includes('/fn/')) }
}

describe('the event', () => {
  class Model { constructor () { this.a = 1 } get b () { return 2 } }
  for (const [what, data, body] of [
    ['no data', undefined, '{}'],
    ['null', null, '{}'],
    ['an empty object', {}, '{}'],
    ['undefined members are dropped, in arrays they are null', { a: undefined, b: [undefined], c: { d: undefined } }, '{"b":[null],"c":{}}'],
    ['a Date', { at: new Date(0), list: [new Date(0)] }, '{"at":"1970-01-01T00:00:00.000Z","list":["1970-01-01T00:00:00.000Z"]}'],
    ['a Date that is none', { at: new Date(NaN) }, '{"at":null}'],
    ['numbers that JSON has not', { a: NaN, b: -Infinity, c: -0 }, '{"a":null,"b":null,"c":0}'],
    ['functions and symbols are dropped', { a () {}, b: Symbol('b'), c: 1 }, '{"c":1}'],
    ['an instance of a class', new Model(), '{"a":1}'],
    ['an object with a toJSON', { toJSON: () => ({ a: 1 }) }, '{"a":1}'],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
    ['a member named __proto__', JSON.parse('{"__proto__":{"a":1}}'), '{"__proto__":{"a":1}}'],
    ['text that must be escaped', { a: '\u2028"\\' }, '{"a":"\u2028\\"\\\\"}'],
    ['a CloudID', CloudID => ({ n: 1, a: CloudID('x') }), '{"n":1,"cloudid_list":[{"key_name":"a","cloud_id":"x"}]}'],
    ['CloudIDs below the top level', CloudID => ({ a: { b: CloudID('x') }, c: [CloudID('y')] }), '{"a":{"b":"x"},"c":["y"]}'],
    ["WeChat's own CloudID, whatever its class", { a: { toJSON: () => realID } }, `{"cloudid_list":[{"key_name":"a","cloud_id":"${realID}"}]}`],
    ['another object that becomes a string', { a: { toJSON: () => 'moment' } }, '{"a":"moment"}'],
    ['CloudID of nothing, on a device that has none', CloudID => ({ a: CloudID(undefined), n: 1 }), '{"n":1}'],
    ['a CloudID beside a cloudid_list', CloudID => ({ cloudid_list: 5, a: CloudID('x') }), '{"cloudid_list":5,"a":{"cloudID":"x"}}'],
    ['what wx.getWeRunData gave', { a: { errMsg: 'getWeRunData:ok', cloudID: realID } }, `{"a":{"errMsg":"getWeRunData:ok","cloudID":"${realID}"}}`]
  ]) {
    test(what, async () => {
      const { wx, sent } = installed()
      assert.equal(await sent(typeof data === 'function' ? data(wx.cloud.CloudID) : data), body)
    })
  }

  test('is written at once: what the page changes afterwards does not count', async () => {
    const { call, calls } = installed()
    const data = { n: 1 }
    const done = call({ name: 'f', data })
    data.n = 2
    await done
    assert.equal(calls()[0].data, '{"n":1}')
  })

  const circle = {}
  circle.circle = circle
  for (const [what, data, errCode, errMsg] of [
    ['a circle', { ok: 1, bad: circle }, -401002, 'parameter.data.bad cannot be written as JSON: it holds a circular reference'],
    ['data that holds itself', circle, -401002, 'parameter.data.circle cannot be written as JSON'],
    ['a BigInt', { n: { id: 10n } }, -401002, 'parameter.data.n cannot be written as JSON: it holds a BigInt'],
    ['a string', '{"a":1}', -401003, 'parameter.data should be an object'],
    ['an array', [1], -401003, 'parameter.data should be an object'],
    ['a number', 5, -401003, 'parameter.data should be an object'],
    ['a Date', new Date(0), -401003, 'parameter.data should be an object']
  ]) {
    test(`${what} is rejected, without a request`, async () => {
      const { call, requests } = installed()
      const err = await call({ name: 'f', data }).then(() => assert.fail(), err => err)
      assert.equal(err.errCode, errCode)
      assert.ok(err.errMsg.startsWith(`cloud.callFunction:fail ${errMsg}`), err.errMsg)
      assert.equal(requests.length, 0)
    })
  }
})

describe('the request', () => {
  test('is a POST of JSON with the token, whose response wx.request leaves alone', async () => {
    const { call, calls } = installed()
    await call({ name: 'f', data: { a: 1 }, config: { env: 'other' }, slow: true })
    const { success, fail, ...rest } = calls()[0]
    assert.deepEqual(rest, {
      url: `${url}/fn/f`,
      method: 'POST',
      header: { 'content-type': 'application/json', Authorization: 'Bearer token 1' },
      data: '{"a":1}',
      dataType: 'text',
      responseType: 'text'
    })
  })

  test('has the time limit that install was given; so have those of the login', async () => {
    const { wx, requests, call } = installed()
    const limits = []
    const { login } = wx
    wx.login = options => { limits.push(options.timeout); login(options) }
    program(wx).client().install({ url: 'https://limited.example.com', timeout: 5000 })
    await call({ name: 'f' })
    assert.deepEqual([...limits, ...requests.map(request => request.timeout)], [5000, 5000, 5000])
    program(wx).client().install({ url: 'https://unlimited.example.com' })
    wx.login = options => { limits.push('timeout' in options); login(options) }
    await call({ name: 'f' })
    assert.equal(limits.at(-1), false)
  })

  test('to a domain that is not on the list: the error says where the list is', async () => {
    for (const errMsg of ['request:fail url not in domain list', 'request:fail url not in domain list:example.com']) {
      const { wx, call } = installed()
      wx.request = options => options.fail({ errMsg, errno: 600002 })
      await assert.rejects(call({ name: 'f' }), {
        errCode: -1, errno: 600002, errMsg: `cloud.callFunction:fail ${errMsg}; add the domain to the request domains (request 合法域名) at mp.weixin.qq.com`
      })
    }
  })

  for (const [name, path] of [['a-b_C1', 'a-b_C1'], ['a/b', 'a%2Fb'], ['../admin', '..%2Fadmin'], ['a?b#c', 'a%3Fb%23c'], ['步数', '%E6%AD%A5%E6%95%B0'], ['$&', '%24%26']]) {
    test(`the name ${name}`, async () => {
      const { call, calls } = installed()
      await call({ name })
      assert.equal(calls()[0].url, `${url}/fn/${path}`)
    })
  }

  for (const options of [undefined, null, {}, { name: '' }, { name: 5 }, { name: '.' }, { name: '..' }, 'f']) {
    test(`${JSON.stringify(options)} is rejected`, async () => {
      const { call, requests } = installed()
      const err = await call(options).then(() => assert.fail(), err => err)
      assert.equal(err.errCode, -401003)
      assert.match(err.errMsg, /^cloud\.callFunction:fail parameter\.name should be/)
      assert.equal(requests.length, 0)
    })
  }
})

describe('callbacks', () => {
  const rejected = () => ({ statusCode: 500, header: {}, data: '' })
  for (const [names, respond, expected] of [
    [['success', 'fail', 'complete'], undefined, ['success', 'complete']],
    [['success', 'fail', 'complete'], rejected, ['fail', 'complete']],
    [['success'], undefined, ['success']],
    [['success'], rejected, []],
    [['fail'], undefined, []],
    [['fail'], rejected, ['fail']],
    [['complete'], undefined, ['complete']],
    [['complete'], rejected, ['complete']]
  ]) {
    test(`${names} of a call that ${respond ? 'fails' : 'succeeds'}: ${expected.join(', then ') || 'none'}; no promise`, async () => {
      const called = []
      const options = { name: 'f' }
      for (const name of names) options[name] = value => called.push([name, value])
      const { call, state } = installed(respond)
      assert.equal(call(options), undefined)
      await settled(state, 2)
      assert.deepEqual(called.map(([name]) => name), expected)
      assert.equal(new Set(called.map(([, value]) => value)).size, Math.min(expected.length, 1))
    })
  }

  test('also for parameters that are rejected', async () => {
    const called = []
    installed().call({ fail: err => called.push(err.errCode), complete: err => called.push(err.errCode) })
    await turn()
    assert.deepEqual(called, [-401003, -401003])
  })

  test('callbacks that are undefined are none: a promise', async () => {
    assert.deepEqual((await installed().call({ name: 'f', success: undefined, fail: null })).result, { done: true })
  })

  test('what a callback throws reaches the app, complete runs, and fail does not', async () => {
    const called = []
    const caught = new Promise(resolve => {
      const before = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      process.once('uncaughtException', err => {
        for (const listener of before) process.on('uncaughtException', listener)
        resolve(err)
      })
    })
    installed().call({
      name: 'f',
      success: () => { throw new Error('of the page') },
      fail: () => called.push('fail'),
      complete: () => called.push('complete')
    })
    assert.equal((await caught).message, 'of the page')
    assert.deepEqual(called, ['complete'])
  })
})

describe('storage', () => {
  test('that fails costs nothing but a login at the next start', async () => {
    const { wx, call, state } = installed()
    const fails = () => { throw new Error('storage is full') }
    Object.assign(wx, { getStorageSync: fails, setStorageSync: fails, removeStorageSync: fails })
    await call({ name: 'f' })
    await call({ name: 'f' })
    assert.equal(state.logins, 1)
  })

  for (const stored of ['text', 5, {}, { token: 't' }, { token: '', from: 0, until: 1e15 }]) {
    test(`that holds ${JSON.stringify(stored)} is no session`, async () => {
      const { wx, call, state } = installed()
      wx.getStorageSync = () => stored
      await call({ name: 'f' })
      assert.equal(state.logins, 1)
    })
  }

  test('holds the token and its times, under a key that names the gateway, and nothing else', async () => {
    const { call, state } = installed()
    await call({ name: 'f' })
    assert.deepEqual([...state.storage.keys()], [`caddy-cloudid ${url}/login`])
    assert.deepEqual(Object.keys([...state.storage.values()][0]), ['token', 'from', 'until'])
  })
})

describe('401', () => {
  const rejected = { statusCode: 401, header: {}, data: '' }

  test('that comes late, when another call has logged in again already: no second login', async () => {
    const { wx, call, state } = installed()
    await call({ name: 'f' })
    const { request } = wx
    let late
    wx.request = options => {
      if (options.header.Authorization !== 'Bearer token 1') return request(options)
      if (options.url.endsWith('/late')) late = options
      else options.success(rejected)
    }
    const waiting = call({ name: 'late' })
    await call({ name: 'f' })
    assert.equal(state.logins, 2)
    late.success(rejected)
    await waiting
    assert.equal(state.logins, 2)
  })

  test('and then no login: the rejected token is gone from storage', async () => {
    const { wx, call, state } = installed(() => rejected)
    const { login } = wx
    wx.login = options => state.logins === 1 ? options.fail({ errMsg: 'login:fail' }) : login(options)
    await assert.rejects(call({ name: 'f' }), { errCode: -1, errMsg: 'cloud.callFunction:fail login:fail' })
    assert.equal(state.storage.size, 0)
  })
})

describe('a login', () => {
  test('that is under way goes on when the same gateway is set again', async () => {
    const { wx, state } = wxWith(undefined)
    const cloud = program(wx).client().install({ url })
    const first = cloud.callFunction({ name: 'f' })
    cloud.install({ url: `${url}/`, timeout: 1000 })
    await Promise.all([first, cloud.callFunction({ name: 'f' })])
    assert.equal(state.logins, 1)
  })

  for (const data of ['', '{}', 'null', '<html>', '{"token":"t"}', '{"token":5,"expires_in":7200}', '{"token":"t","expires_in":"soon"}']) {
    test(`that is responded to with ${data || 'nothing'} fails the call`, async () => {
      const { wx, call } = installed()
      wx.request = options => options.success({ statusCode: 200, header: {}, data })
      await assert.rejects(call({ name: 'f' }), { errCode: -1, errMsg: /login did not respond with \{"token","expires_in"\}/ })
    })
  }
})

describe('a device that behaves oddly', () => {
  test('wx.login gives no code', async () => {
    const { wx, call } = installed()
    wx.login = options => options.success({ errMsg: 'login:ok' })
    await assert.rejects(call({ name: 'f' }), { errCode: -1, errMsg: 'cloud.callFunction:fail login:fail wx.login gave no code' })
  })

  test('wx.login throws', async () => {
    const { wx, call } = installed()
    wx.login = () => { throw new Error('not allowed here') }
    await assert.rejects(call({ name: 'f' }), { errCode: -1, errMsg: 'cloud.callFunction:fail not allowed here' })
  })

  test('wx.request fails without words', async () => {
    const { wx, call } = installed()
    await call({ name: 'f' })
    wx.request = options => options.fail()
    await assert.rejects(call({ name: 'f' }), { errCode: -1, errMsg: 'cloud.callFunction:fail request:fail' })
  })

  test('wx.request has parsed the response all the same, or left a BOM', async () => {
    for (const [type, data, expected] of [
      ['application/json', { a: 1 }, { a: 1 }], ['application/json', '\uFEFF[1]', [1]], ['application/json; charset=utf-8', 123, 123], ['text/plain', 123, '123'], ['text/plain', 'x', 'x']
    ]) {
      const { call } = installed(() => ({ statusCode: 200, header: { 'CONTENT-TYPE': type }, data }))
      assert.deepEqual((await call({ name: 'f' })).result, expected)
    }
  })

  for (const [body, expected] of [['{"a":1}', { a: 1 }], [' [1]', [1]], ['123', '123'], ['"a"', '"a"'], ['{"a":', '{"a":'], ['', undefined]]) {
    test(`a response without headers, ${body || 'of no length'}`, async () => {
      const { call } = installed(() => ({ statusCode: 200, data: body }))
      assert.deepEqual(await call({ name: 'f' }), { result: expected, errMsg: 'cloud.callFunction:ok', requestID: '' })
    })
  }
})

describe('encryptedData', () => {
  const encrypted = { errMsg: 'getWeRunData:ok', encryptedData: 'AAAA', iv: 'AAAA' }
  /** A device that has a session already. */
  async function withSession () {
    const run = installed()
    await run.call({ name: 'f' })
    return run
  }

  test('is sent as it is, after a look whether the session_key is still good', async () => {
    const { sent, state, requests } = await withSession()
    assert.equal(await sent({ weRunData: encrypted, n: 1 }), JSON.stringify({ weRunData: encrypted, n: 1 }))
    assert.deepEqual([state.checks, state.logins], [1, 1])
    assert.equal(requests.at(-1).header.Authorization, 'Bearer token 1')
  })

  test('WeChat has dropped the session_key: a new login comes first, one for all', async () => {
    const { wx, call, state, calls } = await withSession()
    wx.checkSession = options => setTimeout(() => options.fail({ errMsg: 'checkSession:fail' }), 0)
    await Promise.all([1, 2, 3].map(() => call({ name: 'f', data: { weRunData: encrypted } })))
    assert.equal(state.logins, 2)
    assert.deepEqual(calls().slice(1).map(request => request.header.Authorization), Array(3).fill('Bearer token 2'))
  })

  test('without a session there is nothing to look at', async () => {
    const { sent, state } = installed()
    await sent({ weRunData: encrypted })
    assert.deepEqual([state.checks, state.logins], [0, 1])
  })

  test('a base library without wx.checkSession', async () => {
    const { wx, sent, state } = await withSession()
    delete wx.checkSession
    await sent({ weRunData: encrypted })
    assert.equal(state.logins, 1)
  })

  for (const [what, data] of [
    ['a CloudID beside it', { a: { ...encrypted, cloudID: realID } }], ['it is nested', { a: { b: encrypted } }],
    ['iv is missing', { a: { encryptedData: 'AAAA' } }], ['there is none', { a: null, b: 'x' }]
  ]) {
    test(`no look where ${what}`, async () => {
      const { sent, state } = await withSession()
      await sent(data)
      assert.equal(state.checks, 0)
    })
  }

  test('cloud.login: a login for each start of the app, then one whenever WeChat has dropped the key', async () => {
    const { wx, state } = wxWith(undefined)
    const start = () => program(wx).client().configure({ url })
    await start().login()
    assert.deepEqual([state.checks, state.logins], [0, 1])

    const cloud = start()
    await cloud.callFunction({ name: 'f' })
    assert.deepEqual([state.checks, state.logins], [0, 1], 'the token from storage does for calls')
    await Promise.all([cloud.login(), cloud.login(), cloud.callFunction({ name: 'f' })])
    assert.deepEqual([state.checks, state.logins], [0, 2], 'another wx.login may have changed the key meanwhile')
    assert.equal(await cloud.login(), undefined)
    assert.deepEqual([state.checks, state.logins], [1, 2])
    wx.checkSession = options => options.fail({})
    await cloud.login()
    assert.equal(state.logins, 3)
  })
})
