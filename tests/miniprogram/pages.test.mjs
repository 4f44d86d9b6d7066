// Page scripts in the shapes that public apps have, with one line changed in app.js, against the built gateway.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { device } from './device.mjs'
import { program } from './program.mjs'
import { appid, startRig } from './rig.mjs'

let rig
before(async () => { rig = await startRig() })
after(() => rig?.stop())

for (const spelling of ['canonical', 'lower']) {
  describe(`on a device with ${spelling} header names`, () => {
    function start () {
      const { wx, state } = device({ sandbox: rig.sandbox, spelling })
      const app = program(wx, rig.url)
      app.launch()
      return { wx, state, ...app }
    }

    test('await: a CloudID becomes open data, and the rest arrives as JSON has it', async () => {
      const { page } = start()
      const steps = page('steps.js')
      await steps.onSync()
      const { event, filled, requestID, error } = steps.data
      assert.equal(error, '')
      assert.equal(event.weRunData.data.watermark.appid, appid)
      assert.ok(event.weRunData.data.stepInfoList.length > 0)
      assert.deepEqual(filled, ['weRunData'])
      assert.deepEqual(event.page, { from: 'steps', at: '2019-11-21T12:17:35.000Z' })
      assert.deepEqual(Object.keys(event).sort(), ['page', 'weRunData'])
      assert.match(requestID, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    })

    test('then: the result', async () => {
      const { page } = start()
      const goods = page('goods.js')
      await goods.onLoad()
      assert.equal(goods.data.sum, 3)
    })

    test('catch: a function that throws is -504002, in WeChat\'s words', async () => {
      const { page, state } = start()
      const goods = page('goods.js')
      await goods.onBuy()
      assert.deepEqual(state.toasts, ['sold out'])
      assert.match(goods.data.error, /^Error: cloud\.callFunction:fail Error: errCode: -504002 functions execute fail \| errMsg: System Error/)
    })

    test('callbacks: success, then complete, with the same object', async () => {
      const { page } = start()
      const form = page('form.js')
      await new Promise(done => form.onSubmit({ function: 'results', value: { kind: 'array' }, done }))
      const [[first, result], [second, value]] = form.data.calls
      assert.deepEqual([first, second, form.data.calls.length], ['success', 'complete', 2])
      assert.equal(result, value)
      assert.deepEqual(result.result, [1, 2])
      assert.equal(result.errMsg, 'cloud.callFunction:ok')
    })

    test('callbacks: fail, then complete, with the same error', async () => {
      const { page } = start()
      const form = page('form.js')
      await new Promise(done => form.onSubmit({ function: 'no-such-function', value: {}, done }))
      const [[first, error], [second, value]] = form.data.calls
      assert.deepEqual([first, second, form.data.calls.length], ['fail', 'complete', 2])
      assert.equal(error, value)
      assert.equal(error.errCode, -501000)
    })

    test("a wrapper, Promise.all, no data, tcb-router's $url: one login for all", async () => {
      const { page, state } = start()
      const home = page('home.js')
      await home.onLoad()
      assert.deepEqual(home.data, {
        openid: 'openid-of-alice',
        event: {},
        user: { code: 0, data: { company: 'Tencent', name: 'heyli' } },
        timer: { code: 0, data: { company: 'Tencent', at: 8 } }
      })
      assert.equal(state.logins, 1)
    })

    test('an app that wraps callFunction by assignment', async () => {
      const { wx, module } = start()
      const calls = module('mocks.js')
      assert.equal((await wx.cloud.callFunction({ name: 'mocked' })).result, 'from the mock')
      const { result } = await wx.cloud.callFunction({ name: 'echo', data: { a: 1 } })
      assert.deepEqual(result.event, { a: 1, version: '1.2.3' })
      assert.deepEqual(calls, ['mocked', 'echo'])
    })

    test('database and uploadFile stay those of WeChat', () => {
      const { wx } = start()
      assert.equal(wx.cloud.database().collection('todos'), "collection todos of WeChat's cloud")
      assert.equal(wx.cloud.uploadFile(), 'uploaded to WeChat')
      assert.equal(wx.cloud.initialized, true)
    })
  })
}
