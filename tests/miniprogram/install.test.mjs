// install under every wx that it may find, without a network.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nativeCloud } from './device.mjs'
import { program } from './program.mjs'
import { wxWith } from './stub.mjs'

const url = 'https://example.com'
const realID = '27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g'

const getters = object => {
  const result = {}
  for (const name of Object.keys(object)) Object.defineProperty(result, name, { get: () => object[name], enumerable: true })
  return result
}
const accessors = object => {
  const result = {}
  for (const name of Object.keys(object)) {
    Object.defineProperty(result, name, { get: () => object[name], set: value => { object[name] = value }, enumerable: true })
  }
  return result
}
const fixed = (object, name, value) => Object.defineProperty(object, name, { value, enumerable: true })

describe('wx.cloud is served by the gateway where', () => {
  for (const [where, cloud, prepare] of [
    ['it is an ordinary object', nativeCloud],
    ['it is frozen', () => Object.freeze(nativeCloud())],
    ['it is sealed', () => Object.seal(nativeCloud())],
    ['its members are getters that cannot be defined anew', () => getters(nativeCloud())],
    ['only its CloudID cannot be changed', () => fixed(nativeCloud(), 'CloudID', nativeCloud().CloudID)],
    ['only its callFunction cannot be changed', () => fixed(nativeCloud(), 'callFunction', () => { throw new Error('native') })],
    ['it refuses what is assigned, in silence', () => new Proxy(nativeCloud(), { set: () => true, defineProperty: () => true })],
    ['its members are accessors that cannot be defined anew', () => accessors(nativeCloud())],
    ['it is missing', undefined],
    ['it is a getter of wx', nativeCloud, wx => { const { cloud } = wx; Object.defineProperty(wx, 'cloud', { get: () => cloud, configurable: true }) }],
    ['it is a getter of wx, and frozen', () => Object.freeze(nativeCloud()), wx => { const { cloud } = wx; Object.defineProperty(wx, 'cloud', { get: () => cloud, configurable: true }) }],
    ['wx makes it anew each time', nativeCloud, wx => { Object.defineProperty(wx, 'cloud', { get: nativeCloud, configurable: true }) }],
    ['reading it throws', undefined, wx => { Object.defineProperty(wx, 'cloud', { get () { throw new Error('no cloud here') }, configurable: true }) }],
    ['wx is frozen', nativeCloud, Object.freeze],
    ['wx is not extensible', nativeCloud, Object.preventExtensions],
    ['wx is frozen, and all but callFunction of wx.cloud', () => fixed(nativeCloud(), 'CloudID', nativeCloud().CloudID), Object.freeze]
  ]) {
    for (const mode of ['strict', 'sloppy']) test(`${where} (${mode} mode)`, async () => {
      const { wx, requests } = wxWith(cloud?.())
      prepare?.(wx)
      const { client, log } = program(wx, '', mode)
      const exported = client()
      const database = cloud && wx.cloud.database

      assert.equal(exported.install({ url }), exported)
      assert.deepEqual(log, [])
      assert.equal(wx.cloud.callFunction, exported.callFunction)
      if (!Object.isFrozen(wx)) assert.equal(wx.cloud.CloudID, exported.CloudID)
      assert.deepEqual((await wx.cloud.callFunction({ name: 'f', data: { id: wx.cloud.CloudID(realID) } })).result, { done: true })
      assert.deepEqual(requests.map(request => request.url), [`${url}/login`, `${url}/fn/f`])
      assert.deepEqual(JSON.parse(requests[1].data), { cloudid_list: [{ key_name: 'id', cloud_id: realID }] })
      if (!database) return
      if (where !== 'wx makes it anew each time') assert.equal(wx.cloud.database, database)
      assert.equal(wx.cloud.database().collection('todos'), "collection todos of WeChat's cloud")
      assert.equal(exported.uploadFile(), 'uploaded to WeChat', 'the exported object has the rest too')
    })
  }
})

describe('install says what to write instead, and the exported object works, where', () => {
  for (const [where, cloud, prepare] of [
    ['wx and wx.cloud are frozen', () => Object.freeze(nativeCloud()), Object.freeze],
    ['wx is not extensible, and has no cloud', undefined, Object.preventExtensions],
    ['wx.cloud is frozen, and cannot be defined anew', undefined, wx => fixed(wx, 'cloud', Object.freeze(nativeCloud()))],
    ['reading wx.cloud throws, for good', undefined, wx => { Object.defineProperty(wx, 'cloud', { get () { throw new Error('no cloud here') } }) }],
    ['wx.cloud is null for good', undefined, wx => fixed(wx, 'cloud', null)]
  ]) {
    test(where, async () => {
      const { wx } = wxWith(cloud?.())
      prepare(wx)
      const { client, log } = program(wx)
      const exported = client().install({ url })
      assert.equal(log.length, 1)
      assert.match(log[0], /wx\.cloud cannot be changed.*const cloud = require\('\.\/cloud'\).*cloud\.callFunction/)
      assert.deepEqual((await exported.callFunction({ name: 'f' })).result, { done: true })
    })
  }

  test('there is no wx at all', async () => {
    const { client, log } = program(undefined)
    const exported = client().install({ url })
    assert.equal(log.length, 1)
    const err = await exported.callFunction({ name: 'f' }).catch(err => err)
    assert.match(err.errMsg, /^cloud\.callFunction:fail /)
  })
})

describe('after install', () => {
  function installed (cloud = nativeCloud()) {
    const { wx, requests } = wxWith(cloud)
    const exported = program(wx).client().install({ url })
    return { wx, requests, exported }
  }

  test('install again changes the gateway, and keeps the rest', async () => {
    const { wx, requests, exported } = installed()
    const { callFunction } = wx.cloud
    exported.install({ url: 'https://second.example.com/' })
    assert.equal(wx.cloud.callFunction, callFunction)
    await callFunction({ name: 'f' })
    assert.deepEqual(requests.map(request => request.url), ['https://second.example.com/login', 'https://second.example.com/fn/f'])
  })

  test('the same holds where the exported object has taken the place of wx.cloud', async () => {
    const { wx, exported } = installed(Object.freeze(nativeCloud()))
    assert.equal(wx.cloud, exported)
    exported.install({ url })
    assert.equal(wx.cloud.database().collection('x'), "collection x of WeChat's cloud")
  })

  test("WeChat's own CloudIDs are known, however often it is installed", async () => {
    class CloudID { toJSON () { return 'short' } }
    const cloud = Object.assign(nativeCloud(), { CloudID })
    const { wx, requests, exported } = installed(cloud)
    exported.install({ url })
    await wx.cloud.callFunction({ name: 'f', data: { a: new CloudID() } })
    assert.equal(requests.at(-1).data, '{"cloudid_list":[{"key_name":"a","cloud_id":"short"}]}')
  })

  test('callFunction can be assigned, also where wx.cloud was frozen', () => {
    for (const cloud of [nativeCloud(), Object.freeze(nativeCloud()), getters(nativeCloud())]) {
      const { wx } = installed(cloud)
      const mock = () => 'mocked'
      wx.cloud.callFunction = mock
      assert.equal(wx.cloud.callFunction, mock)
    }
  })

  test('wx.cloud.init is still that of WeChat, and a missing one does nothing', () => {
    const { wx } = installed()
    wx.cloud.init({ env: 'prod' })
    assert.equal(wx.cloud.initialized, true)
    const without = wxWith(undefined)
    program(without.wx).client().install({ url })
    without.wx.cloud.init({ env: 'prod' })
  })

  test('CloudID, with and without new, is an object that JSON writes as the bare string', () => {
    const { wx } = installed()
    const { CloudID } = wx.cloud
    for (const id of [wx.cloud.CloudID('x'), CloudID('x'), new CloudID('x'), new wx.cloud.CloudID('x')]) {
      assert.equal(typeof id, 'object')
      assert.equal(id.toJSON(), 'x')
      assert.equal(`${id}`, 'x')
      assert.equal(JSON.stringify({ id }), '{"id":"x"}')
      assert.ok(id instanceof CloudID)
    }
  })
})

describe('without install', () => {
  test('configure changes nothing in wx', async () => {
    const { wx, requests } = wxWith(nativeCloud())
    const native = wx.cloud.callFunction
    const cloud = program(wx).client().configure({ url })
    assert.equal(wx.cloud.callFunction, native)
    await cloud.callFunction({ name: 'f' })
    assert.equal(requests[1].url, `${url}/fn/f`)
    assert.equal(cloud.database().collection('x'), "collection x of WeChat's cloud")
  })

  test("init with a url configures, without one it is WeChat's", async () => {
    const { wx, requests } = wxWith(nativeCloud())
    const cloud = program(wx).client()
    cloud.init({ env: 'prod' })
    assert.equal(wx.cloud.initialized, true)
    const err = await cloud.callFunction({ name: 'f' }).catch(err => err)
    assert.match(err.errMsg, /^cloud\.callFunction:fail Cloud API isn't enabled, please call .*install/)
    assert.match((await cloud.login().catch(err => err)).errMsg, /^cloud\.login:fail .*install/)
    cloud.init({ env: 'prod', url })
    await cloud.callFunction({ name: 'f' })
    assert.equal(requests[1].url, `${url}/fn/f`)
  })
})

describe('options', () => {
  for (const [options, called] of [
    [{ url: 'https://example.com/' }, ['https://example.com/login', 'https://example.com/fn/f']],
    [{ url: 'https://example.com/app//' }, ['https://example.com/app/login', 'https://example.com/app/fn/f']],
    [{ url: 'http://127.0.0.1:8080', path: '/api', loginPath: 'in' }, ['http://127.0.0.1:8080/in', 'http://127.0.0.1:8080/api/f']],
    [{ url, path: 'api/' }, [`${url}/login`, `${url}/api/f`]],
    [{ url, path: '/a/{name}/call' }, [`${url}/login`, `${url}/a/f/call`]],
    [{ url, path: '/' }, [`${url}/login`, `${url}/f`]]
  ]) {
    test(JSON.stringify(options), async () => {
      const { wx, requests } = wxWith(nativeCloud())
      await program(wx).client().install(options).callFunction({ name: 'f' })
      assert.deepEqual(requests.map(request => request.url), called)
    })
  }

  for (const options of [undefined, {}, { url: '' }, { url: 'example.com' }, { url: 'https://' }, { url: 'https://example.com?a=b' },
    { url: 5 }, { url, timeout: 0 }, { url, timeout: 'long' }, { url, path: 5 }, { url, loginPath: null }]) {
    test(`${JSON.stringify(options)} is rejected, in words`, () => {
      const { wx } = wxWith(nativeCloud())
      assert.throws(() => program(wx).client().install(options), { name: 'TypeError', message: /^caddy-cloudid: (url|timeout|path|loginPath) must be/ })
    })
  }
})
